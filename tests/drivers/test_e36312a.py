"""The bias supply against its command protocol."""

import pytest
from pymeasure.test import expected_protocol

from drivers.keysight import KeysightE36312A

REALS = [
    ("ch_1.voltage_setpoint", "VOLT", 1, "%.6f", "voltage", 0, 6),
    ("ch_2.voltage_setpoint", "VOLT", 2, "%.6f", "voltage", 0, 25),
    ("ch_1.current_limit", "CURR", 1, "%.6f", "current limit", 0, 5),
    ("ch_3.current_limit", "CURR", 3, "%.6f", "current limit", 0, 1),
    ("ch_1.over_voltage_level", "VOLT:PROT", 1, "%.6f", "over-voltage level", 0, 6.6),
    ("ch_2.over_voltage_level", "VOLT:PROT", 2, "%.6f", "over-voltage level", 0, 27.5),
    ("ch_2.over_current_delay", "CURR:PROT:DEL", 2, "%.3f", "over-current delay", 0, 3600),
    ("ch_2.rise_delay", "OUTP:DEL:RISE", 2, "%.3f", "rise delay", 0, 3600),
    ("ch_2.fall_delay", "OUTP:DEL:FALL", 2, "%.3f", "fall delay", 0, 3600),
]


@pytest.mark.parametrize(("path", "header", "number", "form", "quantity", "low", "high"), REALS)
def test_reals(
    check_set, check_get, check_refused, path, header, number, form, quantity, low, high
):
    check_set(KeysightE36312A, path, high, f"{header} {form % high}, (@{number})")
    check_set(KeysightE36312A, path, low, f"{header} {form % low}, (@{number})")
    check_get(KeysightE36312A, path, f"{header}? (@{number})", "+5.00000000E-01", 0.5)
    for bad in (low - 0.1, high + 0.1, float("nan"), float("inf")):
        check_refused(KeysightE36312A, path, bad, quantity)


@pytest.mark.parametrize(
    ("path", "header"),
    [("ch_2.output_enabled", "OUTP"), ("ch_2.over_current_enabled", "CURR:PROT:STAT")],
)
def test_switches(check_set, check_get, check_refused, path, header):
    check_set(KeysightE36312A, path, True, f"{header} 1, (@2)")
    check_set(KeysightE36312A, path, False, f"{header} 0, (@2)")
    check_get(KeysightE36312A, path, f"{header}? (@2)", "1", True)
    check_get(KeysightE36312A, path, f"{header}? (@2)", "OFF", False)
    check_refused(KeysightE36312A, path, 5, "switch")


@pytest.mark.parametrize(
    ("path", "message", "reply", "value"),
    [
        ("ch_2.voltage", "MEAS:VOLT? (@2)", "+1.19991E+01", 11.9991),
        ("ch_2.current", "MEAS:CURR? (@2)", "+3.21E-01", 0.321),
        ("ch_2.over_voltage_tripped", "VOLT:PROT:TRIP? (@2)", "0", False),
        ("ch_2.over_current_tripped", "CURR:PROT:TRIP? (@2)", "1", True),
        ("ch_3.regulation", "STAT:QUES:INST:ISUM3:COND?", "+2", 2),
    ],
)
def test_measurements(check_get, path, message, reply, value):
    check_get(KeysightE36312A, path, message, reply, value)


def test_a_current_that_is_no_number_is_an_error():
    with (
        expected_protocol(KeysightE36312A, [("MEAS:CURR? (@2)", "OVLD")]) as supply,
        pytest.raises(ConnectionError, match="OVLD"),
    ):
        _ = supply.ch_2.current


def test_clear_protection():
    with expected_protocol(KeysightE36312A, [("OUTP:PROT:CLE (@2)", None)]) as supply:
        supply.ch_2.clear_protection()


def test_power_on_state(check_set, check_get, check_refused):
    check_set(KeysightE36312A, "power_on_state", "reset", "OUTP:PON:STAT RST")
    check_get(KeysightE36312A, "power_on_state", "OUTP:PON:STAT?", "RCL0", "recall")
    check_refused(KeysightE36312A, "power_on_state", "last", "power-on state")


OFF = [(f"OUTP 0, (@{n})", None) for n in (1, 2, 3)]


def test_shutdown_switches_all_off_and_verifies():
    with expected_protocol(
        KeysightE36312A, [*OFF, *((f"OUTP? (@{n})", "0") for n in (1, 2, 3))]
    ) as supply:
        supply.shutdown()
        assert supply.isShutdown


def test_shutdown_names_the_outputs_that_stay_on():
    replies = {1: "0", 2: "1", 3: "0"}
    with (
        expected_protocol(
            KeysightE36312A, [*OFF, *((f"OUTP? (@{n})", reply) for n, reply in replies.items())]
        ) as supply,
        pytest.raises(ConnectionError, match=r"still on: \[2\]"),
    ):
        supply.shutdown()
