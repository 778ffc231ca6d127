"""The seam of gradient estimators, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    differentiated, else None. `factor` on the estimator's own size of a perturbation; `noise`: the
    variance of one feature of one measurement, 0 where it is not known.
    """

    network: Network
    state: Any
    x: jax.Array
    y: jax.Array
    key: jax.Array
    step: jax.Array
    model: Model | None = None
    factor: jax.Array | float = 1.0
    noise: jax.Array | float = 0.0


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
    the estimate's mean over the power of its error; `size` the perturbation's size, NaN for none;
    `clarity` the power of what was read over that of the noise in it, less one, NaN if not known.
    """

    network: Network
    loss: jax.Array
    accuracy: jax.Array
    snr: jax.Array
    overshoot: jax.Array
    size: jax.Array
    clarity: jax.Array | float = float("nan")


class Estimator(Protocol):
    """Asks for measurements and turns their answers into a gradient.

    A step may need several requests, one for each ring pass of the network, or more: `stage` tells
    from the estimator's own state, outside of any compiled function, which request comes next (its
    shape may differ by stage), and `tell` returns None for the gradient until the step is
    complete, with a state that is built like that of `init`. `ask` and `tell` are pure and are
    compiled once a stage; both see the same `View`.
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


def copies_of(rows: jax.Array, batch: int, shots: int) -> jax.Array:
    """Return what was measured for a request, (batch x shots x copies, ...), copy by copy.

    That is (copies, batch, shots, ...).
    """
    return jnp.moveaxis(rows.reshape(batch, shots, -1, *rows.shape[1:]), 2, 0)


def outputs(
    network: Network, x: jax.Array, features: Sequence[jax.Array], copies: int
) -> tuple[jax.Array, ...]:
    """Return what the blocks give for each copy (copies, batch, ...), as far as features are known.

    `features` of each ring pass so far (copies, batch, shots, bins).
    """

    def copy(index: jax.Array, *told: jax.Array) -> tuple[jax.Array, ...]:
        each: tuple[jax.Array, ...] = jax.vmap(network)(x, *told)
        return each

    return jax.vmap(copy)(jnp.arange(copies), *features)


class Differentiated(NamedTuple):
    """The gradient of a whole network from what was measured, and what it was taken at.

    each (copies, batch), logits (copies, batch, classes); snr of the parameters before the last
    ring pass; overshoot: mean square by which numbers for the ring leave -1..1.
    """

    network: Network
    each: jax.Array
    logits: jax.Array
    snr: jax.Array
    overshoot: jax.Array


def _surrogate(
    problem: Problem,
    network: Network,
    x: jax.Array,
    y: jax.Array,
    features: tuple[jax.Array, ...],
    slopes: tuple[jax.Array, ...],
) -> tuple[jax.Array, tuple[jax.Array, jax.Array, jax.Array]]:
    """Return of each copy and sample what has the true loss's gradient in the digital blocks.

    The ring's features count as constants; what flows back through the ring enters by the slopes
    of the loss with respect to its inputs. Also returned: losses, logits, overshoot.
    """
    *raws, logits = outputs(network, x, features, len(features[0]))
    each = losses(logits, jnp.broadcast_to(y, logits.shape[:-1]))
    beyond = sum((problem.encoding.overshoot(raw) for raw in raws), jnp.zeros(()))
    value = each + problem.penalty * beyond
    for raw, slope in zip(raws, slopes, strict=True):
        value = value + jnp.sum(problem.encoding.clip(raw) * slope, axis=(-2, -1))
    return value, (each, logits, jnp.mean(beyond) / len(raws))


def differentiate(
    problem: Problem,
    view: View,
    features: tuple[jax.Array, ...],
    slopes: tuple[jax.Array, ...],
) -> Differentiated:
    """Return the gradient, penalty included, exact in the digital blocks.

    `features` of each ring pass (copies, batch, shots, bins): measured, the gradient is that of the
    mean over copies. `slopes` of each pass (batch, shots, knobs): of each sample's own loss with
    respect to the ring's inputs. The signal-to-noise comes from the spread over groups of samples:
    the power of the mean over that of its error.
    """
    batch = view.x.shape[0]
    groups = next(count for count in (8, 7, 6, 5, 4, 3, 2, 1) if batch % count == 0)

    def split(array: jax.Array, axis: int) -> jax.Array:
        shape = array.shape
        return array.reshape(*shape[:axis], groups, batch // groups, *shape[axis + 1 :])

    def mean_value(network: Network, *data: Any) -> tuple[jax.Array, Any]:
        value, told = _surrogate(problem, network, *data)
        return jnp.mean(value), told

    by_group: Callable[..., Any] = jax.vmap(
        eqx.filter_grad(mean_value, has_aux=True), in_axes=(None, 0, 0, 1, 0)
    )
    each, (losses_, logits, beyond) = by_group(
        view.network,
        split(view.x, 0),
        split(view.y, 0),
        tuple(split(one, 1) for one in features),
        tuple(split(one, 0) for one in slopes),
    )
    mean = jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), each)

    def whole(array: jax.Array) -> jax.Array:
        together = jnp.moveaxis(array, 0, 1)
        return together.reshape(array.shape[1], batch, *array.shape[3:])

    return Differentiated(
        mean,
        whole(losses_),
        whole(logits),
        _snr(each.blocks[:-1], mean.blocks[:-1], groups),
        jnp.mean(beyond),
    )


def chain(
    problem: Problem,
    view: View,
    features: tuple[jax.Array, ...],
    backward: Callable[[int, jax.Array], jax.Array],
) -> tuple[jax.Array, ...]:
    """Return the slopes (batch, shots, knobs) of each ring pass, the last pass first reckoned.

    `features` (batch, shots, bins) of each pass; `backward` takes a pass and the slope of each
    sample's loss with respect to its features (batch, shots, bins) to the slope with respect to the
    ring's inputs (batch, shots, knobs).
    """
    known = [jnp.zeros((*one.shape[:2], problem.knobs)) for one in features]
    for index in reversed(range(len(features))):

        def value(one: jax.Array, index: int = index) -> jax.Array:
            told = tuple(
                (one if place == index else other)[None] for place, other in enumerate(features)
            )
            each, _ = _surrogate(problem, view.network, view.x, view.y, told, tuple(known))
            return jnp.sum(each)

        known[index] = backward(index, jax.grad(value)(features[index]))
    return tuple(known)


def _snr(each: Any, mean: Any, groups: int) -> jax.Array:
    if groups == 1:
        return jnp.asarray(jnp.nan)
    power = _square(mean)
    spread = _square(jax.tree.map(lambda leaf, middle: leaf - middle, each, mean))
    error = spread / (groups * (groups - 1))
    return (power - error) / jnp.maximum(error, 1e-30)


def _square(tree: Any) -> jax.Array:
    return jnp.asarray(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree)))
