"""The settings of the spectrum analyser against their command protocol."""

import logging

import numpy as np
import pytest
from pymeasure.test import expected_protocol

from drivers.keysight import KeysightN9000

REALS = [
    # path, header, value, as sent, quantity, lowest, highest
    ("center_frequency", ":FREQ:CENT", 4888123456.789, "4888123456.789", "centre", 0, 26.5e9),
    ("span", ":FREQ:SPAN", 0, "0.000", "span", 0, 26.5e9),
    ("start_frequency", ":FREQ:STAR", 4.3e9, "4300000000.000", "start", 0, 26.5e9),
    ("stop_frequency", ":FREQ:STOP", 4.65e9, "4650000000.000", "stop", 0, 26.5e9),
    ("resolution_bandwidth", ":BAND", 1e6, "1000000.000", "resolution", 1, 8e6),
    ("video_bandwidth", ":BAND:VID", 30e3, "30000.000", "video", 1, 50e6),
    ("sweep_time", ":SWE:TIME", 0.0123456, "0.012346", "sweep time", 1e-6, 4000),
    ("attenuation", ":POW:ATT", 20, "20", "input attenuation", 0, 50),
    ("reference_level", ":DISP:WIND:TRAC:Y:RLEV", -10.25, "-10.25", "reference", -170, 30),
    ("marker_3.x", ":CALC:MARK3:X", 4.4651e9, "4465100000.000", "marker", 0, 26.5e9),
]
SWITCHES = [
    ("resolution_bandwidth_auto", ":BAND:AUTO"),
    ("video_bandwidth_auto", ":BAND:VID:AUTO"),
    ("sweep_time_auto", ":SWE:TIME:AUTO"),
    ("sweep_type_auto", ":SWE:TYPE:AUTO"),
    ("attenuation_auto", ":POW:ATT:AUTO"),
    ("preamplifier_enabled", ":POW:GAIN"),
    ("continuous", ":INIT:CONT"),
]
WORDS = [
    ("mode", ":INST:SEL", {"spectrum": "SA", "basic": "BASIC", "phase noise": "PNOISE"}),
    ("sweep_time_rule", ":SWE:TIME:AUTO:RUL", {"normal": "NORM", "accurate": "ACC"}),
    ("sweep_type", ":SWE:TYPE", {"sweep": "SWE", "fft": "FFT"}),
    ("preamplifier_band", ":POW:GAIN:BAND", {"low": "LOW", "full": "FULL"}),
    ("average_type", ":AVER:TYPE", {"log": "LOG", "power": "RMS", "voltage": "SCAL"}),
    (
        "trace_2.type",
        ":TRAC2:TYPE",
        {"write": "WRIT", "average": "AVER", "max hold": "MAXH", "min hold": "MINH"},
    ),
    (
        "trace_1.detector",
        ":DET:TRAC1",
        {
            "average": "AVER",
            "peak": "POS",
            "negative peak": "NEG",
            "sample": "SAMP",
            "normal": "NORM",
        },
    ),
    (
        "data_format",
        ":FORM",
        {"ascii": "ASC", "real32": "REAL,32", "real64": "REAL,64", "int32": "INT,32"},
    ),
    ("byte_order", ":FORM:BORD", {"big": "NORM", "little": "SWAP"}),
]


@pytest.mark.parametrize(("path", "header", "value", "sent", "quantity", "low", "high"), REALS)
def test_reals(check_set, check_get, check_refused, path, header, value, sent, quantity, low, high):
    check_set(KeysightN9000, path, value, f"{header} {sent}")
    check_set(KeysightN9000, path, np.int64(high), f"{header} {_like(sent, high)}")
    check_get(KeysightN9000, path, f"{header}?", "+4.30000000000E+009\n", 4.3e9)
    for bad in (low - 1, high + 1, float("nan"), float("inf"), -float("inf"), "4.4", None):
        check_refused(KeysightN9000, path, bad, quantity)


def _like(sent: str, value: float) -> str:
    """Write a number with as many decimals as the example has."""
    decimals = len(sent.partition(".")[2])
    return f"{value:.{decimals}f}"


