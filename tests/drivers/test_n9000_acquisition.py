"""Sweeps, traces and status of the spectrum analyser against their command protocol."""

import numpy as np
import pytest
from pymeasure.test import expected_protocol

from drivers.keysight import (
    Acquisition,
    IntegrityCondition,
    KeysightN9000,
    OperationCondition,
    PowerCondition,
    QuestionableCondition,
)

FAST = (
    ":INIT:IMM;*OPC?;:STAT:OPER?;:STAT:OPER:COND?;:STAT:QUES:POW:COND?;:STAT:QUES:INT:COND?;"
    ":SWE:POIN?;:SYST:ERR?"
)
STATUS = (
    ":STAT:OPER?;:STAT:OPER:COND?;:STAT:QUES:POW:COND?;:STAT:QUES:INT:COND?;:SWE:POIN?;:SYST:ERR?"
)
INITIATE = ("*ESR?;:INIT:IMM;*OPC", "0")
DURATION = ":SWE:TIME?;:AVER:COUN?;" + ";".join(f":TRAC{n}:TYPE?" for n in range(1, 7))
LEVELS = np.array([-91.5, -90.25, -3.0], dtype=np.float32)


def trace_of(levels):
    return {"query_binary_values": levels}


# Sweeping


def test_a_sweep_is_polled_and_leaves_no_reply_behind(clock):
    with expected_protocol(
        KeysightN9000, [INITIATE, ("*ESR?", "0"), ("*ESR?", "0"), ("*ESR?", "+1")]
    ) as analyser:
        analyser.clock = clock
        analyser.initiate()
        assert analyser.wait_for_sweep(timeout=1.0) is True
    assert clock.slept == [1e-3, 2e-3]


def test_other_event_bits_do_not_end_the_wait(clock):
    with expected_protocol(
        KeysightN9000, [INITIATE, ("*ESR?", "128"), ("*ESR?", "33")]
    ) as analyser:
        analyser.clock = clock
        assert analyser.single_sweep(timeout=1.0) is True


def test_a_late_sweep_is_aborted(clock):
    polls = [("*ESR?", "0")] * 5
    with expected_protocol(KeysightN9000, [INITIATE, *polls, (":ABOR", None)]) as analyser:
        analyser.clock = clock
        with pytest.raises(TimeoutError, match=r"not complete within 0\.01 s"):
            analyser.single_sweep(timeout=0.01)
    assert clock.time == pytest.approx(0.015)


def test_polls_become_rarer_but_not_endlessly(clock):
    polls = [("*ESR?", "0")] * 12
    with expected_protocol(KeysightN9000, [INITIATE, *polls, ("*ESR?", "1")]) as analyser:
        analyser.clock = clock
        analyser.single_sweep(timeout=100.0)
    assert max(clock.slept) == clock.slept[-1] == 0.05


def test_a_stopped_sweep_is_aborted(clock):
    answers = iter([False, True])
    with expected_protocol(
        KeysightN9000, [INITIATE, ("*ESR?", "0"), ("*ESR?", "0"), (":ABOR", None)]
    ) as analyser:
        analyser.clock = clock
        assert analyser.single_sweep(1.0, should_stop=lambda: next(answers)) is False


def test_a_complete_sweep_is_not_stopped():
    with expected_protocol(KeysightN9000, [INITIATE, ("*ESR?", "1")]) as analyser:
        assert analyser.single_sweep(1.0, should_stop=lambda: True) is True


def test_the_time_allowed_follows_from_the_sweep(clock):
    polls = [("*ESR?", "0")] * 126
    with expected_protocol(
        KeysightN9000,
        [INITIATE, (DURATION, "0.5;1;" + "WRIT;" * 5 + "WRIT"), *polls, (":ABOR", None)],
    ) as analyser:
        analyser.clock = clock
        with pytest.raises(TimeoutError, match="within 6 s"):
            analyser.single_sweep()
    assert clock.time == pytest.approx(6.013)


