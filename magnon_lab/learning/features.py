"""From traces to features: band powers in dB, shifted and scaled by what was measured once."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray


class FeatureScale(NamedTuple):
    """Shift and width (features,) of each feature over the knobs' range, and the noise.

    Bands share one width, the root mean square of their spreads: a decibel counts alike in each,
    so that a band that shows only noise is not blown up to the size of one that answers.
    """

    shift: jax.Array
    width: jax.Array
    noise: jax.Array


def hann_bands(points: int, bins: int) -> NDArray[np.float64]:
    """Return weights (points, bins) of half-overlapping Hann bands; each band's sum is 1.

    Together the bands weigh every point but those of the outer half bands alike, and no band has
    an edge, so that a line that wanders through the span moves the features smoothly.
    """
    if not 1 <= bins <= points // 2:
        raise ValueError(
            f"bins: {bins} is outside 1 to {points // 2} for a trace of {points} points"
        )
    position = np.arange(points) / (points - 1) * (bins + 1)
    offset = position[:, None] - (np.arange(bins) + 1.0)
    weight = np.where(np.abs(offset) < 1.0, np.cos(np.pi * offset / 2.0) ** 2, 0.0)
    bands: NDArray[np.float64] = weight / weight.sum(axis=0)
    return bands


class FeatureMap:
    """Features of traces: `bins` band powers in dB, or, with bins 0, the trace as it is."""

    def __init__(self, points: int, bins: int) -> None:
        self.count = bins or points
        self._bands = jnp.asarray(hann_bands(points, bins), jnp.float32) if bins else None

    def raw(self, traces: jax.Array) -> jax.Array:
        """Return features (n, count) of traces (n, points) before shift and scale.

        The mean is of power, not of dB, as a power meter behind a filter would read it.
        """
        if self._bands is None:
            return traces
        # Relative to the trace's own maximum, so that float32 never underflows.
        top = jax.lax.stop_gradient(jnp.max(traces, axis=-1, keepdims=True))
        power = jnp.power(10.0, (traces - top) / 10.0) @ self._bands
        return top + 10.0 * jnp.log10(jnp.maximum(power, 1e-30))

    def unscaled(self) -> FeatureScale:
        """Return the scale that leaves features as they are."""
        return FeatureScale(jnp.zeros(self.count), jnp.ones(self.count), jnp.zeros(()))

    def scale_of(self, traces: jax.Array, repeats: int = 0) -> FeatureScale:
        """Return the scale measured on traces (n, points).

        The last `repeats` were measured at the settings of the first: their differences tell the
        noise, the variance of a scaled feature of one measurement; without any it is 0.
        """
        raw = self.raw(traces)
        apart = raw[:repeats] - raw[len(raw) - repeats :]
        noise = jnp.mean(jnp.square(apart)) / 2.0 if repeats else jnp.zeros(())
        if self._bands is None:
            return self.unscaled()._replace(noise=noise)
        spread = jnp.sqrt(jnp.mean(jnp.var(raw, axis=0)))
        # A reservoir that does not answer at all must not be divided by zero.
        width = jnp.maximum(spread, 1e-3)
        shift = jnp.mean(raw, axis=0)
        return FeatureScale(shift, jnp.full(self.count, width), noise / jnp.square(width))

    def scaled(self, traces: jax.Array, scale: FeatureScale) -> jax.Array:
        """Return features (n, count) of traces (n, points)."""
        return (self.raw(traces) - scale.shift) / scale.width
