"""Gradients from measured differences and from a twin, beside the exact one, on the ring in silico.

    python benchmarks/gradients.py [--draws 1000]

Digits, 4 shots, 3 knobs, 32 bins, a batch of 4; parameters as drawn, and as `twin_first` trained
them with 500 measurements. Must show:
- the mean of `twin_pgt` is the exact gradient, with a twin of 300 measurements, a wrong one (each
  answer at another one's inputs) and an empty one: chi-squared of its projections on 20 random
  directions, at two sizes, one half of the other, and extrapolated from both to none. No noise, no
  steps of an attenuator, so that nothing but the size can bend it;
- with a good twin, far from the optimum, its variance is below that of `trace` at as many
  measurements;
- `trace` along all orthogonal directions has a cosine to the exact gradient of at least 0.95 where
  there is no noise; what noise, steps and the size of the moves leave of it is shown beside.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpy.typing import NDArray
from parts.in_silico import DIGITS_TWIN, training
from scipy.stats import chi2

from magnon_lab.learning.estimator import Answer, Estimator
from magnon_lab.learning.estimators import make_estimator
from magnon_lab.learning.loop import train
from magnon_lab.learning.reservoir import Knob
from magnon_lab.learning.state import TrainerState
from magnon_lab.learning.trainer import Trainer
from magnon_lab.learning.twin_gradients import Online
from magnon_lab.ring import RingModel
from procedures.reservoirs import RingReservoir

BATCH, CAPACITY, PROJECTIONS = 4, 1000, 20
SIZE = 0.008
"""Of moves for the test of bias: far below what noise would ask for, as there is none."""

ROWS = (0, 50, 100, 200, 300, 500, 1000)
"""Measurements that a twin learnt from."""


class Point:
    """One batch at fixed parameters, on one ring; every estimator's gradient before the ring."""

    def __init__(self, trainer: Trainer, reservoir: RingReservoir, state: TrainerState) -> None:
        self.problem, self.reservoir = trainer.problem, reservoir
        self.view = trainer._view(trainer._moving(state))
        self._compiled: dict[Estimator, Any] = {}

    def many(self, estimator: Estimator, state: Any, count: int, seed: int = 1) -> NDArray[Any]:
        """Return `count` gradients (count, parameters of the pre-layer) under as many keys."""

        def one(state: Any, key: jax.Array, first: jax.Array) -> jax.Array:
            view = self.view._replace(key=key, state=state, step=jnp.asarray(100))
            inputs = estimator.ask(self.problem, view, 0)
            numbers = first + jnp.arange(len(inputs), dtype=jnp.uint32)
            assert view.model is not None
            answer = Answer(inputs, view.model(inputs, numbers), numbers)
            _, gradient = estimator.tell(self.problem, view, answer, 0)
            assert gradient is not None
            flat: jax.Array = ravel_pytree(gradient.network.blocks[0])[0]
            return flat

        compiled = self._compiled.setdefault(estimator, jax.jit(one))
        keys = jax.random.split(jax.random.key(seed), count)
        firsts = np.arange(count, dtype=np.uint32) * 100
        pairs = zip(keys, firsts, strict=True)
        return np.stack([np.asarray(compiled(state, *pair)) for pair in pairs]).astype(np.float64)

    def learnt(self, rows: int, wrong: bool = False) -> Online:
        """Return a twin of `rows` measurements all over the box; a wrong one has them mixed up."""
        estimator = make_estimator("twin_pgt", capacity=CAPACITY)
        twin = estimator.init(self.problem, self.view.network).twin
        rng = np.random.default_rng(2)
        inputs = jnp.asarray(rng.uniform(-1.0, 1.0, (rows, self.problem.knobs)), jnp.float32)
        if not rows:
            return Online(twin, ())
        assert self.view.model is not None
        numbers = jnp.arange(rows, dtype=jnp.uint32)
        features = jax.jit(self.view.model)(inputs, numbers)
        features = features[rng.permutation(rows)] if wrong else features
        learner = learner_of(self.problem)
        twin = learner.tuned(learner.add(twin, inputs, features, numbers), jax.random.key(0), 60)
        # Learnt once, and used for all draws: it must not grow old meanwhile.
        return Online(twin._replace(lengths=twin.lengths.at[-1].set(10.0)), ())


def learner_of(problem: Any) -> Any:
    """Return what fits the twins, as `twin_pgt` has it."""
    from magnon_lab.learning.twin_gradients import _twin

    return _twin(problem, CAPACITY)


