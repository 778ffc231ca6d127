"""An instrument that answers nothing: requests are taken up, and an abort acts all the same."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from magnon_lab.runs import RunFile

from ..serving import Served
from .asking import at_step, wait_for
from .conftest import Command


@pytest.fixture
def hung(
    served_in_real_time: Served, tmp_path: Path, train: tuple[str, ...], command: Command
) -> Iterator[tuple[subprocess.Popen[bytes], RunFile]]:
    """A training whose analyser has stopped answering, for longer than the test lasts."""
    served, patient = served_in_real_time, tmp_path / "patient.yaml"
    text = served.bench.read_text()
    head = "roles:\n  analyser:\n"
    assert head in text
    # So patient that nothing but the abort can end the wait.
    patient.write_text(text.replace(head, f"{head}    timeout_s: 60.0\n"))
    words = ["run", "train", "--json", *train, "-p", "steps=100000", "-p", "field_mt=5"]
    words += ["--runs", tmp_path, "--bench", patient]
    # Not into pipes: the guard, which outlives the process, has them open as well.
    with (tmp_path / "stdout").open("w") as stdout, (tmp_path / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "magnon_lab.cli", *map(str, words)],
            stdout=stdout,
            stderr=stderr,
        )
    try:
        with at_step(tmp_path, 1) as run:
            fault = ("bench", "fault", "hang", "--role", "analyser", "--duration", 60)
            assert command(*fault, "--bench", served.bench).code == 0
            time.sleep(0.5)  # by now it is being asked
            yield process, run
    finally:
        process.kill()
        process.wait()


def test_requests_are_taken_up_and_an_abort_acts_by_ending_the_process(
    hung: tuple[subprocess.Popen[bytes], RunFile], tmp_path: Path, command: Command
) -> None:
    process, run = hung
    told = command("stop", run.folder, "--json")
    assert told.code == 0
    assert told.json["taken_up_s"] < 2.0
    assert run.status == "running"  # a stop waits for the step
    asked = time.monotonic()
    run.request("abort")
    wait_for(lambda: run.requests()[-1].taken, 2.0)
    process.wait(20)
    assert time.monotonic() - asked < 7.0  # 5 s, and the end of a process on a busy machine
    assert process.returncode == 4
    ended = json.loads((tmp_path / "stdout").read_text().splitlines()[-1])
    assert ended["status"] == run.status == "aborted"
    assert "has not got on" in ended["message"]
    assert "its guard makes the bench safe" in ended["message"]
    assert "resume" in ended["message"]
    assert ended["message"] in (tmp_path / "stderr").read_text()
    assert [event.message for event in run.events("stuck")] == [ended["message"]]
    wait_for(lambda: "the bench is safe" in [event.message for event in run.events("guard")], 30.0)
