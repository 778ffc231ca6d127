"""Dispersion, loss and nonlinear shift against reference figures and limits."""

import numpy as np
import pytest

from magnon_lab.ring import film as film_room
from magnon_lab.ring import three_wave_warning, waves
from magnon_lab.ring.parameters import Film, RingParameters

# wave, field mT, thickness um, f GHz, v_g km/s, delay ns, 1/delay MHz, film loss dB;
# k = 1e4 /m, L = 5 mm, dH = 0.05 mT
REFERENCE = [
    ("MSSW", 100.0, 5.0, 4.713, 36.6, 137, 7.3, 5.8),
    ("MSSW", 100.0, 10.0, 4.769, 65.5, 76, 13.1, 3.2),
    ("MSSW", 100.0, 20.0, 4.862, 105, 48, 21, 2.0),
    ("BVMSW", 100.0, 5.0, 4.615, -22.7, 220, 4.5, 9.5),
    ("BVMSW", 100.0, 10.0, 4.579, -44.3, 113, 8.9, 4.8),
    ("FVMSW", 300.0, 10.0, 3.589, 70.1, 71, 14.0, 2.7),
]
K = 1e4
BANDS = [("MSSW", 92.0), ("BVMSW", 92.0), ("FVMSW", 300.0)]


@pytest.mark.parametrize(
    ("wave", "field_mt", "thickness_um", "f_ghz", "v_km_s", "delay_ns", "spacing_mhz", "loss_db"),
    REFERENCE,
)
def test_reference_figures(
    wave, field_mt, thickness_um, f_ghz, v_km_s, delay_ns, spacing_mhz, loss_db
) -> None:
    film = Film(wave=wave, thickness_um=thickness_um, length_mm=5.0)
    delay = waves.delay_s(film, K, field_mt, np)
    loss = 20 * np.log10(np.e) * waves.damping_per_s(film, K, field_mt, np) * delay
    assert waves.frequency_hz(film, K, field_mt, np) / 1e9 == pytest.approx(f_ghz, abs=6e-4)
    speed = waves.group_velocity_m_per_s(film, K, field_mt, np)
    assert speed / 1e3 == pytest.approx(v_km_s, rel=3e-3)
    assert delay * 1e9 == pytest.approx(delay_ns, abs=0.6)
    assert 1e-6 / delay == pytest.approx(spacing_mhz, abs=0.06)
    assert loss == pytest.approx(loss_db, abs=0.06)


def test_limits_of_long_and_short_waves() -> None:
    f_h = 28e6 * 100
    surface, volume = Film(), Film(wave="BVMSW")
    for film in (surface, volume):
        assert waves.frequency_hz(film, 1e-3, 100.0, np) / 1e9 == pytest.approx(4.6517, abs=1e-4)
    forward = Film(wave="FVMSW")
    assert waves.frequency_hz(forward, 1e-3, 300.0, np) == pytest.approx(28e6 * 124, rel=1e-8)
    top = f_h + 28e6 * 176 / 2
    assert waves.frequency_hz(surface, 1e7, 100.0, np) == pytest.approx(top, rel=1e-9)
    assert top / 1e9 == pytest.approx(5.264)


@pytest.mark.parametrize(("wave", "field_mt"), BANDS)
def test_derivatives_are_those_of_the_dispersion(wave, field_mt) -> None:
    film, k = Film(wave=wave), np.array([3e3, 1e4, 3e4, 1e5])

    def slope(of, step: float) -> np.ndarray:
        return (of(step) - of(-step)) / (2 * step)

    by_k = slope(lambda s: waves.frequency_hz(film, k + s, field_mt, np), 0.5)
    by_field = slope(lambda s: waves.frequency_hz(film, k, field_mt + s, np), 1e-3)
    # The shift of a magnetisation Ms (1 - |u|^2), exchange apart, which does not weaken with it.
    by_moment = slope(
        lambda s: waves.frequency_hz(
            Film(wave=wave, saturation_mt=176.0 * (1 - s), exchange_pj_per_m=0.0), k, field_mt, np
        ),
        1e-5,
    )
    np.testing.assert_allclose(
        waves.group_velocity_m_per_s(film, k, field_mt, np), 2 * np.pi * by_k, rtol=1e-4
    )
    np.testing.assert_allclose(waves.field_slope(film, k, field_mt, np), by_field / 28e6, rtol=1e-6)
    np.testing.assert_allclose(
        waves.nonlinear_shift_rad_per_s(film, k, field_mt, np), 2 * np.pi * by_moment, rtol=1e-3
    )


@pytest.mark.parametrize(("wave", "field_mt"), BANDS)
@pytest.mark.parametrize("exchange_pj_per_m", [0.0, 3.6])
def test_wavenumber_is_the_inverse_of_the_dispersion(wave, field_mt, exchange_pj_per_m) -> None:
    film = Film(wave=wave, exchange_pj_per_m=exchange_pj_per_m)
    k = np.geomspace(50, 8e4, 40)
    offset = waves.frequency_hz(film, k, field_mt, np) - waves.edge_hz(film, field_mt, np)
    np.testing.assert_allclose(waves.wavenumber_per_m(film, offset, field_mt, np), k, rtol=1e-6)
    outside = -waves.direction(film) * np.array([1e6, 1e8])
    np.testing.assert_array_equal(waves.wavenumber_per_m(film, outside, field_mt, np), 0.0)


def test_single_precision_keeps_the_phase() -> None:
    for wave, field_mt in BANDS:
        p = RingParameters.from_mapping(
            {"film": {"wave": wave}, "numerics": {"reference_field_mt": field_mt}}
        )
        offset = waves.direction(p.film) * np.linspace(2e6, 3e8, 200)
        exact = film_room.phase_rad(p, offset, field_mt, np)
        single = film_room.phase_rad(p, offset.astype(np.float32), np.float32(field_mt))
        np.testing.assert_allclose(single, exact, atol=5e-3)


def test_nonlinear_shift_and_power_of_a_wide_film() -> None:
    assert waves.nonlinear_shift_rad_per_s(Film(), K, 100.0, np) == pytest.approx(-1e10, rel=0.05)
    assert waves.nonlinear_shift_rad_per_s(Film(wave="BVMSW"), K, 100.0, np) < 0
    assert waves.nonlinear_shift_rad_per_s(Film(wave="FVMSW"), K, 300.0, np) > 0
    wide = Film(width_mm=2.0, thickness_um=7.7)
    assert waves.power_per_amplitude_w(wide, 7e3, 92.0, np) == pytest.approx(20.0, rel=0.05)


def test_antennas_pass_sinc_squared() -> None:
    p = RingParameters.from_mapping({"antennas": {"width_um": 50.0}})
    k = np.array([2e4, 5e4, 9e4])
    half = k * 25e-6
    np.testing.assert_allclose(film_room.antenna_pair(p, k, np), (np.sin(half) / half) ** 2)
    assert film_room.antenna_pair(p, np.array([100.0]), np)[0] < 1e-5


def test_three_wave_decay_is_warned_of_where_it_is_allowed() -> None:
    assert three_wave_warning(92.0) is None
    assert three_wave_warning(88.1) is None
    assert "above" in (three_wave_warning(87.9) or "")
    assert "whole band" in (three_wave_warning(58.0) or "")
    assert "field_mt = 58 mT" in (three_wave_warning(58.0) or "")
    assert three_wave_warning(62.0, Film(wave="BVMSW")) is None
