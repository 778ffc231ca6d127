"""Dense digital blocks."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp


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
            linear(*layer) for layer in zip(sizes[:-1], sizes[1:], gains, keys, strict=True)
        )
        self.shape = shape

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map any array with the first layer's number of entries to an array of `shape`."""
        x = x.reshape(-1)
        for layer in self.layers[:-1]:
            x = jnp.tanh(layer(x))
        return self.layers[-1](x).reshape(self.shape)


def linear(size_in: int, size_out: int, gain: float, key: jax.Array) -> eqx.nn.Linear:
    """Return a linear layer: weights normal with spread gain/sqrt(inputs), offsets zero."""
    weight = jax.random.normal(key, (size_out, size_in)) * gain / math.sqrt(size_in)
    layer: eqx.nn.Linear = eqx.tree_at(
        lambda one: (one.weight, one.bias),
        eqx.nn.Linear(size_in, size_out, key=key),
        (weight, jnp.zeros(size_out)),
    )
    return layer
