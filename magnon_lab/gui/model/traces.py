"""Traces of a run: the newest, the last some hundred, some of the whole run, and the references."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magnon_lab.gui.model.curve import Array
from magnon_lab.gui.model.peaks import peaks
from magnon_lab.gui.model.snapshot import Drift, Trace, Waterfall
from magnon_lab.gui.model.units import QUANTITIES
from magnon_lab.runs.viewing import RunViewer, TraceRow

#: Traces in an image, and most columns that it has.
ROWS, COLUMNS = 256, 1024
#: Part of its measurements by which a run grows until its overview is made anew.
GROWTH = 0.03
#: References read in one go, and most that are kept.
REFERENCES, MOST_REFERENCES = 500, 8192

_OVERLOAD, _UNLEVELLED, _RETRIED = 1, 2, 4  # flags of a measurement in the run file


class Traces:
    """The newest traces of a run; `read` tells whether there are new ones."""

    def __init__(self) -> None:
        self.trace: Trace | None = None
        self.waterfall: Waterfall | None = None
        self.overview: Waterfall | None = None
        self._newest: deque[TraceRow] = deque(maxlen=ROWS)
        self._last = -1
        self._overview_at = 0

    def read(self, viewer: RunViewer, info: Mapping[str, Any]) -> bool:
        """Take in what was measured since the last time."""
        last, keep = viewer.last_number(), info["keep"]
        if last <= self._last or keep == "none" or not viewer.traces_kept():
            return False
        every = keep if isinstance(keep, int) else 1
        newest = range(last // every * every, self._last, -every)[:ROWS]
        rows = viewer.traces(newest)
        self._last = last
        if not rows:
            return False
        points = len(rows[-1].trace_dbm)
        if self._newest and len(self._newest[-1].trace_dbm) != points:
            self._newest.clear()
        self._newest.extend(row for row in rows if len(row.trace_dbm) == points)
        frequencies = _frequencies(viewer, rows[-1])
        self.trace = _trace(rows[-1], frequencies, info["configuration"])
        self.waterfall = _waterfall(self._newest, frequencies)
        if last > (1 + GROWTH) * self._overview_at:
            self._overview_at = last
            numbers = np.linspace(0, last // every, min(ROWS, last // every + 1)).astype(np.int64)
            spread = viewer.traces((np.unique(numbers) * every).tolist())
            self.overview = _waterfall(
                [row for row in spread if len(row.trace_dbm) == points],
                frequencies,
            )
        return True


def _frequencies(viewer: RunViewer, row: TraceRow) -> Array:
    """Return the frequencies of a trace's points, or their numbers where those are not known."""
    found = viewer.frequencies_hz
    points = len(row.trace_dbm)
    return found if found is not None and len(found) == points else np.arange(float(points))


def _trace(row: TraceRow, frequencies: Array, configuration: Mapping[str, Any]) -> Trace:
    held = {
        name: float(value)
        for name in QUANTITIES
        if isinstance(value := configuration.get(name), int | float)
    }
    asked = dict(zip(row.knobs, row.requested.tolist(), strict=True))
    return Trace(
        number=row.number,
        purpose=row.purpose,
        bench_time_s=row.bench_time_s,
        frequencies_hz=frequencies,
        trace_dbm=row.trace_dbm,
        settings={**held, **asked},
        overload=bool(row.flags & _OVERLOAD),
        unlevelled=bool(row.flags & _UNLEVELLED),
        retried=bool(row.flags & _RETRIED),
        peaks=tuple(peaks(frequencies, row.trace_dbm)),
    )


def _waterfall(rows: Sequence[TraceRow] | deque[TraceRow], frequencies: Array) -> Waterfall:
    image = _thinned(np.stack([row.trace_dbm for row in rows]))
    swept, values = _swept(rows)
    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, (2, 99.9)) if len(finite) else (-100.0, 0.0)
    return Waterfall(
        numbers=np.array([row.number for row in rows], dtype=np.int64),
        image_dbm=image,
        low_hz=float(frequencies[0]),
        high_hz=float(frequencies[-1]),
        swept=swept,
        values=values,
        levels_dbm=(float(low), float(max(high, low + 1))),
    )


def _thinned(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image of not much more than `COLUMNS` columns; of neighbours the highest stays."""
    group = image.shape[1] // COLUMNS
    if group < 2:
        return image
    starts = np.arange(0, image.shape[1], group)
    thinned: NDArray[np.float32] = np.maximum.reduceat(image, starts, axis=1)
    return thinned


def _swept(rows: Iterable[TraceRow]) -> tuple[str, Array]:
    """Return the one quantity that goes up or down through all rows, and its values."""
    found = list(rows)
    numbers = np.array([float(row.number) for row in found])
    if len({row.knobs for row in found}) > 1 or len(found) < 3:
        return "", numbers
    asked = np.stack([row.requested for row in found])
    changing = [k for k in range(asked.shape[1]) if np.ptp(asked[:, k]) > 0]
    if len(changing) != 1:
        return "", numbers
    values = asked[:, changing[0]]
    steps = np.diff(values)
    if not ((steps > 0).all() or (steps < 0).all()):
        return "", numbers
    return found[0].knobs[changing[0]], values


class Drifting:
    """What the references of a run tell; `read` takes in new ones."""

    def __init__(self) -> None:
        self.drift: Drift | None = None
        self.behind = False
        self._first: Array | None = None
        self._last = 0
        self._rows: list[tuple[float, float, float, float, float]] = []

    def read(self, viewer: RunViewer) -> bool:
        """Take in some of the references that came since the last time."""
        rows = viewer.references(self._last, REFERENCES)
        self.behind = len(rows) == REFERENCES
        if not rows:
            return False
        self._last = rows[-1].number
        if self._first is None:
            self._first = rows[0].trace_dbm.astype(np.float64)
        frequencies = _frequencies(viewer, rows[0])
        for row in rows:
            if len(row.trace_dbm) != len(self._first):
                continue
            trace = row.trace_dbm.astype(np.float64)
            lines = peaks(frequencies, row.trace_dbm)
            strongest = max(lines, key=lambda line: line.power_dbm, default=None)
            level = 10 * np.log10(np.mean(10 ** (trace / 10)))
            deviation = np.sqrt(np.mean((trace - self._first) ** 2))
            mode = np.nan if strongest is None else strongest.frequency_hz
            self._rows.append((row.bench_time_s, -1 - row.number, level, deviation, mode))
        if len(self._rows) > MOST_REFERENCES:
            del self._rows[1::2]
        table = np.array(self._rows)
        self.drift = Drift(
            table[:, 0], table[:, 1].astype(np.int64), table[:, 2], table[:, 3], table[:, 4]
        )
        return True
