"""The analyser's trace of waveforms that are known."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from magnon_lab.ring import Readout, RingModel, RingParameters, analyser

SAMPLE_HZ = 6.4e8
SAMPLES = 3072
P = RingParameters()
COUPLED_DB = P.wiring.analyser_coupler_db + P.wiring.analyser_cable_db
NO_LINE = analyser.Line(jnp.float32(0.0), jnp.float32(0.0))


def shown(
    readout: Readout, lines: list[tuple[float, float]], key: Any = None, noise: Any = None
) -> np.ndarray:
    """Show lines (Hz, dBm behind the amplifier) about 4.5 GHz on the analyser."""
    reference = 4.5e9
    time = np.arange(SAMPLES) / SAMPLE_HZ
    wave = np.zeros(SAMPLES, complex) if noise is None else noise
    for frequency, dbm in lines:
        wave = wave + 10 ** (dbm / 20) * np.exp(2j * np.pi * (frequency - reference) * time)
    record = jnp.asarray(np.stack([wave.real, wave.imag]), jnp.float32)
    scale = analyser.Scale(*(jnp.float32(x) for x in analyser.scale_of(readout, reference)))
    reach = analyser.reach_bins(readout, SAMPLES / SAMPLE_HZ)
    return np.asarray(display(record, scale, readout.points, readout.detector, reach, key), float)


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def display(record: Any, scale: Any, points: int, detector: str, reach: int, key: Any) -> Any:
    frequency, power = analyser.spectrum(record, SAMPLE_HZ)
    seen = analyser.Spectrum(frequency, power, jnp.float32(0.0), jnp.float32(SAMPLE_HZ))
    return analyser.trace(P, scale, points, detector, reach, seen, NO_LINE, None, key)[0]


def axis(readout: Readout) -> np.ndarray:
    return np.linspace(readout.start_hz, readout.stop_hz, readout.points)


def floor_dbm(readout: Readout) -> float:
    return (
        P.analyser.floor_dbm_per_hz + 10 * np.log10(readout.rbw_hz) + readout.input_attenuation_db
    )


@pytest.mark.parametrize("rbw_hz", [1e4, 1e5, 1e6, 3e6])
def test_a_line_has_the_shape_of_the_filter(rbw_hz) -> None:
    """2^(-(2 df/RBW)^2), wherever the line lies, whether or not the record resolves the RBW."""
    line_hz = 4.5e9 + 137_531.0
    readout = Readout(
        start_hz=line_hz - 1.5 * rbw_hz,
        stop_hz=line_hz + 1.5 * rbw_hz,
        points=61,
        rbw_hz=rbw_hz,
        detector="sample",
        input_attenuation_db=0.0,
    )
    level = shown(readout, [(line_hz, 10.0)])
    shape_db = -10 * np.log10(2) * (2 * (axis(readout) - line_hz) / rbw_hz) ** 2
    np.testing.assert_allclose(level, 10.0 - COUPLED_DB + shape_db, atol=0.05)


def test_two_lines_within_the_filter_add_their_powers() -> None:
    readout = Readout(start_hz=4.45e9, stop_hz=4.55e9, points=101, rbw_hz=3e6, detector="peak")
    one = shown(readout, [(4.5e9, 0.0)]).max()
    two = shown(readout, [(4.4995e9, 0.0), (4.5005e9, 0.0)]).max()
    assert two - one == pytest.approx(3.0, abs=0.4)


def test_noise_fills_1064_of_the_bandwidth() -> None:
    random = np.random.default_rng(0)
    readout = Readout(start_hz=4.3e9, stop_hz=4.7e9, rbw_hz=2e6, detector="sample")
    powers = []
    for _ in range(40):
        noise = random.standard_normal((2, SAMPLES))
        noise = (noise[0] + 1j * noise[1]) * np.sqrt(10**0.5 / 2)  # 5 dBm over the band
        powers.append(10 ** (shown(readout, [], noise=noise) / 10))
    expected = 10**0.5 * 1.064 * readout.rbw_hz / SAMPLE_HZ * 10 ** (-COUPLED_DB / 10)
    assert np.mean(powers) == pytest.approx(expected, rel=0.03)


def test_detectors_of_a_line_between_points() -> None:
    """A filter narrower than the points' spacing: only the peak detector keeps the line's power."""
    spacing = 1e6
    kinds: tuple[Any, ...] = ("sample", "average", "peak")
    readouts = {
        kind: Readout(start_hz=4.45e9, stop_hz=4.55e9, points=101, rbw_hz=1e5, detector=kind)
        for kind in kinds
    }
    at = 4.5e9 + 0.3 * spacing
    level = {kind: shown(readout, [(at, 0.0)])[50] for kind, readout in readouts.items()}
    assert level["sample"] == pytest.approx(floor_dbm(readouts["sample"]), abs=0.1)
    assert level["peak"] == pytest.approx(-COUPLED_DB, abs=0.05)
    share = np.sqrt(np.pi / np.log(2)) / 2 * 1e5 / spacing  # of the bucket that the line fills
    assert level["average"] == pytest.approx(10 * np.log10(share) - COUPLED_DB, abs=0.1)


def test_floor_follows_bandwidth_and_attenuation() -> None:
    for rbw_hz, attenuation in ((1e6, 20.0), (1e4, 0.0)):
        readout = Readout(rbw_hz=rbw_hz, input_attenuation_db=attenuation)
        np.testing.assert_allclose(shown(readout, []), floor_dbm(readout), atol=1e-3)


def test_floor_statistics_are_those_of_averaged_exponentials() -> None:
    """Mean 1; spread 1/sqrt(number of readings), which VBW and the average detector raise."""
    kinds: tuple[Any, ...] = ("sample", "average", "peak")
    for kind, vbw_hz, readings in (
        (kinds[0], 1e6, 1.0),
        (kinds[0], 1e5, 10.0),
        (kinds[1], 1e6, 2.5),
    ):
        readout = Readout(start_hz=4.3e9, stop_hz=8.3e9, points=4001, vbw_hz=vbw_hz, detector=kind)
        level = shown(readout, [], key=jax.random.key(1))
        powers = 10 ** ((level - floor_dbm(readout)) / 10)
        assert powers.mean() == pytest.approx(1.0, abs=0.05)
        assert powers.std() == pytest.approx(readings**-0.5, rel=0.08)
    peaks = Readout(start_hz=4.3e9, stop_hz=4.7e9, points=401, detector="peak", rbw_hz=1e5)
    level = shown(peaks, [], key=jax.random.key(1))
    harmonic = np.sum(1 / np.arange(1, 26))  # mean of the highest of 25 exponential draws
    assert np.mean(10 ** ((level - floor_dbm(peaks)) / 10)) == pytest.approx(harmonic, rel=0.05)


def test_reference_level_cuts_and_is_flagged() -> None:
    model = RingModel()
    setting = np.array([-10.0, 4.46e9, 10.0, 92.0, 12.0])
    plain = model.trace(setting, Readout(), 0)
    assert not plain.overload
    top = plain.trace_dbm.max()
    cut = model.trace(setting, Readout(reference_level_dbm=top - 3.0), 0)
    assert cut.overload
    assert cut.trace_dbm.max() == pytest.approx(top - 3.0, abs=1e-4)
    below = plain.trace_dbm < top - 3.0
    np.testing.assert_array_equal(cut.trace_dbm[below], plain.trace_dbm[below])


def test_mixer_overload_hangs_on_the_input_attenuation() -> None:
    model = RingModel()
    setting = np.array([5.0, 4.46e9, 10.0, 92.0, 12.0])
    readouts = [
        Readout(input_attenuation_db=attenuation, reference_level_dbm=20.0)
        for attenuation in (20.0, 0.0)
    ]
    safe, hot = (model.trace(setting, readout, 0) for readout in readouts)
    assert not safe.overload
    assert hot.overload
    assert safe.input_dbm == pytest.approx(hot.input_dbm)
    # The amplifier is close to its saturated 20 dBm; coupler and cable take 21 dB.
    assert safe.input_dbm == pytest.approx(-1.0, abs=1.0)


def test_a_drive_outside_the_films_band_is_shown_as_the_amplifier_passes_it() -> None:
    model, readout = RingModel(), Readout(start_hz=3.6e9, stop_hz=4.2e9, detector="peak")
    setting = np.array([-30.0, 3.9e9, 20.0, 92.0, 12.0])
    trace = model.trace(setting, readout, 0)
    assert trace.trace_dbm.max() == pytest.approx(-30 - 10 + 35 - COUPLED_DB, abs=0.05)
    assert axis(readout)[trace.trace_dbm.argmax()] == pytest.approx(3.9e9, abs=1.5e6)


def test_readout_changes_without_compiling_anew(caplog) -> None:
    model = RingModel()
    setting = np.array([-10.0, 4.46e9, 10.0, 92.0, 12.0])
    model.compile(Readout())
    with jax.log_compiles(), caplog.at_level("WARNING"):
        model.trace(setting, Readout(start_hz=4.4e9, rbw_hz=0.9e6, reference_level_dbm=3.0), 1)
        model.trace(setting, Readout(input_attenuation_db=10.0, vbw_hz=1e5), 2)
    assert not [record for record in caplog.records if "Compiling" in record.message]
