"""A procedure that is not ours, and does not end when it should: an abort acts all the same."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from pymeasure.experiment import Procedure

from magnon_lab.bench.steps import MAY_BE_ON
from magnon_lab.cli import control
from magnon_lab.cli.launch import Outcome, launch
from magnon_lab.runs import RunFile, RunsFolder

from .asking import at_step, bystander, wait_for

SCRIPT = """
import time
from pymeasure.experiment import Procedure


class Deaf(Procedure):
    DATA_COLUMNS = ["Turn"]

    def execute(self):
        while True:
            self.emit("results", {"Turn": 0})
            time.sleep(0.1)
"""


class Slow(Procedure):
    """Works until it is let go, and then shuts down until that is let go, whatever is asked."""

    DATA_COLUMNS: ClassVar = ["Turn"]

    def __init__(self) -> None:
        super().__init__()
        self.end_work, self.end_shutdown = threading.Event(), threading.Event()
        self.works, self.shuts_down = threading.Event(), threading.Event()

    def execute(self) -> None:
        """Work."""
        self.works.set()
        self.end_work.wait(60)

    def shutdown(self) -> None:
        """Leave the instruments slowly."""
        self.shuts_down.set()
        self.end_shutdown.wait(60)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    monkeypatch.setattr(control, "GRACE_S", 0.3)
    procedure = Slow()
    yield procedure
    procedure.end_work.set()
    procedure.end_shutdown.set()


def launched(procedure: Procedure, runs: Path) -> Outcome:
    return launch(procedure, name="own", bench_path=None, runs_path=runs)


def taken_up(run: RunFile, kind: str) -> None:
    """Ask something of a run, and wait until it is being followed."""
    run.request(kind)
    wait_for(lambda: run.requests()[-1].taken)


def test_an_abort_that_is_not_followed_ends_the_run_and_says_what_is_left(
    slow: Slow, tmp_path: Path
) -> None:
    def act() -> None:
        assert slow.works.wait(10)
        with at_step(tmp_path, 0) as run:
            run.request("abort")

    with bystander(act):
        outcome = launched(slow, tmp_path)
    assert (outcome.status, outcome.exit_code, outcome.stuck) == ("aborted", 1, True)
    assert MAY_BE_ON in outcome.message
    assert "it is unguarded, its instruments are as they were" in outcome.message
    with RunsFolder(tmp_path).find("latest") as run:
        assert run.status == "aborted"
        assert run.info()["message"] == outcome.message
        assert [event.message for event in run.events("stuck")] == [outcome.message]


def test_a_stop_lets_it_end_by_itself(slow: Slow, tmp_path: Path) -> None:
    def act() -> None:
        assert slow.works.wait(10)
        with at_step(tmp_path, 0) as run:
            taken_up(run, "stop")
            slow.end_shutdown.set()
            assert not slow.shuts_down.wait(3 * control.GRACE_S)
            assert run.status == "running"
            slow.end_work.set()

    with bystander(act):
        outcome = launched(slow, tmp_path)
    assert (outcome.status, outcome.stuck, outcome.message) == (
        "aborted",
        False,
        "aborted on request",
    )


def test_its_own_shutdown_is_cut_short_only_by_another_abort(slow: Slow, tmp_path: Path) -> None:
    def act() -> None:
        slow.end_work.set()
        with at_step(tmp_path, 0) as run:
            assert slow.shuts_down.wait(10)
            for _ in range(2):  # of several at once, one counts
                taken_up(run, "abort")
            threading.Event().wait(3 * control.GRACE_S)
            assert run.status == "running"
            run.request("abort")

    with bystander(act):
        outcome = launched(slow, tmp_path)
    assert (outcome.status, outcome.stuck) == ("aborted", True)
    assert MAY_BE_ON in outcome.message


def test_a_second_ctrl_c_ends_the_process(tmp_path: Path) -> None:
    script = tmp_path / "deaf.py"
    script.write_text(SCRIPT)
    runs = tmp_path / "runs"
    words = [sys.executable, "-m", "magnon_lab.cli", "run", str(script), "--json"]
    words += ["--runs", str(runs)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        try:
            with at_step(runs, 0) as run:
                wait_for(lambda: run.csv_path.read_text().endswith("\n0\n"))  # it is at work
                for number in (1, 2):
                    process.send_signal(signal.SIGINT)
                    wait_for(lambda number=number: len(run.events("request")) == number)
            stdout, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130
    told = json.loads(stdout.splitlines()[-1])
    assert told["status"] == "aborted"
    assert MAY_BE_ON in told["message"]
