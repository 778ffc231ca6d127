"""The signal generator against its command protocol."""

import pytest
from pymeasure.test import expected_protocol

from drivers.keysight import (
    GeneratorOperationCondition,
    GeneratorPowerCondition,
    KeysightE8257D,
)

READ = ":FREQ?;:POW?;:STAT:QUES:POW:COND?;:SYST:ERR?"
REALS = [
    ("frequency", ":FREQ", "frequency", 100e3, 70e9),
    ("start_frequency", ":FREQ:STAR", "start frequency", 100e3, 70e9),
    ("center_frequency", ":FREQ:CENT", "centre frequency", 100e3, 70e9),
    ("stop_frequency", ":FREQ:STOP", "stop frequency", 100e3, 70e9),
    ("power", ":POW", "power", -135, 30),
    ("start_power", ":POW:STAR", "start power", -135, 30),
    ("stop_power", ":POW:STOP", "stop power", -135, 30),
]


@pytest.mark.parametrize(("path", "header", "quantity", "low", "high"), REALS)
def test_reals(check_set, check_get, check_refused, path, header, quantity, low, high):
    check_set(KeysightE8257D, path, low, f"{header} {low:.3f}")
    check_set(KeysightE8257D, path, high, f"{header} {high:.3f}")
    check_get(KeysightE8257D, path, f"{header}?", "-1.050E+01", -10.5)
    for bad in (low - 1, high + 1, float("nan"), float("inf"), "1"):
        check_refused(KeysightE8257D, path, bad, quantity)


def test_no_digit_of_the_frequency_is_lost(check_set):
    check_set(KeysightE8257D, "frequency", 4888123456.789, ":FREQ 4888123456.789")
    check_set(KeysightE8257D, "power", -10.1235, ":POW -10.123")


def test_dwell_time(check_set, check_get, check_refused):
    check_set(KeysightE8257D, "dwell_time", 0.0104, ":SWE:DWEL 0.010400")
    check_get(KeysightE8257D, "dwell_time", ":SWE:DWEL?", "1.0E-2", 0.01)
    check_refused(KeysightE8257D, "dwell_time", 0.0004, "dwell time 0.0004 s is outside")


@pytest.mark.parametrize(
    ("path", "header", "names"),
    [
        ("frequency_mode", ":FREQ:MODE", {"cw": "CW", "sweep": "SWE", "list": "LIST"}),
        ("power_mode", ":POW:MODE", {"fixed": "FIX", "sweep": "SWE", "list": "LIST"}),
        ("power_on_type", ":SYST:PON:TYPE", {"preset": "PRES", "last": "LAST", "user": "USER"}),
    ],
)
def test_words(check_set, check_get, check_refused, path, header, names):
    for name, mnemonic in names.items():
        check_set(KeysightE8257D, path, name, f"{header} {mnemonic}")
        check_get(KeysightE8257D, path, f"{header}?", mnemonic, name)
    check_refused(KeysightE8257D, path, "other", "is not one of")


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("output_enabled", ":OUTP"),
        ("modulation_enabled", ":OUTP:MOD"),
        ("alc_enabled", ":POW:ALC"),
        ("attenuator_auto", ":POW:ATT:AUTO"),
    ],
)
def test_switches(check_set, check_get, check_refused, path, header):
    check_set(KeysightE8257D, path, True, f"{header} 1")
    check_set(KeysightE8257D, path, False, f"{header} 0")
    check_get(KeysightE8257D, path, f"{header}?", "0", False)
    check_get(KeysightE8257D, path, f"{header}?", "1", True)
    check_refused(KeysightE8257D, path, "ON", "switch")


@pytest.mark.parametrize(("reply", "value"), [("0", False), ("1", True), ("OFF", False)])
def test_output_off_is_never_read_as_on(check_get, reply, value):
    check_get(KeysightE8257D, "is_enabled", ":OUTP?", reply, value)
    check_get(KeysightE8257D, "has_modulation", ":OUTP:MOD?", reply, value)


