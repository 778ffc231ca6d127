"""What a real bench adds to the ring: drift, step error, ripple.

Every drift is a function of laboratory time that can be asked at any time in any order: a sum of
sinusoids whose phases follow from the seed alone. So a measurement is reproduced by its number and
time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from .parameters import Imperfections

Array = Any

_DAY_S = 86400.0
_LINES = 24
_SHORTEST_S, _LONGEST_S = 20.0, 4e5
_CODES_PER_DB = 4
_CODES = 512


class Laboratory(NamedTuple):
    """The imperfections of one laboratory, drawn from its seed."""

    film_walk: Array
    gain_walk: Array
    """(2, lines) amplitudes of cosine and sine, per unit of walk."""
    daily_phase: Array
    attenuator_error_db: Array
    """(codes,) error of each 0.25 dB step, of unit spread."""
    ripple: Array
    """(3, lines): amplitude, period in Hz, phase in rad of the analyser's ripple, of unit size."""


def _walk_lines() -> np.ndarray[Any, Any]:
    """Return the periods in s that make up a random walk."""
    return np.geomspace(_LONGEST_S, _SHORTEST_S, _LINES)


def draw(seed: int) -> Laboratory:
    """Draw a laboratory's imperfections; the same seed gives the same laboratory."""
    random = np.random.default_rng([seed, 0x6D61676E])
    # A walk's spectrum is 1/(2 pi f)^2 per hour; a line stands for its share of a logarithmic grid.
    periods = _walk_lines()
    share = np.log(_LONGEST_S / _SHORTEST_S) / (_LINES - 1)
    size = np.sqrt(4 * share / (2 * np.pi) ** 2 * periods / 3600)
    single = np.float32
    return Laboratory(
        film_walk=(size * random.standard_normal((2, _LINES)) / np.sqrt(2)).astype(single),
        gain_walk=(size * random.standard_normal((2, _LINES)) / np.sqrt(2)).astype(single),
        daily_phase=single(random.uniform(0, 2 * np.pi)),
        attenuator_error_db=random.uniform(-1, 1, _CODES).astype(single),
        ripple=np.stack(
            [
                np.full(3, 1 / 3),
                random.uniform(4e7, 4e8, 3),
                random.uniform(0, 2 * np.pi, 3),
            ]
        ).astype(single),
    )


def walk(amplitudes: Array, time_s: Array) -> Array:
    """Return a random walk at `time_s`, zero at 0 s, that spreads by about 1 in an hour."""
    turns = time_s / _walk_lines().astype(time_s.dtype)
    angle = 2 * np.pi * (turns - jnp.floor(turns))
    return jnp.sum(amplitudes[0] * (jnp.cos(angle) - 1) + amplitudes[1] * jnp.sin(angle), -1)


def film_shift_hz(imperfect: Imperfections, laboratory: Laboratory, time_s: Array) -> Array:
    """Return by how much the film's whole dispersion has drifted in frequency, in Hz."""
    daily = laboratory.daily_phase
    kelvin = imperfect.film_walk_k_per_sqrt_h * walk(laboratory.film_walk, time_s)
    swing = jnp.sin(2 * np.pi * time_s / _DAY_S + daily) - jnp.sin(daily)
    return imperfect.film_shift_mhz_per_k * 1e6 * (kelvin + imperfect.film_daily_k * swing)


def gain_drift_db(imperfect: Imperfections, laboratory: Laboratory, time_s: Array) -> Array:
    """Return by how much the amplifier's gain has drifted in dB."""
    return imperfect.gain_walk_db_per_sqrt_h * walk(laboratory.gain_walk, time_s)


def attenuator_error_db(
    imperfect: Imperfections, laboratory: Laboratory, attenuation_db: Array
) -> Array:
    """Return the attenuator's error in dB: fixed at each 0.25 dB step, straight between steps."""
    place = jnp.clip(attenuation_db * _CODES_PER_DB, 0, _CODES - 1.001)
    low = jnp.floor(place)
    code = low.astype(jnp.int32)
    errors = laboratory.attenuator_error_db
    between = errors[code] + (place - low) * (errors[code + 1] - errors[code])
    return imperfect.attenuator_error_db * between


def ripple_db(imperfect: Imperfections, laboratory: Laboratory, frequency_hz: Array) -> Array:
    """Return the analyser's amplitude ripple in dB at offsets `frequency_hz` (points,)."""
    size, period, phase = laboratory.ripple
    wave = size * jnp.sin(2 * np.pi * frequency_hz[:, None] / period + phase)
    return imperfect.analyser_ripple_db * jnp.sum(wave, axis=1)
