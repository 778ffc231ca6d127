"""Hand mode as a window shows it: what can be turned, what came of it, and the live sweep."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from magnon_lab.bench import BenchFile
from magnon_lab.gui.model.bench_view import LIVE
from magnon_lab.gui.model.gauge import Gauge, quantity_gauge
from magnon_lab.gui.model.snapshot import Snapshot
from magnon_lab.runs import Event, RunFile

PROCEDURE = "hand"
DRIVE = "drive"

STEPS = 100
"""Steps between the limits of a quantity that its instrument turns without any, about."""

Sign = Literal["", "waiting", "ok", "refused"]


@dataclass(frozen=True)
class Note:
    """What came of the last request for a quantity."""

    sign: Sign = ""
    text: str = ""


@dataclass(frozen=True)
class Row:
    """One quantity that can be turned: its gauge, the step of its box in its unit, a note."""

    gauge: Gauge
    step: float
    decimals: int
    note: Note = Note()


def ask(folder: Path, kind: str, data: Mapping[str, Any]) -> int:
    """Ask something of the run in a folder; return the request's number.

    A short transaction on its file: it may wait for who is just writing. Raises `RunError`.
    """
    with RunFile.open(folder) as run:
        return run.request(kind, data)


class HandView:
    """Rows for the quantities of a bench, and the run in hand mode that turns them, if one does."""

    def __init__(self, bench_file: BenchFile) -> None:
        self.bench_file = bench_file
        self.run: Snapshot | None = None
        """The run in hand mode, while it is alive."""
        self.drive_on = False
        self.drive_note = Note()
        self._notes: dict[str, Note] = {}
        self._waiting: dict[str, int] = {}  # by quantity, the request; 0 while it is being written

    @property
    def rows(self) -> tuple[Row, ...]:
        """One row a quantity of the bench."""
        return tuple(self._row(name) for name in self.bench_file.quantities)

    def _row(self, quantity: str) -> Row:
        reading = None if self.run is None else self.run.reading
        asked = {} if reading is None else reading.requested
        found = {} if reading is None else reading.realised
        gauge = quantity_gauge(
            self.bench_file,
            quantity,
            asked.get(quantity, math.nan),
            found.get(quantity, math.nan),
        )
        step = step_of(gauge, self.bench_file.step(quantity))
        least = 6 if gauge.unit == "GHz" else 2  # to the kHz
        decimals = max(least, 1 - math.floor(math.log10(step)))
        return Row(gauge, step, decimals, self._notes.get(quantity, Note()))

    def begin(self, quantity: str) -> float:
        """Return where the box of a quantity stands before there is a run, in its unit."""
        held = self.bench_file.hold.get(quantity, self.bench_file.idle(quantity))
        return held * quantity_gauge(self.bench_file, quantity).factor

    # What comes in

    def take(self, snapshot: Snapshot | None) -> None:
        """Take in the run that is looked at; any but a living one in hand mode is none."""
        if snapshot is None or snapshot.procedure != PROCEDURE or snapshot.status not in LIVE:
            self.run = None
            self._waiting.clear()
            self._notes.clear()
            self.drive_note = Note()
            return
        if self.run is not None and self.run.id != snapshot.id:
            self._notes.clear()
            self._waiting.clear()
        self.run = snapshot
        self.drive_on = bool(snapshot.configuration.get("drive_on", False))
        notes: dict[str, Note] = {}
        for event in snapshot.events:
            if event.kind == "set":
                self._take_event(event, notes, snapshot.status == "paused")
        self._notes = notes | {name: self._notes[name] for name in self._waiting}
        self.drive_note = self._notes.get(DRIVE, Note())

    def _take_event(self, event: Event, notes: dict[str, Note], paused: bool) -> None:
        asked: Mapping[str, Any] = event.data.get("asked", {})
        requests = event.data.get("requests", ())
        for name in asked:
            if self._waiting.get(name) in requests:
                del self._waiting[name]
            notes[name] = self._note(name, event, paused)
        if event.data.get("ok") is not False and DRIVE in asked:
            self.drive_on = bool(asked[DRIVE])

    def _note(self, name: str, event: Event, paused: bool) -> Note:
        if event.phase == "intent":
            later = "accepted, turned when the run goes on" if paused else "turning …"
            return Note("waiting", later)
        if event.data.get("ok") is False:
            return Note("refused", f"refused: {event.data.get('why', '')}")
        at = time.strftime("%H:%M:%S", time.localtime(event.time))
        idle = ", the drive is off" if name == "drive_power_dbm" and not self.drive_on else ""
        return Note("ok", f"set at {at}{idle}")

    def asking(self, data: Mapping[str, Any]) -> None:
        """Note that a request is being written."""
        for name in data:
            self._waiting[name] = 0
            self._notes[name] = Note("waiting", "asking …")
        self.drive_note = self._notes.get(DRIVE, Note())

    def asked(self, data: Mapping[str, Any], request: int) -> None:
        """Note that a request was written; what comes of it is told by the run."""
        for name in data:
            if self._waiting.get(name) == 0:
                self._waiting[name] = request
        self.take(self.run)  # which may have answered already

    def failed(self, data: Mapping[str, Any], why: str) -> None:
        """Note that a request could not be written."""
        for name in data:
            self._waiting.pop(name, None)
            self._notes[name] = Note("refused", why)
        self.drive_note = self._notes.get(DRIVE, Note())

    # What is told

    @property
    def ends_at(self) -> float:
        """When the run ends by itself if nothing is asked (seconds since 1970), NaN if unknown."""
        if self.run is None:
            return math.nan
        asked = [event.time for event in self.run.events if event.kind in ("set", "request")]
        started = self.run.info.get("started") or math.nan
        minutes = self.run.configuration.get("idle_min", math.nan)
        return float(max([started, *asked]) + 60 * minutes)

    def headline(self, other: Snapshot | None = None, now: float | None = None) -> str:
        """Return what hand mode is doing; `other` is a run that has the bench."""
        run = self.run
        if run is None:
            if other is not None and other.status in LIVE:
                return f"Run {other.id} has the bench. Hand mode can start when it has ended."
            return (
                "Hand mode is off. Starting it switches the bench on, the loop wide open, and "
                "sweeps. It is a run: guarded, recorded, and safe at its end."
            )
        if run.status == "paused":
            message = run.info.get("message", "")
            return f"Run {run.id} waits in standby: {message}. What is set now is turned later."
        left_s = self.ends_at - (time.time() if now is None else now)
        if math.isnan(left_s):
            return f"Run {run.id} sweeps."
        at = time.strftime("%H:%M", time.localtime(self.ends_at))
        return (
            f"Run {run.id} sweeps. Unless something is asked it ends by itself at {at}, "
            f"in {max(0.0, left_s) / 60:.0f} min, and makes the bench safe."
        )


def step_of(gauge: Gauge, own: float) -> float:
    """Return the step of a quantity's box, in its unit.

    It is the instrument's `own` (as stored) if it has one, else 1, 2 or 5 times a power of ten so
    that about `STEPS` of them cover the knob's range, or else the limits.
    """
    if own > 0:
        return own * gauge.factor
    low, high = (gauge.low, gauge.high) if gauge.knob is None else (gauge.knob.low, gauge.knob.high)
    rough = max((high - low) * gauge.factor, 1e-9) / STEPS
    power = 10.0 ** math.floor(math.log10(rough))
    return float(next((size * power for size in (1, 2, 5) if rough <= size * power), 10 * power))
