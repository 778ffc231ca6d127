"""The ring below saturation against its closed forms."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from magnon_lab.ring import closed_forms, film, loop, waves

SHORT = {"warm_up_trips": 1, "record_trips": 8}
"""A ring followed so shortly that modes of more gain than the one looked at do not come up."""


@pytest.fixture
def short_linear(experiment):
    return experiment(film={"nonlinear": False}, amplifier={"saturates": False}, numerics=SHORT)


@pytest.mark.parametrize("near_hz", [4.45e9, 4.465e9, 4.50e9, 4.60e9])
@pytest.mark.parametrize("gain_db", [-0.3, 0.1])
def test_growth_a_trip_is_the_net_gain(short_linear, line, near_hz, gain_db) -> None:
    mode = short_linear.mode_near(near_hz)
    trip = short_linear.trip_s(mode)
    start = short_linear.one_mode(mode, 1.0, gain_db / 20 * np.log(10) / trip)
    wave, _ = short_linear.follow(short_linear.attenuation_for(gain_db, mode), start)
    _, growth, _ = line(wave)
    assert growth * trip == pytest.approx(gain_db, abs=1e-3)


def test_modes_lie_where_the_phase_closes(short_linear, line) -> None:
    modes = [mode for mode in short_linear.modes_hz() if 4.44e9 < mode < 4.62e9]
    assert len(modes) > 15
    for mode in modes:
        start = short_linear.one_mode(mode, 1.0)
        wave, _ = short_linear.follow(short_linear.attenuation_for(0.0, mode), start)
        assert line(wave)[0] == pytest.approx(mode, abs=1e4)


def test_mode_spacing_is_one_over_the_delay(linear) -> None:
    modes = linear.modes_hz()
    for low, high in itertools.pairwise(modes):
        if 4.42e9 < low < 4.65e9:
            assert high - low == pytest.approx(1 / linear.trip_s((low + high) / 2), rel=2e-3)


@pytest.mark.parametrize("gain_db", [-1.0, -3.0, -6.0])
def test_driven_ring_below_threshold(linear, gain_db) -> None:
    """Behind the amplifier stands g s/(1 - g H) of a drive s; on resonance g H is the loop gain."""
    p, mode = linear.parameters, linear.mode_near(4.465e9)
    attenuation = linear.attenuation_for(gain_db, mode)
    direct = 10 ** ((0.0 - 10.0 + 35.0) / 20)
    for detuning in (0.0, 3e5, -2e6, 5e6, 1.1e7):
        offset = mode + detuning - waves.edge_hz(p.film, 92.0, np)
        k = waves.wavenumber_per_m(p.film, offset, 92.0, np)
        passive = film.amplitude(p, k, 92.0, np) * 10 ** ((35.0 - 6.0 - attenuation) / 20)
        round_trip = passive * np.exp(-1j * film.phase_rad(p, offset, 92.0, np))
        if detuning == 0.0:
            assert round_trip == pytest.approx(10 ** (gain_db / 20), rel=1e-4)
        wave, _ = linear.follow(attenuation, drive_dbm=0.0, drive_hz=mode + detuning)
        expected = direct / np.abs(1 - round_trip)
        assert np.abs(wave.envelope).mean() == pytest.approx(expected, rel=1e-3)


def test_threshold_is_where_the_best_mode_neither_grows_nor_decays(linear, line) -> None:
    modes = linear.modes_hz()
    best = modes[np.argmin(closed_forms.film_loss_db(linear.parameters, modes, 92.0))]
    threshold = linear.model.threshold_attenuation_db(92.0)
    assert threshold == pytest.approx(9.0, abs=0.1)
    assert linear.model.loop_gain_db([0, 4.46e9, 10.0, 92.0, 12.0]) == pytest.approx(
        threshold - 10.0
    )
    start = linear.one_mode(best, 1.0)
    assert line(linear.follow(threshold - 0.01, start)[0])[1] > 0
    assert line(linear.follow(threshold + 0.01, start)[0])[1] < 0


def test_a_ring_without_loss_keeps_its_power(experiment) -> None:
    """Gain 1, no loss, no nonlinearity: the sum of the modes' powers stays to 1e-6 a trip."""
    trips = 100
    closed = experiment(
        film={"nonlinear": False, "linewidth_mt": 0.0},
        amplifier={"saturates": False, "gain_db": 0.0},
        antennas={"width_um": 0.0, "input_loss_db": 0.0, "output_loss_db": 0.0, "cut_per_m": 4000},
        wiring={"attenuator_loss_db": 0.0, "cables_db": 0.0},
        numerics={"response_tail": 1e-6, "warm_up_trips": 1, "record_trips": trips},
    )
    modes = [mode for mode in closed.modes_hz() if 4.58e9 < mode < 4.64e9]
    states = [closed.one_mode(mode, 1.0 + order) for order, mode in enumerate(modes)]
    with jax.enable_x64(True):
        start = loop.RingState(sum(state.history for state in states), jnp.zeros(()))
    wave, _ = closed.follow(0.0, start)
    time = np.arange(len(wave.envelope)) / wave.sample_hz
    # The modes are not evenly spaced: their amplitudes come from a fit, not from a transform.
    offsets = np.array(modes) - wave.middle_hz
    powers = []
    for part in np.array_split(np.arange(len(time)), 2):
        tones = np.exp(2j * np.pi * offsets * time[part, None])
        amplitudes, *_ = np.linalg.lstsq(tones, wave.envelope[part], rcond=None)
        powers.append(np.abs(amplitudes) ** 2)
    np.testing.assert_allclose(powers[0], 1.0 + np.arange(len(modes)), rtol=trips * 1e-6)
    assert powers[1].sum() == pytest.approx(powers[0].sum(), rel=trips / 2 * 1e-6)