# Traces


def test_a_trace_is_read_in_our_own_format():
    with expected_protocol(
        KeysightN9000, [(":SWE:POIN?", "3")], connection_methods=trace_of(LEVELS)
    ) as analyser:
        trace = analyser.read_trace(2)
        call = analyser.adapter.connection.query_binary_values
        call.assert_called_once_with(
            ":FORM REAL,32;:FORM:BORD SWAP;:TRAC? TRACE2",
            datatype="f",
            is_big_endian=False,
            container=np.ndarray,
        )
    assert trace.dtype == np.float32
    np.testing.assert_array_equal(trace, LEVELS)


@pytest.mark.parametrize("points", [2, 4])
def test_a_trace_of_another_length_is_refused(points):
    with (
        expected_protocol(KeysightN9000, [], connection_methods=trace_of(LEVELS)) as analyser,
        pytest.raises(ConnectionError, match=f"3 points instead of {points}"),
    ):
        analyser.read_trace(points=points)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 9.91e37])
def test_levels_that_are_no_numbers_are_refused(bad):
    levels = LEVELS.copy()
    levels[1] = bad
    with (
        expected_protocol(KeysightN9000, [], connection_methods=trace_of(levels)) as analyser,
        pytest.raises(ConnectionError, match="1 of the 3 levels of trace 1"),
    ):
        analyser.read_trace(points=3)


@pytest.mark.parametrize("number", [0, 7, "1"])
def test_a_trace_that_does_not_exist_is_refused(number):
    with (
        expected_protocol(KeysightN9000, []) as analyser,
        pytest.raises(ValueError, match="is not one of: 1 to 6"),
    ):
        analyser.read_trace(number)


# Acquisition


def test_the_fast_acquisition_takes_one_exchange_and_the_block():
    with expected_protocol(
        KeysightN9000,
        [(FAST, '1;24;0;0;0;3;+0,"No error"\n')],
        connection_methods=trace_of(LEVELS),
    ) as analyser:
        taken = analyser.acquire()
    assert taken is not None
    np.testing.assert_array_equal(taken.trace, LEVELS)
    assert not taken.overload
    assert not taken.uncalibrated
    assert taken.errors == []


@pytest.mark.parametrize(
    ("power", "integrity", "overload", "uncalibrated"),
    [
        (64, 0, True, False),
        (0, 16, True, False),
        (0, 32, True, False),
        (0, 8, False, True),
        (2 + 512 + 1024, 64 + 4096, False, False),
        (64 + 2, 8 + 64, True, True),
    ],
)
def test_overload_and_calibration_are_told(power, integrity, overload, uncalibrated):
    with expected_protocol(
        KeysightN9000,
        [(FAST, f'1;24;0;{power};{integrity};3;+0,"No error"')],
        connection_methods=trace_of(LEVELS),
    ) as analyser:
        taken = analyser.acquire()
    assert taken is not None
    assert (taken.overload, taken.uncalibrated) == (overload, uncalibrated)
    assert taken.power_condition == power
    assert taken.integrity_condition == integrity


def test_errors_with_semicolons_are_collected_to_the_end_of_the_queue():
    with expected_protocol(
        KeysightN9000,
        [
            (FAST, '1;24;0;0;0;3;-222,"Data out of range;;VOLT"'),
            ("SYST:ERR?", '-113,"Undefined header"'),
            ("SYST:ERR?", '+0,"No error"'),
        ],
        connection_methods=trace_of(LEVELS),
    ) as analyser:
        taken = analyser.acquire()
    assert taken is not None
    assert taken.errors == [(-222, "Data out of range;;VOLT"), (-113, "Undefined header")]


