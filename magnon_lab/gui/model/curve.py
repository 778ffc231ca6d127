"""Figures of a run's steps as curves: thinned out without losing a spike, growing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from magnon_lab.runs.viewing import FIGURES, StepParts

Array = NDArray[np.float64]

Axis = Literal["step", "ring_measurements", "bench_time_s"]
AXES: tuple[Axis, ...] = get_args(Axis)

#: Most buckets of a curve: more than a window has columns for it.
CAPACITY = 2048


@dataclass(frozen=True, eq=False)
class Curve:
    """One figure of the steps, summed up in n buckets of steps that follow one another.

    x: by axis (n,), at the last step of each bucket, NaN where that is not known; low, high, mean
    (n,); count (n,): steps in each bucket.
    """

    x: Mapping[Axis, Array]
    low: Array
    high: Array
    mean: Array
    count: NDArray[np.int64]

    @property
    def known(self) -> bool:
        """Whether there is anything to draw."""
        return bool(np.isfinite(self.mean).any())

    def line(self, axis: Axis) -> tuple[Array, Array]:
        """Return x and y of a line that shows every extreme, (m,): low and high of each bucket."""
        x = self.x[axis]
        if len(x) and self.count.max() == 1:
            return x, self.mean
        # High first and low first by turns, so that neighbours are joined at the same side.
        pairs = np.column_stack((self.low, self.high))
        pairs[1::2] = pairs[1::2, ::-1]
        return np.repeat(x, 2), pairs.ravel()

    def smoothed(self, weight: float) -> Array:
        """Return the exponential moving average over steps, (n,).

        weight 0..1: what each step keeps of the average before it; its time constant is
        -1 / ln(weight) steps. Corrected for the beginning (Kingma and Ba, arXiv 1412.6980, 3), and
        taken over the means of the buckets. NaN stays where nothing is known.
        """
        if weight <= 0:
            return self.mean
        known = np.isfinite(self.mean)
        decay = np.exp(math.log(weight) * self.count[known])
        result = np.full(len(self.mean), np.nan)
        result[known] = _ema(self.mean[known], decay)
        return result


def _ema(values: Array, decay: Array) -> Array:
    average, norm = 0.0, 0.0
    result = np.empty(len(values))
    for index, (value, keep) in enumerate(zip(values.tolist(), decay.tolist(), strict=True)):
        average = keep * average + (1 - keep) * value
        norm = keep * norm + (1 - keep)
        result[index] = average / norm
    return result


def size_for(steps: int, capacity: int = CAPACITY) -> int:
    """Return how many steps (a power of two) a bucket needs so that `steps` find room."""
    return 1 << max(0, math.ceil(math.log2(max(1, steps) / capacity)))


class Thinned:
    """Buckets of steps that grow: as they get more than `capacity`, each two become one."""

    def __init__(self, size: int = 1, capacity: int = CAPACITY) -> None:
        self.size = size
        self._capacity = capacity
        self.parts = StepParts.none()

    @property
    def last(self) -> int:
        """The last step taken in, -1 before there is one."""
        return int(self.parts.last[-1]) if len(self.parts.last) else -1

    def add(self, new: StepParts) -> None:
        """Take in parts that come after all before them, none longer than a bucket."""
        if not len(new.last):
            return
        # Only the last bucket can be one that is not full.
        kept, tail = self.parts.chosen(slice(None, -1)), self.parts.chosen(slice(-1, None))
        tail = _merged(StepParts.joined([tail, new]), self.size)
        self.parts = StepParts.joined([kept, tail])
        while len(self.parts.last) > self._capacity:
            self.size *= 2
            self.parts = _merged(self.parts, self.size)


def _merged(parts: StepParts, size: int) -> StepParts:
    """Join parts whose last steps lie in the same bucket of `size` steps."""
    bucket: NDArray[np.int64] = parts.last // size
    starts = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1))
    if len(starts) == len(bucket):
        return parts
    ends = np.append(starts[1:], len(bucket)) - 1
    known = np.isfinite(parts.mean)
    weight = known * parts.steps[:, None]
    total = np.add.reduceat(np.where(known, parts.mean, 0.0) * weight, starts)
    with np.errstate(invalid="ignore"):
        mean = total / np.add.reduceat(weight, starts)
    return StepParts(
        parts.last[ends],
        np.add.reduceat(parts.steps, starts),
        parts.ring_measurements[ends],
        parts.bench_time_s[ends],
        np.fmin.reduceat(parts.low, starts),
        np.fmax.reduceat(parts.high, starts),
        mean,
    )


def curves_of(parts: StepParts) -> dict[str, Curve]:
    """Return the curve of each figure that is known of some step."""
    x: dict[Axis, Array] = {
        "step": parts.last.astype(np.float64),
        "ring_measurements": parts.ring_measurements,
        "bench_time_s": parts.bench_time_s,
    }
    known = np.flatnonzero(np.isfinite(parts.mean).any(axis=0)).tolist()
    return {
        FIGURES[i]: Curve(x, parts.low[:, i], parts.high[:, i], parts.mean[:, i], parts.steps)
        for i in known
    }
