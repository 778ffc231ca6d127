"""Networks: digital blocks with the reservoir between neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from magnon_lab.learning.dense import Dense
from magnon_lab.learning.names import NETWORKS, check_settings
from magnon_lab.learning.transformer import before_and_after, width_of

STAND_IN_WIDTH = 32
"""Width of the one hidden layer of a digital network in the ring's place."""


class Network(eqx.Module):
    """Digital blocks; the reservoir stands between each pair of neighbours.

    A block is any Equinox module that maps one sample. The first maps the task's features to
    (shots, knobs) numbers for the ring, each one between maps features (shots, bins) to the numbers
    of the next ring pass, the last maps features to logits (classes,). With `carries` a block
    also takes what the block before hands it past the ring (None to the first), and returns its
    output with what it hands on. `medium`, where the ring is replaced by a digital network, turns
    the setting of each shot (knobs,) into features (bins,).
    """

    blocks: tuple[eqx.Module, ...]
    medium: eqx.Module | None = None
    carries: bool = eqx.field(static=True, default=False)

    @property
    def passes(self) -> int:
        """How often a sample goes through the ring."""
        return len(self.blocks) - 1

    def __call__(self, x: jax.Array, *features: jax.Array) -> tuple[jax.Array, ...]:
        """Return what the blocks give for one sample, as far as `features` are known.

        x (features,) or (tokens, features) of the task; `features` (shots, bins) of each ring pass
        so far. Returned are the numbers (shots, knobs) for each pass up to the next one, and
        after the last pass, instead of the next, the logits (classes,).
        """
        given, carried, outputs = x, None, []
        for index, block in enumerate(self.blocks[: len(features) + 1]):
            if index:
                given = features[index - 1]
                if self.medium is not None:
                    given = jax.vmap(_called(self.medium))(given)
            if self.carries:
                output, carried = _called(block)(given, carried)
            else:
                output = _called(block)(given)
            outputs.append(output)
        return tuple(outputs)

    def check(
        self,
        x: jax.Array,
        *,
        inputs: tuple[int, ...],
        features: tuple[int, ...],
        logits: tuple[int, ...],
    ) -> None:
        """Refuse blocks that do not fit a sample `x`, the ring, and the task.

        `inputs` and `features` are the shapes before and after the ring, `logits` that of the end.
        Raises `ValueError` that names the block.
        """
        if self.passes < 1:
            raise ValueError("network: one block; it needs one before and one after the ring")
        measured: list[jax.Array] = []
        for index, wanted in enumerate([*[inputs] * self.passes, logits]):
            got = jax.eval_shape(self, x, *measured)[index].shape
            if got != wanted:
                what = "shots x knobs" if index < self.passes else "the classes of the task"
                raise ValueError(f"network: block {index + 1} gives {got}, {what} are {wanted}")
            measured.append(jnp.zeros(features))

    @property
    def pre(self) -> Callable[[jax.Array], jax.Array]:
        """The block before the ring, for one sample."""
        return _called(self.blocks[0])

    @property
    def post(self) -> Callable[[jax.Array], jax.Array]:
        """The block after the ring, for one sample, where nothing is handed past the ring."""
        return _called(self.blocks[-1])


def _called(module: eqx.Module) -> Callable[..., Any]:
    """Return the module as something to be called, which `equinox.Module` does not declare."""
    return module  # type: ignore[return-value]


def make_network(
    kind: str,
    *,
    inputs: int | tuple[int, ...],
    classes: int,
    shots: int,
    knobs: int,
    bins: int,
    key: jax.Array,
    hidden: tuple[int, ...] = (),
    post_hidden: tuple[int, ...] = (),
    stand_in: bool = False,
) -> Network:
    """Return a network by its kind, see `names.NETWORKS`.

    A sample of the shape `inputs` goes through hidden layers `hidden` to `shots` x `knobs` numbers
    for the ring; in a transformer each token does so, whose width `hidden` names. `shots` x `bins`
    features of the traces go on, through the same hidden layers to the numbers of a second pass,
    or through `post_hidden` to `classes` logits. With `stand_in` a digital network from knobs to
    bins, the same for each shot, stands in the ring's place, to be trained with the rest. Raises
    `ValueError`.
    """
    check_settings("network", kind, NETWORKS, {})
    shape = inputs if isinstance(inputs, tuple) else (inputs,)
    first, last = jax.random.split(key)
    between, inside = (jax.random.fold_in(key, place) for place in (1, 2))
    medium = Dense((knobs, STAND_IN_WIDTH, bins), (bins,), inside, gain=1.0) if stand_in else None
    if kind == "transformer":
        blocks = before_and_after(
            shape, classes, (shots, knobs), bins, width_of(hidden), post_hidden, first
        )
        return Network(blocks, medium, carries=True)
    to_ring = (*hidden, shots * knobs)
    read = shots * bins
    pre = Dense((math.prod(shape), *to_ring), (shots, knobs), first)
    post = Dense((read, *post_hidden, classes), (classes,), last)
    if kind == "two_pass":
        return Network((pre, Dense((read, *to_ring), (shots, knobs), between), post), medium)
    return Network((pre, post), medium)
