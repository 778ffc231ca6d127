"""One measurement as a pure function: setting, readout, number and time in, trace out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import analyser, film, imperfections, loop, waves
from .loop import RingState
from .parameters import Imperfections, RingParameters

Array = Any


class Kind(NamedTuple):
    """What a measurement is compiled for."""

    parameters: RingParameters
    imperfections: Imperfections
    points: int
    detector: str
    reach: int


def reference_hz(p: RingParameters) -> float:
    """Return the frequency that offsets are counted from: the band edge at the reference field."""
    return float(waves.edge_hz(p.film, p.numerics.reference_field_mt, np))


class Moment(NamedTuple):
    """Which measurement it is: what keys its noise, dates its drift and starts its ring."""

    seed: Array
    number: Array
    time_s: Array
    state: RingState


class Followed(NamedTuple):
    """A record at the amplifier's output, and where its simulated band lies."""

    record: Array
    """(2, samples) real and imaginary part in sqrt(mW)."""
    sample_hz: Array
    middle_hz: Array
    """Middle of the band, from the reference."""
    outside: analyser.Line
    """What of the drive lies outside the band; the amplifier passes it, the film does not."""
    left: RingState


def follow(
    kind: Kind,
    laboratory: imperfections.Laboratory,
    row: Array,
    field_mt: Array,
    moment: Moment,
) -> Followed:
    """Follow the ring at a setting: row (5,) in QUANTITIES order, its frequency from the reference.

    The field is taken from `field_mt`, not from the row: unbatched, it makes the film once for all.
    """
    p, imperfect = kind.parameters, kind.imperfections
    power_dbm, drive_hz, attenuation_db, _, voltage_v = row
    edge = waves.edge_hz(p.film, field_mt) - reference_hz(p)
    if imperfect.film_walk_k_per_sqrt_h or imperfect.film_daily_k:
        edge = edge + imperfections.film_shift_hz(imperfect, laboratory, moment.time_s)
    gain_db = loop.amplifier_gain_db(p, voltage_v)
    if imperfect.gain_walk_db_per_sqrt_h:
        gain_db = gain_db + imperfections.gain_drift_db(imperfect, laboratory, moment.time_s)
    if imperfect.attenuator_error_db:
        attenuation_db = attenuation_db + imperfections.attenuator_error_db(
            imperfect, laboratory, attenuation_db
        )
    setting = loop.Setting(
        drive_power_dbm=power_dbm,
        drive_offset_hz=drive_hz - edge,
        attenuation_db=attenuation_db,
        field_mt=field_mt,
        gain_db=gain_db,
        saturated_dbm=loop.saturated_dbm(p, voltage_v),
    )
    noise = None
    if imperfect.amplifier_noise:
        noise = loop.thermal_noise(p, field_mt, _key(moment, 0))
    record, left = loop.run(p, setting, moment.state, noise)

    bandwidth = loop.geometry(p).trip / film.trip_s(p, field_mt)
    aside = 1 - loop.drive_fade(p, setting, bandwidth) ** 2
    outside = aside * 10 ** ((power_dbm - p.wiring.injection_coupler_db) / 10)
    outside = outside / (10 ** (-gain_db / 10) + outside * 10 ** (-setting.saturated_dbm / 10))
    return Followed(
        record=record,
        sample_hz=bandwidth,
        middle_hz=edge + film.centre_offset_hz(p, bandwidth),
        outside=analyser.Line(drive_hz, outside),
        left=left,
    )


def _key(moment: Moment, use: int) -> Array:
    """Return the random key of one use in one measurement."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(moment.seed), moment.number), use)


def measure(
    kind: Kind,
    laboratory: imperfections.Laboratory,
    row: Array,
    field_mt: Array,
    scale: analyser.Scale,
    moment: Moment,
) -> tuple[Array, Array, Array, RingState]:
    """Return trace (points,) dBm, input power dBm, overload, and the ring's state after it."""
    p, imperfect = kind.parameters, kind.imperfections
    wave = follow(kind, laboratory, row, field_mt, moment)
    frequency, power = analyser.spectrum(wave.record, wave.sample_hz)
    ripple = None
    if imperfect.analyser_ripple_db:
        place = scale.start_hz + scale.step_hz * jnp.arange(kind.points, dtype=row.dtype)
        ripple = imperfections.ripple_db(imperfect, laboratory, place)
    shown, highest = analyser.trace(
        p,
        scale,
        kind.points,
        kind.detector,
        kind.reach,
        analyser.Spectrum(frequency, power, wave.middle_hz, wave.sample_hz),
        wave.outside,
        ripple,
        _key(moment, 1) if imperfect.analyser_noise else None,
    )
    total = jnp.mean(jnp.sum(wave.record**2, axis=0)) + wave.outside.power_mw
    coupled = p.wiring.analyser_coupler_db + p.wiring.analyser_cable_db
    input_dbm = 10 * jnp.log10(total + 1e-25) - coupled
    overload = (input_dbm - scale.input_attenuation_db > p.analyser.mixer_limit_dbm) | (
        highest > scale.reference_level_dbm
    )
    return shown, input_dbm, overload, wave.left


@functools.lru_cache(maxsize=32)
def compiled_single(kind: Kind) -> Callable[..., tuple[Array, RingState]]:
    """Return the compiled single measurement; its answer is packed, to be fetched in one go."""

    def packed(
        laboratory: imperfections.Laboratory,
        numbers: Array,
        seed_number: Array,
        state: RingState,
    ) -> tuple[Array, RingState]:
        row, time_s, scale = numbers[:5], numbers[5], analyser.Scale(*numbers[6:])
        moment = Moment(seed_number[0], seed_number[1], time_s, state)
        shown, input_dbm, overload, left = measure(kind, laboratory, row, row[3], scale, moment)
        rest = jnp.stack([input_dbm, overload.astype(shown.dtype)])
        return jnp.concatenate([shown, rest]), left

    return jax.jit(packed)


@functools.lru_cache(maxsize=32)
def compiled_waveform(kind: Kind) -> Callable[..., Followed]:
    """Return the compiled ring without its analyser."""

    def waveform(
        laboratory: imperfections.Laboratory,
        row: Array,
        time_s: Array,
        seed_number: Array,
        state: RingState,
    ) -> Followed:
        moment = Moment(seed_number[0], seed_number[1], time_s, state)
        return follow(kind, laboratory, row, row[3], moment)

    return jax.jit(waveform)


@functools.lru_cache(maxsize=32)
def compiled_batch(kind: Kind, one_field: bool) -> Callable[..., Array]:
    """Return the compiled measurement of a chunk: rows (n, 5), numbers (n,), times (n,)."""

    def chunk(
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
            moment = Moment(seed, number, time_s, state)
            return measure(kind, laboratory, row, field, analyser.Scale(*scale), moment)[0]

        # With one field for all, the film's response is made once and its product is one matrix
        # product.
        across = (0, 0, 0, None if one_field else 0)
        return jax.vmap(one, in_axes=across)(rows, numbers, times_s, field_mt)

    return jax.jit(chunk)
