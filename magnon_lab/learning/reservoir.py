"""The seam to whatever stands between the digital blocks: a bench, a ring model, or nothing.

Opens without JAX, so that what implements the seam can be read without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import jax

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
    """Settings (n, knobs) float64 in physical units to be measured under numbers (n,) int64.

    groups (n,), if any: rows of one group are partners whose traces are compared, so they are to
    be measured next to each other, close in time.
    """

    settings: Floats
    numbers: NDArray[np.int64]
    purpose: str
    groups: NDArray[np.int64] | None = None


def check_answer(request: Request, measured: Measured, points: int) -> None:
    """Refuse an answer that is not that of the request, or not finite, with `ValueError`."""
    wanted = (len(request.numbers), points)
    if measured.traces.shape != wanted or measured.realised.shape != request.settings.shape:
        raise ValueError(
            f"measured: traces {measured.traces.shape} and realised settings "
            f"{measured.realised.shape} do not answer a request for {wanted} and "
            f"{request.settings.shape}"
        )
    finite = np.isfinite(measured.traces).all(axis=1) & np.isfinite(measured.realised).all(axis=1)
    if not finite.all():
        number = request.numbers[np.argmin(finite)]
        raise ValueError(f"measured: number {number} has a value that is not finite")


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
