"""Lines found in spectra."""

from __future__ import annotations

import numpy as np
import pytest

from magnon_lab.gui.model.peaks import peaks

from .trained_runs import HZ, LINES_HZ, spectrum


def test_lines_are_found_between_the_points_of_the_trace():
    found = peaks(HZ, spectrum(shift_hz=0.7e6))
    assert [peak.frequency_hz for peak in found] == pytest.approx(
        [line + 0.7e6 for line in LINES_HZ], abs=0.5e6
    )
    assert [peak.power_dbm for peak in found] == pytest.approx([-30, -40, -50], abs=0.5)


def test_only_the_strongest_are_kept():
    found = peaks(HZ, spectrum(), most=2)
    assert [round(peak.frequency_hz / 1e6) for peak in found] == [4400, 4460]


def test_noise_is_no_line():
    noise = np.random.default_rng(0).normal(-90, 1.0, len(HZ)).astype(np.float32)
    assert peaks(HZ, noise) == []


def test_a_shoulder_is_no_line_of_its_own():
    trace = spectrum()
    top = int(np.argmax(trace))
    trace[top + 2] += 1.0  # a bump that does not dip by 6 dB
    assert len(peaks(HZ, trace)) == 3


@pytest.mark.parametrize("trace", [[], [1.0], [1.0, 2.0], [1.0, np.nan, 1.0], [np.inf] * 5])
def test_what_is_no_spectrum_has_no_lines(trace):
    assert peaks(np.arange(float(len(trace))), np.array(trace, dtype=np.float32)) == []
