"""What the bare ring model costs: a single measurement, batches, and the gradient, in milliseconds.

The settings are drawn over the usual knobs at a field that is held; each figure is the median of
repeated timings at the default trips. Aim: at most 1.5 ms a measurement singly, 0.7 ms in batches.

    python benchmarks/ring_model.py [--noise] [--repeats 20]
"""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from magnon_lab.ring import Imperfections, Readout, RingModel

SINGLE_GOAL_MS, BATCH_GOAL_MS = 1.5, 0.7
BATCH = 256
EVERYTHING = Imperfections(
    amplifier_noise=True,
    analyser_noise=True,
    film_walk_k_per_sqrt_h=0.02,
    film_daily_k=0.1,
    gain_walk_db_per_sqrt_h=0.02,
    attenuator_error_db=0.1,
    analyser_ripple_db=0.3,
)


def settings(count: int) -> np.ndarray:
    """Return rows (count, 5) over the knob box at 92 mT and 12 V."""
    low, high = np.array([[-30.0, 4.45e9, 10.0, 92.0, 12.0], [5.0, 4.48e9, 15.0, 92.0, 12.0]])
    return np.random.default_rng(0).uniform(low, high, (count, 5))


def median_ms(call: Callable[[int], Any], repeats: int, each: int = 1) -> float:
    """Return the median time in ms of one of `each` measurements that a call makes."""
    call(0)
    times = []
    for number in range(repeats):
        before = time.perf_counter()
        call(number)
        times.append(time.perf_counter() - before)
    return float(np.median(times)) * 1e3 / each


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--noise", action="store_true", help="with every imperfection on")
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    model = RingModel(imperfections=EVERYTHING if arguments.noise else None)
    readout, rows = Readout(), settings(BATCH)
    numbers, fields = np.arange(BATCH), settings(BATCH)
    fields[:, 3] += np.linspace(-0.1, 0.1, BATCH)

    before = time.perf_counter()
    model.compile(readout, batches=True)
    print(f"{'compile, single and batch':<34} {time.perf_counter() - before:8.2f} s")

    def mean_square(at: Any) -> Any:
        return jnp.mean(model.traces_fn(at, readout, numbers, one_field=True) ** 2)

    gradient = jax.jit(jax.grad(mean_square))
    single_rows = jnp.asarray(rows, jnp.float32)
    single = median_ms(lambda n: model.trace(rows[n % BATCH], readout, n), 10 * arguments.repeats)
    batch = median_ms(lambda n: model.traces(rows, readout, numbers), arguments.repeats, BATCH)
    several = median_ms(lambda n: model.traces(fields, readout, numbers), arguments.repeats, BATCH)
    slope = median_ms(
        lambda n: jax.block_until_ready(gradient(single_rows)), arguments.repeats, BATCH
    )
    for name, value, goal in (
        ("single", single, SINGLE_GOAL_MS),
        (f"batch of {BATCH}, one field", batch, BATCH_GOAL_MS),
        (f"batch of {BATCH}, each its field", several, BATCH_GOAL_MS),
        (f"gradient, batch of {BATCH}, one field", slope, None),
    ):
        aim = f"  (aim {goal} ms: {'met' if value <= goal else 'MISSED'})" if goal else ""
        print(f"{name:<34} {value:8.3f} ms{aim}")
    return 0 if single <= SINGLE_GOAL_MS and batch <= BATCH_GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())
