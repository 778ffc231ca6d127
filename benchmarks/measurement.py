"""What one measurement costs, end to end: bench, drivers, PyVISA, simulated instruments, ring.

A batch with all three usual knobs changed each time, in process on the shipped bench. Aim: at most
3 ms a measurement at the median, of which at most 1 ms outside the ring model, or 1.2 ms with
`--recorded`: with a guard that hears of each, a journal in a run file, and each batch of 16
committed there. With `--tcp` the laboratory is served on sockets in this process (its threads
share the interpreter).

    python benchmarks/measurement.py [--recorded] [--tcp] [--count 1000] [--profile]
"""

import argparse
import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from magnon_lab.bench import Bench, BenchFile, Measurement, write_served_bench
from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.bench.guard import Guard
from magnon_lab.runs import MeasurementBlock, RunsFolder
from magnon_lab.simulation import Laboratory, serve, shipped_definition
from procedures.pulse import Pulse

GOAL_S, OWN_GOAL_S, RECORDED_GOAL_S = 3e-3, 1e-3, 1.2e-3
BATCH = 16


def settings(bench_file: BenchFile, count: int) -> np.ndarray:
    """Return rows (count, 3) all over the knobs' ranges."""
    rng = np.random.default_rng(0)
    columns = [rng.uniform(knob.low, knob.high, count) for knob in bench_file.knobs.values()]
    return np.column_stack(columns)


class TimedRing:
    """The laboratory's ring model with the seconds of each sweep taken down."""

    def __init__(self, ring: Any) -> None:
        self._ring = ring
        self.seconds: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ring, name)

    def trace(self, *arguments: Any, **named: Any) -> Any:
        """Measure as the model does."""
        before = time.perf_counter()
        result = self._ring.trace(*arguments, **named)
        self.seconds.append(time.perf_counter() - before)
        return result


@contextmanager
def opened(tcp: bool) -> Iterator[tuple[Bench, Callable[[], Laboratory]]]:
    """Yield an opened bench, and how to get at its laboratory."""
    bench_file = BenchFile.load(shipped_path())
    if not tcp:
        with Bench(bench_file, seed=0) as bench:
            session = bench.stand.sessions["laboratory"]
            yield bench, lambda: session.instrument.adapter.manager.visalib.laboratory
        return
    server = serve(shipped_definition(), seed=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "served.yaml"
        write_served_bench(bench_file, server.resources, path)
        with Bench(BenchFile.load(path), seed=0) as bench:
            yield bench, lambda: server.laboratory
    server.close()


@contextmanager
def recorded(bench: Bench) -> Iterator[Callable[[np.ndarray], Measurement]]:
    """Yield a way to measure a batch that a guard hears of and that is committed."""
    guard = Guard(bench.bench_file)
    guard.start()
    guard.require()
    with (
        tempfile.TemporaryDirectory() as folder,
        RunsFolder(folder).create("measurement", {}, bench.bench_file.text, 0, True) as run,
    ):
        run.set_frequencies(bench.frequencies_hz)
        run.start()
        bench.stand.journal = run.event
        pulse = Pulse()
        pulse.listeners.append(guard.beat)

        def ends() -> bool:
            pulse.beat("measure", 30.0)
            return False

        def measure(rows: np.ndarray) -> Measurement:
            taken = bench.measure(rows, should_stop=ends)
            block = MeasurementBlock(
                numbers=taken.numbers,
                purpose="training",
                knobs=taken.knobs,
                requested=taken.requested,
                realised=taken.realised,
                traces_dbm=taken.traces_dbm,
                flags=taken.flags,
                bench_time_s=taken.bench_time_s,
            )
            run.record_measurements(block)
            return taken

        yield measure
        run.finish("finished")
    guard.release()


def main() -> int:
    """Measure, print, and tell by the exit code whether the aims are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", action="store_true")
    parser.add_argument("--tcp", action="store_true")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    with opened(asked.tcp) as (bench, laboratory):
        before = time.perf_counter()
        bench.start()
        print(f"start, compiled and on: {time.perf_counter() - before:7.3f} s")
        plant = laboratory().plant
        ring = TimedRing(plant.ring)
        plant._ring = ring  # the model itself is shared and must not be touched
        rows = settings(bench.bench_file, asked.count)
        bench.measure(rows[:20])
        ring.seconds.clear()
        stamps: list[float] = [time.perf_counter()]
        profile = cProfile.Profile()
        if asked.profile:
            profile.enable()
        if asked.recorded:
            with recorded(bench) as measure:
                stamps = [time.perf_counter()]
                for at in range(0, len(rows), BATCH):
                    taken = measure(rows[at : at + BATCH])
                    # Each of a batch is told as its share, so that the commit counts for all.
                    shares = np.linspace(stamps[-1], time.perf_counter(), len(taken.numbers) + 1)
                    stamps += shares[1:].tolist()
        else:
            taken = bench.measure(
                rows, on_measurement=lambda *_: stamps.append(time.perf_counter())
            )  # fmt: skip
        profile.disable()
        before = time.perf_counter()
        bench.safe()
        safe_s = time.perf_counter() - before
    total = np.diff(stamps)
    model = np.array(ring.seconds)
    own = total - model
    print(f"made safe:              {safe_s:7.3f} s")
    print(f"{len(total)} measurements of {len(taken.knobs)} knobs, 401 points, ms a measurement:")
    for name, seconds in (("end to end", total), ("ring model", model), ("all else", own)):
        low, middle, high = 1e3 * np.quantile(seconds, [0.05, 0.5, 0.95])
        print(f"  {name:12} median {middle:6.3f}   5 % {low:6.3f}   95 % {high:6.3f}")
    bench_s = float(np.median(np.diff(taken.bench_time_s)))
    print(f"  bench time   median {1e3 * bench_s:6.1f}   (what a real bench would take)")
    if asked.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    own_goal_s = RECORDED_GOAL_S if asked.recorded else OWN_GOAL_S
    met = np.median(total) <= GOAL_S and np.median(own) <= own_goal_s
    print(f"aims {1e3 * GOAL_S:g} ms and {1e3 * own_goal_s:g} ms: {'met' if met else 'NOT met'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
