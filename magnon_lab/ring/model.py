"""The ring as a reservoir: settings in, analyser traces out."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import analyser, closed_forms, imperfections, loop, waves
from .loop import RingState
from .parameters import QUANTITIES, Imperfections, Readout, RingParameters

Array = Any

_CHUNK = 64
"""Settings measured in one go; batches are filled up to it, so bits do not hang on their size."""


class RingTrace(NamedTuple):
    """One measurement as the analyser shows it."""

    trace_dbm: NDArray[np.float32]
    """(points,) dBm."""
    input_dbm: float
    """Total power at the analyser's input connector in dBm."""
    overload: bool
    """True where the mixer is overdriven or the trace is cut at the reference level."""


class _Kind(NamedTuple):
    """What a measurement is compiled for."""

    parameters: RingParameters
    imperfections: Imperfections
    points: int
    detector: str
    reach: int


def reference_hz(p: RingParameters) -> float:
    """Return the frequency that offsets are counted from: the band edge at the reference field."""
    return float(waves.edge_hz(p.film, p.numerics.reference_field_mt, np))


def _measure(
    kind: _Kind,
    laboratory: imperfections.Laboratory,
    row: Array,
    field_mt: Array,
    scale: analyser.Scale,
    seed: Array,
    number: Array,
    time_s: Array,
    state: RingState,
) -> tuple[Array, Array, Array, RingState]:
    """Measure one setting: row (5,) in QUANTITIES order, its drive frequency from the reference.

    The field is taken from `field_mt`, not from the row: unbatched, it makes the film once for all.

    Returns trace (points,) dBm, input power dBm, overload, the ring's state after it.
    """
    p, imperfect = kind.parameters, kind.imperfections
    power_dbm, drive_hz, attenuation_db, _, voltage_v = row
    edge = waves.edge_hz(p.film, field_mt) - reference_hz(p)
    if imperfect.film_walk_k_per_sqrt_h or imperfect.film_daily_k:
        edge = edge + imperfections.film_shift_hz(imperfect, laboratory, time_s)
    gain_db = imperfections.amplifier_gain_db(p, voltage_v)
    if imperfect.gain_walk_db_per_sqrt_h:
        gain_db = gain_db + imperfections.gain_drift_db(imperfect, laboratory, time_s)
    if imperfect.attenuator_error_db:
        attenuation_db = attenuation_db + imperfections.attenuator_error_db(
            imperfect, laboratory, attenuation_db
        )
    key = jax.random.fold_in(jax.random.key(seed), number)
    ring_key, display_key = jax.random.split(key)

    setting = loop.Setting(
        drive_power_dbm=power_dbm,
        drive_offset_hz=drive_hz - edge,
        attenuation_db=attenuation_db,
        field_mt=field_mt,
        gain_db=gain_db,
        saturated_dbm=imperfections.saturated_dbm(p, voltage_v),
    )
    record, left = loop.run(p, setting, state, ring_key if imperfect.amplifier_noise else None)

    bandwidth = loop.geometry(p).trip / loop.trip_s(p, field_mt)
    middle = edge + loop.centre_offset_hz(p, bandwidth)
    frequency, power = analyser.spectrum(record, bandwidth)
    aside = 1 - loop.drive_fade(p, setting, bandwidth) ** 2
    outside = aside * 10 ** ((power_dbm - p.wiring.injection_coupler_db) / 10)
    outside = outside / (10 ** (-gain_db / 10) + outside * 10 ** (-setting.saturated_dbm / 10))
    ripple = None
    if imperfect.analyser_ripple_db:
        points = jnp.arange(kind.points, dtype=row.dtype)
        place = scale.start_hz + scale.step_hz * points
        ripple = imperfections.ripple_db(imperfect, laboratory, place)
    shown, highest = analyser.trace(
        p,
        scale,
        kind.points,
        kind.detector,
        kind.reach,
        frequency,
        power,
        middle,
        bandwidth / power.shape[0],
        analyser.Line(drive_hz, outside),
        ripple,
        display_key if imperfect.analyser_noise else None,
    )
    total = jnp.mean(jnp.sum(record**2, axis=0)) + outside
    coupled = p.wiring.analyser_coupler_db + p.wiring.analyser_cable_db
    input_dbm = 10 * jnp.log10(total + 1e-25) - coupled
    overload = (input_dbm - scale.input_attenuation_db > p.analyser.mixer_limit_dbm) | (
        highest > scale.reference_level_dbm
    )
    return shown, input_dbm, overload, left


