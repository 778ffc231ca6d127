"""What is known of the ring without following it: modes, loss, threshold, three-wave decay.

Everything here is numpy in double precision and looks at the small signal alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import film, loop, waves
from .parameters import Film, RingParameters

_SAMPLES = 20001


def mode_frequencies_hz(p: RingParameters, field_mt: float) -> NDArray[np.float64]:
    """Return where `k L + 2 pi f tau_e + phi = 2 pi p`, in Hz, lowest first.

    From the film's band edge to where the simulated band begins to fade.
    """
    bandwidth = loop.geometry(p).trip / float(film.trip_s(p, field_mt, np))
    wide = (film.CENTRE + film.FLAT) * bandwidth
    offsets = waves.direction(p.film) * np.linspace(0, wide, _SAMPLES)[1:]
    turns = film.phase_rad(p, offsets, field_mt, np) / (2 * np.pi)
    order = np.argsort(offsets)
    turns, offsets = turns[order], offsets[order]
    whole = np.arange(np.ceil(turns[0]), np.floor(turns[-1]) + 1)
    edge = waves.edge_hz(p.film, field_mt, np)
    return np.asarray(edge + np.interp(whole, turns, offsets), np.float64)


def film_loss_db(
    p: RingParameters, frequency_hz: ArrayLike, field_mt: float
) -> NDArray[np.float64]:
    """Return the loss from cable to cable in dB at frequencies in Hz: film, antennas, mismatch."""
    offset = np.asarray(frequency_hz) - waves.edge_hz(p.film, field_mt, np)
    k = waves.wavenumber_per_m(p.film, offset, field_mt, np)
    size = film.amplitude(p, k, field_mt, np)
    return np.asarray(-20 * np.log10(np.maximum(size, 1e-30)), np.float64)


def threshold_attenuation_db(p: RingParameters, field_mt: float, voltage_v: float) -> float:
    """Return the attenuator's setting in dB for a loop gain of 0 dB at the best mode."""
    least = float(np.min(film_loss_db(p, mode_frequencies_hz(p, field_mt), field_mt)))
    gain = float(loop.amplifier_gain_db(p, np.float64(voltage_v), np))
    return gain - least - p.wiring.attenuator_loss_db - p.wiring.cables_db


def three_wave_warning(field_mt: float, film_: Film | None = None) -> str | None:
    """Return what to warn of where a wave may decay into two of half its frequency, else None.

    The two exist above f_H. The ring's model leaves the decay out; it sets in at low power, for
    MSSW below about 59 mT at the band's edge and below about 88 mT at its top (mu0 Ms = 176 mT).
    """
    what = film_ or Film()
    f_h = float(waves.field_frequency_hz(what, field_mt, np))
    f_m = waves.magnetisation_frequency_hz(what)
    uniform = float(np.sqrt(f_h * (f_h + f_m)))
    ends = {
        "MSSW": (uniform, f_h + f_m / 2),
        "BVMSW": (f_h, uniform),
        "FVMSW": (f_h, uniform),
    }[what.wave]
    if ends[1] < 2 * f_h:
        return None
    where = "in the whole band" if ends[0] >= 2 * f_h else f"above {2 * f_h / 1e9:.3f} GHz"
    return (
        f"field_mt = {field_mt:g} mT: {what.wave} may decay into two waves of half the frequency"
        f" {where} of {ends[0] / 1e9:.3f}-{ends[1] / 1e9:.3f} GHz; this is not in the ring's model"
    )
