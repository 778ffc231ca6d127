"""The ring as a reservoir: shapes, reproducibility, one measurement against a batch."""

import numpy as np
import pytest

from magnon_lab.ring import Imperfections, Readout, RingModel, RingParameters

SETTING = np.array([-10.0, 4.46e9, 10.0, 92.0, 12.0])


def test_batch_and_single_measurement_agree() -> None:
    model, readout = RingModel(), Readout()
    settings = np.tile(SETTING, (3, 1))
    settings[:, 1] += [0.0, 2e6, 5e6]
    traces = model.traces(settings, readout, [0, 1, 2])
    assert traces.shape == (3, 401)
    assert traces.dtype == np.float32
    for row, trace in zip(settings, traces, strict=True):
        np.testing.assert_allclose(model.trace(row, readout, 7).trace_dbm, trace, atol=0.01)


def test_same_seed_number_and_setting_give_the_same_bits() -> None:
    noisy = Imperfections(amplifier_noise=True, analyser_noise=True)
    first, second = RingModel(imperfections=noisy, seed=3), RingModel(imperfections=noisy, seed=3)
    readout = Readout()
    a = first.trace(SETTING, readout, 5).trace_dbm
    first.trace(SETTING, readout, 6)
    np.testing.assert_array_equal(a, second.trace(SETTING, readout, 5).trace_dbm)
    assert np.any(a != second.trace(SETTING, readout, 6).trace_dbm)


def test_unfit_settings_are_refused_by_name() -> None:
    model = RingModel()
    bad = SETTING.copy()
    bad[3] = np.nan
    with pytest.raises(ValueError, match=r"field_mt = nan"):
        model.trace(bad, Readout(), 0)
    with pytest.raises(ValueError, match=r"film\.thicknes_um: no such key"):
        RingParameters.from_mapping({"film": {"thicknes_um": 7}})
    with pytest.raises(ValueError, match=r"film\.length_mm = -1 mm"):
        RingParameters.from_mapping({"film": {"length_mm": -1}})
