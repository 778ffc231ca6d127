"""The ring as a reservoir: shapes, reproducibility, reset and kept state."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest

from magnon_lab.ring import QUANTITIES, Imperfections, Readout, RingModel, RingParameters

SETTING = np.array([-10.0, 4.46e9, 10.0, 92.0, 12.0])
NOISY = Imperfections(amplifier_noise=True, analyser_noise=True)


def some_settings(count: int) -> np.ndarray:
    """Settings from far below threshold to chaos."""
    random = np.random.default_rng(0)
    return np.column_stack(
        [
            random.uniform(-30, 5, count),
            random.uniform(4.45e9, 4.48e9, count),
            random.uniform(1, 15, count),
            np.full(count, 92.0),
            np.full(count, 12.0),
        ]
    )


def test_batch_and_single_measurement_agree() -> None:
    model, readout = RingModel(), Readout()
    settings = np.tile(SETTING, (3, 1))
    settings[:, 1] += [0.0, 2e6, 5e6]
    traces = model.traces(settings, readout, [0, 1, 2])
    assert traces.shape == (3, 401)
    assert traces.dtype == np.float32
    for row, trace in zip(settings, traces, strict=True):
        np.testing.assert_allclose(model.trace(row, readout, 7).trace_dbm, trace, atol=0.01)
    fields = settings.copy()
    fields[1, 3] += 1e-9  # several fields, as far as the code knows
    np.testing.assert_allclose(model.traces(fields, readout, [0, 1, 2]), traces, atol=0.01)
    assert model.traces(settings[:0], readout, []).shape == (0, 401)


def test_same_seed_number_and_setting_give_the_same_bits() -> None:
    first, second = RingModel(imperfections=NOISY, seed=3), RingModel(imperfections=NOISY, seed=3)
    readout = Readout()
    a = first.trace(SETTING, readout, 5).trace_dbm
    first.trace(SETTING, readout, 6)
    np.testing.assert_array_equal(a, second.trace(SETTING, readout, 5).trace_dbm)
    assert np.any(a != second.trace(SETTING, readout, 6).trace_dbm)
    assert np.any(a != RingModel(imperfections=NOISY, seed=4).trace(SETTING, readout, 5).trace_dbm)


def test_bits_do_not_hang_on_the_rest_of_the_batch() -> None:
    model, readout, settings = RingModel(imperfections=NOISY), Readout(), some_settings(40)
    numbers = np.arange(40) + 2**40
    whole = model.traces(settings, readout, numbers)
    order = np.random.default_rng(1).permutation(40)
    np.testing.assert_array_equal(
        model.traces(settings[order], readout, numbers[order]), whole[order]
    )
    np.testing.assert_array_equal(model.traces(settings[5:8], readout, numbers[5:8]), whole[5:8])


def test_a_kept_state_goes_on_where_it_was_left() -> None:
    short, long = (
        RingModel(
            RingParameters.from_mapping(
                {"numerics": {"warm_up_trips": trips, "record_trips": 16, "dtype": "complex128"}}
            )
        )
        for trips in (8, 32)
    )
    _, state = short.waveform(SETTING)
    second, _ = short.waveform(SETTING, state=state)
    whole, _ = long.waveform(SETTING)
    np.testing.assert_allclose(second.envelope, whole.envelope, rtol=1e-7, atol=1e-9)


def test_a_reset_ring_has_no_memory_and_a_kept_one_above_threshold_has() -> None:
    model, readout = RingModel(), Readout()
    ringing = np.array([-np.inf, 4.46e9, 6.0, 92.0, 12.0])
    _, loud = model.trace_from(model.reset_state(), ringing, readout, 0)
    reset = model.trace(ringing, readout, 0).trace_dbm
    driven = np.array([-5.0, 4.4573e9, 6.0, 92.0, 12.0])
    _, elsewhere = model.trace_from(model.reset_state(), driven, readout, 0)
    kept = model.trace_from(elsewhere, ringing, readout, 0)[0].trace_dbm
    np.testing.assert_array_equal(model.trace(ringing, readout, 0).trace_dbm, reset)
    assert np.abs(kept - reset).max() > 20  # it goes on in the mode that it was driven in
    quiet = np.array([-10.0, 4.46e9, 13.0, 92.0, 12.0])
    np.testing.assert_allclose(
        model.trace_from(loud, quiet, readout, 0)[0].trace_dbm,
        model.trace(quiet, readout, 0).trace_dbm,
        atol=0.01,
    )


def test_drive_off_and_any_field_give_a_trace() -> None:
    model, readout = RingModel(), Readout()
    for field_mt in (0.0, 3.0, 30.0, 92.0, 150.0, -92.0):
        for drive_dbm in (-np.inf, 0.0):
            setting = np.array([drive_dbm, 4.46e9, 10.0, field_mt, 12.0])
            assert np.isfinite(model.trace(setting, readout, 0).trace_dbm).all()
    silent = model.trace(np.array([-np.inf, 4.46e9, 10.0, 92.0, 12.0]), readout, 0)
    np.testing.assert_allclose(silent.trace_dbm, -68.0, atol=0.01)


def test_single_and_double_precision_agree() -> None:
    readout = Readout()
    double = RingModel(RingParameters.from_mapping({"numerics": {"dtype": "complex128"}}))
    np.testing.assert_allclose(
        double.trace(SETTING, readout, 0).trace_dbm,
        RingModel().trace(SETTING, readout, 0).trace_dbm,
        atol=0.01,
    )
    assert not jax.config.jax_enable_x64


def test_unfit_settings_are_refused_by_name() -> None:
    model, readout = RingModel(), Readout()
    for column, name in enumerate(QUANTITIES):
        bad = SETTING.copy()
        bad[column] = np.nan
        with pytest.raises(ValueError, match=f"{name} = nan in settings row 0"):
            model.trace(bad, readout, 0)
    with pytest.raises(ValueError, match="drive_power_dbm = inf"):
        model.trace(np.array([np.inf, 4.46e9, 10.0, 92.0, 12.0]), readout, 0)
    with pytest.raises(ValueError, match=r"settings must be \(n, 5\)"):
        model.traces(SETTING[None, :4], readout, [0])
    with pytest.raises(ValueError, match=r"numbers and times_s must be \(1,\)"):
        model.traces(SETTING[None], readout, [0, 1])


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"film": {"thicknes_um": 7}}, r"film\.thicknes_um: no such key; allowed are wave, thick"),
        ({"magnet": {}}, r"magnet: no such key; allowed are film, antennas"),
        ({"film": {"length_mm": -1}}, r"film\.length_mm = -1 mm: .*greater than 0"),
        ({"film": {"wave": "MSW"}}, r"film\.wave = 'MSW': .*'MSSW', 'BVMSW' or 'FVMSW'"),
        ({"amplifier": {"gain_db": float("nan")}}, r"amplifier\.gain_db = nan dB: .*finite"),
        ({"amplifier": {"gain_db": "high"}}, r"amplifier\.gain_db = 'high' dB: .*number"),
        ({"antennas": {"cut_per_m": 10}}, r"antennas\.cut_per_m = 10 1/m: .*2000"),
        ({"film": {"wave": "FVMSW"}}, r"reference_field_mt = 92 mT: .*176 mT"),
        ({"numerics": {"record_trips": 0}}, r"record_trips = 0 round trips: .*8"),
    ],
)
def test_bad_parameters_are_refused_by_key_value_and_unit(mapping, message) -> None:
    with pytest.raises(ValueError, match=message):
        RingParameters.from_mapping(mapping)


def test_bad_readouts_and_imperfections_are_refused() -> None:
    with pytest.raises(ValueError, match=r"stop_hz = 4e\+09 Hz must lie above start_hz"):
        Readout.from_mapping({"stop_hz": 4e9})
    with pytest.raises(ValueError, match=r"detector = 'rms'"):
        Readout.from_mapping({"detector": "rms"})
    with pytest.raises(ValueError, match=r"film_daily_k = -1 K"):
        Imperfections.from_mapping({"film_daily_k": -1})
    assert RingParameters.from_mapping(None) == RingParameters()


def test_the_samples_of_the_physics_page_run(capsys) -> None:
    page = Path(__file__).parents[2] / "docs" / "physics.md"
    samples = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert samples
    for sample in samples:
        exec(sample, {})
    assert "False" in capsys.readouterr().out
