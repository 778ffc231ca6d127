"""A long run for the benchmark of the windows, and processes that go on writing runs.

python benchmarks/parts/window_data.py writer|csv-writer|emitter PLACE
"""

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.runs import RunFile, RunsFolder, StepRow

POINTS, KEEP, A_SECOND, TICK_S = 401, 10, 1000, 0.02
KNOBS = ("drive_power_dbm", "drive_frequency_hz", "attenuation_db")
COLUMNS = ("Step", "Ring measurements", "Loss", "Accuracy", "Gradient SNR", "Bench time (s)")
RUNS = 5


def fill(run: RunFile, first: int, last: int) -> None:
    """Write steps `first` to `last` into a run file, each with its measurement."""
    rng = np.random.default_rng(first)
    shapes = rng.normal(-80, 3, (64, POINTS)).astype("<f4")
    shapes[:, 200] += 50
    with run._database.transaction() as connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2) "
            "INSERT INTO steps SELECT i, 1.7e9 + i * 1e-3, i * 0.05, i, "
            "2.3 / (1 + i * 1e-4) + 0.1 + abs(random()) / 9.3e19, 'measured unperturbed', "
            "1 - 0.9 / (1 + i * 1e-4), 0.01, 0.1, 2 + abs(random()) / 9.3e18, 0.01, NULL, '{}', "
            "0.001, 0.012, 0.03, 0.004, 0.005 + abs(random()) / 9.3e21, 0.001 FROM n",
            (first, last),
        )
        connection.execute(
            "INSERT OR IGNORE INTO kinds (kind, purpose, knobs) VALUES (1, 'training', ?)",
            (json.dumps(KNOBS),),
        )
        asked = np.clip(rng.normal(0.5, 0.3, (last - first + 1, 3)), 0, 1)
        asked = asked * (35, 30e6, 5) + (-30, 4.45e9, 10)
        connection.executemany(
            "INSERT INTO measurements (number, step, kind, flags, bench_time_s, requested, "
            "realised, trace) VALUES (?, ?, 1, 0, ?, ?, ?, ?)",
            (
                (number, number, number * 0.05, blob, blob,
                 shapes[number % 64] if number % KEEP == 0 else None)
                for number, blob in enumerate(map(bytes, asked), start=first)
            ),
        )  # fmt: skip
        connection.execute(
            "INSERT INTO counts VALUES ('training', ?1, ?2) ON CONFLICT DO UPDATE SET "
            "measured = measured + ?1, traces = traces + ?2",
            (last - first + 1, (last // KEEP) - (first - 1) // KEEP),
        )


def new_run(folder: Path) -> RunFile:
    """Return a training that has begun."""
    text = shipped_path().read_text(encoding="utf-8")
    run = RunsFolder(folder).create("train", {"steps": 10**7}, text, 0, True, keep=KEEP)
    run.set_frequencies(np.linspace(4.3e9, 4.65e9, POINTS))
    run.start()
    return run


def write(folder: Path) -> None:
    """Append steps to a run file, `A_SECOND` each second, until it is ended."""
    run = RunFile.open(folder, write=True)
    run.start()
    reader = run._database.row("SELECT max(step) FROM steps")
    assert reader is not None
    _append(int(reader[0]), lambda first, last: fill(run, first, last))


def write_csv(path: Path) -> None:
    """Append the same to PyMeasure's CSV."""
    with path.open("rb") as file:
        file.seek(-200, 2)
        last = int(file.read().decode().splitlines()[-1].split(",")[0])
    with path.open("a", encoding="utf-8") as file:

        def add(first: int, last: int) -> None:
            file.writelines(csv_line(step) for step in range(first, last + 1))
            file.flush()

        _append(last, add)


def _append(last: int, add: Callable[[int, int], None]) -> None:
    began, before = time.monotonic(), last
    while True:
        due = before + int((time.monotonic() - began) * A_SECOND)
        if due > last:
            add(last + 1, due)
            last = due
        time.sleep(TICK_S)


def csv_line(step: int) -> str:
    """Return a step as PyMeasure's CSV has it."""
    loss = 2.3 / (1 + step * 1e-4) + 0.1 + 0.1 * math.sin(step * 12.9898) ** 2
    return f"{step},{step},{loss},{1 - 0.9 / (1 + step * 1e-4)},{2.0},{step * 0.05}\n"


def emit(folder: Path) -> None:
    """Begin a run, and record its first step at each line of stdin."""
    for _ in range(RUNS):
        run = new_run(folder)
        print(run.folder, flush=True)
        sys.stdin.readline()
        step = StepRow(step=1, ring_measurements=1, loss=1.0, accuracy=0.5)
        run.record_step(step)
        print(step.time, flush=True)
        sys.stdin.readline()
        run.finish("finished")
        run.close()


if __name__ == "__main__":
    {"writer": write, "csv-writer": write_csv, "emitter": emit}[sys.argv[1]](Path(sys.argv[2]))
