"""The round trip: amplifier, attenuator, film, and again, as a sampled waveform.

The ring is followed as the complex envelope of one waveform, block by block. A block is shorter
than the film's shortest delay, so the film's answer to it depends on the past alone and is one
product with the film's impulse response: an exact delay line with dispersion, with no periodic
window that wraps. A drive tone is the exact exponential; nothing happens where it crosses a mode or
a grid of bins.

Fields vary as exp(+i 2 pi f t); the film delays by exp(-i k L). Amplitudes are in sqrt(mW).
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import film, waves
from .parameters import RingParameters

Array = Any

_SHORTEST_RESPONSE = 512
"""Samples of the film's periodic impulse response, at least; and eight trips at least."""


class Geometry(NamedTuple):
    """The static sizes of a simulation: samples a trip and a block, taps, blocks of each phase."""

    trip: int
    block: int
    taps: int
    warm_up: int
    record: int
    response: int

    @property
    def history(self) -> int:
        """Samples of the film's input that its next block of output depends on."""
        return self.taps + self.block - 1


class RingState(NamedTuple):
    """What a ring remembers: the film's last input, and the phase of its clock."""

    history: Array
    """(2, history) real and imaginary part, sqrt(mW)."""
    drive_cycles: Array
    """Phase of the drive tone at the next sample, in cycles."""


class Setting(NamedTuple):
    """One setting of the ring as the loop needs it; frequencies are offsets in Hz."""

    drive_power_dbm: Array
    drive_offset_hz: Array
    """Drive frequency from the film's band edge."""
    attenuation_db: Array
    field_mt: Array
    gain_db: Array
    saturated_dbm: Array


