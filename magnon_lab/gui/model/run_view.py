"""One run file read for the windows: what is new since the last look, as a new snapshot."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from magnon_lab.gui.model.bench_text import read_facts
from magnon_lab.gui.model.curve import Axis
from magnon_lab.gui.model.knob_use import Knobs
from magnon_lab.gui.model.scores import Evaluations
from magnon_lab.gui.model.snapshot import Reading, Snapshot
from magnon_lab.gui.model.steps import Steps
from magnon_lab.gui.model.traces import Drifting, Traces
from magnon_lab.gui.model.twin_rounds import rounds_of
from magnon_lab.runs import Event, RunError
from magnon_lab.runs.viewing import RunViewer

__all__ = ["RunView", "Snapshot"]

#: Entries of the journal that are kept, and how often (s) a file that cannot be read is tried.
EVENTS, TRY_AGAIN_S = 200, 1.0


class RunView:
    """A run as the windows see it.

    `snapshot` is replaced as a whole by `look`, which one thread calls; `zoom` may be called from
    any thread, and calls `on_zoom` in it.
    """

    def __init__(self, folder: Path, on_zoom: Callable[[], object] = lambda: None) -> None:
        self.folder = folder
        self._on_zoom = on_zoom
        self.snapshot = Snapshot(folder)
        self._viewer: RunViewer | None = None
        self._tried = -math.inf
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Forget all that was read."""
        self._version = -1
        self._steps, self._traces, self._drifting = Steps(), Traces(), Drifting()
        self._knobs, self._evaluations = Knobs(), Evaluations()
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._last_event = 0

    def zoom(self, axis: Axis, low: float, high: float) -> None:
        """Ask for more detail in a range of an axis; a later snapshot has it."""
        self._steps.zoom(axis, low, high)
        self._on_zoom()

    @property
    def behind(self) -> bool:
        """Whether there is more to read at once, without waiting for the run."""
        return self._viewer is not None and (
            self._steps.behind or self._knobs.behind or self._drifting.behind
        )

    def look(self, budget_s: float = 0.05) -> bool:
        """Read what is new, for about `budget_s`; whether `snapshot` is another one now.

        A file that cannot be read is told in the snapshot, which keeps what was known before.
        """
        try:
            found = self._look(time.perf_counter() + budget_s)
        except RunError as error:
            self.close()
            found = {"error": str(error)}
            if self.snapshot.error == str(error):
                return False
        if not found:
            return False
        self.snapshot = dataclasses.replace(self.snapshot, **found)
        return True

    def _look(self, deadline: float) -> dict[str, Any]:
        """Return the fields of the snapshot that changed."""
        if self._viewer is None:
            if time.monotonic() - self._tried < TRY_AGAIN_S:
                return {}
            self._tried = time.monotonic()
            self._viewer = RunViewer.open(self.folder)
            self._begin_anew()
        viewer = self._viewer
        viewer.check_there()
        version = viewer.version()
        if version == self._version and not self.behind:
            return self._status(viewer)
        found = {} if version == self._version else self._about(viewer)
        self._version = version
        found |= self._data(viewer, {**self.snapshot.info, **found.get("info", {})}, deadline)
        found["error"] = ""
        return found

    def _status(self, viewer: RunViewer) -> dict[str, Any]:
        """Return the status if it changed: a process can end without a word in its file."""
        status = viewer.status
        if status == self.snapshot.status:
            return {}
        return {"status": status, "info": {**self.snapshot.info, "status": status}}

    def _about(self, viewer: RunViewer) -> dict[str, Any]:
        info = viewer.info()
        twin = {"twin": rounds_of(viewer.events("twin"))} if self._journal(viewer) else {}
        if info["status"] == "running" and self.snapshot.status == "paused":
            self._traces = Traces()  # what was cut short by the pause is measured anew
        measured, bench_time_s = viewer.used()
        running = info["status"] == "running"
        return {
            "id": info["id"],
            "status": info["status"],
            "procedure": info["procedure"],
            "simulated": info["simulated"],
            "info": info,
            "bench": read_facts(info["bench"]),
            "ring_measurements": measured,
            "bench_time_s": bench_time_s,
            "reading": _reading(viewer),
            "part_done": viewer.part_done(),
            "eta_s": viewer.eta_s() if running else math.nan,
            "loss_kind": viewer.loss_kind(),
            "resumable": viewer.resumable(),
            "events": tuple(self._events),
            **twin,
        }

    def _journal(self, viewer: RunViewer) -> bool:
        """Read the journal; where the run was taken back to go on, everything else anew.

        Return whether it may tell anything new of a twin.
        """
        new = viewer.events_after(self._last_event, EVENTS)
        known = self._version >= 0  # whether anything was read before
        if new:
            self._last_event = new[-1][0]
            self._events.extend(event for _, event in new)
        if known and any(event.kind == "resume" for _, event in new):
            events, last = self._events, self._last_event
            self._begin_anew()
            self._events, self._last_event = events, last
        return not known or any(event.kind == "twin" for _, event in new)

    def _data(self, viewer: RunViewer, info: Mapping[str, Any], deadline: float) -> dict[str, Any]:
        """Read data, what is looked at first before what takes long."""
        found: dict[str, Any] = {}
        if self._traces.read(viewer, info):
            traces = self._traces
            found |= {
                "trace": traces.trace,
                "waterfall": traces.waterfall,
                "overview": traces.overview,
            }
        if self._evaluations.read(viewer):
            scores = self._evaluations
            found |= {"evaluations": scores.scores, "confusions": scores.confusions}
        if self._steps.read(viewer, deadline):
            found |= {"curves": self._steps.curves, "steps": self._steps.count}
        if self._steps.complete != self.snapshot.complete:
            found["complete"] = self._steps.complete
        if not self._steps.behind:
            if self._drifting.read(viewer):
                found["drift"] = self._drifting.drift
            facts = read_facts(info["bench"])
            if self._knobs.read(viewer, facts, deadline):
                found["knob_use"] = self._knobs.use
        return found

    def close(self) -> None:
        """Close the file; a later look opens it again."""
        if self._viewer is not None:
            self._viewer.close()
            self._viewer = None


def _reading(viewer: RunViewer) -> Reading | None:
    found = viewer.measurements(columns=("number", "requested", "realised"), newest=1)
    if not len(found["number"]) or found["number"][0] < 0:
        return None
    names = viewer.knobs()
    requested, realised = (
        dict(zip(names, found[column][0].tolist(), strict=True))
        for column in ("requested", "realised")
    )
    asked = {name: value for name, value in requested.items() if math.isfinite(value)}
    return Reading(int(found["number"][0]), asked, {name: realised[name] for name in asked})
