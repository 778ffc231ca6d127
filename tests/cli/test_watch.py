"""Watching a run, and looking through its file, from the command line."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from magnon_lab.cli import watch
from magnon_lab.cli.watch import BARS, POINTS, Curves, sparkline
from magnon_lab.runs import EvaluationRow, MeasurementBlock, RunFile, RunsFolder, StepRow

from .asking import bystander, wait_for
from .conftest import Command


@pytest.fixture
def run(tmp_path: Path) -> RunFile:
    """A run at work in this process."""
    made = RunsFolder(tmp_path).create("train", {"steps": 8, "budget": 0}, "", 0, True)
    made.start()
    return made


def _step(run: RunFile, step: int) -> None:
    n = 4
    block = MeasurementBlock(
        numbers=np.arange(n * step, n * (step + 1)),
        purpose="training",
        knobs=("attenuation_db",),
        requested=np.ones((n, 1)),
        realised=np.ones((n, 1)),
        traces_dbm=np.zeros((n, 5)),
        flags=np.zeros(n),
        bench_time_s=np.zeros(n),
    )
    row = StepRow(step=step, ring_measurements=n * (step + 1), loss=1 / (1 + step), accuracy=0.5)
    run.record_step(row, measurements=block)


def test_lines_until_the_run_ends(command: Command, tmp_path: Path, run: RunFile) -> None:
    def act() -> None:
        for step in range(4):
            _step(run, step)
        run.pause("why")
        wait_for(lambda: True)
        run.resume()
        run.finish("finished")

    with bystander(act):
        told = command("watch", "latest", "--runs", tmp_path, "--json")
    assert told.code == 0
    assert (told.json["run"], told.json["status"], told.json["step"]) == (run.id, "finished", 3)
    last = told.stderr.strip().splitlines()[-1]
    assert last.startswith("finished  step 3  measured 16  loss 0.25  accuracy 0.5")
    assert run.requests() == []


def test_a_picture_on_a_terminal(
    command: Command, tmp_path: Path, run: RunFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(5):
        _step(run, step)
    run.record_evaluation(EvaluationRow(step=4, split="test", loss=0.1, accuracy=0.875, n=8))
    run.event("output", "outcome", "generator off")
    run.finish("stopped", "stopped on request")
    screen = Console(force_terminal=True, width=100, record=True)
    monkeypatch.setattr(watch, "out", screen)
    assert command("watch", "latest", "--runs", tmp_path).code == 0
    text = screen.export_text()
    for said in (run.id, "stopped on request", "simulated bench", "loss", "training 20", "█"):
        assert said in text
    for said in ("test, step 4", "0.875", "output: generator off"):
        assert said in text


def test_many_steps_are_thinned_out_and_the_last_is_there(run: RunFile) -> None:
    curves = Curves(run)
    for step in range(5):
        run.record_step(StepRow(step=step, ring_measurements=0, loss=float(step)))
    curves.read()
    for first in range(5, 5 + 3 * POINTS, POINTS):
        with run._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO steps (step, time, ring_measurements, loss, loss_kind, measurements) "
                "VALUES (?, 0, 0, 1, '', '{}')",
                [(step,) for step in range(first, first + POINTS)],
            )
        curves.read()
    assert curves.last["step"] == 4 + 3 * POINTS
    assert POINTS / 2 <= len(curves.values["loss"]) <= POINTS
    late = Curves(run)
    late.read()
    assert len(late.values["loss"]) <= POINTS


@pytest.mark.parametrize(
    ("values", "width", "expected"),
    [
        ([0.0, 1.0], 10, BARS[0] + BARS[-1]),
        ([0.0, math.nan, 1.0], 10, BARS[0] + BARS[-1]),
        ([2.0, 2.0], 10, BARS[0] * 2),
        ([0, 0, 7, 7], 2, BARS[0] + BARS[7]),
        ([math.nan], 10, ""),
    ],
)
def test_a_curve_in_one_line(values: list[float], width: int, expected: str) -> None:
    assert sparkline(values, width) == expected


def test_a_run_file_is_looked_through(command: Command, tmp_path: Path, run: RunFile) -> None:
    for step in range(3):
        _step(run, step)
    run.finish("finished")
    told = command("runs", "check", "latest", "--runs", tmp_path, "--json")
    assert (told.code, told.json["ok"]) == (0, True)
    assert (
        "every page and index is sound"
        in command("runs", "check", run.id, "--runs", tmp_path).stdout
    )
    run.close()
    path = run.folder / "run.sqlite"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    told = command("runs", "check", run.id, "--runs", tmp_path, "--json")
    assert (told.code, told.json["ok"]) == (1, False)
    assert "is truncated" in told.json["findings"][-1]["text"]