@functools.lru_cache(maxsize=64)
def geometry(p: RingParameters) -> Geometry:
    """Return the sizes that follow this ring: block and taps hold its impulse response.

    The block is the longest before which the response is negligible, over a range of fields about
    the reference, and at most half a trip. What "negligible" is, `numerics.response_tail` says.
    """
    n = p.numerics
    reference = n.reference_field_mt
    trip = 8 * round(n.bandwidth_mhz * 1e6 * float(film.trip_s(p, reference, np)) / 8)
    trip = max(trip, 16)
    points = _SHORTEST_RESPONSE
    while points < 8 * trip:
        points *= 2
    first, last = points, 0
    for field in (0.9 * reference, reference, 1.15 * reference):
        if p.film.wave == "FVMSW":
            field = max(field, reference)
        size = np.abs(film.impulse_response(p, np.float64(field), trip, points, np))
        before = np.cumsum(size**2) / np.sum(size**2)
        first = min(first, int(np.searchsorted(before, n.response_tail**2)))
        last = max(last, int(np.searchsorted(before, 1 - n.response_tail**2)) + 1)
    block = max(4, min(first, trip // 2) // 4 * 4)
    # The response is taken from sample `block` on, and is never longer than its periodic window.
    taps = min(-(-(last - block) // 16) * 16, points - block)
    return Geometry(
        trip=trip,
        block=block,
        taps=taps,
        warm_up=round(n.warm_up_trips * trip / block),
        record=round(n.record_trips * trip / block),
        response=points,
    )


def _convolution(response: Array, g: Geometry) -> Array:
    """Return the matrix (history, 2 block) from the film's past input to its next output.

    The left half holds the response's real part, the right half its imaginary part.
    """
    lag = np.arange(g.block)[None, :] + g.history - np.arange(g.history)[:, None]
    known = (lag >= g.block) & (lag < g.block + g.taps)
    picked = jnp.where(known, response[np.where(known, lag, 0)], 0)
    return jnp.concatenate([picked.real, picked.imag], axis=1)


def amplifier_gain_db(p: RingParameters, voltage_v: Array, xp: Any = jnp) -> Array:
    """Return the small-signal gain in dB at a supply voltage.

    Straight above the minimum voltage with `gain_slope_db_per_v`; below it the amplifier is off and
    attenuates. It turns over within about half a volt.
    """
    a = p.amplifier
    on = a.gain_db + a.gain_slope_db_per_v * (voltage_v - a.nominal_voltage_v)
    turned_on = 0.5 * (1 + xp.tanh((voltage_v - a.minimum_voltage_v) / 0.25))
    return a.off_gain_db + (on - a.off_gain_db) * turned_on


def saturated_dbm(p: RingParameters, voltage_v: Array, xp: Any = jnp) -> Array:
    """Return the saturated output in dBm: as the square of the supply voltage."""
    ratio = xp.maximum(voltage_v, 0.1) / p.amplifier.nominal_voltage_v
    return p.amplifier.saturated_dbm + 20 * xp.log10(ratio)


def thermal_amplitude(p: RingParameters, bandwidth_hz: Array, xp: Any = jnp) -> Array:
    """Return the amplifier's input noise in the simulated band, rms in sqrt(mW)."""
    return xp.sqrt(10 ** ((p.amplifier.noise_figure_db - 174) / 10) * bandwidth_hz)


def thermal_noise(p: RingParameters, field_mt: Array, key: Array) -> Array:
    """Draw the amplifier's input noise for one run, (blocks, 2, block) in sqrt(mW)."""
    g = geometry(p)
    bandwidth = g.trip / film.trip_s(p, field_mt)
    draw = jax.random.normal(key, (g.warm_up + g.record, 2, g.block), bandwidth.dtype)
    return thermal_amplitude(p, bandwidth) / np.sqrt(2) * draw


def reset_state(p: RingParameters, dtype: Any) -> RingState:
    """Return a ring that was open until now: in the film runs what brings thermal noise to its end.

    The noise is the same for every ring, so that a ring without noise starts, and always alike.
    """
    g = geometry(p)
    field = p.numerics.reference_field_mt
    bandwidth = g.trip / film.trip_s(p, field, np)
    lost = film.amplitude(p, p.numerics.working_per_m, field, np)
    draw = np.random.default_rng(0).standard_normal((2, g.history)) / np.sqrt(2)
    history = thermal_amplitude(p, bandwidth, np) / lost * draw
    return RingState(jnp.asarray(history, dtype), jnp.zeros((), dtype))


def _wrap(cycles: Array) -> Array:
    """Return a phase in cycles, within half a cycle of zero."""
    return cycles - jnp.round(cycles)


def _ramp(a_block: Array, blocks: int) -> Array:
    """Return the phases (blocks,) in cycles of a tone that turns by `a_block` cycles a block.

    Taken in two steps, as the product of a large count and a fraction costs single precision its
    digits.
    """
    fine = 32
    many = np.arange(blocks)
    coarse = _wrap(fine * a_block) * (many // fine).astype(a_block.dtype)
    return _wrap(coarse) + a_block * (many % fine).astype(a_block.dtype)


def _phasor(cycles: Array) -> Array:
    """Return cosine and sine, (2, ...), of a phase in cycles."""
    phase = 2 * jnp.pi * cycles
    return jnp.stack([jnp.cos(phase), jnp.sin(phase)])


def drive_fade(p: RingParameters, setting: Setting, bandwidth_hz: Array) -> Array:
    """Return the part of the drive's amplitude that lies in the simulated band."""
    place = jnp.abs(setting.drive_offset_hz - film.centre_offset_hz(p, bandwidth_hz)) / bandwidth_hz
    return jnp.cos(jnp.pi / 2 * jnp.clip((place - 0.46) / (0.5 - 0.46), 0, 1)) ** 2


def run(
    p: RingParameters, setting: Setting, state: RingState, added: Array | None = None
) -> tuple[Array, RingState]:
    """Follow the ring through warm-up and record.

    `added` (blocks, 2, block), if given, is a waveform that enters the amplifier with the drive.

    Returns the record at the amplifier's output (2, samples), real and imaginary part in sqrt(mW),
    sampled at `trip / T_R` about the middle of the simulated band, and the state left.
    """
    g = geometry(p)
    dtype = setting.field_mt.dtype
    blocks = g.warm_up + g.record
    bandwidth = g.trip / film.trip_s(p, setting.field_mt)
    matrix = _convolution(film.impulse_response(p, setting.field_mt, g.trip, g.response), g)

    # The drive is the exact exponential: a phasor for each block times one for each sample of a
    # block.
    cycles = setting.drive_offset_hz / bandwidth - waves.direction(p.film) * film.CENTRE
    a_block = _wrap(g.block * cycles)
    size = drive_fade(p, setting, bandwidth)
    size = size * 10 ** ((setting.drive_power_dbm - p.wiring.injection_coupler_db) / 20)
    starts = _phasor(state.drive_cycles + _ramp(a_block, blocks)).T
    cos, sin = size * _phasor(cycles * jnp.arange(g.block, dtype=dtype))

    gain = 10 ** (setting.gain_db / 20)
    inverse_saturation = 10 ** ((setting.gain_db - setting.saturated_dbm) / 10)
    passed = 10 ** (
        -(setting.attenuation_db + p.wiring.attenuator_loss_db + p.wiring.cables_db) / 20
    )
    phase_per_mw = film.nonlinearity(p, setting.field_mt)
    # dI/dt = -2 Gamma I - 2 nu I^2 and d(phase)/dt = N I along the film, solved exactly: the loss
    # of intensity is 1 + 2 nu tau_eff I, the phase N/(2 nu) times its logarithm, and so saturates.
    damped = p.film.nonlinear_damping > 0
    damping_per_mw = p.film.nonlinear_damping * jnp.abs(phase_per_mw)
    turn_per_loss = jnp.sign(phase_per_mw) / (2 * p.film.nonlinear_damping) if damped else 0.0

    def step(history: Array, source: tuple[Array, Array | None]) -> tuple[Array, Array]:
        (drive_cos, drive_sin), more = source
        out = history @ matrix
        real = out[0, : g.block] - out[1, g.block :] + drive_cos * cos - drive_sin * sin
        imag = out[0, g.block :] + out[1, : g.block] + drive_cos * sin + drive_sin * cos
        into = jnp.stack([real, imag])
        if more is not None:
            into = into + more
        amplified = into * gain
        if p.amplifier.saturates:
            power = into[0] ** 2 + into[1] ** 2
            amplified = amplified * jax.lax.rsqrt(1 + power * inverse_saturation)
        launched = amplified * passed
        if p.film.nonlinear:
            power = launched[0] ** 2 + launched[1] ** 2
            loss = 1 + 2 * damping_per_mw * power
            turn = turn_per_loss * jnp.log(loss) if damped else phase_per_mw * power
            size = jax.lax.rsqrt(loss)
            along, across = size * jnp.cos(turn), size * jnp.sin(turn)
            real, imag = launched
            launched = jnp.stack([real * along - imag * across, real * across + imag * along])
        return jnp.concatenate([history[:, g.block :], launched], axis=1), amplified

    def settle(history: Array, source: tuple[Array, Array | None]) -> tuple[Array, None]:
        return step(history, source)[0], None

    def part(first: int, last: int) -> tuple[Array, Array | None]:
        return starts[first:last], None if added is None else added[first:last]

    history, _ = jax.lax.scan(settle, state.history, part(0, g.warm_up))
    history, record = jax.lax.scan(step, history, part(g.warm_up, blocks))
    left = RingState(history, _wrap(state.drive_cycles + _ramp(a_block, blocks + 1)[-1]))
    return jnp.moveaxis(record, 1, 0).reshape(2, -1), left
