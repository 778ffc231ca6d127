"""The queue from the command line: real processes, some of them killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from magnon_lab.runs import RunsFolder
from magnon_lab.runs.queue import Entry, Queue

from ..serving import changed_bench, faulty_bench
from .asking import wait_for
from .conftest import Command

#: Procedures of a user's own, which need neither bench nor JAX.
OWN = """
import time
from pymeasure.experiment import FloatParameter, Procedure


class Waits(Procedure):
    seconds = FloatParameter("Seconds", default=0.0)
    DATA_COLUMNS = ["Turn"]

    def execute(self):
        until = time.monotonic() + self.seconds
        turn = 0
        while time.monotonic() < until and not self.should_stop():
            self.emit("results", {"Turn": turn})
            turn += 1
            time.sleep(0.02)


class Fails(Waits):
    def execute(self):
        raise RuntimeError("as it always does")
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A script of a user's own."""
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


@contextmanager
def worker(runs: Path, *words: object) -> Iterator[subprocess.Popen[str]]:
    """A process that works the queue off."""
    process = subprocess.Popen(
        [sys.executable, "-m", "magnon_lab.cli", "queue", "start", "--runs", str(runs)]
        + [str(word) for word in words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def entries(runs: Path) -> list[Entry]:
    with Queue(runs) as queue:
        return queue.entries()


def at_work(runs: Path, number: int) -> dict[str, Any]:
    """Return what the run file says of an entry's run, once it works."""

    def found() -> dict[str, Any] | None:
        entry = next(one for one in entries(runs) if one.entry == number)
        if entry.run is None or entry.status != "running":
            return None
        with RunsFolder(runs).find(entry.run) as run:
            info = run.info()
        return info if info["status"] == "running" else None

    info: dict[str, Any] = wait_for(found)
    return info


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize(("policy", "ended"), [("stop", 1), ("go-on", 2)])
def test_worked_off_in_order_and_a_failure_follows_the_policy(
    command: Command, tmp_path: Path, own: Path, policy: str, ended: int
) -> None:
    runs = ("--runs", tmp_path / "runs", "--json")
    last = command("queue", "add", f"{own}:Waits", *runs)
    fails = command("queue", "add", f"{own}:Fails", "--on-failure", policy, *runs)
    assert (last.code, fails.code) == (0, 0)
    assert command("queue", "move", fails.json["entry"], 1, *runs).code == 0
    told = command("queue", "start", *runs)
    assert told.code == 1
    assert len(told.json["done"]) == ended
    assert told.json["left"] == 2 - ended
    found = {one.entry: one for one in entries(tmp_path / "runs")}
    failed = found[fails.json["entry"]]
    assert (failed.status, failed.exit_code) == ("failed", 1)
    assert "as it always does" in failed.message
    other = found[last.json["entry"]]
    assert other.status == ("queued" if policy == "stop" else "finished")
    shown = command("queue", "list", "--runs", tmp_path / "runs").stdout
    assert "failed" in shown
    assert "as it always does" in shown


def test_a_killed_run_is_interrupted_and_can_be_retried(
    command: Command, tmp_path: Path, own: Path
) -> None:
    runs = tmp_path / "runs"
    for seconds in (60, 0):
        words = ("-p", f"seconds={seconds}", "--on-failure", "go-on")
        command("queue", "add", f"{own}:Waits", *words, "--runs", runs)
    with worker(runs) as process:
        os.kill(at_work(runs, 1)["process"]["pid"], signal.SIGKILL)
        assert process.wait(60) == 1
    first, second = entries(runs)
    assert (first.status, second.status) == ("interrupted", "finished")
    assert "SIGKILL" in first.message
    assert command("queue", "retry", 1, "--runs", runs).code == 0
    assert command("queue", "edit", 1, "-p", "seconds=0", "--runs", runs).code == 0
    assert command("queue", "start", "--runs", runs).code == 0
    again = entries(runs)[0]
    assert again.status == "finished"
    assert again.run != first.run


def test_a_killed_worker_leaves_no_orphan_and_a_queue_that_goes_on(
    command: Command, tmp_path: Path, own: Path
) -> None:
    runs = tmp_path / "runs"
    command("queue", "add", f"{own}:Waits", "-p", "seconds=60", "--runs", runs)
    command("queue", "add", f"{own}:Waits", "--runs", runs)
    with worker(runs) as process:
        child = at_work(runs, 1)["process"]["pid"]
        process.kill()
        process.wait()
        wait_for(lambda: gone(child), 20.0)
    assert [one.status for one in entries(runs)] == ["aborted", "queued"]
    assert command("queue", "start", "--runs", runs).code == 0
    assert [one.status for one in entries(runs)] == ["aborted", "finished"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 4)])
