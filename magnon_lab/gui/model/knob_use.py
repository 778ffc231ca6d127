"""How a run uses its knobs: histograms of what it asked for, in the knob's range."""

from __future__ import annotations

import math
import time

import numpy as np

from magnon_lab.gui.model.bench_text import BenchFacts, Range
from magnon_lab.gui.model.curve import Array
from magnon_lab.gui.model.snapshot import KnobUse
from magnon_lab.runs.viewing import RunViewer

BINS = 50
#: Measurements read in one go, and those that count as the newest.
CHUNK, RECENT = 10_000, 1000
#: This near an end of the range, as a part of it, a setting lies at the end.
AT_END = 1e-6


class _Histogram:
    """Counts of one quantity in bins over a range; `fits` before it is `add`ed to."""

    def __init__(self, low: float, high: float, step: float, knob: Range | None) -> None:
        # What is set to one value alone still needs bins of some width.
        width = (high - low) or max(abs(low), 1.0) * 1e-3
        self.edges: Array = np.linspace(low, low + width, BINS + 1)
        if step > width / BINS:  # a bin for each value that the instrument can make
            self.edges = low + step * (np.arange(round(width / step) + 2, dtype=np.float64) - 0.5)
        self.knob = knob
        # What leaves the knob's range on purpose, as a sweep does, is not clipped at its ends.
        self._clips = knob == (low, high)
        self.counts = np.zeros(len(self.edges) - 1, dtype=np.int64)
        self.low = self.high = self.all = 0
        self._recent: Array = np.empty(0)

    def fits(self, values: Array) -> bool:
        slack = AT_END * (self.edges[-1] - self.edges[0])
        return bool(
            values.min() >= self.edges[0] - slack and values.max() <= self.edges[-1] + slack
        )

    def _counted(self, values: Array) -> tuple[np.ndarray, int, int]:
        inside = np.clip(values, self.edges[0], self.edges[-1])
        counts = np.histogram(inside, self.edges)[0]
        if self.knob is None or not self._clips:
            return counts, 0, 0
        slack = AT_END * (self.knob[1] - self.knob[0])
        at_low = int((values <= self.knob[0] + slack).sum())
        return counts, at_low, int((values >= self.knob[1] - slack).sum())

    def add(self, values: Array) -> None:
        counts, low, high = self._counted(values)
        self.counts = self.counts + counts
        self.low, self.high, self.all = self.low + low, self.high + high, self.all + len(values)
        self._recent = np.concatenate((self._recent, values))[-RECENT:]

    def use(self, quantity: str, limits: Range | None) -> KnobUse:
        recent, low, high = self._counted(self._recent)
        newest, every = float(max(1, len(self._recent))), float(max(1, self.all))
        if not self._clips:
            newest = every = math.nan  # so that the shares are
        return KnobUse(
            quantity=quantity,
            edges=self.edges,
            counts=self.counts,
            recent=recent,
            at_low=self.low / every,
            at_high=self.high / every,
            recent_at_low=low / newest,
            recent_at_high=high / newest,
            knob=self.knob,
            limits=limits,
        )


class Knobs:
    """The use of all knobs of a run; `read` takes in some of what was asked for since."""

    def __init__(self) -> None:
        self.use: tuple[KnobUse, ...] = ()
        self.behind = False
        self._next = 0
        self._found: dict[str, _Histogram] = {}
        self._seen: dict[str, Range] = {}
        self._steps: dict[str, float] = {}

    def read(self, viewer: RunViewer, facts: BenchFacts, deadline: float) -> bool:
        """Take in what was asked for, until `deadline` (by time.perf_counter)."""
        last = viewer.last_number()
        before = self._next
        while self._next <= last:
            end = min(last, self._next + CHUNK - 1)
            if self._take(viewer, facts, end):
                self._next = end + 1
            if time.perf_counter() > deadline:
                break
        self.behind = self._next <= last
        if self._next == before:
            return False
        self.use = tuple(
            found.use(quantity, facts.limits.get(quantity))
            for quantity, found in self._found.items()
        )
        return True

    def _take(self, viewer: RunViewer, facts: BenchFacts, end: int) -> bool:
        """Count one chunk; False if the range was too small, and counting begins anew."""
        for knobs, table in viewer.requested(self._next, end).items():
            for column, quantity in enumerate(knobs):
                values = table[:, column]
                values = values[np.isfinite(values)]
                if not len(values):
                    continue
                low, high = self._seen.get(quantity, (math.inf, -math.inf))
                self._seen[quantity] = (min(low, values.min()), max(high, values.max()))
                if quantity not in self._found:
                    self._steps[quantity] = _step(values)
                    self._found[quantity] = self._made(quantity, facts)
                if not self._found[quantity].fits(values):
                    self._found = {name: self._made(name, facts) for name in self._seen}
                    self._next = 0
                    return False
                self._found[quantity].add(values)
        return True

    def _made(self, quantity: str, facts: BenchFacts) -> _Histogram:
        """Return an empty histogram over the smallest range that holds all that was seen.

        That is the knob's, or what the bench allows, or what was asked for.
        """
        low, high = self._seen[quantity]
        knob, limits = facts.knobs.get(quantity), facts.limits.get(quantity)
        margin = 0.25 * (high - low)  # so that a sweep does not begin anew with every point
        for known in (knob, limits, (low - margin, high + margin)):
            if known is not None:
                slack = AT_END * (known[1] - known[0])
                if known[0] - slack <= low and high <= known[1] + slack:
                    return _Histogram(*known, self._steps[quantity], knob)
        raise AssertionError("the last range holds what was seen")


def _step(values: Array) -> float:
    """Return the smallest step between values, 0 where there are not two of them."""
    different = np.unique(np.round(values, 9))
    return float(np.diff(different).min()) if len(different) > 1 else 0.0
