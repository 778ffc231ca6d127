"""Runs to test with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from magnon_lab.runs import MeasurementBlock, RunFile, RunsFolder, StepRow, provenance

KNOBS = ("attenuation_db", "drive_power_dbm")


@pytest.fixture(autouse=True)
def _no_git(monkeypatch, request):
    """Spare each run the calls of git, except where they are the subject."""
    if "real_git" not in request.fixturenames:
        monkeypatch.setattr(provenance, "revision", lambda: provenance.Revision("abc", False))


@pytest.fixture
def real_git() -> None:
    """Ask for git's own answers."""


@pytest.fixture
def runs(tmp_path) -> RunsFolder:
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def queued(runs) -> Iterator[RunFile]:
    with runs.create("train", {"estimator": "pgt"}, "name: here\n", 7, True) as run:
        yield run


@pytest.fixture
def run(queued) -> RunFile:
    queued.start()
    return queued


@pytest.fixture
def make_block() -> Callable[..., MeasurementBlock]:
    def make(first=0, n=5, points=11, purpose="training", knobs=KNOBS, **more):
        numbers = np.arange(first, first + n)
        values = numbers[:, None] + np.arange(len(knobs)) / 7
        return MeasurementBlock(
            **{
                "numbers": numbers,
                "purpose": purpose,
                "knobs": knobs,
                "requested": values,
                "realised": values + 1e-3,
                "traces_dbm": -90 + np.sin(numbers[:, None] + np.arange(points)).astype("f4"),
                "flags": numbers % 3,
                "bench_time_s": numbers * 0.1,
            }
            | more
        )

    return make


@pytest.fixture
def finished(run, make_block) -> Path:
    """Return the path of a finished run's file."""
    run.record_step(
        StepRow(step=0, ring_measurements=100),
        measurements=make_block(0, 100, points=401),
        checkpoint=b"state",
    )
    run.finish("finished")
    run.close()
    return run.folder / "run.sqlite"
