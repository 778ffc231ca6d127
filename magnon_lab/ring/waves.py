"""Spin waves in a film: dispersion, group velocity, loss, nonlinear shift and power.

Damon-Eshbach surface waves (MSSW) and the lowest Kalinikos-Slavin branch (J. Phys. C 19, 7013
(1986)) for backward (BVMSW) and forward (FVMSW) volume waves. Wavenumbers are magnitudes in 1/m,
fields mT, frequencies Hz. `xp` is the array library: numpy for closed forms in double precision,
jax.numpy inside the ring. Frequencies are handed over as offsets from the band edge (k = 0), so
that single precision does not lose the small difference of two large numbers.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import jax.numpy as jnp

from .parameters import Film

Array = Any
"""A numpy or JAX array, or a float; which one follows from `xp`."""

_MU0 = 1.25663706e-6
_NEWTON_STEPS = 4
_SMALL = 2e-3


def direction(film: Film) -> int:
    """Return the sign of the group velocity for a positive wavenumber: -1 for BVMSW, else +1."""
    return -1 if film.wave == "BVMSW" else 1


def field_frequency_hz(film: Film, field_mt: Array, xp: ModuleType = jnp) -> Array:
    """Return f_H = gamma B/2pi in Hz, of the internal field; not below that of 1 mT."""
    internal = xp.abs(field_mt) - (film.saturation_mt if film.wave == "FVMSW" else 0.0)
    return film.gyromagnetic_ghz_per_t * 1e6 * xp.maximum(internal, 1.0)


def magnetisation_frequency_hz(film: Film) -> float:
    """Return f_M = gamma mu0 Ms/2pi in Hz."""
    return film.gyromagnetic_ghz_per_t * 1e6 * film.saturation_mt


def edge_hz(film: Film, field_mt: Array, xp: ModuleType = jnp) -> Array:
    """Return the frequency at k = 0: `sqrt(f_H (f_H + f_M))`, for FVMSW `f_H`."""
    f_h = field_frequency_hz(film, field_mt, xp)
    if film.wave == "FVMSW":
        return f_h
    return xp.sqrt(f_h * (f_h + magnetisation_frequency_hz(film)))


def _exchange_m2(film: Film) -> float:
    """Return lambda = 2 A/(mu0 Ms^2) in m^2."""
    magnetisation = film.saturation_mt * 1e-3 / _MU0
    return 2e-12 * film.exchange_pj_per_m / (_MU0 * magnetisation**2)


def _mean_decay(x: Array, xp: ModuleType) -> tuple[Array, Array]:
    """Return `R = (1 - exp(-x))/x` and `dR/dx`, by series where x is small."""
    safe = xp.maximum(x, _SMALL)
    ratio = -xp.expm1(-safe) / safe
    slope = (xp.exp(-safe) - ratio) / safe
    small = x < _SMALL
    return (
        xp.where(small, 1 - x / 2 + x * x / 6, ratio),
        xp.where(small, -0.5 + x / 3, slope),
    )


def _volume(film: Film, k: Array, f_h: Array, xp: ModuleType) -> tuple[Array, Array, Array, Array]:
    """Return W, F, dW/dk and dF/dk of `f^2 = W (W + f_M F)`."""
    d = film.thickness_um * 1e-6
    exchange = magnetisation_frequency_hz(film) * _exchange_m2(film)
    ratio, slope = _mean_decay(k * d, xp)
    if film.wave == "FVMSW":
        ratio, slope = 1 - ratio, -slope
    return f_h + exchange * k * k, ratio, 2 * exchange * k, slope * d


def frequency_hz(film: Film, k_per_m: Array, field_mt: Array, xp: ModuleType = jnp) -> Array:
    """Return the frequency in Hz at wavenumber |k| in 1/m."""
    f_h, f_m = field_frequency_hz(film, field_mt, xp), magnetisation_frequency_hz(film)
    if film.wave == "MSSW":
        lift = -xp.expm1(-2 * k_per_m * film.thickness_um * 1e-6)
        return xp.sqrt(f_h * (f_h + f_m) + f_m**2 / 4 * lift)
    w, shape, _, _ = _volume(film, k_per_m, f_h, xp)
    return xp.sqrt(w * (w + f_m * shape))


def wavenumber_per_m(film: Film, offset_hz: Array, field_mt: Array, xp: ModuleType = jnp) -> Array:
    """Return |k| in 1/m at `offset_hz` from the band edge; 0 outside the band on the edge's side.

    Beyond the other end of the band |k| stays at that of the last 0.1 % of the band.
    """
    f_h, f_m = field_frequency_hz(film, field_mt, xp), magnetisation_frequency_hz(film)
    edge = edge_hz(film, field_mt, xp)
    squares = offset_hz * (offset_hz + 2 * edge)  # f^2 - f_edge^2
    d = film.thickness_um * 1e-6
    if film.wave == "MSSW":
        lift = xp.clip(4 * squares / f_m**2, 0.0, 0.999)
        return -xp.log1p(-lift) / (2 * d)
    # Without exchange f^2 = f_H (f_H + f_M F); exchange, tiny here, is put in by Newton's method.
    lift = squares / (f_h * f_m) * direction(film)  # 1 - R
    ratio = 1 - xp.clip(lift, 0.0, 0.999)
    # Pade form of x/(1 - exp(-x)) = 1/R, solved for x, then refined.
    x = 3 * (xp.sqrt(1 + 4 / 3 * (1 / ratio - 1)) - 1)
    for _ in range(_NEWTON_STEPS):
        value, slope = _mean_decay(x, xp)
        x = xp.maximum(x - (1 / value - 1 / ratio) / (-slope / value**2), 0.0)
    k = x / d
    inside = (lift > 0) & (lift < 0.999)
    w, shape, dw, dshape = _volume(film, k, f_h, xp)
    # The misfit is exchange's alone; taken so, it does not cancel in single precision.
    misfit = (w - f_h) * (w + f_h + f_m * shape)
    step = misfit / (dw * (2 * w + f_m * shape) + f_m * w * dshape)
    return xp.where(inside, xp.maximum(k - step, 0.0), k)


def group_velocity_m_per_s(
    film: Film, k_per_m: Array, field_mt: Array, xp: ModuleType = jnp
) -> Array:
    """Return the signed group velocity in m/s; negative for BVMSW."""
    f_h, f_m = field_frequency_hz(film, field_mt, xp), magnetisation_frequency_hz(film)
    f = frequency_hz(film, k_per_m, field_mt, xp)
    if film.wave == "MSSW":
        d = film.thickness_um * 1e-6
        squares = f_m**2 / 2 * d * xp.exp(-2 * k_per_m * d)
    else:
        w, shape, dw, dshape = _volume(film, k_per_m, f_h, xp)
        squares = dw * (2 * w + f_m * shape) + f_m * w * dshape
    return 2 * xp.pi * squares / (2 * f)


def field_slope(film: Film, k_per_m: Array, field_mt: Array, xp: ModuleType = jnp) -> Array:
    """Return df/df_H at a fixed wavenumber (no unit)."""
    f_h, f_m = field_frequency_hz(film, field_mt, xp), magnetisation_frequency_hz(film)
    f = frequency_hz(film, k_per_m, field_mt, xp)
    if film.wave == "MSSW":
        return (2 * f_h + f_m) / (2 * f)
    w, shape, _, _ = _volume(film, k_per_m, f_h, xp)
    return (2 * w + f_m * shape) / (2 * f)


def damping_per_s(film: Film, k_per_m: Array, field_mt: Array, xp: ModuleType = jnp) -> Array:
    """Return Gamma = gamma (dH/2) df/df_H, the decay rate of the amplitude in 1/s."""
    half = xp.pi * film.gyromagnetic_ghz_per_t * 1e6 * film.linewidth_mt
    return half * field_slope(film, k_per_m, field_mt, xp)


def delay_s(film: Film, k_per_m: Array, field_mt: Array, xp: ModuleType = jnp) -> Array:
    """Return the film's delay L/|v_g| in s."""
    return film.length_mm * 1e-3 / xp.abs(group_velocity_m_per_s(film, k_per_m, field_mt, xp))


