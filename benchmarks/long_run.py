"""What a long run costs at its end against its beginning: time, memory and storage.

    python benchmarks/long_run.py [--hours 24] [--keep 20]

One training in process, on a slow bench (200 ms of the bench's time a measurement, which is not
waited for), every 20th trace kept. 24 hours of bench time are some 430,000 measurements. Must show:
memory flat within 5 % once it is under way, storage a step constant, steps in the last hour within
10 % of the first; and that the run file stays quick to list, show, plot and look through.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.cli.launch import Terms, launch
from magnon_lab.cli.parameters import build_procedure
from magnon_lab.cli.run import use_compilation_cache
from magnon_lab.runs import RunFile, RunsFolder
from magnon_lab.runs.check import check
from magnon_lab.runs.plot import run_png
from magnon_lab.runs.schema import PAGE_SIZE
from procedures import load_procedure

A_MEASUREMENT_S = 0.2
SAMPLES_S = 2.0

Sample = tuple[int, float, int]
"""Step, resident memory (MB), size of the run file (bytes)."""


def slow_bench(folder: Path) -> Path:
    """Write the shipped bench file with a drive that settles so slowly that 200 ms come out."""
    text = shipped_path().read_text(encoding="utf-8")
    library = shipped_path().parent / "sim_instruments.yaml"
    changed = text.replace("drive_s: 0.012", "drive_s: 0.16").replace(
        "sim_instruments.yaml@", f"{library}@"
    )
    path = folder / "slow.yaml"
    path.write_text(changed, encoding="utf-8")
    return path


def memory_mb() -> float:
    """Return the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


class Sampler(threading.Thread):
    """Looks at the run file and at this process now and then, as a viewer would."""

    def __init__(self, began: threading.Event) -> None:
        super().__init__(daemon=True)
        self.run_file: RunFile | None = None
        self.began = began
        self.over = threading.Event()
        self.samples: list[Sample] = []

    def run(self) -> None:
        self.began.wait()
        assert self.run_file is not None
        with RunFile.open(self.run_file.folder) as viewer:
            last = -1
            while not self.over.wait(SAMPLES_S):
                steps = viewer.steps(after=last)["step"]
                last = int(steps[-1]) if len(steps) else last
                (pages,) = viewer._database.row("PRAGMA page_count")  # with those in the log
                self.samples.append((last, memory_mb(), pages * PAGE_SIZE))


def train(folder: Path, hours: float, keep: int) -> tuple[RunFile, list[Sample]]:
    """Make the run; return it with what was sampled meanwhile."""
    batch, shots, sides = 16, 4, 2
    steps = max(20, round(hours * 3600 / A_MEASUREMENT_S / (batch * shots * sides)))
    values = {
        "task": "digits", "estimator": "input", "batch_size": batch, "shots": shots,
        "steps": steps, "budget": 0, "keep": str(keep),
    }  # fmt: skip
    began = threading.Event()
    sampler = Sampler(began)

    def watch_from_here(run: RunFile) -> None:
        sampler.run_file = run
        began.set()

    sampler.start()
    outcome = launch(
        build_procedure(load_procedure("train"), values),
        name="train",
        bench_path=slow_bench(folder),
        runs_path=folder / "runs",
        terms=Terms(began=watch_from_here),
    )
    sampler.over.set()
    sampler.join()
    if outcome.status != "finished":
        raise RuntimeError(f"the run {outcome.status}: {outcome.message}")
    return RunsFolder(folder / "runs").find("latest"), sampler.samples


def timed(label: str, action) -> float:  # type: ignore[no-untyped-def]
    """Print how long an action takes, and return it in s."""
    before = time.perf_counter()
    action()
    spent = time.perf_counter() - before
    print(f"{label:<46}{1e3 * spent:10.1f} ms")
    return spent


def judge(run: RunFile, samples: list[Sample]) -> list[str]:
    """Print first against last; return what is not as it must be."""
    steps = run.steps()
    bench_h = steps["bench_time_s"] / 3600
    measured = sum(run.counts().values())
    part_h = min(1.0, float(bench_h[-1]) / 4)
    wall_s = np.diff(steps["time"])
    first = wall_s[bench_h[1:] < part_h]
    last = wall_s[bench_h[1:] > bench_h[-1] - part_h]
    a_step = [float(np.median(part)) for part in (first, last)]
    print(f"{measured} measurements, {len(bench_h)} steps, {bench_h[-1]:.2f} h of bench time")
    a_measurement_s = bench_h[-1] * 3600 / int(steps["ring_measurements"][-1])
    print(f"{'bench time a measurement':<46}{1e3 * a_measurement_s:10.1f} ms")
    print(
        f"{f'a step, first and last {part_h:.2f} h (median)':<46}{1e3 * a_step[0]:10.1f} ms"
        f"{1e3 * a_step[1]:10.1f} ms ({100 * (a_step[1] / a_step[0] - 1):+.1f} %)"
    )
    under_way = [sample for sample in samples if sample[0] > 0.1 * steps["step"][-1]]
    memory = [sample[1] for sample in under_way]
    tenth = max(1, len(memory) // 10)
    early, late = statistics.median(memory[:tenth]), statistics.median(memory[-tenth:])
    print(
        f"{'memory, at a tenth of the run and at its end':<46}{early:10.1f} MB{late:10.1f} MB "
        f"({100 * (late / early - 1):+.1f} %, most {max(memory):.1f} MB)"
    )
    half = len(under_way) // 2
    growth = [
        (part[-1][2] - part[0][2]) / max(1, part[-1][0] - part[0][0])
        for part in (under_way[:half], under_way[half:])
    ]
    print(
        f"{'run file a step, first and second half':<46}{growth[0]:10.0f} bytes{growth[1]:10.0f} "
        f"bytes ({100 * (growth[1] / growth[0] - 1):+.1f} %)"
    )
    wrong = []
    if abs(growth[1] / growth[0] - 1) > 0.05:
        wrong.append("the run file does not grow evenly")
    if abs(a_step[1] / a_step[0] - 1) > 0.10:
        wrong.append("a step at the end does not take what it took in the beginning")
    if late / early - 1 > 0.05:
        wrong.append("memory grows")
    return wrong


def main() -> int:
    """Run the benchmark; 0 if everything is as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="of bench time")
    parser.add_argument("--keep", type=int, default=20, help="each n-th trace")
    options = parser.parse_args()
    use_compilation_cache()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = time.monotonic()
        run, samples = train(folder, options.hours, options.keep)
        print(f"{time.monotonic() - before:.0f} s of wall time")
        wrong = judge(run, samples)
        size = (run.folder / "run.sqlite").stat().st_size
        csv = run.csv_path.stat().st_size
        count = len(run.steps()["step"])
        print(f"{'storage, run file and CSV':<46}{size / 1e6:10.1f} MB{csv / 1e6:10.1f} MB")
        print(f"{'storage a step':<46}{size / count:10.0f} bytes{csv / count:10.0f} bytes")
        quick = [
            timed("runs list", RunsFolder(folder / "runs").list),
            timed("runs show", lambda: (run.info(), run.counts(), run.events(newest=1000))),
            timed("runs plot", lambda: run_png(run, folder / "run.png")),
        ]
        timed("runs check", lambda: check(run.folder))
        if max(quick) > 5.0:
            wrong.append("the run file is slow to look at")
        run.close()
    print("\n".join(wrong) or "as it must be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
