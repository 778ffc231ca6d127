"""What recording costs: time per measurement and step, storage, and reading it back.

A run of 100,000 measurements (401 points, 3 knobs) in steps of 256, each with a checkpoint, as a
long training writes it. Aim: below 20 us a measurement at the median, commit apart.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from magnon_lab.runs import EvaluationRow, MeasurementBlock, RunFile, RunsFolder, StepRow
from magnon_lab.runs.plot import run_png
from magnon_lab.runs.runfile import HEARTBEAT_S

POINTS, KNOBS, A_STEP, STEPS = 401, ("drive_power_dbm", "attenuation_db", "field_mt"), 256, 391
CHECKPOINT = bytes(200_000)


def blocks() -> list[MeasurementBlock]:
    """Make the blocks beforehand, so that only recording is timed."""
    rng = np.random.default_rng(0)
    traces = rng.normal(-80, 5, (A_STEP, POINTS)).astype(np.float32)
    settings = rng.normal(size=(A_STEP, len(KNOBS)))
    return [
        MeasurementBlock(
            numbers=np.arange(step * A_STEP, (step + 1) * A_STEP),
            purpose="training",
            knobs=KNOBS,
            requested=settings,
            realised=settings,
            traces_dbm=traces,
            flags=np.zeros(A_STEP, dtype=np.int64),
            bench_time_s=np.arange(A_STEP) * 0.05,
        )
        for step in range(STEPS)
    ]


def record(run: RunFile) -> list[float]:
    """Record all steps and return the seconds of each."""
    seconds = []
    for step, block in enumerate(blocks()):
        row = StepRow(step=step, ring_measurements=(step + 1) * A_STEP, loss=1 / (step + 1))
        evaluations = (
            [EvaluationRow(step=step, split="test", loss=1.0, accuracy=0.5, n=100)]
            if step % 50 == 0
            else []
        )
        before = time.perf_counter()
        run.record_step(row, evaluations, block, CHECKPOINT)
        seconds.append(time.perf_counter() - before)
    return seconds


def empty_steps(run: RunFile, first: int) -> list[float]:
    """Return the seconds of steps without measurements: a commit and little else."""
    seconds = []
    for step in range(first, first + 200):
        before = time.perf_counter()
        run.record_step(StepRow(step=step, ring_measurements=0))
        seconds.append(time.perf_counter() - before)
    return seconds


def timed(label: str, action) -> None:  # type: ignore[no-untyped-def]
    """Print how long an action takes."""
    before = time.perf_counter()
    action()
    print(f"{label:<58}{1e3 * (time.perf_counter() - before):10.2f} ms")


def spread(label: str, seconds: list[float], per: int, unit: str) -> float:
    """Print median and extremes, and return the median in us."""
    values = 1e6 * np.array(seconds) / per
    median, worst = float(np.median(values)), float(values.max())
    print(
        f"{label:<58}{median:10.2f} {unit} (90 % {np.percentile(values, 90):.1f}, max {worst:.1f})"
    )
    return median


def main() -> int:
    """Run the benchmark; 0 if the aim is met."""
    with tempfile.TemporaryDirectory() as folder:
        timed("create a run", lambda: RunsFolder(folder).create("train", {}, "", 0, True).close())
        run = RunsFolder(folder).create("train", {}, "", 0, True)
        run.start()
        with RunFile.open(run.folder) as viewer:
            stop = threading.Event()

            def watch() -> None:
                while not stop.wait(0.1):
                    viewer.steps(after=0)
                    viewer.measurements(newest=1)

            watcher = threading.Thread(target=watch)
            watcher.start()
            median = spread("a measurement, with its share of the step", record(run), A_STEP, "us")
            stop.set()
            watcher.join()
        commit = spread("a step without measurements (one commit)", empty_steps(run, 400), 1, "us")
        print(f"{'a measurement, commit apart':<58}{median - commit / A_STEP:10.2f} us")
        time.sleep(HEARTBEAT_S)  # one is written a second, so that none is skipped here
        timed("heartbeat", run.heartbeat)
        timed("journal entry", lambda: run.event("x", "intent", "y"))
        timed("end the run (fold the log in)", lambda: run.finish("finished"))
        size = (run.folder / "run.sqlite").stat().st_size - 3 * len(CHECKPOINT)
        label = "storage of a measurement (its trace: 1604 bytes)"
        print(f"{label:<58}{size / A_STEP / STEPS:10.1f} bytes")
        timed("open, status, last checkpoint", lambda: RunFile.open(run.folder).last_checkpoint())
        timed("read all steps", run.steps)
        timed("read all settings", lambda: run.measurements(columns=("number", "realised")))
        timed("read all traces", lambda: run.measurements(columns=("traces_dbm",)))
        timed("read the newest trace", lambda: run.measurements(newest=1))
        timed("picture", lambda: run_png(run, Path(folder) / "run.png"))
        timed("list 2 runs", RunsFolder(folder).list)
        run.close()
    return 0 if median < 20 else 1


if __name__ == "__main__":
    sys.exit(main())
