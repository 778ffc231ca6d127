"""Signals that come before the work of a run has begun, and while it is concluded."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import ClassVar

import pytest
from pymeasure.experiment import FloatParameter, Procedure

from magnon_lab.bench import Bench
from magnon_lab.bench.steps import StepOutcome
from magnon_lab.cli.launch import Terms, launch
from magnon_lab.cli.parameters import build_procedure
from magnon_lab.runs import RunsFolder
from procedures import load_procedure

from ..serving import changed_bench


class Own(Procedure):
    """One of a user's own, which needs no bench."""

    seconds = FloatParameter("Seconds", default=0.0)
    DATA_COLUMNS: ClassVar = ["Turn"]

    def execute(self) -> None:
        """Do nothing worth recording."""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 1)])
def test_before_the_work_has_begun(tmp_path: Path, number: signal.Signals, code: int) -> None:
    terms = Terms(began=lambda run: os.kill(os.getpid(), number))
    outcome = launch(Own(), name="own", bench_path=None, runs_path=tmp_path, terms=terms)
    assert (outcome.status, outcome.exit_code) == ("aborted", code)
    with RunsFolder(tmp_path).find("latest") as run:
        assert run.status == "aborted"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_while_the_bench_is_made_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    safe = Bench.safe

    def disturbed(bench: Bench) -> list[StepOutcome]:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        return safe(bench)

    monkeypatch.setattr(Bench, "safe", disturbed)
    built = build_procedure(load_procedure("spectrum"), {})
    outcome = launch(built, name="spectrum", bench_path=None, runs_path=tmp_path)
    assert outcome.status == ("finished" if number == signal.SIGINT else "aborted")
    with RunsFolder(tmp_path).find("latest") as run:
        assert run.status == outcome.status
        assert [event.phase for event in run.events("safe")][-1] == "outcome"


def test_the_way_to_the_safe_state_has_the_time_of_a_slow_ramp(tmp_path: Path) -> None:
    slow = changed_bench(
        tmp_path, lambda text: text.replace("field_slew_mt_per_s: 20", "field_slew_mt_per_s: 0.5")
    )
    built = build_procedure(load_procedure("spectrum"), {})
    launch(built, name="spectrum", bench_path=slow, runs_path=tmp_path / "runs")
    phase, deadline_s, _ = built.context.pulse.last
    assert phase == "safe"
    assert deadline_s > 2 * 150 / 0.5
