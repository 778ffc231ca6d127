"""A transformer's layer with the reservoir as its feed-forward part, as two blocks.

Attention mixes the tokens of a sample; then each token by itself goes through the ring and is
added to what it was before, as the feed-forward part of a transformer's layer does (Vaswani et al.,
Attention is all you need, 2017, with the norms before the parts). What the blocks hand past the
ring is the tokens before it: the skip path that every transformer's layer has.
"""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp

from magnon_lab.learning.dense import Dense, linear

WIDTH = 32
HEADS = 4


class BeforeRing(eqx.Module):
    """Embeds the tokens of a sample, lets them attend to each other, and sends each to the ring."""

    embed: eqx.nn.Linear
    places: jax.Array
    first_norm: eqx.nn.LayerNorm
    attention: eqx.nn.MultiheadAttention
    second_norm: eqx.nn.LayerNorm
    to_ring: eqx.nn.Linear
    knobs: int = eqx.field(static=True)

    def __call__(self, x: jax.Array, carried: None) -> tuple[jax.Array, jax.Array]:
        """Return numbers (tokens x shots, knobs) for the ring, and the tokens (tokens, width)."""
        tokens = jax.vmap(self.embed)(x.reshape(len(self.places), -1)) + self.places
        mixed = jax.vmap(self.first_norm)(tokens)
        tokens = tokens + self.attention(mixed, mixed, mixed)
        raw = jax.vmap(self.to_ring)(jax.vmap(self.second_norm)(tokens))
        return raw.reshape(-1, self.knobs), tokens


class AfterRing(eqx.Module):
    """Adds what the ring made of each token to it, and reads the mean over tokens."""

    from_ring: eqx.nn.Linear
    norm: eqx.nn.LayerNorm
    readout: Dense

    def __call__(self, features: jax.Array, tokens: jax.Array) -> tuple[jax.Array, None]:
        """Map features (tokens x shots, bins) and tokens (tokens, width) to logits (classes,)."""
        each = features.reshape(len(tokens), -1)
        tokens = tokens + jax.vmap(self.from_ring)(each)
        return self.readout(jnp.mean(jax.vmap(self.norm)(tokens), axis=0)), None


def before_and_after(
    shape: tuple[int, ...],
    classes: int,
    to_ring: tuple[int, int],
    bins: int,
    width: int,
    post_hidden: tuple[int, ...],
    key: jax.Array,
) -> tuple[BeforeRing, AfterRing]:
    """Return the two blocks for samples of `shape`: (tokens, features), or each feature a token.

    `to_ring` are the shots of a token and the knobs.
    """
    tokens, each = (shape[0], math.prod(shape[1:]))
    shots, knobs = to_ring
    keys = jax.random.split(key, 6)
    before = BeforeRing(
        embed=linear(each, width, 1.0, keys[0]),
        places=0.5 * jax.random.normal(keys[1], (tokens, width)),
        first_norm=eqx.nn.LayerNorm(width),
        attention=eqx.nn.MultiheadAttention(HEADS, width, key=keys[2]),
        second_norm=eqx.nn.LayerNorm(width),
        to_ring=linear(width, shots * knobs, 0.5, keys[3]),
        knobs=knobs,
    )
    after = AfterRing(
        from_ring=linear(shots * bins, width, 0.5, keys[4]),
        norm=eqx.nn.LayerNorm(width),
        readout=Dense((width, *post_hidden, classes), (classes,), keys[5]),
    )
    return before, after


def width_of(hidden: tuple[int, ...]) -> int:
    """Return the width of the tokens that `hidden` names. Raises `ValueError`."""
    if not hidden:
        return WIDTH
    if len(hidden) > 1 or hidden[0] % HEADS:
        raise ValueError(
            f"hidden: {', '.join(map(str, hidden))} is not the width of a transformer's tokens: "
            f"one number, a multiple of its {HEADS} heads"
        )
    return hidden[0]
