"""Runs of many steps: shown soon, then whole, and step by step where one looks closer."""

from __future__ import annotations

import math

import numpy as np
import pytest

from magnon_lab.gui.model import steps as steps_model
from magnon_lab.gui.model.run_view import RunView
from magnon_lab.runs.viewing import RunViewer

from .trained_runs import look, loss_at, many_steps, new_run, step_row, train


def test_a_long_run_is_shown_by_a_sample_first_and_then_whole(tmp_path):
    with new_run(tmp_path) as run:
        many_steps(run, 1, 100_000)
        view = RunView(run.folder)
        view.look(0.0)
        first = view.snapshot
        assert not first.complete
        assert first.steps == 100_000
        assert len(first.curves["loss"].mean) == steps_model.SAMPLE
        assert first.curves["loss"].x["step"][[0, -1]].tolist() == [1, 100_000]
        sizes = []
        while view.behind:
            view.look(0.0)
            curve = view.snapshot.curves["loss"]
            assert curve.x["step"][-1] == 100_000  # never shorter meanwhile
            assert (np.diff(curve.x["step"]) > 0).all()
            sizes.append(curve.count.sum())
        assert view.snapshot.complete
        loss = view.snapshot.curves["loss"]
        assert len(loss.mean) <= 2048
        assert loss.count.sum() == 100_000
        expected = np.array([loss_at(step) for step in range(1, 100_001)])
        assert np.average(loss.mean, weights=loss.count) == pytest.approx(expected.mean())
        spikes = set(range(100, 100_001, 100))
        high = loss.high > 5
        covered = {
            step
            for last, count in zip(loss.x["step"][high], loss.count[high], strict=True)
            for step in range(int(last - count) + 1, int(last) + 1)
        }
        assert spikes <= covered  # no spike is lost
        view.close()


def test_a_closer_look_brings_single_steps_back(tmp_path):
    asked = []
    with new_run(tmp_path) as run:
        many_steps(run, 1, 60_000)
        view = RunView(run.folder, lambda: asked.append(True))
        coarse = look(view).curves["loss"]
        view.zoom("ring_measurements", 4 * 30_000, 4 * 30_500)
        assert asked == [True]
        assert view.behind
        fine = look(view).curves["loss"]
        inside = (fine.x["step"] >= 30_000) & (fine.x["step"] <= 30_500)
        assert (fine.count[inside] == 1).all()
        assert fine.x["step"][inside].tolist() == list(range(30_000, 30_501))
        assert fine.mean[inside] == pytest.approx([loss_at(step) for step in range(30_000, 30_501)])
        assert (np.diff(fine.x["step"]) > 0).all()
        assert fine.count.sum() == coarse.count.sum() == 60_000
        view.zoom("step", -math.inf, math.inf)
        assert look(view).curves["loss"].count.tolist() == coarse.count.tolist()
        view.close()


def test_a_closer_look_at_the_end_follows_the_run(tmp_path):
    with new_run(tmp_path) as run:
        many_steps(run, 1, 50_000)
        view = RunView(run.folder)
        look(view)
        view.zoom("step", 49_900, 51_000)
        look(view)
        many_steps(run, 50_001, 50_200)
        fine = look(view).curves["loss"]
        newest = fine.x["step"] > 49_950
        assert fine.x["step"][newest].tolist() == list(range(49_951, 50_201))
        view.close()


def test_the_pace_of_the_last_steps_tells_the_time_left(tmp_path):
    with new_run(tmp_path, steps=1000) as run:
        for step in range(1, 101):
            pause_s = 500.0 if step > 50 else 0.0
            run.record_step(step_row(step, time=1e9 + 2 * step + pause_s))
        viewer = RunViewer.open(run.folder)
        left_s = viewer.eta_s(now=1e9 + 200 + 500)
        assert left_s == pytest.approx(900 * 2, rel=0.01)
        viewer.close()
    with new_run(tmp_path) as run:
        train(run, range(1, 5))
        viewer = RunViewer.open(run.folder)
        assert math.isnan(viewer.eta_s())  # nothing says how long it goes on
        viewer.close()
