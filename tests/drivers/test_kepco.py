"""The magnet supply against its command protocol."""

import pytest
from pymeasure.test import expected_protocol

from drivers.kepco import KepcoBOP3612


@pytest.mark.parametrize(
    ("path", "header", "quantity", "limit"),
    [
        ("current_setpoint", "CURRent", "current", 12),
        ("voltage_setpoint", "VOLTage", "voltage", 36),
    ],
)
def test_set_points(check_set, check_get, check_refused, path, header, quantity, limit):
    check_set(KepcoBOP3612, path, limit, f"{header} {limit:.6f}")
    check_set(KepcoBOP3612, path, -limit, f"{header} -{limit:.6f}")
    check_set(KepcoBOP3612, path, 1e-05, f"{header} 0.000010")
    check_get(KepcoBOP3612, path, f"{header}?", "9.989E-2", 0.09989)
    # PyMeasure's own driver sends full negative current for NaN, and clamps without a word.
    for bad in (limit + 0.001, -limit - 0.001, float("nan"), float("inf"), -float("inf")):
        check_refused(KepcoBOP3612, path, bad, quantity)


def test_output(check_set, check_get, check_refused):
    check_set(KepcoBOP3612, "output_enabled", True, "OUTPut 1")
    check_set(KepcoBOP3612, "output_enabled", False, "OUTPut 0")
    check_get(KepcoBOP3612, "output_enabled", "OUTPut?", "1", True)
    check_get(KepcoBOP3612, "output_enabled", "OUTPut?", "OFF", False)
    check_refused(KepcoBOP3612, "output_enabled", "ON", "switch")


def test_mode(check_set, check_get, check_refused):
    check_set(KepcoBOP3612, "operating_mode", "CURR", "FUNCtion:MODE CURR")
    check_get(KepcoBOP3612, "operating_mode", "FUNCtion:MODE?", "1", "CURR")
    check_get(KepcoBOP3612, "operating_mode", "FUNCtion:MODE?", "0", "VOLT")
    check_refused(KepcoBOP3612, "operating_mode", "CURRENT", "operating mode")
    with (
        expected_protocol(KepcoBOP3612, [("FUNCtion:MODE?", "2")]) as supply,
        pytest.raises(ConnectionError, match="expected 0 or 1"),
    ):
        _ = supply.operating_mode


def test_measurements(check_get):
    check_get(KepcoBOP3612, "current", "MEASure:CURRent?", "4.99E-3", 4.99e-3)
    check_get(KepcoBOP3612, "voltage", "MEASure:VOLTage?", "8.0E-3", 8.0e-3)


def test_terminators_of_the_driver_may_be_given_again():
    with expected_protocol(
        KepcoBOP3612, [("CURRent?", "0")], read_termination="\n", write_termination="\n"
    ) as supply:
        assert supply.current_setpoint == 0.0


def test_pin_current_range():
    with expected_protocol(KepcoBOP3612, [("CURRent:RANGe 1", None)]) as supply:
        supply.pin_current_range()


def test_set_current_checks_the_mode_and_reads_back():
    with expected_protocol(
        KepcoBOP3612,
        [("FUNCtion:MODE?", "1"), ("CURRent 2.628571", None), ("CURRent?", "2.6286E0")],
    ) as supply:
        assert supply.set_current(92 / 35) == 2.6286


def test_set_current_is_refused_where_it_would_be_a_limit():
    with (
        expected_protocol(KepcoBOP3612, [("FUNCtion:MODE?", "0")]) as supply,
        pytest.raises(RuntimeError, match="the supply is in mode VOLT"),
    ):
        supply.set_current(2.6)


@pytest.mark.parametrize("value", [12.5, float("nan")])
def test_set_current_refuses_before_it_asks(value):
    with expected_protocol(KepcoBOP3612, []) as supply, pytest.raises(ValueError, match="current"):
        supply.set_current(value)


