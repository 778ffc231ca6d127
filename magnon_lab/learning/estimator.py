"""The seam of gradient estimators, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from magnon_lab.learning.encoding import Encoding
from magnon_lab.learning.network import Network

Model = Callable[[jax.Array, jax.Array], jax.Array]
"""Unit inputs (n, knobs) and measurement numbers (n,) to features (n, bins) before scaling."""


@dataclass(frozen=True)
class Problem:
    """What stays the same through a training, and every estimator may know.

    `penalty` weighs the mean square by which the pre-layer's numbers leave -1..1. `memoryless`:
    a trace depends on its own settings alone.
    """

    encoding: Encoding
    shots: int
    bins: int
    penalty: float
    memoryless: bool

    @property
    def knobs(self) -> int:
        """The number of knobs."""
        return len(self.encoding.knobs)


class View(NamedTuple):
    """What an estimator sees at one request; the same at `ask` and at its `tell`.

    x (batch, features), y (batch,); `key` belongs to this step; `step` counts optimiser steps;
    `model` maps unit inputs and numbers to scaled features where the reservoir can be
    differentiated, else None.
    """

    network: Network
    state: Any
    x: jax.Array
    y: jax.Array
    key: jax.Array
    step: jax.Array
    model: Model | None = None


class Answer(NamedTuple):
    """What was measured for a request of n rows, on the scales that networks know.

    inputs (n, knobs): realised settings on -1..1; features (n, bins) scaled; numbers (n,).
    """

    inputs: jax.Array
    features: jax.Array
    numbers: jax.Array


class Gradient(NamedTuple):
    """An estimate of the loss's gradient, with what a report tells of it.

    `network` has the network's structure; loss without penalty, accuracy 0..1; `snr` the power of
    the estimate's mean over the power of its error; `size` the perturbation's size, NaN for none.
    """

    network: Network
    loss: jax.Array
    accuracy: jax.Array
    snr: jax.Array
    overshoot: jax.Array
    size: jax.Array


class Estimator(Protocol):
    """Asks for measurements and turns their answers into a gradient.

    A step may need several requests: `stage` tells from the estimator's own state, outside of any
    compiled function, which request comes next (its shape may differ by stage), and `tell`
    returns None for the gradient until the step is complete. `ask` and `tell` are pure and
    are compiled once a stage; both see the same `View`.
    """

    @property
    def loss_kind(self) -> str:
        """What the loss of a step was measured on."""
        ...

    @property
    def partners(self) -> int:
        """How many rows of a request, one after the other, are compared with one another."""
        ...

    def init(self, problem: Problem, network: Network) -> Any:
        """Return the estimator's own state, a pytree of arrays."""
        ...

    def stage(self, state: Any) -> int:
        """Return which request of a step comes next, 0 for the first."""
        ...

    def ask(self, problem: Problem, view: View, stage: int) -> jax.Array:
        """Return the inputs (n, knobs) on -1..1 to be measured."""
        ...

    def tell(
        self, problem: Problem, view: View, answer: Answer, stage: int
    ) -> tuple[Any, Gradient | None]:
        """Return the estimator's next state, and the gradient when the step is complete."""
        ...


def partners(sides: int, count: int) -> int:
    """Return how many passes are compared: plus and minus, or a base and all its `count` moves."""
    return 2 if sides == 2 else count + 1


def losses(logits: jax.Array, y: jax.Array) -> jax.Array:
    """Return the cross entropy (...,) of logits (..., classes) and labels (...,)."""
    each: jax.Array = optax.softmax_cross_entropy_with_integer_labels(logits, y)
    return each


def accuracy(logits: jax.Array, y: jax.Array) -> jax.Array:
    """Return the fraction of right answers."""
    return jnp.mean(jnp.argmax(logits, axis=-1) == y)


def pull_back(
    problem: Problem, network: Network, x: jax.Array, slopes: jax.Array
) -> tuple[Network, jax.Array]:
    """Return the gradient with respect to the pre-layer, penalty included, and its signal-to-noise.

    `slopes` (batch, shots, knobs) are each sample's own, of its own loss. The signal-to-noise
    comes from the spread over groups of samples: the power of the mean over that of its error.
    """
    batch = x.shape[0]
    groups = next(count for count in (8, 7, 6, 5, 4, 3, 2, 1) if batch % count == 0)
    pre = network.blocks[0]

    def surrogate(pre: Any, x: jax.Array, slopes: jax.Array) -> jax.Array:
        raw = jax.vmap(pre)(x)
        through = jnp.sum(problem.encoding.clip(raw) * slopes, axis=(-2, -1))
        return jnp.mean(through + problem.penalty * problem.encoding.overshoot(raw))

    split = (groups, batch // groups)
    each = jax.vmap(eqx.filter_grad(surrogate), in_axes=(None, 0, 0))(
        pre, x.reshape(*split, *x.shape[1:]), slopes.reshape(*split, *slopes.shape[1:])
    )
    mean = jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), each)
    gradient = eqx.tree_at(lambda net: net.blocks[0], _zeros(network), mean)
    return gradient, _snr(each, mean, groups)


def _snr(each: Any, mean: Any, groups: int) -> jax.Array:
    if groups == 1:
        return jnp.asarray(jnp.nan)
    power = _square(mean)
    spread = _square(jax.tree.map(lambda leaf, middle: leaf - middle, each, mean))
    error = spread / (groups * (groups - 1))
    return (power - error) / jnp.maximum(error, 1e-30)


def _square(tree: Any) -> jax.Array:
    return jnp.asarray(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree)))


def _zeros(network: Network) -> Network:
    zeros: Network = jax.tree.map(jnp.zeros_like, eqx.filter(network, eqx.is_inexact_array))
    return zeros


def add(first: Network, second: Network) -> Network:
    """Return the sum of two gradients."""
    total: Network = jax.tree.map(jnp.add, first, second)
    return total


def post_gradient(
    network: Network, features: jax.Array, y: jax.Array
) -> tuple[Network, jax.Array, jax.Array]:
    """Return the exact gradient in the post-layer, and losses and logits of each pass.

    features (passes, batch, shots, bins); the gradient is that of the mean over all of them.
    """

    def mean_loss(post: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        logits = jax.vmap(jax.vmap(post))(features)
        each = losses(logits, jnp.broadcast_to(y, logits.shape[:-1]))
        return jnp.mean(each), (each, logits)

    (_, (each, logits)), of_post = eqx.filter_value_and_grad(mean_loss, has_aux=True)(
        network.blocks[-1]
    )
    gradient = eqx.tree_at(lambda net: net.blocks[-1], _zeros(network), of_post)
    return gradient, each, logits


def overshoot(problem: Problem, network: Network, x: jax.Array) -> jax.Array:
    """Return the mean square by which the pre-layer's numbers leave -1..1."""
    return jnp.mean(problem.encoding.overshoot(jax.vmap(network.pre)(x)))
