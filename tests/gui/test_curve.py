"""Curves that are thinned out without losing a spike."""

from __future__ import annotations

import math

import numpy as np
import pytest

from magnon_lab.gui.model.curve import Curve, Thinned, curves_of, size_for
from magnon_lab.runs.viewing import FIGURES, StepParts

LOSS = FIGURES.index("loss")


def parts(steps: np.ndarray, loss: np.ndarray) -> StepParts:
    figures = np.full((len(steps), len(FIGURES)), np.nan)
    figures[:, LOSS] = loss
    ones = np.ones(len(steps), dtype=np.int64)
    return StepParts(steps, ones, 4.0 * steps, 0.5 * steps, figures, figures, figures)


def grown(loss: np.ndarray, capacity: int, pieces: list[int]) -> Thinned:
    """Take in steps from 1 on, in pieces of some lengths again and again."""
    thinned = Thinned(capacity=capacity)
    at, index = 0, 0
    while at < len(loss):
        end = min(len(loss), at + pieces[index % len(pieces)])
        thinned.add(parts(np.arange(at + 1, end + 1), loss[at:end]))
        at, index = end, index + 1
    return thinned


def curve(values: list[float], count: list[int] | None = None) -> Curve:
    mean = np.array(values)
    steps = np.arange(1.0, len(values) + 1)
    x = {"step": steps, "ring_measurements": 4 * steps, "bench_time_s": 0.5 * steps}
    return Curve(x, mean, mean, mean, np.array(count or [1] * len(values)))  # type: ignore[arg-type]


@pytest.mark.parametrize("pieces", [[1], [7, 1, 30], [1000]])
@pytest.mark.parametrize("length", [1, 15, 16, 17, 1000])
def test_buckets_are_what_numpy_makes_of_the_steps(length, pieces):
    loss = np.random.default_rng(length).normal(size=length)
    loss[length // 2] = 1e6
    thinned = grown(loss, 16, pieces)
    steps = np.arange(1, length + 1)
    bucket = steps // thinned.size
    assert len(thinned.parts.last) == len(np.unique(bucket)) <= 16
    found = curves_of(thinned.parts)["loss"]
    for at, which in enumerate(np.unique(bucket)):
        inside = loss[bucket == which]
        assert found.low[at] == inside.min()
        assert found.high[at] == inside.max()
        assert found.mean[at] == pytest.approx(inside.mean())
        assert found.count[at] == len(inside)
        last = steps[bucket == which][-1]
        assert [found.x[axis][at] for axis in found.x] == [last, 4 * last, 0.5 * last]


def test_the_line_goes_through_every_extreme():
    loss = np.random.default_rng(1).normal(size=500)
    found = curves_of(grown(loss, 32, [13]).parts)["loss"]
    x, y = found.line("step")
    assert len(x) == len(y) == 2 * len(found.mean)
    assert y.max() == loss.max()
    assert y.min() == loss.min()
    for low, high, at in zip(found.low, found.high, found.x["step"], strict=True):
        assert sorted(y[x == at]) == [low, high]


def test_single_steps_are_drawn_as_they_are():
    x, y = curve([3.0, 1.0, 2.0]).line("ring_measurements")
    assert x.tolist() == [4, 8, 12]
    assert y.tolist() == [3, 1, 2]


def test_what_is_unknown_stays_unknown():
    loss = np.array([math.nan, 1.0, math.nan, math.nan, 3.0, math.nan])
    thinned = Thinned(size=2)
    thinned.add(parts(np.arange(6), loss))
    found = curves_of(thinned.parts)
    assert set(found) == {"loss"}  # of the others nothing is known
    assert found["loss"].mean == pytest.approx([1.0, math.nan, 3.0], nan_ok=True)


def test_smoothing_is_the_exponential_average_corrected_for_its_beginning():
    values, weight = [4.0, 2.0, 6.0, 1.0], 0.8
    smooth = curve(values).smoothed(weight)
    for n in range(1, 5):
        weights = weight ** np.arange(n - 1, -1, -1)
        assert smooth[n - 1] == pytest.approx(np.average(values[:n], weights=weights))
    assert curve(values).smoothed(0.0).tolist() == values
    gap = curve([1.0, math.nan, 1.0]).smoothed(weight)
    assert gap == pytest.approx([1.0, math.nan, 1.0], nan_ok=True)


def test_smoothing_counts_steps_not_buckets():
    ramp = np.linspace(0, 1, 1024)
    whole = curve(ramp.tolist()).smoothed(0.99)
    coarse = curve(ramp.reshape(-1, 8).mean(axis=1).tolist(), [8] * 128).smoothed(0.99)
    assert coarse == pytest.approx(whole[7::8], abs=5e-3)


@pytest.mark.parametrize(
    ("steps", "size"), [(0, 1), (1, 1), (2048, 1), (2049, 2), (1_000_000, 512)]
)
def test_buckets_are_as_small_as_there_is_room_for(steps, size):
    assert size_for(steps) == size