def test_a_signal_ends_the_run_at_work_and_the_queue(
    command: Command, tmp_path: Path, own: Path, number: signal.Signals, code: int
) -> None:
    runs = tmp_path / "runs"
    for _ in range(2):
        command("queue", "add", f"{own}:Waits", "-p", "seconds=60", "--runs", runs)
    with worker(runs, "--on-failure", "go-on") as process:
        child = at_work(runs, 1)["process"]["pid"]
        process.send_signal(number)
        assert process.wait(30) == code
        assert gone(child)
    assert [one.status for one in entries(runs)] == ["aborted", "queued"]


def test_one_worker_a_bench_and_the_second_is_told_who(
    command: Command, tmp_path: Path, own: Path
) -> None:
    runs = tmp_path / "runs"
    other = changed_bench(tmp_path, lambda text: text.replace("name: simulated ring", "name: b"))
    for words in (("-p", "seconds=60"), (), ("--bench", other)):
        command("queue", "add", f"{own}:Waits", *words, "--runs", runs)
    with worker(runs) as process:
        at_work(runs, 1)
        # Another bench is free; of the one at work only who works it is told.
        told = command("queue", "start", "--runs", runs, "--json")
        assert told.code == 0
        assert [one["entry"] for one in told.json["done"]] == [3]
        told = command("queue", "start", "--runs", runs, "--json")
        assert told.code == 1
        assert told.json["done"] == []
        assert f"process {process.pid} on" in told.json["refused"][0]
        process.terminate()
        process.wait(30)


def test_an_entry_of_a_training_resumes_its_run(
    command: Command, tmp_path: Path, train: tuple[str, ...]
) -> None:
    runs = tmp_path / "runs"
    command("queue", "add", "train", *train, "--runs", runs)
    with worker(runs) as process:
        at_work(runs, 1)

        def made_steps() -> bool:
            return RunsFolder(runs).list()[-1].steps >= 2

        wait_for(made_steps)
        process.terminate()
        assert process.wait(60) == 4
    [entry] = entries(runs)
    assert entry.status == "aborted"
    assert command("queue", "retry", 1, "--resume", "--runs", runs).code == 0
    assert command("queue", "start", "--runs", runs).code == 0
    [again] = entries(runs)
    assert (again.status, again.run) == ("finished", entry.run)
    with RunsFolder(runs).find(str(again.run)) as run:
        assert run.steps()["step"].tolist() == list(range(1, 11))
        assert len(run.events("resume")) == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["spectrum", "-p", "repeats=0"], 2, "repeats"),
        (["spectrum", "-p", "field_mt=900"], 3, "150"),
        (["train", "-p", "task=absent.npz"], 2, "absent.npz"),
        (["spectre"], 2, "spectrum"),
        (["spectrum", "--bench", "absent.yaml"], 2, "absent.yaml"),
    ],
)
def test_what_is_wrong_is_refused_when_it_is_added(
    command: Command, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    told = command("queue", "add", *words, "--runs", tmp_path / "runs", "--json")
    assert told.code == code
    assert said in told.json["message"]
    assert not (tmp_path / "runs").exists()


def test_a_bench_file_that_broke_meanwhile_fails_its_entry(
    command: Command, tmp_path: Path
) -> None:
    bench = changed_bench(tmp_path, lambda text: text.replace("name: simulated ring", "name: b"))
    runs = tmp_path / "runs"
    command("queue", "add", "spectrum", "--bench", bench, "--runs", runs)
    bench.write_text("name: broken\n")
    told = command("queue", "start", "--runs", runs, "--json")
    assert told.code == 1
    [entry] = entries(runs)
    assert (entry.status, entry.exit_code) == ("failed", 2)
    assert str(bench) in entry.message


def test_a_bench_in_doubt_stops_the_queue_whatever_the_policy(
    command: Command, tmp_path: Path
) -> None:
    bench = faulty_bench(
        tmp_path, "kind: lost, role: generator, command: ':OUTP', at: 3, count: 99"
    )
    words = ("--bench", bench, "--runs", tmp_path)
    for _ in range(2):
        assert command("queue", "add", "spectrum", *words).code == 0
    told = command("queue", "start", "--on-failure", "go-on", "--runs", tmp_path)
    assert told.code == 1
    assert "left the bench in doubt" in told.stderr
    first, second = entries(tmp_path)
    assert (first.status, first.exit_code, second.status) == ("finished", 1, "queued")
