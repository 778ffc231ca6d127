"""The steps of a run file taken in little by little: first a sample, then all, then detail."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np

from magnon_lab.gui.model.curve import (
    CAPACITY,
    Axis,
    Curve,
    Thinned,
    curves_of,
    size_for,
)
from magnon_lab.runs.viewing import RunViewer, StepParts

#: Up to so many steps are read one by one, and about so many summed up in one go.
ROWS, CHUNK = 1000, 20_000
#: Single steps that a long run is first shown by.
SAMPLE = 1000
#: Steps from which a run counts as long.
LONG = 40_000


class _Span:
    """Steps from `first` and below `end`, being taken in."""

    def __init__(self, first: int, end: float, size: int) -> None:
        self.first, self.end = first, end
        self.thinned = Thinned(size)
        self.next = first

    def read(self, viewer: RunViewer, last: int, deadline: float) -> bool:
        """Take in steps up to `last`, until `deadline` (by time.perf_counter); whether any came."""
        end = int(min(self.end, last + 1))
        before = self.next
        while self.next < end:
            size = self.thinned.size
            if end - self.next <= ROWS or size == 1:
                upto = min(end, self.next + CHUNK // 4)
                self.thinned.add(viewer.step_rows(self.next, upto, upto - self.next))
            else:
                upto = min(end, (self.next // size + max(1, CHUNK // size)) * size)
                self.thinned.add(viewer.step_parts(self.next, upto, size))
            self.next = upto
            if time.perf_counter() > deadline:
                break
        return self.next > before

    def behind(self, last: int) -> bool:
        return self.next < min(self.end, last + 1)


class Steps:
    """The curves of a run: `read` takes in what is new and tells whether `curves` changed."""

    def __init__(self) -> None:
        self.curves: Mapping[str, Curve] = {}
        self.count = 0
        self._last = -1
        self._all: _Span | None = None
        self._detail: _Span | None = None
        self._sample = StepParts.none()
        self._zoom: tuple[Axis, float, float] | None = None
        self._zoomed: tuple[Axis, float, float] | None = None

    @property
    def behind(self) -> bool:
        """Whether there is more to read at once."""
        if self._all is None:
            return False
        detail = self._detail
        return (
            self._zoom != self._zoomed
            or self._all.behind(self._last)
            or (detail is not None and detail.behind(self._last))
        )

    @property
    def complete(self) -> bool:
        """Whether the curves hold every step that was there."""
        return self._all is None or not self._all.behind(self._last)

    def zoom(self, axis: Axis, low: float, high: float) -> None:
        """Ask for more detail between two values of an axis; may be called from any thread."""
        self._zoom = (axis, low, high)

    def read(self, viewer: RunViewer, deadline: float) -> bool:
        """Take in new steps until `deadline` (by time.perf_counter)."""
        ends = viewer.ends()
        if ends is None:
            return False
        first, self._last = ends
        self.count = self._last - first + 1
        changed = False
        if self._all is None:
            self._all = _Span(first, math.inf, size_for(self.count))
            if self.count > LONG:
                self._sample = viewer.step_sample(first, self._last + 1, SAMPLE)
                changed = True
        if not changed:  # a sample is shown before anything else is read
            changed = self._all.read(viewer, self._last, deadline)
            changed |= self._look_closer(viewer, deadline)
        if changed:
            self.curves = curves_of(self._parts())
        return changed

    def _look_closer(self, viewer: RunViewer, deadline: float) -> bool:
        """Read the detail that was asked for; whether there is anything new in it."""
        assert self._all is not None
        if self._all.behind(self._last):
            return False
        dropped = False
        if self._zoom != self._zoomed or self._outgrown():
            self._zoomed = self._zoom
            dropped = self._detail is not None
            self._detail = self._span_of(self._zoomed)
        if self._detail is None:
            return dropped
        return self._detail.read(viewer, self._last, deadline) or dropped

    def _outgrown(self) -> bool:
        """Whether buckets have grown, so that edges of the detail lie elsewhere."""
        detail, whole = self._detail, self._all
        assert whole is not None
        if detail is None:
            return False
        size = whole.thinned.size
        return detail.thinned.size >= size or bool(detail.first % size)

    def _span_of(self, zoom: tuple[Axis, float, float] | None) -> _Span | None:
        assert self._all is not None
        size, parts = self._all.thinned.size, self._all.thinned.parts
        if zoom is None or size == 1:
            return None
        axis, low, high = zoom
        x = parts.last if axis == "step" else getattr(parts, axis)
        inside = np.flatnonzero((x >= low) & (x <= high))
        if not len(inside):
            return None
        # A bucket is placed by its last step, so the one after the range still reaches into it.
        first = int(parts.last[inside[0]]) // size * size
        open_end = inside[-1] + 2 >= len(x)
        end = math.inf if open_end else (int(parts.last[inside[-1] + 1]) // size + 1) * size
        finer = size_for(int(min(end, self._last + 1)) - first, CAPACITY // 2)
        return _Span(first, end, finer) if finer < size else None

    def _parts(self) -> StepParts:
        """Return all that is known, each step by the best that there is of it."""
        assert self._all is not None
        parts = self._all.thinned.parts
        pieces = [parts]
        detail = self._detail
        if detail is not None and detail.next > detail.first:
            inside = detail.thinned.parts
            before, after = parts.last < detail.first, parts.last >= detail.next
            pieces = [parts.chosen(before), inside, parts.chosen(after)]
        if self._all.behind(self._last):
            pieces.append(self._sample.chosen(self._sample.last >= self._all.next))
        return StepParts.joined(pieces)