def nonlinear_shift_rad_per_s(
    film: Film, k_per_m: Array, field_mt: Array, xp: ModuleType = jnp
) -> Array:
    """Return N = d omega/d|u|^2 in rad/s: what a magnetisation lowered to Ms (1 - |u|^2) does.

    That is -omega_M d omega/d omega_M at fixed field and wavenumber (Zvezdin and Popkov, JETP 57,
    350): negative for waves in a film magnetised in its plane, positive for FVMSW, whose internal
    field rises.
    """
    f_h, f_m = field_frequency_hz(film, field_mt, xp), magnetisation_frequency_hz(film)
    f = frequency_hz(film, k_per_m, field_mt, xp)
    if film.wave == "MSSW":
        lift = -xp.expm1(-2 * k_per_m * film.thickness_um * 1e-6)
        squares = f_m * (f_h + f_m / 2 * lift)
    else:
        w, shape, _, _ = _volume(film, k_per_m, f_h, xp)
        squares = f_m * shape * w
        if film.wave == "FVMSW":
            squares = squares - f_m * (2 * w + f_m * shape)
    return -2 * xp.pi * squares / (2 * f)


def power_per_amplitude_w(
    film: Film, k_per_m: Array, field_mt: Array, xp: ModuleType = jnp
) -> Array:
    """Return the power in W that a wave of |u|^2 = 1 would carry: `v_g w d omega Ms/gamma`.

    |u|^2 counts magnons: the energy density is `omega (Ms/gamma) |u|^2`.
    """
    section = film.width_mm * 1e-3 * film.thickness_um * 1e-6
    gamma = 2 * xp.pi * film.gyromagnetic_ghz_per_t * 1e9
    magnetisation = film.saturation_mt * 1e-3 / _MU0
    density = 2 * xp.pi * frequency_hz(film, k_per_m, field_mt, xp) * magnetisation / gamma
    return xp.abs(group_velocity_m_per_s(film, k_per_m, field_mt, xp)) * section * density
