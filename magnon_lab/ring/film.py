"""The film between its cables: transmission, impulse response, a strong wave's own phase.

A wave that runs through the film is delayed by exp(-i k L), k < 0 for BVMSW, and the electronics
delay it by exp(-i 2 pi f tau_e); fields vary as exp(+i 2 pi f t).
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import jax.numpy as jnp
import numpy as np

from . import waves
from .parameters import RingParameters

Array = Any

CENTRE = 0.28
"""Where the middle of the simulated band lies above the band edge, as a part of its width."""
FLAT = 0.42
"""The simulated band is flat within this part of its width either side, and fades out beyond."""


def trip_s(p: RingParameters, field_mt: Array, xp: ModuleType = jnp) -> Array:
    """Return the time of one round trip T_R in s at the working wavenumber."""
    delay = waves.delay_s(p.film, p.numerics.working_per_m, field_mt, xp)
    return delay + p.wiring.delay_ns * 1e-9


def centre_offset_hz(p: RingParameters, bandwidth_hz: Array) -> Array:
    """Return the middle of the simulated band from the band edge in Hz."""
    return waves.direction(p.film) * CENTRE * bandwidth_hz


def antenna_pair(p: RingParameters, k_per_m: Array, xp: ModuleType = jnp) -> Array:
    """Return the amplitude transmission of the antenna pair, mismatch apart.

    `sinc^2(k w/2)` for the strips' width, times a cut of the long waves, for which the ground plane
    shorts the strips.
    """
    strips = xp.sinc(k_per_m * p.antennas.width_um * 1e-6 / (2 * np.pi)) ** 2
    return strips * xp.expm1(-((k_per_m / p.antennas.cut_per_m) ** 2)) ** 2


def amplitude(p: RingParameters, k_per_m: Array, field_mt: Array, xp: ModuleType = jnp) -> Array:
    """Return the amplitude transmission from cable to cable: film, antennas, mismatch."""
    damping = waves.damping_per_s(p.film, k_per_m, field_mt, xp)
    delay = waves.delay_s(p.film, k_per_m, field_mt, xp)
    mismatch = 10 ** (-(p.antennas.input_loss_db + p.antennas.output_loss_db) / 20)
    return antenna_pair(p, k_per_m, xp) * xp.exp(-damping * delay) * mismatch


def phase_rad(p: RingParameters, offset_hz: Array, field_mt: Array, xp: ModuleType = jnp) -> Array:
    """Return `k L + 2 pi f tau_e + phi` in rad: what a round trip delays the wave by.

    Frequencies are offsets in Hz from the band edge.
    """
    k = waves.wavenumber_per_m(p.film, offset_hz, field_mt, xp)
    length = waves.direction(p.film) * p.film.length_mm * 1e-3
    electronics = 2 * np.pi * p.wiring.delay_ns * 1e-9
    edge = waves.edge_hz(p.film, field_mt, xp)
    return k * length + electronics * edge + electronics * offset_hz + p.wiring.phase_rad


def _saturation(film_mt: Array, xp: ModuleType) -> Array:
    """Return 0 for a film that the field does not saturate, 1 from 10 mT on, smoothly between."""
    return xp.clip((film_mt - 5.0) / 5.0, 0.0, 1.0) ** 2


def impulse_response(
    p: RingParameters, field_mt: Array, trip: int, points: int, xp: ModuleType = jnp
) -> Array:
    """Return the film's complex impulse response (points,), `trip` samples to a round trip.

    It is the envelope's, about the middle of the simulated band.
    """
    bandwidth = trip / trip_s(p, field_mt, xp)
    place = np.fft.fftfreq(points)
    fade = np.cos(np.pi / 2 * np.clip((np.abs(place) - FLAT) / (0.5 - FLAT), 0, 1)) ** 2
    offset = bandwidth * place.astype(bandwidth.dtype) + centre_offset_hz(p, bandwidth)
    k = waves.wavenumber_per_m(p.film, offset, field_mt, xp)
    inside = xp.abs(field_mt) - (p.film.saturation_mt if p.film.wave == "FVMSW" else 0.0)
    size = amplitude(p, k, field_mt, xp) * fade.astype(bandwidth.dtype) * _saturation(inside, xp)
    return xp.fft.ifft(size * xp.exp(-1j * phase_rad(p, offset, field_mt, xp)))


def nonlinearity(p: RingParameters, field_mt: Array, xp: ModuleType = jnp) -> Array:
    """Return `N tau_eff |u|^2` in rad for 1 mW at the film's cable: the phase of a weak wave.

    `tau_eff = (1 - exp(-2 Gamma tau))/(2 Gamma)` is the time for which the launched intensity acts.
    """
    k = p.numerics.working_per_m
    delay = waves.delay_s(p.film, k, field_mt, xp)
    damping = xp.maximum(waves.damping_per_s(p.film, k, field_mt, xp), 1e-6 / delay)
    effective = -xp.expm1(-2 * damping * delay) / (2 * damping)
    per_mw = 1e-3 * 10 ** (-p.antennas.input_loss_db / 10)
    per_mw = per_mw / waves.power_per_amplitude_w(p.film, k, field_mt, xp)
    return waves.nonlinear_shift_rad_per_s(p.film, k, field_mt, xp) * effective * per_mw
