"""Several runs beside one another."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from magnon_lab.gui.model.comparison import band, legends, repeats, short
from magnon_lab.gui.model.snapshot import Snapshot

from .test_curve import curve


def run(name: str, procedure: str = "train", **parameters: object) -> Snapshot:
    return Snapshot(
        Path(name), id=f"2026-01-01-train-{name}", procedure=procedure,
        info={"configuration": parameters},
    )  # fmt: skip


def test_repeats_differ_in_their_seed_alone():
    a, b = run("a", rate=0.1, seed=0), run("b", rate=0.1, seed=1)
    c, d = run("c", rate=0.2, seed=0), run("d", procedure="evaluate", rate=0.1, seed=0)
    assert repeats([a, c, b, d]) == [[a, b], [c], [d]]


def test_runs_that_were_not_read_yet_are_nobodys_repeats():
    assert len(repeats([Snapshot(Path("x")), Snapshot(Path("y"))])) == 2


def test_legends_tell_what_is_different():
    runs = [run("a", rate=0.1, task="digits", seed=0), run("b", rate=0.25, task="digits", seed=0)]
    assert legends(runs) == ["rate 0.1", "rate 0.25"]
    runs.append(run("c", rate=0.25, task="digits", seed=7))
    assert legends(runs) == ["rate 0.1, seed 0", "rate 0.25, seed 0", "rate 0.25, seed 7"]
    assert legends(runs, seeds=False) == ["rate 0.1", "rate 0.25", "rate 0.25"]
    assert legends([run("a", rate=1.0), run("b", rate=1.0)]) == ["a", "b"]
    assert short("2026-01-01-100000-train-0f3a") == "0f3a"


def test_a_band_is_mean_and_deviation_of_a_sample():
    curves = [curve([value] * 5) for value in (1.0, 2.0, 6.0)]
    found = band(curves, "step")
    assert found is not None
    assert found.runs == 3
    assert found.x[[0, -1]].tolist() == [1, 5]
    assert found.mean == pytest.approx(np.full(len(found.x), 3.0))
    assert found.deviation == pytest.approx(np.full(len(found.x), math.sqrt(7)))


def test_a_band_ends_where_fewer_than_two_runs_are():
    found = band([curve([1.0] * 9), curve([3.0] * 5), curve([5.0] * 7)], "step")
    assert found is not None
    assert found.x[-1] == 7
    assert found.mean[0] == pytest.approx(3.0)
    assert found.mean[-1] == pytest.approx(3.0)  # of 1 and 5
    assert band([curve([1.0, 2.0])], "step") is None
    assert band([curve([1.0]), curve([math.nan])], "step") is None


def test_curves_that_began_at_other_places_are_compared_there():
    early, late = curve([0.0, 1.0, 2.0, 3.0]), curve([0.0, 1.0, 2.0, 3.0])
    for axis in late.x:
        late.x[axis][:] += 2
    found = band([early, late], "step")
    assert found is not None
    both = np.isfinite(found.mean)
    assert found.x[both].min() == pytest.approx(3.0, abs=0.02)
    assert found.deviation[both] == pytest.approx(np.full(both.sum(), math.sqrt(2)))