@functools.lru_cache(maxsize=32)
def _single(kind: _Kind) -> Callable[..., tuple[Array, RingState]]:
    """Return the compiled single measurement; its answer is packed, to be fetched in one go."""

    def measure(
        laboratory: imperfections.Laboratory,
        numbers: Array,
        seed_number: Array,
        state: RingState,
    ) -> tuple[Array, RingState]:
        row, time_s, scale = numbers[:5], numbers[5], analyser.Scale(*numbers[6:])
        seed, number = seed_number
        shown, input_dbm, overload, left = _measure(
            kind, laboratory, row, row[3], scale, seed, number, time_s, state
        )
        rest = jnp.stack([input_dbm, overload.astype(shown.dtype)])
        return jnp.concatenate([shown, rest]), left

    return jax.jit(measure)


@functools.lru_cache(maxsize=32)
def _batch(kind: _Kind, one_field: bool) -> Callable[..., Array]:
    """Return the compiled measurement of a chunk: rows (n, 5), numbers (n,), times (n,)."""

    def measure(
        laboratory: imperfections.Laboratory,
        rows: Array,
        field_mt: Array,
        scale: Array,
        seed: Array,
        numbers: Array,
        times_s: Array,
        state: RingState,
    ) -> Array:
        def one(row: Array, number: Array, time_s: Array, field: Array) -> Array:
            settings = analyser.Scale(*scale)
            return _measure(kind, laboratory, row, field, settings, seed, number, time_s, state)[0]

        # With one field for all, the film's response is made once and its product is one matrix
        # product.
        across = (0, 0, 0, None if one_field else 0)
        return jax.vmap(one, in_axes=across)(rows, numbers, times_s, field_mt)

    return jax.jit(measure)


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
        self.reference_hz = reference_hz(self.parameters)
        self._double = self.parameters.numerics.dtype == "complex128"
        self._real = np.dtype(np.float64 if self._double else np.float32)
        with self._precision():
            self._laboratory = jax.device_put(_draw(self.seed))
            geometry = loop.geometry(self.parameters)
            self._reset = loop.reset_state(self.parameters, self._real)
        trip = loop.trip_s(self.parameters, self.parameters.numerics.reference_field_mt, np)
        self._record_s = float(trip) * geometry.record * geometry.block / geometry.trip
        self._packed: tuple[Readout, NDArray[Any], Callable[..., Any]] | None = None

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which this model's numbers keep their precision."""
        return jax.enable_x64(True) if self._double else contextlib.nullcontext()

    def _kind(self, readout: Readout) -> _Kind:
        """Return what a readout has to be compiled for."""
        # The record lasts longer at a higher field, whose waves are slower; a power of two holds
        # both.
        reach = analyser.reach_bins(readout, 1.2 * self._record_s)
        return _Kind(self.parameters, self.imperfections, readout.points, readout.detector, reach)

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
            self._packed = (readout, scale, _single(self._kind(readout)))
        _, scale, measure = self._packed
        row = self._rows(np.asarray(setting, np.float64)[None])[0]
        numbers = np.concatenate([row, [time_s], scale]).astype(self._real)
        seed_number = np.array([self.seed & 0xFFFFFFFF, number & 0xFFFFFFFF], np.uint32)
        with self._precision():
            packed, left = measure(self._laboratory, numbers, seed_number, state)
            answer = np.asarray(packed)
        trace_dbm = answer[:-2].astype(np.float32, copy=False)
        return RingTrace(trace_dbm, float(answer[-2]), bool(answer[-1])), left

    def traces(
        self,
        settings: ArrayLike,
        readout: Readout,
        numbers: ArrayLike,
        times_s: ArrayLike | None = None,
    ) -> NDArray[np.float32]:
        """Measure settings (n, 5), each on a reset ring; returns (n, points) dBm."""
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
        measure = _batch(self._kind(readout), one_field)
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
        self, settings: Array, readout: Readout, numbers: Array, times_s: Array | None = None
    ) -> Array:
        """Return traces (n, points) in dBm of settings (n, 5): pure, jittable, differentiable.

        It computes in the precision of `settings`.
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

        def one(row: Array, number: Array, time_s: Array) -> Array:
            return _measure(
                kind, self._laboratory, row, row[3], scale, seed, number, time_s, state
            )[0]

        times = jnp.asarray(times, settings.dtype)
        return jax.vmap(one)(rows, jnp.asarray(numbers).astype(jnp.uint32), times)

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


@functools.lru_cache(maxsize=32)
def _draw(seed: int) -> imperfections.Laboratory:
    return imperfections.draw(seed)
