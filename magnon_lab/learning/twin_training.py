"""Training of a network on a twin of the ring: no measurements, exact gradients of the twin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from magnon_lab.learning.estimator import Problem, accuracy, losses
from magnon_lab.learning.network import Network
from magnon_lab.learning.twin import Posterior

LOOKS = 10
"""How often a training looks at the validation split."""


@dataclass(frozen=True)
class Regularisation:
    """What keeps a network from learning the twin, or the samples, by heart.

    Spreads of normal numbers added to samples (their spread is about 1) and to the ring's inputs
    on -1..1; features get residuals of the twin, noise of the ring included, times `residuals`.
    """

    samples: float = 0.3
    inputs: float = 0.2
    residuals: float = 1.0


class Split(NamedTuple):
    """Samples x (n, ...) and labels y (n,)."""

    x: jax.Array
    y: jax.Array


class Course(NamedTuple):
    """How a training went: at each of `LOOKS` looks, on the twin.

    `overshoot`: mean square by which numbers for the ring leave -1..1. error: of the twin, as it
    predicts each row from the others.
    """

    loss: jax.Array
    validation_loss: jax.Array
    validation_accuracy: jax.Array
    overshoot: jax.Array
    error: jax.Array


def through(
    problem: Problem,
    network: Network,
    x: jax.Array,
    twin: Posterior,
    key: jax.Array,
    added: Regularisation,
) -> tuple[jax.Array, jax.Array]:
    """Return logits (batch, classes) and the mean overshoot, with the twin in the ring's place."""
    features: list[jax.Array] = []
    beyond = jnp.zeros(())
    chances = twin.known / jnp.maximum(jnp.sum(twin.known), 1.0)
    key, sample_key = jax.random.split(key)
    x = x + added.samples * jax.random.normal(sample_key, x.shape)
    for _ in range(network.passes):
        key, moved, dithered, drawn = jax.random.split(key, 4)
        raw = jax.vmap(network)(x, *features)[-1]
        beyond = beyond + jnp.mean(problem.encoding.overshoot(raw))
        inputs = problem.encoding.clip(raw)
        inputs = problem.encoding.clip(
            inputs + added.inputs * jax.random.normal(moved, inputs.shape)
        )
        placed = problem.encoding.dither(inputs, jax.random.uniform(dithered, inputs.shape))
        inputs = inputs + jax.lax.stop_gradient(placed - inputs)
        told = twin.mean(inputs.reshape(-1, problem.knobs))
        rows = jax.random.choice(drawn, len(chances), (len(told),), p=chances)
        told = told + added.residuals * twin.residuals[rows]
        features.append(told.reshape(len(x), problem.shots, problem.bins))
    return jax.vmap(network)(x, *features)[-1], beyond / network.passes


PLAIN = Regularisation(samples=0.0, inputs=0.0)
"""As the ring would answer: residuals stand for its noise."""


def operating_points(
    problem: Problem, network: Network, x: jax.Array, twin: Posterior
) -> jax.Array:
    """Return where a network turns the knobs for samples, (batch, passes, shots, knobs).

    What comes before a later ring pass goes through the twin.
    """
    features: list[jax.Array] = []
    points: list[jax.Array] = []
    for _ in range(network.passes):
        inputs = problem.encoding.clip(jax.vmap(network)(x, *features)[-1])
        points.append(inputs)
        told = twin.mean(inputs.reshape(-1, problem.knobs))
        features.append(told.reshape(len(x), problem.shots, problem.bins))
    return jnp.stack(points, axis=1)


def train_on_twin(
    problem: Problem,
    optimiser: optax.GradientTransformation,
    network: Network,
    twin: Posterior,
    train: Split,
    validation: Split,
    key: jax.Array,
    steps: jax.Array,
    *,
    batch_size: int,
    added: Regularisation,
    readout_only: jax.Array,
) -> tuple[Network, Course]:
    """Return the network that did best on the validation split of all looks, and the course.

    `steps` of the optimiser between two looks, its updates falling as a cosine to 1 % by the end.
    With `readout_only` the last block alone moves, so that the ring's inputs stay what they were.
    The network that is given counts as a look too.
    """
    moving, held = eqx.partition(network, eqx.is_inexact_array)
    looking = jax.random.split(jax.random.fold_in(key, 1), 4)

    def loss(moving: Any, key: jax.Array) -> jax.Array:
        drawn, passed = jax.random.split(key)
        batch = jax.random.choice(drawn, len(train.x), (batch_size,), replace=False)
        whole = eqx.combine(moving, held)
        logits, beyond = through(problem, whole, train.x[batch], twin, passed, added)
        return jnp.mean(losses(logits, train.y[batch])) + problem.penalty * beyond

    def look(moving: Any) -> tuple[jax.Array, ...]:
        whole = eqx.combine(moving, held)

        def once(key: jax.Array) -> tuple[jax.Array, ...]:
            logits, beyond = through(problem, whole, validation.x, twin, key, PLAIN)
            right = accuracy(logits, validation.y)
            return jnp.mean(losses(logits, validation.y)), right, beyond

        return tuple(jnp.mean(one) for one in jax.vmap(once)(looking))

    def between(carry: Any, index: jax.Array) -> tuple[Any, tuple[jax.Array, ...]]:
        moving, memory, best, lowest = carry

        def step(count: jax.Array, carry: Any) -> Any:
            moving, memory, total = carry
            number = index * steps + count
            value, slope = jax.value_and_grad(loss)(moving, jax.random.fold_in(key, number + 2))
            updates, memory = optimiser.update(slope, memory, moving)
            done = number / (LOOKS * steps)
            falling = 0.505 + 0.495 * jnp.cos(jnp.pi * done)
            before = jnp.where(readout_only, 0.0, falling)
            updates = eqx.tree_at(
                lambda tree: tree.blocks,
                jax.tree.map(lambda leaf: before * leaf, updates),
                (
                    *jax.tree.map(lambda leaf: before * leaf, updates.blocks[:-1]),
                    jax.tree.map(lambda leaf: falling * leaf, updates.blocks[-1]),
                ),
            )
            return optax.apply_updates(moving, updates), memory, total + value

        moving, memory, total = jax.lax.fori_loop(0, steps, step, (moving, memory, jnp.zeros(())))
        reached, right, beyond = look(moving)
        better = reached < lowest
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), moving, best)
        told = (total / jnp.maximum(steps, 1), reached, right, beyond)
        return (moving, memory, best, jnp.minimum(reached, lowest)), told

    carry = (moving, optimiser.init(moving), moving, look(moving)[0])
    carry, (mean, reached, right, beyond) = jax.lax.scan(between, carry, jnp.arange(LOOKS))
    best: Network = eqx.combine(carry[2], held)
    return best, Course(mean, reached, right, beyond, twin.error)