@pytest.mark.parametrize("reply", ["", "twelve", "nan", "9.91E+37", "9.9E37", "-9.9E37", "1,2"])
def test_a_reply_that_is_no_number_is_an_error_not_a_string(reply):
    with (
        expected_protocol(KeysightN9000, [(":POW:ATT?", reply)]) as analyser,
        pytest.raises(ConnectionError, match="number as reply"),
    ):
        _ = analyser.attenuation


@pytest.mark.parametrize(("path", "header"), SWITCHES)
def test_switches(check_set, check_get, check_refused, path, header):
    check_set(KeysightN9000, path, True, f"{header} 1")
    check_set(KeysightN9000, path, False, f"{header} 0")
    check_get(KeysightN9000, path, f"{header}?", "1", True)
    check_get(KeysightN9000, path, f"{header}?", "+0", False)
    check_get(KeysightN9000, path, f"{header}?", "OFF", False)
    check_refused(KeysightN9000, path, 2, "switch")
    check_refused(KeysightN9000, path, "on", "switch")
    with (
        expected_protocol(KeysightN9000, [(f"{header}?", "7")]) as analyser,
        pytest.raises(ConnectionError, match="expected 0 or 1"),
    ):
        getattr(analyser, path)


@pytest.mark.parametrize(("path", "header", "names"), WORDS)
def test_words(check_set, check_get, check_refused, path, header, names):
    for name, mnemonic in names.items():
        check_set(KeysightN9000, path, name, f"{header} {mnemonic}")
        check_get(KeysightN9000, path, f"{header}?", f"{mnemonic}\n", name)
    check_refused(KeysightN9000, path, "no such word", "is not one of")


def test_long_forms_of_words_are_understood(check_get):
    check_get(KeysightN9000, "trace_1.detector", ":DET:TRAC1?", "AVERage", "average")
    check_get(KeysightN9000, "data_format", ":FORM?", "ASC,8", "ascii")


def test_an_unknown_word_is_an_error():
    with (
        expected_protocol(KeysightN9000, [(":SWE:TYPE?", "STEP")]) as analyser,
        pytest.raises(ConnectionError, match="SWE, FFT, got 'STEP'"),
    ):
        _ = analyser.sweep_type


@pytest.mark.parametrize(
    ("path", "header", "highest"),
    [("points", ":SWE:POIN", 100001), ("average_count", ":AVER:COUN", 10000)],
)
def test_counts(check_set, check_get, check_refused, path, header, highest):
    check_set(KeysightN9000, path, 401, f"{header} 401")
    check_set(KeysightN9000, path, np.int64(401), f"{header} 401")
    check_get(KeysightN9000, path, f"{header}?", "401", 401)
    # An analyser may answer a count as a real number.
    check_get(KeysightN9000, path, f"{header}?", "+1.00100000E+003", 1001)
    for bad in (0, highest + 1, 401.5, float("nan")):
        check_refused(KeysightN9000, path, bad, "number of points|average count")
    with (
        expected_protocol(KeysightN9000, [(f"{header}?", "401.5")]) as analyser,
        pytest.raises(ConnectionError, match="whole number"),
    ):
        getattr(analyser, path)


def test_attenuation_off_its_grid_is_refused(check_refused):
    check_refused(KeysightN9000, "attenuation", 15, "input attenuation 15 dB is no multiple of 2")


def test_limits_can_be_narrowed_to_the_model():
    with expected_protocol(KeysightN9000, []) as analyser:
        analyser.stop_frequency_values = [9e3, 7.5e9]
        with pytest.raises(ValueError, match="stop frequency 8000000000 Hz is outside 9000 to"):
            analyser.stop_frequency = 8e9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda analyser: analyser.select_swept_analysis(), ":CONF:SAN:NDEF"),
        (lambda analyser: analyser.select_swept_analysis(preset=True), ":CONF:SAN"),
        (lambda analyser: analyser.full_span(), ":FREQ:SPAN:FULL"),
        (lambda analyser: analyser.clear_average(), ":AVER:CLE"),
        (lambda analyser: analyser.marker_12.find_peak(), ":CALC:MARK12:MAX"),
        (lambda analyser: analyser.stop_sweeping(), ":INIT:CONT OFF;:ABOR"),
        (lambda analyser: analyser.abort(), ":ABOR"),
        (lambda analyser: analyser.restart(), ":INIT:REST"),
    ],
)
def test_commands(call, message):
    with expected_protocol(KeysightN9000, [(message, None)]) as analyser:
        call(analyser)


