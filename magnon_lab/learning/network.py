"""Networks: digital blocks with the reservoir between neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from magnon_lab.learning.names import NETWORKS, check_settings


class Dense(eqx.Module):
    """Dense layers with tanh between them; the last layer's output is shaped as `shape` asks.

    Weights start normal with spread 1/sqrt(inputs), times `gain` in the last layer: a pre-layer
    whose numbers start beyond -1..1 starts clipped.
    """

    layers: tuple[eqx.nn.Linear, ...]
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self, sizes: tuple[int, ...], shape: tuple[int, ...], key: jax.Array, gain: float = 0.5
    ) -> None:
        keys = jax.random.split(key, len(sizes) - 1)
        gains = (*[1.0] * (len(sizes) - 2), gain)
        self.layers = tuple(
            _linear(*layer) for layer in zip(sizes[:-1], sizes[1:], gains, keys, strict=True)
        )
        self.shape = shape

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map any array with the first layer's number of entries to an array of `shape`."""
        x = x.reshape(-1)
        for layer in self.layers[:-1]:
            x = jnp.tanh(layer(x))
        return self.layers[-1](x).reshape(self.shape)


def _linear(size_in: int, size_out: int, gain: float, key: jax.Array) -> eqx.nn.Linear:
    weight = jax.random.normal(key, (size_out, size_in)) * gain / math.sqrt(size_in)
    layer: eqx.nn.Linear = eqx.tree_at(
        lambda one: (one.weight, one.bias),
        eqx.nn.Linear(size_in, size_out, key=key),
        (weight, jnp.zeros(size_out)),
    )
    return layer


class Network(eqx.Module):
    """Digital blocks; the reservoir stands between each pair of neighbours.

    A block is any Equinox module that maps one sample. The first maps the task's features to
    (shots, knobs) numbers for the ring, the last maps features (shots, bins) to logits (classes,).
    """

    blocks: tuple[eqx.Module, ...]

    @property
    def pre(self) -> Callable[[jax.Array], jax.Array]:
        """The block before the ring, for one sample."""
        return self.blocks[0]  # type: ignore[return-value]  # equinox.Module declares no __call__

    @property
    def post(self) -> Callable[[jax.Array], jax.Array]:
        """The block after the ring, for one sample."""
        return self.blocks[-1]  # type: ignore[return-value]


def make_network(
    kind: str,
    *,
    inputs: int,
    classes: int,
    shots: int,
    knobs: int,
    bins: int,
    key: jax.Array,
    hidden: tuple[int, ...] = (),
    post_hidden: tuple[int, ...] = (),
) -> Network:
    """Return a network of one ring pass.

    `inputs` features of the task go through hidden layers `hidden` to `shots` x `knobs` numbers;
    `shots` x `bins` features of the traces go through `post_hidden` to `classes` logits.
    """
    check_settings("network", kind, NETWORKS, {})
    pre_key, post_key = jax.random.split(key)
    return Network(
        (
            Dense((inputs, *hidden, shots * knobs), (shots, knobs), pre_key),
            Dense((shots * bins, *post_hidden, classes), (classes,), post_key),
        )
    )
