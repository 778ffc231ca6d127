"""What a network trains on: the bench, the ring in silico, and what they are compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from magnon_lab.learning.reservoir import Floats, Knob, Measured

if TYPE_CHECKING:
    import jax

    from magnon_lab.bench import Measurement
    from magnon_lab.ring import Readout, RingModel

    Groups = NDArray[np.int64] | None
    Measure = Callable[[Floats, tuple[str, ...], NDArray[np.int64], Groups], Measurement]

RESERVOIRS: dict[str, str] = {
    "bench": "the instruments, simulated or real",
    "model": "the ring in silico",
    "linear_ring": "the ring in silico, film and amplifier linear; below its threshold only",
    "amplifier_only": "the ring in silico, its film linear: the amplifier's saturation alone",
    "mlp": "a small digital network in the ring's place, trained with the rest",
    "none": "the ring taken out: its inputs go straight to the post-layer",
}
"""What can stand between the digital blocks."""

UNMEASURED = ("mlp", "none")
"""Those that take no ring measurement."""

INSTRUMENT_STEPS = {"attenuation_db": 0.25}
"""Resolutions of instruments in silico, in the quantity's unit (Mini-Circuits RCDAT series)."""


class RingReservoir:
    """The ring model as a reservoir: batched, differentiable, without instruments or wires.

    `hold` gives the quantities that no knob turns; the amplifier's voltage defaults to its nominal
    one. What the instruments can make is rounded to `steps`, and read back as realised. Each
    measurement starts from a reset ring, so the reservoir is memoryless. Overload is not told.
    Slow drifts go by the measurement number, `seconds_per_number` apart, as on the simulated bench.
    """

    memoryless = True

    def __init__(
        self,
        model: RingModel,
        readout: Readout,
        knobs: Sequence[Knob],
        hold: Mapping[str, float],
        steps: Mapping[str, float] = INSTRUMENT_STEPS,
        seconds_per_number: float = 0.05,
    ) -> None:
        from magnon_lab.ring import QUANTITIES  # brings JAX

        self.knobs = tuple(knobs)
        self.frequencies_hz: Floats = np.linspace(readout.start_hz, readout.stop_hz, readout.points)
        self._model = model
        self._readout = readout
        self._seconds_per_number = seconds_per_number
        self._field_is_held = all(knob.name != "field_mt" for knob in self.knobs)
        names = [knob.name for knob in self.knobs]
        held = {"amplifier_voltage_v": model.parameters.amplifier.nominal_voltage_v, **hold}
        for name in (*names, *hold, *steps):
            if name not in QUANTITIES:
                raise ValueError(f"{name!r} is no quantity; they are {', '.join(QUANTITIES)}")
        missing = [name for name in QUANTITIES if name not in names and name not in held]
        if missing:
            raise ValueError(f"{missing[0]} is neither a knob nor held")
        self._columns = np.array([QUANTITIES.index(name) for name in names])
        self._held = np.array([held.get(name, np.nan) for name in QUANTITIES])
        self._steps = np.array([steps.get(name, 0.0) for name in QUANTITIES])
        self._held = self._realise(self._held)

    def _realise(self, rows: Floats) -> Floats:
        step = np.where(self._steps > 0.0, self._steps, 1.0)
        realised: Floats = np.where(self._steps > 0.0, np.round(rows / step) * step, rows)
        return realised

    def __call__(self, settings: Floats, numbers: NDArray[np.int64]) -> Measured:
        """Measure settings (n, knobs) in physical units under numbers (n,)."""
        rows = np.tile(self._held, (len(settings), 1))
        rows[:, self._columns] = settings
        rows = self._realise(rows)
        times_s = np.asarray(numbers) * self._seconds_per_number
        traces = self._model.traces(rows, self._readout, numbers, times_s)
        flags = np.zeros(len(rows), np.uint32)
        return Measured(settings, rows[:, self._columns], traces, flags)

    def traces_fn(self, settings: jax.Array, numbers: jax.Array) -> jax.Array:
        """Return traces (n, points) of settings (n, knobs), which are taken as they are."""
        import jax.numpy as jnp

        rows = jnp.tile(jnp.asarray(self._held, settings.dtype), (len(settings), 1))
        rows = rows.at[:, self._columns].set(settings)
        times_s = numbers * self._seconds_per_number
        traces: jax.Array = self._model.traces_fn(
            rows, self._readout, numbers, times_s, one_field=self._field_is_held
        )
        return traces


class BenchReservoir:
    """The bench as a reservoir, simulated or real.

    `measure` takes settings (n, knobs), the knobs' names, numbers (n,) and groups (n,) or None to a
    `Measurement`; it is only called once the bench is open.
    """

    memoryless = True  # the bench opens the loop before each measurement

    def __init__(
        self,
        measure: Measure,
        knobs: Sequence[Knob],
        frequencies_hz: Floats,
    ) -> None:
        self.knobs = tuple(knobs)
        self.frequencies_hz = frequencies_hz
        self._names = tuple(knob.name for knob in knobs)
        self._measure = measure

    def __call__(
        self, settings: Floats, numbers: NDArray[np.int64], groups: Groups = None
    ) -> Measured:
        """Measure settings (n, knobs) in physical units under numbers (n,).

        Rows of one of `groups` (n,) are measured next to each other.
        """
        measurement = self._measure(settings, self._names, numbers, groups)
        return Measured(
            measurement.requested,
            measurement.realised,
            measurement.traces_dbm,
            measurement.flags,
        )