def test_marker_level(check_get):
    check_get(KeysightN9000, "marker_1.y", ":CALC:MARK1:Y?", "-3.142E+01", -31.42)


def test_window_and_frequencies_come_in_one_exchange():
    with expected_protocol(
        KeysightN9000,
        [
            (
                ":FREQ:STAR?;:FREQ:STOP?;:FREQ:CENT?;:FREQ:SPAN?",
                "4.3E9;4.65E9;4.475E9;3.5E8",
            ),
            (":FREQ:STAR?;:FREQ:STOP?;:SWE:POIN?", "4.3E9;4.65E9;401"),
        ],
    ) as analyser:
        assert analyser.window == (4.3e9, 4.65e9, 4.475e9, 3.5e8)
        frequencies = analyser.frequencies
    assert frequencies.shape == (401,)
    np.testing.assert_allclose(frequencies, 4.3e9 + 3.5e8 * np.arange(401) / 400)


def test_a_missing_reply_among_joined_ones_is_an_error():
    with (
        expected_protocol(
            KeysightN9000, [(":FREQ:STAR?;:FREQ:STOP?;:SWE:POIN?", "4.3E9;4.65E9")]
        ) as analyser,
        pytest.raises(ConnectionError, match="expected 3 replies"),
    ):
        _ = analyser.frequencies


@pytest.mark.parametrize(
    ("reply", "limit"),
    [("503,EA3", 3e9), ('"526,P26"', 26.5e9), ("507", 7.5e9)],
)
def test_maximum_frequency_follows_the_option(reply, limit):
    with expected_protocol(KeysightN9000, [("*OPT?", reply)]) as analyser:
        assert analyser.maximum_frequency == limit


def test_maximum_frequency_without_option_is_an_error():
    with (
        expected_protocol(KeysightN9000, [("*OPT?", "0")]) as analyser,
        pytest.raises(ConnectionError, match="no frequency option"),
    ):
        _ = analyser.maximum_frequency


def test_points_wider_than_the_bandwidth_are_warned_about(caplog):
    query = ":FREQ:SPAN?;:SWE:POIN?;:BAND?"
    with (
        caplog.at_level(logging.WARNING),
        expected_protocol(
            KeysightN9000, [(query, "4E8;401;1E6"), (query, "4E8;401;9.9E5"), (query, "0;1;1E3")]
        ) as analyser,
    ):
        assert analyser.check_point_spacing()
        assert not caplog.records
        assert not analyser.check_point_spacing()
        assert "1e+06 Hz apart but the resolution bandwidth is 990000 Hz" in caplog.text
        assert analyser.check_point_spacing()


@pytest.mark.parametrize(
    ("types", "duration"),
    [("WRIT;WRIT;WRIT;WRIT;WRIT;WRIT", 0.05), ("WRIT;AVER;WRIT;WRIT;WRIT;WRIT", 0.5)],
)
def test_sweep_duration_counts_averages_only_where_a_trace_needs_them(types, duration):
    query = ":SWE:TIME?;:AVER:COUN?;" + ";".join(f":TRAC{n}:TYPE?" for n in range(1, 7))
    with expected_protocol(KeysightN9000, [(query, f"5.0E-2;10;{types}")]) as analyser:
        assert analyser.sweep_duration == pytest.approx(duration)


def test_which_reference_it_runs_on(check_get):
    check_get(KeysightN9000, "reference_source", ":ROSC:SOUR?", "INT\n", "INT")
    check_get(KeysightN9000, "reference_unlocked", ":STAT:QUES:FREQ:COND?", "0\n", False)
    check_get(KeysightN9000, "reference_unlocked", ":STAT:QUES:FREQ:COND?", "+2\n", True)
