"""Noise, drift and errors: each off by default, each keyed, each of the size that it says."""

import jax.numpy as jnp
import numpy as np
import pytest

from magnon_lab.ring import (
    Imperfections,
    Readout,
    RingModel,
    RingParameters,
    closed_forms,
    film,
    imperfections,
    loop,
    waves,
)

SETTING = np.array([-15.0, 4.4655e9, 10.5, 92.0, 12.0])
READOUT = Readout()
EACH = {
    "amplifier_noise": True,
    "analyser_noise": True,
    "film_walk_k_per_sqrt_h": 0.5,
    "film_daily_k": 0.5,
    "gain_walk_db_per_sqrt_h": 0.5,
    "attenuator_error_db": 0.2,
    "analyser_ripple_db": 0.5,
}
LATER_S = 4000.0


def test_all_are_off_by_default() -> None:
    model = RingModel(seed=1)
    first = model.trace(SETTING, READOUT, 1, 0.0).trace_dbm
    np.testing.assert_array_equal(
        first, RingModel(seed=2).trace(SETTING, READOUT, 5, LATER_S).trace_dbm
    )
    assert set(EACH) | {"film_shift_mhz_per_k"} == set(Imperfections.model_fields)


@pytest.mark.parametrize("name", EACH)
def test_each_changes_the_trace_and_is_reproduced(name) -> None:
    imperfect = Imperfections.from_mapping({name: EACH[name]})
    ideal = RingModel(seed=4).trace(SETTING, READOUT, 7, LATER_S).trace_dbm
    # Noise of the amplifier is far below the line: look below the analyser's floor for it.
    low = RingParameters.from_mapping({"analyser": {"floor_dbm_per_hz": -200.0}})
    p = low if name == "amplifier_noise" else RingParameters()
    seen = RingModel(p, imperfect, seed=4).trace(SETTING, READOUT, 7, LATER_S).trace_dbm
    again = RingModel(p, imperfect, seed=4)
    again.trace(SETTING, READOUT, 99, 17.0)
    np.testing.assert_array_equal(again.trace(SETTING, READOUT, 7, LATER_S).trace_dbm, seen)
    other = RingModel(p, imperfect, seed=5).trace(SETTING, READOUT, 7, LATER_S).trace_dbm
    assert np.abs(seen - ideal).max() > 0.003
    assert np.abs(seen - other).max() > 0.003


def test_film_drift_moves_the_modes() -> None:
    """The whole dispersion moves by `film_shift_mhz_per_k`, and the ring's answer with it."""
    imperfect = Imperfections(film_daily_k=0.2)
    model = RingModel(imperfections=imperfect, seed=4)
    shift = float(
        imperfections.film_shift_hz(imperfect, imperfections.draw(4), jnp.float32(LATER_S))
    )
    assert 2e4 < abs(shift) < 3 * 0.4e6
    moved = SETTING.copy()
    moved[1] += shift
    wide = Readout(points=41, rbw_hz=8e6, vbw_hz=8e6, detector="peak")
    drifted = model.trace(moved, wide, 0, LATER_S).trace_dbm.max()
    assert drifted == pytest.approx(RingModel().trace(SETTING, wide, 0).trace_dbm.max(), abs=0.01)


def test_walk_spreads_as_the_root_of_time() -> None:
    for hours, tolerance in ((0.25, 0.15), (1.0, 0.15), (9.0, 0.2)):
        ends = [
            float(imperfections.walk(imperfections.draw(seed).film_walk, jnp.float32(3600 * hours)))
            for seed in range(300)
        ]
        assert np.std(ends) == pytest.approx(np.sqrt(hours), rel=tolerance)
    start = imperfections.walk(imperfections.draw(0).gain_walk, jnp.float32(0.0))
    assert float(start) == pytest.approx(0.0, abs=1e-6)


def test_attenuator_error_belongs_to_the_step() -> None:
    imperfect = Imperfections(attenuator_error_db=0.2)
    laboratory = imperfections.draw(3)

    def error(attenuation_db: float) -> float:
        return float(
            imperfections.attenuator_error_db(imperfect, laboratory, jnp.float32(attenuation_db))
        )

    steps = np.array([error(step) for step in np.arange(40, 400) / 4])
    assert np.abs(steps).max() <= 0.2
    assert steps.std() == pytest.approx(0.2 / np.sqrt(3), rel=0.15)
    assert error(10.1) == pytest.approx(0.6 * error(10.0) + 0.4 * error(10.25), abs=1e-5)


def test_amplifier_noise_below_threshold_is_the_regenerated_thermal_noise() -> None:
    """`F k T g^2/|1 - g H|^2` integrated over the band, and humps where the modes are."""
    model = RingModel(
        RingParameters.from_mapping({"numerics": {"warm_up_trips": 160, "record_trips": 256}}),
        Imperfections(amplifier_noise=True),
        seed=8,
    )
    p, setting = model.parameters, np.array([-np.inf, 4.465e9, 10.0, 92.0, 12.0])
    records = [model.waveform(setting, number)[0] for number in range(60)]
    power = np.mean([np.mean(np.abs(record.envelope) ** 2) for record in records])
    spectra = [np.abs(np.fft.fft(record.envelope)) ** 2 for record in records]
    bins = len(spectra[0])
    frequency = records[0].middle_hz + np.fft.fftfreq(bins) * records[0].sample_hz

    fine = records[0].middle_hz + np.linspace(-0.42, 0.42, 40001) * records[0].sample_hz
    offset = fine - waves.edge_hz(p.film, 92.0, np)
    k = waves.wavenumber_per_m(p.film, offset, 92.0, np)
    passive = film.amplitude(p, k, 92.0, np) * 10 ** ((35.0 - 6.0 - 10.0) / 20)
    round_trip = passive * np.exp(-1j * film.phase_rad(p, offset, 92.0, np))
    density = 10 ** ((5.0 - 174.0 + 35.0) / 10) / np.abs(1 - round_trip) ** 2
    # Beyond the flat part of the band only the amplifier's own noise is left.
    rest = 0.16 * records[0].sample_hz * 10 ** ((5.0 - 174.0 + 35.0) / 10)
    expected = density.mean() * (fine[-1] - fine[0]) + rest
    assert power == pytest.approx(expected, rel=0.05)

    mean = np.mean(spectra, axis=0)
    modes = closed_forms.mode_frequencies_hz(p, 92.0)
    for mode in modes[(modes > 4.46e9) & (modes < 4.53e9)]:
        near = np.abs(frequency - mode) < 5e6
        top = frequency[near][np.argmax(mean[near])]
        assert top == pytest.approx(mode, abs=2e5)


def test_supply_voltage_turns_the_amplifier_on() -> None:
    p = RingParameters()
    voltages = np.array([0.0, 3.0, 5.0, 7.0, 11.0, 12.0, 13.0])
    gain = loop.amplifier_gain_db(p, voltages, np)
    assert gain[0] == pytest.approx(p.amplifier.off_gain_db)
    assert gain[2] < -30
    np.testing.assert_allclose(gain[3:], 35.0 + 0.4 * (voltages[3:] - 12.0), atol=0.1)
    assert loop.saturated_dbm(p, np.float64(6.0), np) == pytest.approx(20.0 - 6.02, abs=0.01)
    dark = RingModel().trace(np.array([5.0, 4.46e9, 0.0, 92.0, 2.0]), READOUT, 0)
    assert dark.trace_dbm.max() == pytest.approx(-66, abs=3)