@pytest.mark.parametrize(
    "reply",
    [
        "1",
        "4.475E9",
        "-1.23,4.56",
        '0;24;0;0;0;3;+0,"No error"',
        '1;24;0;0;0;+0,"No error"',
        '1;24;0;0;0;3;"No"',
    ],
)
def test_a_stale_reply_is_not_taken_for_a_status(reply):
    with (
        expected_protocol(
            KeysightN9000, [(FAST, reply)], connection_methods=trace_of(LEVELS)
        ) as analyser,
        pytest.raises(ConnectionError),
    ):
        analyser.acquire()


def test_the_polled_acquisition_asks_for_status_after_the_sweep(clock):
    with expected_protocol(
        KeysightN9000,
        [INITIATE, ("*ESR?", "0"), ("*ESR?", "1"), (STATUS, '8;0;0;16;3;+0,"No error"')],
        connection_methods=trace_of(LEVELS),
    ) as analyser:
        analyser.clock = clock
        taken = analyser.acquire(3, should_stop=lambda: False, timeout=1.0)
        command = analyser.adapter.connection.query_binary_values.call_args.args[0]
    assert command.endswith("TRACE3")
    assert taken is not None
    assert taken.overload


def test_a_stopped_acquisition_has_no_trace():
    with expected_protocol(KeysightN9000, [INITIATE, ("*ESR?", "0"), (":ABOR", None)]) as analyser:
        assert analyser.acquire(should_stop=lambda: True, timeout=1.0) is None


def test_acquisition_properties():
    taken = Acquisition(
        LEVELS,
        OperationCondition(0),
        OperationCondition(8),
        PowerCondition(0),
        IntegrityCondition(8),
        [],
    )
    assert taken.uncalibrated
    assert not taken.overload
    assert not taken.swept
    assert taken.sweeping


@pytest.mark.parametrize(("before", "after"), [(2000, 7000.0), (60000, 60000), (None, None)])
def test_the_visa_timeout_is_lengthened_to_the_sweep_never_shortened(before, after):
    with expected_protocol(
        KeysightN9000,
        [(DURATION, "0.5;10;MAXH;" + "WRIT;" * 4 + "WRIT")],
        connection_attributes={"timeout": before},
    ) as analyser:
        assert analyser.allow_for_sweep() == pytest.approx(7.0)
        assert analyser.adapter.connection.timeout == after


# Status


@pytest.mark.parametrize(
    ("attribute", "header", "kind", "value"),
    [
        ("operation_condition", ":STAT:OPER:COND?", OperationCondition, 8 + 16),
        ("questionable_condition", ":STAT:QUES:COND?", QuestionableCondition, 512),
        ("power_condition", ":STAT:QUES:POW:COND?", PowerCondition, 64),
        ("integrity_condition", ":STAT:QUES:INT:COND?", IntegrityCondition, 4096),
    ],
)
def test_condition_registers(check_get, attribute, header, kind, value):
    check_get(KeysightN9000, attribute, header, f"+{value}", kind(value))


def test_names_of_condition_bits():
    assert OperationCondition.SWEEPING in OperationCondition(9)
    assert OperationCondition.CALIBRATING in OperationCondition(9)
    assert QuestionableCondition(16 + 32) == (
        QuestionableCondition.WARMING_UP | QuestionableCondition.FREQUENCY
    )
    assert IntegrityCondition.INVALID_DATA in IntegrityCondition(4096)


@pytest.mark.parametrize(("reply", "value"), [("0", False), ("1", True), ("2", False)])
def test_uncalibrated(check_get, reply, value):
    check_get(KeysightN9000, "uncalibrated", ":STAT:QUES:INT:UNC:COND?", reply, value)


@pytest.mark.parametrize(
    ("reply", "value"), [("0;0", False), ("64;0", True), ("0;16", True), ("0;32", True)]
)
def test_overload(check_get, reply, value):
    check_get(KeysightN9000, "overload", ":STAT:QUES:POW:COND?;:STAT:QUES:INT:COND?", reply, value)
