"""The size of a perturbation, adapted to how far its changes stand out of the noise.

A slope from two sides a size apart has a variance of noise / (2 size^2) and a bias of the order of
size^2. So a size is large enough where the changes that it makes are a few times the noise, and
anything larger only adds bias.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from magnon_lab.learning.estimator import View, losses

CLEAR = 10.0
"""Power of the changes over that of the noise in them that is aimed at."""

SMALLEST, LARGEST = 0.2, 4.0
"""Bounds of the factor on an estimator's own size."""

PACE = 0.3
"""Part of the way, in the logarithm, that one step goes."""


def adapted(factor: jax.Array, clarity: jax.Array) -> jax.Array:
    """Return the factor on the size after changes of such a clarity, NaN where it is not known.

    The power of changes goes with the square of the size. Where they drown in the noise, clarity
    says little and may be negative: the size then grows by as much as a step allows.
    """
    ratio = CLEAR / jnp.maximum(clarity, CLEAR / 10.0)
    wanted = factor * jnp.exp(PACE * 0.5 * jnp.log(ratio))
    bounded = jnp.clip(wanted, SMALLEST, LARGEST)
    return jnp.where(jnp.isfinite(clarity), bounded, factor)


def last_slopes(view: View, features: tuple[jax.Array, ...]) -> jax.Array:
    """Return the slopes (batch, shots, bins) of each sample's loss by the last pass's features.

    `features` (batch, shots, bins) of each pass.
    """

    def loss(last: jax.Array) -> jax.Array:
        logits = jax.vmap(view.network)(view.x, *features[:-1], last)[-1]
        return jnp.sum(losses(logits, view.y))

    slopes: jax.Array = jax.grad(loss)(features[-1])
    return slopes


def noise_power(view: View, features: tuple[jax.Array, ...]) -> jax.Array:
    """Return the power (batch, shots) of noise in the difference of two losses, by the last pass.

    `features` (batch, shots, bins) of each pass. What the noise of an earlier pass does to a later
    one is not counted.
    """
    return 2.0 * view.noise * jnp.sum(jnp.square(last_slopes(view, features)), axis=-1)


def clarity(changes: jax.Array, noise: jax.Array) -> jax.Array:
    """Return the power of changes over that of the noise in them, less one; NaN without noise."""
    expected = jnp.mean(noise)
    beyond = jnp.mean(jnp.square(changes)) / jnp.maximum(expected, 1e-30) - 1.0
    return jnp.where(expected > 0.0, beyond, jnp.nan)
