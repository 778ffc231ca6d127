"""A recorded run on a served bench, its guard, and who else wants the bench."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import pyvisa

from magnon_lab.bench import Bench, GuardLostError
from magnon_lab.cli.launch import launch
from magnon_lab.cli.parameters import build_procedure
from magnon_lab.runs import RunFile, RunsFolder
from procedures import load_procedure, pulse

from ..bench.guarding import full_pipe
from ..serving import Served
from .conftest import Command


def switched_on(served: Served) -> bool:
    """Ask the bench itself whether anything is on, or the loop closed."""
    manager = pyvisa.ResourceManager("@py")
    questions = {"generator": ":OUTP?", "amplifier": "OUTP? (@2)", "field": "OUTP?"}
    try:
        answers = {}
        for role, question in {**questions, "attenuator": "ATT?"}.items():
            with manager.open_resource(
                served.resources[role], read_termination="\n", write_termination="\n"
            ) as one:
                answers[role] = float(one.query(question))
    finally:
        manager.close()
    return answers.pop("attenuator") != 60.0 or any(answers.values())


def waited(happened: Callable[[], object], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if happened():
            return True
        time.sleep(0.05)
    return bool(happened())


@contextlib.contextmanager
def repeating(
    served: Served, tmp_path: Path, stderr: int = subprocess.DEVNULL
) -> Iterator[tuple[subprocess.Popen[str], RunFile]]:
    """Let a spectrum repeat itself in a process of its own, which has measured some by now."""
    runs = tmp_path / "runs"
    words = ["run", "spectrum", "--runs", runs, "--bench", served.bench, "-p", "repeats=100000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "magnon_lab.cli", *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        text=True,
    )
    try:
        assert waited(lambda: RunsFolder(runs).list() or process.poll() is not None, 60)
        with RunsFolder(runs).find("latest") as found:
            assert waited(lambda: found.counts().get("spectrum", 0) > 5, 60)
            yield process, found
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def run(served: Served, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], RunFile]]:
    """A spectrum that repeats itself, in a process of its own."""
    with repeating(served, tmp_path) as started:
        yield started


def test_a_run_whose_words_nobody_takes_hears_an_abort(
    served: Served, tmp_path: Path, command: Command
) -> None:
    read, write = full_pipe()
    try:
        with repeating(served, tmp_path, stderr=write) as (process, _):
            assert command("abort", "latest", "--runs", tmp_path / "runs").code == 0
            assert process.wait(20) == 1
            assert not switched_on(served)
    finally:
        os.close(read)
        os.close(write)


def test_a_run_that_lost_its_guard_records_its_way_to_the_safe_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def beat(bench: Bench, phase: str, deadline_s: float) -> None:
        if phase == "safe":
            raise GuardLostError

    monkeypatch.setattr(Bench, "beat", beat)
    monkeypatch.setattr(pulse, "TOLD_EVERY_S", 0.0)
    built = build_procedure(load_procedure("spectrum"), {})
    launch(built, name="spectrum", bench_path=None, runs_path=tmp_path)
    with RunsFolder(tmp_path).find("latest") as run:
        assert any("field supply off" in event.message for event in run.events("safe"))


def told_by_the_guard(run: RunFile) -> list[str]:
    return [event.message for event in run.events() if event.kind == "guard"]


def test_a_killed_run_is_made_safe_and_its_run_file_says_so(
    served: Served, run: tuple[subprocess.Popen[str], RunFile]
) -> None:
    process, file = run
    assert switched_on(served)
    process.send_signal(signal.SIGKILL)
    process.wait()
    measured = file.counts()["spectrum"]
    assert waited(lambda: "the bench is safe" in told_by_the_guard(file), 8)
    assert not switched_on(served)
    assert file.status == "interrupted"
    assert file.counts()["spectrum"] == measured
    story = told_by_the_guard(file)
    assert story[0].endswith("making the bench safe")
    assert any(line.startswith("attenuator to maximum: 60 dB") for line in story)
    assert "the bench is safe" in (file.folder / "guard.log").read_text()


def test_who_holds_the_bench_is_told_and_safe_ends_it(
    served: Served, run: tuple[subprocess.Popen[str], RunFile], command: Command
) -> None:
    process, file = run
    bench = ("--bench", served.bench)
    for words in (("show",), ("trace",), ("standby",), ("check",), ("set", "attenuation_db", "9")):
        told = command("bench", *words, *bench)
        assert told.code == 1
        assert f"is held by run {file.id}" in told.stderr
    assert process.poll() is None
    told = command("bench", "safe", *bench)
    assert told.code == 0
    assert f"asking run {file.id}" in told.stderr
    assert process.wait(10) == 1  # ended as asked, in good order; a spectrum cannot be resumed
    assert not switched_on(served)
    assert file.status == "aborted"
    assert command("bench", "show", *bench).code == 0
