"""What is known of the ring without following it: modes, threshold, saturation, locking, decay.

Everything here is numpy in double precision and independent of the round-trip model that it tests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import imperfections, loop, waves
from .parameters import RingParameters

_SAMPLES = 20001


def band_hz(p: RingParameters, field_mt: float) -> tuple[float, float]:
    """Return the frequencies in Hz between which the ring is simulated."""
    bandwidth = loop.geometry(p).trip / float(loop.trip_s(p, field_mt, np))
    middle = float(waves.edge_hz(p.film, field_mt, np)) + loop.centre_offset_hz(p, bandwidth)
    return middle - bandwidth / 2, middle + bandwidth / 2


def mode_frequencies_hz(p: RingParameters, field_mt: float) -> NDArray[np.float64]:
    """Return where `k L + 2 pi f tau_e + phi = 2 pi p` in the simulated band, in Hz."""
    low, high = band_hz(p, field_mt)
    edge = float(waves.edge_hz(p.film, field_mt, np))
    wide = (high - low) * (0.5 + loop.FLAT)  # up to where the simulated band fades
    sign = waves.direction(p.film)
    end = edge + sign * min(wide * 0.5 / loop.FLAT, abs((high if sign > 0 else low) - edge))
    inside = np.linspace(edge, end, _SAMPLES)[1:]
    inside = np.sort(inside)
    turns = loop.film_phase_rad(p, inside - edge, field_mt, np) / (2 * np.pi)
    orders = np.arange(np.ceil(turns[0]), np.floor(turns[-1]) + 1)
    return np.asarray(np.interp(orders, turns, inside), np.float64)


def film_loss_db(
    p: RingParameters, frequency_hz: NDArray[np.float64], field_mt: float
) -> NDArray[np.float64]:
    """Return the loss from cable to cable in dB at frequencies in Hz: film, antennas, mismatch."""
    offset = frequency_hz - waves.edge_hz(p.film, field_mt, np)
    k = waves.wavenumber_per_m(p.film, offset, field_mt, np)
    size = loop.film_amplitude(p, k, field_mt, np)
    return np.asarray(-20 * np.log10(np.maximum(size, 1e-30)), np.float64)


def threshold_attenuation_db(p: RingParameters, field_mt: float, voltage_v: float) -> float:
    """Return the attenuator's setting in dB for a loop gain of 0 dB at the best mode."""
    least = float(np.min(film_loss_db(p, mode_frequencies_hz(p, field_mt), field_mt)))
    gain = float(imperfections.amplifier_gain_db(p, np.float64(voltage_v), np))
    return gain - least - p.wiring.attenuator_loss_db - p.wiring.cables_db
