"""The spectrum analyser: from the amplifier's waveform to a trace in dBm.

The record is windowed and transformed once. Each bin's power is drawn at the bin's own mean
frequency (spectral reassignment, Auger and Flandrin, IEEE Trans. Signal Process. 43, 1068), not at
the bin's centre, with the Gaussian shape `2^(-(2 df/RBW)^2)`: so a line has the shape of the
resolution filter whether that is wider or narrower than the record resolves.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .parameters import Readout, RingParameters

Array = Any

_WINDOW_WIDTH = 9.0
"""Record length over the standard deviation of its Gaussian window (edges at -88 dB)."""
_REACH_RBW = 2.7
"""The resolution filter is drawn out to this many RBW, where it is at -88 dB."""
_LOBE_BINS = 6
"""Half width of the window's main lobe in bins: the farthest that a bin's power is moved."""
_DARK_DBM = -250.0
_DARK_MW = 1e-13
"""Bins of less power, behind the amplifier, are below any floor and stay where they are."""


class Scale(NamedTuple):
    """What the analyser is set to, as numbers that may change without compiling anew.

    Frequencies are offsets in Hz from a reference that the caller chose.
    """

    start_hz: Array
    step_hz: Array
    rbw_hz: Array
    vbw_hz: Array
    input_attenuation_db: Array
    reference_level_dbm: Array


class Line(NamedTuple):
    """A line that the sampled record does not hold: frequency offset in Hz, power in mW."""

    frequency_hz: Array
    power_mw: Array


class Spectrum(NamedTuple):
    """Powers in mW at frequencies in Hz from `middle_hz`, (bins,) each, over `wide_hz`."""

    frequency_hz: Array
    power_mw: Array
    middle_hz: Array
    wide_hz: Array


def scale_of(readout: Readout, reference_hz: float) -> Scale:
    """Return the traced part of a readout, frequencies as offsets from `reference_hz`."""
    return Scale(
        start_hz=readout.start_hz - reference_hz,
        step_hz=(readout.stop_hz - readout.start_hz) / (readout.points - 1),
        rbw_hz=readout.rbw_hz,
        vbw_hz=readout.vbw_hz,
        input_attenuation_db=readout.input_attenuation_db,
        reference_level_dbm=readout.reference_level_dbm,
    )


def reach_bins(readout: Readout, record_s: float) -> int:
    """Return how many bins either side of a point its filter needs: a power of two."""
    step = (readout.stop_hz - readout.start_hz) / (readout.points - 1)
    wide = _REACH_RBW * readout.rbw_hz + (0.5 * step if readout.detector != "sample" else 0.0)
    return max(32, 1 << math.ceil(math.log2(wide * record_s + _LOBE_BINS + 1)))


def _window(samples: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the Gaussian window with unit noise power, and the slope that reassignment needs."""
    place = (np.arange(samples) - (samples - 1) / 2) * (_WINDOW_WIDTH / samples)
    window = np.exp(-(place**2) / 2)
    # The alternating sign puts the transform's bins in order of frequency.
    window = window * (-1.0) ** np.arange(samples) / np.sqrt(np.sum(window**2) * samples)
    return window, place * window


