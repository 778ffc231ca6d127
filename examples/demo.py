"""Train two networks through the simulated ring, and set them beside their baselines.

Runs `magnon-lab run train` for each line of the table, two at a time, each as its own process:
twin first on handwritten digits, with 500 ring measurements; PGT on two spirals (forward passes
only); and for both the ridge readout on a frozen random pre-layer and the same network with the
ring taken out. Writes the runs, a picture of each training and one of both into `demo/`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from magnon_lab.runs import RunsFolder
from magnon_lab.runs.plot import run_png

HERE = Path(__file__).resolve().parent
TARGET = Path("demo")
RUNS = TARGET / "runs"
RIDGE = ("-p", "estimator=ridge", "-p", "budget=6000")
NO_RING = ("-p", "reservoir=none", "-p", "estimator=exact", "-p", "steps=3000", "-p", "budget=0")
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)


@dataclass(frozen=True)
class Job:
    """One line of the table."""

    task: str
    what: str
    config: str
    options: tuple[str, ...] = ()


JOBS = (
    Job("digits", "twin first", "digits-twin.yaml"),
    Job("spirals", "PGT, forward passes only", "spirals-pgt.yaml"),
    Job("spirals", "ridge, frozen pre-layer", "spirals-pgt.yaml", ("-p", "estimator=ridge")),
    Job("spirals", "no ring, backpropagation", "spirals-pgt.yaml", NO_RING),
    Job("digits", "ridge, frozen pre-layer", "digits-twin.yaml", RIDGE),
    Job("digits", "no ring, backpropagation", "digits-twin.yaml", NO_RING),
)


def run(job: Job) -> dict[str, Any]:
    """Run a job to its end; tell what it tells, prefixed with its name."""
    words = [sys.executable, "-m", "magnon_lab.cli", "run", "train", "--json"]
    words += ["--config", str(HERE / job.config), "--runs", str(RUNS), *job.options]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None

    def relay(lines: Any) -> None:
        for line in lines:
            console.print(f"[dim]{job.task}, {job.what}:[/dim] {line.rstrip()}")

    teller = threading.Thread(target=relay, args=(process.stderr,))
    teller.start()
    stdout = process.stdout.read()
    teller.join()
    if process.wait() != 0:
        raise SystemExit(f"{job.task}, {job.what}: failed with exit code {process.returncode}")
    result: dict[str, Any] = json.loads(stdout.strip().splitlines()[-1])
    console.print(f"{job.task}, {job.what}: test accuracy {result['accuracy']:.3f}", style="bold")
    return result


def picture(results: dict[Job, dict[str, Any]], path: Path) -> None:
    """Draw accuracy against ring measurements for both tasks, with their baselines."""
    figure = Figure(figsize=(10, 4.2), dpi=150, layout="constrained")
    for axes, task in zip(figure.subplots(1, 2), ("spirals", "digits"), strict=True):
        jobs = [job for job in JOBS if job.task == task]
        main, ridge, none = jobs
        steps = RunsFolder(RUNS).find(results[main]["run"]).steps()
        axes.plot(
            steps["ring_measurements"], _smooth(steps["accuracy"]), label=f"{main.what} (training)"
        )
        axes.plot(
            [steps["ring_measurements"][-1]],
            [results[main]["accuracy"]],
            "o",
            color="C0",
            label=f"test accuracy {results[main]['accuracy']:.3f}",
        )
        for job, style in ((ridge, "--"), (none, ":")):
            accuracy = results[job]["accuracy"]
            axes.axhline(accuracy, ls=style, color="0.35", label=f"{job.what} {accuracy:.3f}")
        axes.set(title=task, xlabel="Ring measurements", ylabel="Accuracy", ylim=(0, 1.02))
        axes.legend(fontsize="small", loc="lower right")
    figure.suptitle("Training through the simulated ring")
    figure.savefig(path)


def _smooth(values: Any) -> list[float]:
    """Return the running mean over the last steps, some hundredth of all."""
    width = 1 + len(values) // 100
    return [
        float(values[max(0, index - width + 1) : index + 1].mean()) for index in range(len(values))
    ]


def main() -> None:
    """Run all jobs, print the table, write the pictures."""
    began = time.monotonic()
    RUNS.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(JOBS, pool.map(run, JOBS), strict=True))
    table = Table(title="Test accuracy through the simulated ring", title_justify="left")
    for name in ("task", "method", "accuracy", "ring measurements", "bench time", "wall time"):
        table.add_column(name, justify="left" if name in ("task", "method") else "right")
    for job in sorted(JOBS, key=lambda job: (job.task != "spirals", JOBS.index(job))):
        result = results[job]
        bench_s = result["bench_time_s"]
        table.add_row(
            job.task,
            job.what,
            f"{result['accuracy']:.3f}",
            f"{result['ring_measurements']}",
            "" if bench_s is None else f"{bench_s / 60:.1f} min",
            f"{result['wall_time_s']:.0f} s",
        )
    console.print(table)
    picture(results, TARGET / "learning.png")
    written = [TARGET / "learning.png"]
    for job in JOBS[:2]:
        found = RunsFolder(RUNS).find(results[job]["run"])
        written.append(run_png(found, TARGET / f"{job.task}.png"))
    console.print("pictures: " + ", ".join(map(str, written)))
    console.print(f"runs: {RUNS} (magnon-lab runs list --runs {RUNS})")
    console.print(f"done in {time.monotonic() - began:.0f} s; every bench was simulated")


if __name__ == "__main__":
    main()
