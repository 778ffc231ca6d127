"""Kill a training again and again, and compare what it becomes with one that was left alone.

    python benchmarks/resume.py [--kills 20] [--seed 0] [--served]

Each kill is a SIGKILL to the process, at a random moment of a random step; then `magnon-lab resume`
goes on. Parameters, losses, settings and traces must be the same to the last bit.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from magnon_lab.runs import RunFile, RunsFolder

COMMAND = (sys.executable, "-m", "magnon_lab.cli")
TRAINING = (
    *("-p", "task=spirals", "-p", "estimator=input", "-p", "batch_size=4", "-p", "shots=2"),
    *("-p", "calibration=8", "-p", "validate_every=5", "-p", "budget=0", "-p", "seed=11"),
)
TIMES = ("time", "bench_time_s")
LONGEST_S = 120.0


def begin(words: Sequence[object]) -> subprocess.Popen[bytes]:
    """Start `magnon-lab` with these words."""
    return subprocess.Popen(
        [*COMMAND, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that must do well."""
    _, stderr = process.communicate(timeout=LONGEST_S)
    if process.returncode != 0:
        raise RuntimeError(f"{process.args} ended with {process.returncode}: {stderr.decode()}")


def _working(pid: int, runs: Path, step: int) -> bool:
    """Return whether this process works at the newest run and has come so far."""
    found = RunsFolder(runs).list()
    if not found or found[-1].steps < step or found[-1].status != "running":
        return False
    with RunFile.open(found[-1].folder) as run:
        return bool(run.info()["process"]["pid"] == pid)


def kill_after(
    process: subprocess.Popen[bytes], runs: Path, step: int, chance: random.Random
) -> None:
    """Kill a run's process in the middle of what follows step `step`."""
    until = time.monotonic() + LONGEST_S
    while not _working(process.pid, runs, step):
        if process.poll() is not None or time.monotonic() > until:
            assert process.stderr is not None
            raise RuntimeError(f"no step {step}: {process.stderr.read().decode()}")
        time.sleep(0.002)
    time.sleep(chance.uniform(0.0, 0.08))
    process.send_signal(signal.SIGKILL)
    process.communicate()


def killed_and_resumed(
    runs: Path, words: Sequence[object], kills: Sequence[int], chance: random.Random
) -> RunFile:
    """Make a training that is killed after each of the steps `kills`; return it when it is done."""
    process = begin(["run", "train", *words, "--runs", runs])
    resume = ["resume", "latest", "--runs", runs]
    for step in kills:
        kill_after(process, runs, step, chance)
        assert RunsFolder(runs).find("latest").status == "interrupted"
        process = begin(resume)
    finish(process)
    return RunsFolder(runs).find("latest")


def differences(one: RunFile, other: RunFile) -> list[str]:
    """Return what of two runs is not the same to the last bit; times apart."""
    found = []

    def same(what: str, first: object, second: object) -> None:
        try:
            np.testing.assert_array_equal(first, second)
        except AssertionError as error:
            found.append(f"{what}: {error}")

    steps, others = one.steps(), other.steps()
    for name in steps:
        if name not in TIMES and not name.startswith("seconds"):
            same(f"steps, {name}", steps[name], others[name])
    measured, others = one.measurements(), other.measurements()
    for name in measured:
        if name not in TIMES:
            same(f"measurements, {name}", measured[name], others[name])
    for first, second in zip(one.evaluations(), other.evaluations(), strict=True):
        for name in ("step", "split", "loss", "accuracy", "n", "confusion"):
            same(f"evaluation, {name}", getattr(first, name), getattr(second, name))
    if one.counts() != other.counts():
        found.append(f"counts: {one.counts()} and {other.counts()}")
    if one.last_checkpoint() != other.last_checkpoint():
        found.append("the state of the trainer")
    return found


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Path]:
    """Serve a laboratory in a process of its own; yield its bench file."""
    bench = folder / "served.yaml"
    process = subprocess.Popen(
        [*COMMAND, "bench", "serve", "--json", "--write-bench", str(bench)],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        json.loads(process.stdout.readline())
        yield bench
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        process.stdout.close()


def main() -> int:
    """Run the benchmark; 0 if nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--served", action="store_true", help="on a laboratory of another process")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    steps = 3 * options.kills + 5
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        words = [*TRAINING, "-p", f"steps={steps}"]
        if options.served:
            words += ["--bench", stack.enter_context(served(folder))]
        began = time.monotonic()
        finish(begin(["run", "train", *words, "--runs", folder / "alone"]))
        alone = RunsFolder(folder / "alone").find("latest")
        print(f"left alone: {steps} steps in {time.monotonic() - began:.1f} s")
        kills = sorted(chance.sample(range(steps - 2), options.kills))
        print(f"killing after steps {', '.join(map(str, kills))}")
        resumed = killed_and_resumed(folder / "killed", words, kills, chance)
        resumes = resumed.events("resume")
        lost = sum(sum(event.data["measurements"].values()) for event in resumes)
        print(f"{len(resumes)} times resumed, {lost} measurements beyond checkpoints made anew")
        found = differences(alone, resumed)
        print("\n".join(found) or "the same to the last bit: parameters, losses, settings, traces")
        alone.close()
        resumed.close()
    return 1 if found else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
