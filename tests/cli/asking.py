"""Trainings to interrupt, and a bystander who asks things of a run while it works."""

from __future__ import annotations

import contextlib
import importlib.util
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from magnon_lab.runs import RunError, RunFile, RunsFolder


def training(folder: Path) -> tuple[str, ...]:
    """Return the words of a short training on data of its own, written into `folder`.

    A step is 16 measurements; calibration, ten steps, two validations, then the test split.
    """
    x = np.random.default_rng(0).normal(size=(120, 2)).astype(np.float32)
    np.savez(folder / "mine.npz", x=x, y=(x[:, 0] * x[:, 1] > 0).astype(int))
    return (
        *("-p", f"task={folder / 'mine.npz'}", "-p", "estimator=input", "-p", "batch_size=8"),
        *("-p", "shots=1", "-p", "calibration=8", "-p", "validate_every=5"),
        *("-p", "budget=0", "-p", "steps=10"),
    )


def _load_benchmark() -> Any:
    path = Path(__file__).parents[2] / "benchmarks" / "resume.py"
    spec = importlib.util.spec_from_file_location("benchmark_resume", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


benchmark = _load_benchmark()
differences: Callable[[RunFile, RunFile], list[str]] = benchmark.differences


def wait_for(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Return what `what` gives as soon as it is true."""
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)
    return found


def at_step(runs: Path, step: int) -> RunFile:
    """Return the newest run of a folder once it works and has recorded so many steps."""

    def found() -> RunFile | None:
        summaries = RunsFolder(runs).list()
        if summaries and summaries[-1].status == "running" and summaries[-1].steps >= step:
            return RunFile.open(summaries[-1].folder)
        return None

    run: RunFile = wait_for(found)
    return run


@contextlib.contextmanager
def bystander(act: Callable[[], None]) -> Iterator[None]:
    """Let a thread act meanwhile; what it raises is raised at the end."""
    failed: list[BaseException] = []

    def acting() -> None:
        try:
            act()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=acting)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()
    if failed:
        raise failed[0]


def ask_at(runs: Path, step: int, kind: str) -> Callable[[], None]:
    """Return an act that asks something of the newest run once it has made some steps."""

    def act() -> None:
        with at_step(runs, step) as run, contextlib.suppress(RunError):
            run.request(kind)

    return act
