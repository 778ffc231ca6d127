"""Bench time of one epoch with the field as a knob: ordered by the planner against as asked.

64 samples of 4 shots are measured in batches on the simulated laboratory, whose clock tells what a
real bench would take. Two ways to use a field: each shot has one of its own, the same for all
samples (a sample is seen at four fields); or the pre-layer gives every measurement another field,
anywhere in a wide range. Aim: at least 3 times less bench time in each.

    python benchmarks/planner.py [--samples 64] [--shots 4] [--batch 256]
"""

import argparse
import sys

import numpy as np

from magnon_lab.bench import Bench, BenchFile
from magnon_lab.bench.benchfile import shipped_path

GOAL = 3.0
KNOBS = ("drive_power_dbm", "attenuation_db", "field_mt")


def settings(kind: str, samples: int, shots: int) -> np.ndarray:
    """Return rows (samples * shots, 3) as a network would ask for them, sample by sample."""
    rng = np.random.default_rng(0)
    count = samples * shots
    fields = {
        "a field each shot": np.tile(90.0 + 2.0 * rng.permutation(shots), samples),
        "any field, 50 to 140 mT": rng.uniform(50.0, 140.0, count),
    }
    return np.column_stack([rng.uniform(-30, 5, count), rng.uniform(10, 15, count), fields[kind]])


def bench_time_s(rows: np.ndarray, batch: int) -> tuple[float, np.ndarray]:
    """Measure rows in batches of so many; return the bench time, and the traces."""
    with Bench(BenchFile.load(shipped_path()), seed=0) as bench:
        bench.start()
        before = bench.clock.now()
        traces = [
            bench.measure(
                rows[at : at + batch], KNOBS, numbers=np.arange(at, min(at + batch, len(rows)))
            ).traces_dbm
            for at in range(0, len(rows), batch)
        ]
        return bench.clock.now() - before, np.concatenate(traces)


def main() -> int:
    """Measure, print, and tell by the exit code whether the aim is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--shots", type=int, default=4)
    parser.add_argument("--batch", type=int, default=256, help="measurements a batch")
    asked = parser.parse_args()
    met = True
    for kind in ("a field each shot", "any field, 50 to 140 mT"):
        rows = settings(kind, asked.samples, asked.shots)
        given_s, given = bench_time_s(rows, 1)  # a batch of one has no order
        planned_s, planned = bench_time_s(rows, asked.batch)
        factor = given_s / planned_s
        met = met and factor >= GOAL
        print(
            f"{kind}: as asked {given_s:.1f} s, ordered {planned_s:.1f} s, factor {factor:.1f}; "
            f"traces differ by {np.median(np.abs(given - planned)):.4f} dB (median)"
        )
    print(f"aim, a factor of {GOAL:g}: {'met' if met else 'NOT met'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