def step(current):
    text = f"{current:.6f}"
    return [("FUNCtion:MODE?", "1"), (f"CURRent {text}", None), ("CURRent?", text)]


@pytest.mark.parametrize(
    ("start", "target", "path"),
    [
        ("0", 0.11, (0.05, 0.1, 0.11)),
        ("0.11", 0.0, (0.06, 0.01, 0.0)),
        ("-0.02", 0.02, (0.02,)),
        ("0.5", 0.5, ()),
    ],
)
def test_ramps_step_by_step(clock, start, target, path):
    steps = [pair for current in path for pair in step(current)]
    end = f"{target:.6f}"
    with expected_protocol(
        KepcoBOP3612, [("CURRent?", start), *steps, ("CURRent?", end)]
    ) as supply:
        supply.clock = clock
        assert supply.ramp_to_current(target, rate=1.0) == target
    assert clock.slept == [0.05] * len(path)


def test_a_ramp_can_be_stopped_where_it_is(clock):
    answers = iter([False, True])
    with expected_protocol(
        KepcoBOP3612, [("CURRent?", "0"), *step(0.05), ("CURRent?", "0.05")]
    ) as supply:
        supply.clock = clock
        assert supply.ramp_to_current(1.0, 1.0, should_stop=lambda: next(answers)) == 0.05


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((13, 1), "current 13 A"),
        ((float("nan"), 1), "current must be finite"),
        ((1, 0), "ramp rate 0 A/s"),
        ((1, float("inf")), "ramp rate must be finite"),
    ],
)
def test_a_bad_ramp_is_refused_before_anything_is_sent(arguments, match):
    with expected_protocol(KepcoBOP3612, []) as supply, pytest.raises(ValueError, match=match):
        supply.ramp_to_current(*arguments)


def test_the_test_that_swings_the_output_is_refused():
    with (
        expected_protocol(KepcoBOP3612, []) as supply,
        pytest.raises(RuntimeError, match="full current both ways"),
    ):
        _ = supply.bop_test


def test_reset_only_without_current():
    with expected_protocol(KepcoBOP3612, [("MEASure:CURRent?", "1E-3"), ("*RST", None)]) as supply:
        supply.reset()
    with (
        expected_protocol(KepcoBOP3612, [("MEASure:CURRent?", "-3.0E0")]) as supply,
        pytest.raises(RuntimeError, match="reset refused while -3 A flow"),
    ):
        supply.reset()


def test_shutdown_ramps_down_before_it_switches_off(clock):
    with expected_protocol(
        KepcoBOP3612,
        [
            ("FUNCtion:MODE?", "1"),
            ("OUTPut?", "1"),
            ("CURRent?", "0.04"),
            *step(0.015),
            *step(0.0),
            ("CURRent?", "0"),
            ("MEASure:CURRent?", "2E-3"),
            ("OUTPut 0", None),
            ("OUTPut?", "0"),
        ],
    ) as supply:
        supply.clock = clock
        supply.shutdown()
        assert supply.isShutdown
    assert clock.slept == [0.05, 0.05, 0.35]


def test_shutdown_leaves_the_output_on_while_current_flows(clock):
    with expected_protocol(
        KepcoBOP3612,
        [
            ("FUNCtion:MODE?", "1"),
            ("OUTPut?", "1"),
            ("CURRent?", "0"),
            ("CURRent?", "0"),
            ("MEASure:CURRent?", "2.5"),
        ],
    ) as supply:
        supply.clock = clock
        with pytest.raises(RuntimeError, match=r"output left on, 2\.5 A still flow"):
            supply.shutdown()


def test_shutdown_in_voltage_mode_does_not_touch_the_current_limit():
    with (
        expected_protocol(
            KepcoBOP3612,
            [
                ("FUNCtion:MODE?", "0"),
                ("MEASure:CURRent?", "0"),
                ("OUTPut 0", None),
                ("OUTPut?", "1"),
            ],
        ) as supply,
        pytest.raises(RuntimeError, match="output still on"),
    ):
        supply.shutdown()
