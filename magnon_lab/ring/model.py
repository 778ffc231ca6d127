"""The ring as a reservoir: settings in, analyser traces out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import analyser, closed_forms, film, loop, measurement
from .imperfections import draw
from .loop import RingState
from .parameters import QUANTITIES, Imperfections, Readout, RingParameters

Array = Any

_CHUNK = 16
"""Settings measured in one go; batches are filled up to it, so bits do not hang on their size."""


class RingTrace(NamedTuple):
    """One measurement as the analyser shows it."""

    trace_dbm: NDArray[np.float32]
    """(points,) dBm."""
    input_dbm: float
    """Total power at the analyser's input connector in dBm."""
    overload: bool
    """True where the mixer is overdriven or the trace is cut at the reference level."""


class Waveform(NamedTuple):
    """What leaves the amplifier while the ring is recorded."""

    envelope: NDArray[np.complex128]
    """(samples,) amplitude in sqrt(mW) about `middle_hz`, as exp(+i 2 pi f t); double precision
    whatever the ring's is, for phases that are summed over thousands of turns."""
    sample_hz: float
    middle_hz: float


class RingModel:
    """The simulated ring with its analyser.

    Every measurement starts from a reset ring unless a state is handed over, so it depends on its
    own setting alone; its noise follows from (seed, number), its drift from (seed, time).
    """

    def __init__(
        self,
        parameters: RingParameters | None = None,
        imperfections: Imperfections | None = None,
        seed: int = 0,
    ) -> None:
        self.parameters = parameters or RingParameters()
        self.imperfections = imperfections or Imperfections()
        self.seed = int(seed)
        self.reference_hz = measurement.reference_hz(self.parameters)
        self._double = self.parameters.numerics.dtype == "complex128"
        self._real = np.dtype(np.float64 if self._double else np.float32)
        with self._precision():
            self._laboratory = jax.device_put(draw(self.seed))
            geometry = loop.geometry(self.parameters)
            self._reset = loop.reset_state(self.parameters, self._real)
        trip = film.trip_s(self.parameters, self.parameters.numerics.reference_field_mt, np)
        self._record_s = float(trip) * geometry.record * geometry.block / geometry.trip
        self._packed: tuple[Readout, NDArray[Any], Callable[..., Any]] | None = None

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which this model's numbers keep their precision."""
        return jax.enable_x64(True) if self._double else contextlib.nullcontext()

    def _kind(self, readout: Readout) -> measurement.Kind:
        """Return what a readout has to be compiled for."""
        # The record lasts longer at a higher field, whose waves are slower.
        reach = analyser.reach_bins(readout, 1.2 * self._record_s)
        return measurement.Kind(
            self.parameters, self.imperfections, readout.points, readout.detector, reach
        )

    def _rows(self, settings: ArrayLike) -> NDArray[Any]:
        """Return checked settings (n, 5) with the drive frequency counted from the reference."""
        rows = np.array(settings, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(QUANTITIES):
            raise ValueError(
                f"settings must be (n, {len(QUANTITIES)}) in the order {', '.join(QUANTITIES)};"
                f" got {rows.shape}"
            )
        bad = ~np.isfinite(rows)
        bad[:, 0] &= rows[:, 0] != -np.inf
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise ValueError(
                f"{QUANTITIES[column]} = {rows[row, column]} in settings row {row} is not finite"
            )
        rows[:, 1] -= self.reference_hz
        return rows.astype(self._real)

    def compile(self, readout: Readout, batches: bool = False) -> None:
        """Compile the single measurement of a readout, with `batches` the batched one too."""
        middle = (readout.start_hz + readout.stop_hz) / 2
        field = self.parameters.numerics.reference_field_mt
        voltage = self.parameters.amplifier.nominal_voltage_v
        row = np.array([-20.0, middle, 60.0, field, voltage])
        self.trace(row, readout, 0)
        if batches:
            self.traces(row[None], readout, np.zeros(1, np.int64))

    def trace(
        self, setting: ArrayLike, readout: Readout, number: int, time_s: float = 0.0
    ) -> RingTrace:
        """Measure one setting (5,) on a reset ring: the quick path of the simulated analyser."""
        return self.trace_from(self._reset, setting, readout, number, time_s)[0]

    def reset_state(self) -> RingState:
        """Return the state of a ring that was opened: nothing goes round."""
        return self._reset

    def trace_from(
        self,
        state: RingState,
        setting: ArrayLike,
        readout: Readout,
        number: int,
        time_s: float = 0.0,
    ) -> tuple[RingTrace, RingState]:
        """Measure one setting (5,) on a ring in `state`; also returns the state it is left in."""
        if self._packed is None or self._packed[0] != readout:
            scale = np.array(analyser.scale_of(readout, self.reference_hz), np.float64)
            self._packed = (readout, scale, measurement.compiled_single(self._kind(readout)))
        _, scale, measure = self._packed
        row = self._rows(np.asarray(setting, np.float64)[None])[0]
        numbers = np.concatenate([row, [time_s], scale]).astype(self._real)
        seed_number = np.array([self.seed & 0xFFFFFFFF, number & 0xFFFFFFFF], np.uint32)
        with self._precision():
            packed, left = measure(self._laboratory, numbers, seed_number, state)
            answer = np.asarray(packed)
        trace_dbm = answer[:-2].astype(np.float32, copy=False)
        return RingTrace(trace_dbm, float(answer[-2]), bool(answer[-1])), left

    def waveform(
        self,
        setting: ArrayLike,
        number: int = 0,
        time_s: float = 0.0,
        state: RingState | None = None,
    ) -> tuple[Waveform, RingState]:
        """Follow one setting (5,): the record at the amplifier's output, and the state left."""
        row = self._rows(np.asarray(setting, np.float64)[None])[0]
        seed_number = np.array([self.seed & 0xFFFFFFFF, number & 0xFFFFFFFF], np.uint32)
        kind = measurement.Kind(self.parameters, self.imperfections, 0, "", 0)
        with self._precision():
            wave = measurement.compiled_waveform(kind)(
                self._laboratory,
                row,
                self._real.type(time_s),
                seed_number,
                self._reset if state is None else state,
            )
            record = np.asarray(wave.record, np.float64)
        return (
            Waveform(
                envelope=record[0] + 1j * record[1],
                sample_hz=float(wave.sample_hz),
                middle_hz=float(wave.middle_hz) + self.reference_hz,
            ),
            wave.left,
        )

    def traces(
        self,
        settings: ArrayLike,
        readout: Readout,
        numbers: ArrayLike,
        times_s: ArrayLike | None = None,
    ) -> NDArray[np.float32]:
        """Measure settings (n, 5), each on a reset ring; returns (n, points) dBm.

        Bits follow from seed, number, setting and readout, whatever else the batch holds, as long
        as it holds one field; `trace` and batches of several fields agree to rounding.
        """
        rows = self._rows(settings)
        count = len(rows)
        keys = (np.asarray(numbers, np.int64) & 0xFFFFFFFF).astype(np.uint32)
        times = np.zeros(count) if times_s is None else np.asarray(times_s, np.float64)
        if keys.shape != (count,) or times.shape != (count,):
            raise ValueError(
                f"numbers and times_s must be ({count},) as settings;"
                f" got {keys.shape}, {times.shape}"
            )
        if count == 0:
            return np.empty((0, readout.points), np.float32)
        one_field = bool(np.all(rows[:, 3] == rows[0, 3]))
        measure = measurement.compiled_batch(self._kind(readout), one_field)
        scale = np.array(analyser.scale_of(readout, self.reference_hz), self._real)
        padded = np.arange(-(-count // _CHUNK) * _CHUNK).clip(max=count - 1)
        seed = np.uint32(self.seed & 0xFFFFFFFF)
        shown = []
        with self._precision():
            for chunk in padded.reshape(-1, _CHUNK):
                part = rows[chunk]
                field = part[0, 3] if one_field else part[:, 3]
                shown.append(
                    measure(
                        self._laboratory,
                        part,
                        field,
                        scale,
                        seed,
                        keys[chunk],
                        times[chunk].astype(self._real),
                        self._reset,
                    )
                )
            return np.concatenate([np.asarray(part, np.float32) for part in shown])[:count]

    def traces_fn(
        self,
        settings: Array,
        readout: Readout,
        numbers: Array,
        times_s: Array | None = None,
        one_field: bool = False,
    ) -> Array:
        """Return traces (n, points) in dBm of settings (n, 5): pure, jittable, differentiable.

        It computes in the precision of `settings`. With `one_field` the field of the first row
        stands for all and has no gradient: several times quicker where the field is held.
        """
        settings = jnp.asarray(settings)
        kind = self._kind(readout)
        scale = analyser.Scale(
            *(jnp.asarray(x, settings.dtype) for x in analyser.scale_of(readout, self.reference_hz))
        )
        times = jnp.zeros(len(settings)) if times_s is None else times_s
        rows = settings.at[:, 1].add(-self.reference_hz)
        state = loop.reset_state(self.parameters, settings.dtype)
        seed = jnp.uint32(self.seed & 0xFFFFFFFF)

        held = jax.lax.stop_gradient(rows[0, 3])

        def one(given: tuple[Array, Array, Array]) -> Array:
            row, number, time_s = given
            moment = measurement.Moment(seed, number, time_s, state)
            field = held if one_field else row[3]
            return measurement.measure(kind, self._laboratory, row, field, scale, moment)[0]

        times = jnp.asarray(times, settings.dtype)
        given = (rows, jnp.asarray(numbers).astype(jnp.uint32), times)
        # Chunk by chunk, each followed anew on the way back: what a whole batch would keep for its
        # gradient fits no cache.
        return jax.lax.map(jax.checkpoint(one), given, batch_size=_CHUNK)

    def mode_frequencies_hz(self, field_mt: float) -> NDArray[np.float64]:
        """Return the ring's mode frequencies in Hz within the simulated band, lowest first."""
        return closed_forms.mode_frequencies_hz(self.parameters, field_mt)

    def loop_gain_db(self, setting: ArrayLike) -> float:
        """Return the small-signal loop gain in dB at the best mode for a setting (5,)."""
        _, _, attenuation_db, field_mt, voltage_v = np.asarray(setting, np.float64)
        return self.threshold_attenuation_db(field_mt, voltage_v) - float(attenuation_db)

    def threshold_attenuation_db(self, field_mt: float, amplifier_voltage_v: float = 12.0) -> float:
        """Return the attenuator's setting in dB at which the best mode just oscillates."""
        return closed_forms.threshold_attenuation_db(self.parameters, field_mt, amplifier_voltage_v)
