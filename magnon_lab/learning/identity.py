"""The ring taken out, behind the same seam."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from magnon_lab.learning.reservoir import Floats, Knob, Measured


class IdentityReservoir:
    """The ring taken out: the trace is the setting itself on -1..1, one point a knob.

    The knobs keep names and ranges but lose their steps: no instruments, no steps.
    """

    memoryless = True

    def __init__(self, knobs: tuple[Knob, ...]) -> None:
        self.knobs = tuple(Knob(knob.name, knob.low, knob.high) for knob in knobs)
        self.frequencies_hz: Floats = np.arange(len(knobs), dtype=np.float64)
        self._low = np.array([knob.low for knob in knobs])
        self._span = np.array([knob.high - knob.low for knob in knobs])

    def __call__(self, settings: Floats, numbers: NDArray[np.int64]) -> Measured:
        """Return the settings (n, knobs) as traces."""
        traces = (2.0 * (settings - self._low) / self._span - 1.0).astype(np.float32)
        return Measured(settings, settings, traces, np.zeros(len(settings), np.uint32))

    def traces_fn(self, settings: jax.Array, numbers: jax.Array) -> jax.Array:
        """Return the settings (n, knobs) as traces, differentiable."""
        return 2.0 * (settings - jnp.asarray(self._low)) / jnp.asarray(self._span) - 1.0