def test_measurements(check_get):
    check_get(KeysightE8257D, "attenuator", ":POW:ATT?", "1.0E+1", 10.0)
    check_get(KeysightE8257D, "reference_source", ":ROSC:SOUR?", "EXT\n", "EXT")
    check_get(KeysightE8257D, "reference_unlocked", ":STAT:QUES:FREQ:COND?", "+0\n", False)
    check_get(KeysightE8257D, "reference_unlocked", ":STAT:QUES:FREQ:COND?", "3\n", True)
    condition = GeneratorOperationCondition
    check_get(KeysightE8257D, "operation_condition", ":STAT:OPER:COND?", "2", condition.SETTLING)


@pytest.mark.parametrize(
    ("reply", "unlevelled", "tripped"),
    [("0", False, False), ("1", False, True), ("2", True, False), ("+3", True, True)],
)
def test_power_condition(check_get, reply, unlevelled, tripped):
    query = ":STAT:QUES:POW:COND?"
    condition = GeneratorPowerCondition(int(reply))
    check_get(KeysightE8257D, "power_condition", query, reply, condition)
    check_get(KeysightE8257D, "unlevelled", query, reply, unlevelled)
    check_get(KeysightE8257D, "reverse_power_tripped", query, reply, tripped)


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        ({"frequency": 4.465e9, "power": -10}, ":FREQ 4465000000.000;:POW -10.000;"),
        ({"frequency": 4.465e9}, ":FREQ 4465000000.000;"),
        ({"power": -10.25}, ":POW -10.250;"),
        ({}, ""),
    ],
)
def test_apply_sets_and_reads_back_in_one_exchange(wanted, sent):
    with expected_protocol(
        KeysightE8257D, [(sent + READ, '4.465E9;-10;0;+0,"No error"')]
    ) as generator:
        applied = generator.apply(**wanted)
    assert (applied.frequency, applied.power) == (4.465e9, -10.0)
    assert not applied.unlevelled
    assert applied.errors == []


def test_apply_tells_what_was_clipped_and_unlevelled():
    with expected_protocol(
        KeysightE8257D,
        [
            (":POW 25.000;" + READ, '4.465E9;20;2;-222,"Data out of range;power"'),
            ("SYST:ERR?", '+0,"No error"'),
        ],
    ) as generator:
        applied = generator.apply(power=25)
    assert applied.power == 20.0
    assert applied.unlevelled
    assert applied.errors == [(-222, "Data out of range;power")]


@pytest.mark.parametrize(
    ("wanted", "match"),
    [
        ({"frequency": 4.4e9, "power": float("nan")}, "power must be finite, not nan dBm"),
        ({"frequency": 4.4e9, "power": 31}, "power 31 dBm is outside -135 to 30 dBm"),
        ({"frequency": 71e9, "power": 0}, "frequency 71000000000 Hz is outside"),
    ],
)
def test_apply_refuses_before_anything_is_sent(wanted, match):
    with expected_protocol(KeysightE8257D, []) as generator, pytest.raises(ValueError, match=match):
        generator.apply(**wanted)


def test_apply_refuses_a_stale_reply():
    with (
        expected_protocol(KeysightE8257D, [(":POW 0.000;" + READ, "1")]) as generator,
        pytest.raises(ConnectionError, match="expected 4 replies"),
    ):
        generator.apply(power=0)


def test_clear_protection():
    with expected_protocol(KeysightE8257D, [(":OUTP:PROT:CLE", None)]) as generator:
        generator.clear_protection()


SHUTDOWN = ":OUTP OFF;*OPC?;:OUTP?"
REST = [(":OUTPUT:MOD OFF;", None), (":lfo:stat off;", None), (":POW -135.000", None)]


def test_shutdown_switches_rf_off_first():
    with expected_protocol(KeysightE8257D, [(SHUTDOWN, "1;0"), *REST]) as generator:
        generator.shutdown()
        assert generator.isShutdown


def test_shutdown_that_leaves_rf_on_is_an_error_after_all_steps():
    with (
        expected_protocol(KeysightE8257D, [(SHUTDOWN, "1;1"), *REST]) as generator,
        pytest.raises(ConnectionError, match="RF is still on"),
    ):
        generator.shutdown()
