"""The seam to whatever stands between the digital blocks: a bench, a ring model, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Knob:
    """One setting that a network turns, in physical units.

    `step` is the resolution that the instrument can make (0: continuous); it makes whole multiples
    of its step, as attenuators and converters do.
    """

    name: str
    low: float
    high: float
    step: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high, self.step]).all() and self.low < self.high):
            raise ValueError(
                f"knob {self.name}: needs finite low < high, got {self.low} to {self.high}"
            )
        if self.step < 0.0:
            raise ValueError(f"knob {self.name}: step {self.step} is negative")
        if self.step and len(self.grid()) < 2:
            raise ValueError(
                f"knob {self.name}: step {self.step} leaves fewer than two settings between "
                f"{self.low} and {self.high}"
            )

    def grid(self) -> Floats:
        """Return the settings that a stepped knob can make, ascending; none if continuous."""
        if not self.step:
            return np.empty(0)
        # Rounding first: 0.3/0.1 is 2.9999999999999996, and 0.3 is on the grid all the same.
        first = np.ceil(np.round(self.low / self.step, 9))
        last = np.floor(np.round(self.high / self.step, 9))
        return np.arange(first, last + 1.0) * self.step


class Measured(NamedTuple):
    """What came back for a request of n settings; physical units throughout.

    requested, realised (n, knobs): what was asked and what the instruments set; traces
    (n, points) in dBm; flags (n,): what went amiss, 0 where nothing did.
    """

    requested: Floats
    realised: Floats
    traces: NDArray[np.float32]
    flags: NDArray[np.uint32]


class Request(NamedTuple):
    """Settings (n, knobs) float64 in physical units to be measured under numbers (n,) int64."""

    settings: Floats
    numbers: NDArray[np.int64]
    purpose: str


class Reservoir(Protocol):
    """Turns settings into traces; `memoryless`: a trace depends on its own settings only."""

    knobs: tuple[Knob, ...]
    frequencies_hz: Floats
    memoryless: bool

    def __call__(self, settings: Floats, numbers: NDArray[np.int64]) -> Measured:
        """Measure settings (n, knobs) in physical units under measurement numbers (n,)."""
        ...


@runtime_checkable
class Differentiable(Protocol):
    """A reservoir with a model that can be differentiated, for the exact gradient in silico."""

    def traces_fn(self, settings: jax.Array, numbers: jax.Array) -> jax.Array:
        """Return traces (n, points) of settings (n, knobs) in physical units; pure JAX."""
        ...


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