def points(noise: bool) -> dict[str, Point]:
    """Return the two points: parameters as drawn, and trained."""
    procedure = training(**DIGITS_TWIN, budget=500)
    trained = train(procedure.trainer, procedure.through, steps=5)
    exact = training(task="digits", estimator="exact", batch_size=BATCH, penalty=3.0)
    through = exact.through
    assert isinstance(through, RingReservoir)
    if not noise:
        through = noiseless(through)
        exact.trainer = smooth(exact.trainer, through)
    start = exact.trainer.init()._replace(scale=trained.scale)
    later = start._replace(parameters=trained.parameters)
    states = {"as drawn": start, "trained": later}
    return {name: Point(exact.trainer, through, state) for name, state in states.items()}


def noiseless(ring: RingReservoir) -> RingReservoir:
    """Return the same ring without imperfections, with an attenuator without steps."""
    knobs = [Knob(knob.name, knob.low, knob.high) for knob in ring.knobs]
    held = {"field_mt": 92.0, "amplifier_voltage_v": 12.0}
    return RingReservoir(RingModel(ring._model.parameters), ring._readout, knobs, held, {})


def smooth(trainer: Trainer, ring: RingReservoir) -> Trainer:
    """Return a trainer like this one on another ring."""
    return Trainer(
        network=trainer.network(trainer.init()),
        estimator=trainer.estimator,
        optimiser=trainer.optimiser,
        task=trainer.task,
        reservoir=ring,
        shots=trainer.problem.shots,
        batch_size=BATCH,
        seed=trainer.seed,
    )


def unbiased(draws: int) -> bool:
    """Print the chi-squared tests; return whether all extrapolated means pass."""
    print(f"| point | twin | chi-squared at {SIZE:g} | at half | extrapolated | probability |")
    print("|---|---|---|---|---|---|")
    rng, good = np.random.default_rng(0), True
    for name, point in points(noise=False).items():
        truth = point.many(make_estimator("exact"), (), 1)[0]
        axes = rng.normal(size=(len(truth), PROJECTIONS))
        for twin, state in {
            "of 300": point.learnt(300),
            "wrong": point.learnt(300, wrong=True),
            "empty": point.learnt(0),
        }.items():
            drawn = {
                size: point.many(
                    make_estimator("twin_pgt", size=size, capacity=CAPACITY), state, draws
                )
                for size in (SIZE, SIZE / 2.0)
            }
            drawn[0.0] = (4.0 * drawn[SIZE / 2.0] - drawn[SIZE]) / 3.0
            told = []
            for each in drawn.values():
                apart = (each - truth) @ axes
                middle, covariance = apart.mean(axis=0), np.cov(apart.T) / draws
                told.append(float(middle @ np.linalg.solve(covariance, middle)))
            probability = float(chi2.sf(told[-1], PROJECTIONS))
            good &= probability > 1e-3
            told_text = " | ".join(f"{value:.1f}" for value in told)
            print(f"| {name} | {twin} | {told_text} | {probability:.3f} |", flush=True)
    return good


def variances(draws: int) -> bool:
    """Print variance over that of `trace`; return whether a good twin is below it."""
    print("\n| twin of | variance over that of trace, as drawn | trained |")
    print("|---|---|---|")
    estimator = make_estimator("twin_pgt", capacity=CAPACITY)
    found: dict[str, list[float]] = {}
    for name, point in points(noise=True).items():
        own = make_estimator("trace", directions="rademacher")
        trace = point.many(own, (), draws).var(axis=0).sum()
        found[name] = [
            point.many(estimator, point.learnt(rows), draws).var(axis=0).sum() / trace
            for rows in ROWS
        ]
    for place, rows in enumerate(ROWS):
        told = " | ".join(f"{ratios[place]:.3f}" for ratios in found.values())
        print(f"| {rows} measurements | {told} |", flush=True)
    return found["as drawn"][-1] < 1.0


def cosines(draws: int) -> bool:
    """Print cosines of `trace` to the exact gradient; return whether it is 0.95 without noise."""
    print("\n| three orthogonal directions | size | cosine to the exact gradient |")
    print("|---|---|---|")
    good = True
    for noise, size in ((False, 0.02), (False, 0.1), (True, 0.1)):
        for name, point in points(noise).items():
            drawn = point.many(make_estimator("trace", count=3, size=size), (), draws)
            truth = point.many(make_estimator("exact"), (), draws)
            each = [_cosine(one, other) for one, other in zip(drawn, truth, strict=True)]
            good &= noise or size > 0.02 or float(np.mean(each)) >= 0.95
            where = f"{name}, {'noise and steps' if noise else 'no noise'}"
            print(f"| {where} | {size:g} | {np.mean(each):.3f} ± {np.std(each):.3f} |", flush=True)
    return good


def _cosine(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def main() -> int:
    """Run all three; 0 if all show what they must."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draws", type=int, default=1000)
    draws = parser.parse_args().draws
    told = [unbiased(draws), variances(draws // 5), cosines(max(draws // 50, 2))]
    return 0 if all(told) else 1


if __name__ == "__main__":
    sys.exit(main())