def spectrum(record: Array, sample_hz: Array) -> tuple[Array, Array]:
    """Return the frequencies in Hz, from the band's middle, and powers in mW of the record's bins.

    `record` is (2, samples), real and imaginary part in sqrt(mW), sampled at `sample_hz`. Bins
    stand in order of their centres; each frequency is where the bin's power lies. The powers add up
    to the record's mean power under the window.
    """
    samples = record.shape[-1]
    window, slope = (part.astype(record.dtype) for part in _window(samples))
    wave = jax.lax.complex(record[0], record[1])
    plain, sloped = jnp.fft.fft(jnp.stack([wave * window, wave * slope]))
    power = plain.real**2 + plain.imag**2
    # For a Gaussian window the line that fills a bin lies Im(X_slope/X) from the bin's centre, in
    # units of one over the window's standard deviation.
    moved = (sloped.imag * plain.real - sloped.real * plain.imag) / (power + _DARK_MW)
    moved = jnp.clip(moved * (_WINDOW_WIDTH / (2 * np.pi)), -_LOBE_BINS, _LOBE_BINS)
    bins = (np.arange(samples) - samples // 2).astype(record.dtype)
    return (bins + moved) * (sample_hz / samples), power


def _shape(away_hz: Array, step_hz: Array, rbw_hz: Array, detector: str) -> Array:
    """Return what a bucket shows of a line of power 1, `away_hz` from the bucket's centre."""
    steep = 2 * np.sqrt(np.log(2.0))
    x = steep * away_hz / rbw_hz
    half = steep * step_hz / (2 * rbw_hz)
    if detector == "sample":
        return jnp.exp(-(x**2))
    if detector == "peak":
        return jnp.exp(-(jnp.maximum(jnp.abs(x) - half, 0.0) ** 2))
    near, far = jnp.abs(x) - half, jnp.abs(x) + half
    # Where both ends lie on one side erfc keeps what a difference of erf would lose.
    outside = jax.lax.erfc(near) - jax.lax.erfc(far)
    return outside * np.sqrt(np.pi) / (4 * half)


def _statistics(scale: Scale, detector: str, key: Array, points: int, dtype: Any) -> Array:
    """Return the floor (points,) that a sweep shows, of mean power 1 but for the peak detector.

    A reading of the filter has an exponential distribution; the video filter averages RBW/VBW of
    them, and a bucket, dwelt on for 2.5 step/(RBW VBW), holds `readings` of these: averaged, the
    highest, or one. The mean of exponential draws is taken after Wilson and Hilferty.
    """
    count = jnp.maximum(scale.rbw_hz / scale.vbw_hz, 1.0)
    readings = jnp.maximum(2.5 * scale.step_hz / scale.rbw_hz, 1.0)
    if detector == "peak":
        draw = jax.random.uniform(key, (points,), dtype, 1e-6, 1 - 1e-6)
        normal = jax.scipy.special.ndtri(draw ** (1 / readings))
    else:
        normal = jax.random.normal(key, (points,), dtype)
    if detector == "average":
        count = count * readings
    spread = 1 / (9 * count)
    return jnp.maximum(1 - spread + jnp.sqrt(spread) * normal, 0.1) ** 3


def trace(
    p: RingParameters,
    scale: Scale,
    points: int,
    detector: str,
    reach: int,
    seen: Spectrum,
    outside: Line,
    ripple_db: Array | None,
    noise_key: Array | None,
) -> tuple[Array, Array]:
    """Return the displayed trace (points,) in dBm and its highest level before clipping in dBm.

    `frequency_hz` and `power_mw` (bins,) are a spectrum about `middle_hz`, its bins `bin_hz` apart,
    at the amplifier's output; frequencies are offsets from the reference of `scale`. Coupler and
    cable, ripple, the floor and its statistics, and the reference level are put in here.
    """
    bins, dtype = len(seen.power_mw), seen.power_mw.dtype
    place = scale.start_hz + scale.step_hz * jnp.arange(points, dtype=dtype)
    nearest = (place - seen.middle_hz) * (bins / seen.wide_hz) + bins // 2
    first = jnp.clip(jnp.round(nearest).astype(jnp.int32), 0, bins - 1)
    # Bins of power 0 either side, so that each point sees its `reach` bins as one slice.
    padded = jnp.pad(jnp.stack([seen.frequency_hz, seen.power_mw]), ((0, 0), (reach, reach)))

    def near(at: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(padded, at, 2 * reach + 1, axis=1)

    near_hz, near_mw = jnp.moveaxis(jax.vmap(near)(first), 1, 0)
    away = place[:, None] - (seen.middle_hz + near_hz)
    drawn = _shape(away, scale.step_hz, scale.rbw_hz, detector)
    signal = jnp.sum(drawn * near_mw, axis=1)
    aside = _shape(place - outside.frequency_hz, scale.step_hz, scale.rbw_hz, detector)
    signal = signal + outside.power_mw * aside
    coupled_db = -(p.wiring.analyser_coupler_db + p.wiring.analyser_cable_db)
    if ripple_db is not None:
        coupled_db = coupled_db + ripple_db
    signal = signal * 10 ** (coupled_db / 10)
    floor_dbm = p.analyser.floor_dbm_per_hz + scale.input_attenuation_db
    floor = scale.rbw_hz * 10 ** (floor_dbm / 10) * jnp.ones(points, dtype)
    if noise_key is not None:
        floor = floor * _statistics(scale, detector, noise_key, points, dtype)
    level = jnp.maximum(10 * jnp.log10(signal + floor), _DARK_DBM)
    return jnp.minimum(level, scale.reference_level_dbm), jnp.max(level)
