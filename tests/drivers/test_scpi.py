"""What the SCPI drivers have in common."""

import pytest
from pymeasure.test import expected_protocol

from drivers.kepco import KepcoBOP3612
from drivers.keysight import KeysightE8257D, KeysightE36312A, KeysightN9000

DRIVERS = [KeysightN9000, KeysightE8257D, KeysightE36312A, KepcoBOP3612]


@pytest.mark.parametrize("driver", DRIVERS)
def test_error_queue_is_read_to_its_end(driver):
    with expected_protocol(
        driver,
        [
            ("SYST:ERR?", '-222,"Data out of range, clipped"'),
            ("SYST:ERR?", '-113,"Undefined header"'),
            ("SYST:ERR?", '+0,"No error"'),
        ],
    ) as instrument:
        assert instrument.check_errors() == [
            (-222, "Data out of range, clipped"),
            (-113, "Undefined header"),
        ]


@pytest.mark.parametrize("reply", ["0", '0,"No error"', '+0,"No error"\n'])
def test_an_empty_queue(reply):
    with expected_protocol(KeysightN9000, [("SYST:ERR?", reply)]) as analyser:
        assert analyser.check_errors() == []


def test_a_queue_that_does_not_end_is_an_error_not_a_hang():
    with (
        expected_protocol(KeysightN9000, [("SYST:ERR?", '-310,"System error"')] * 65) as analyser,
        pytest.raises(ConnectionError, match="does not end, the last entry was -310"),
    ):
        analyser.check_errors()


@pytest.mark.parametrize("reply", ["", "No error", '"No error",0', "1.5,text"])
def test_a_garbled_error_is_an_error(reply):
    with (
        expected_protocol(KeysightN9000, [("SYST:ERR?", reply)]) as analyser,
        pytest.raises(ConnectionError, match="number as reply"),
    ):
        _ = analyser.next_error


def test_next_error():
    with expected_protocol(KeysightE8257D, [("SYST:ERR?", '-221,"Conflict"')]) as generator:
        assert generator.next_error == (-221, "Conflict")


@pytest.mark.parametrize(
    ("reply", "options"),
    [("503,FSA,EA3", ["503", "FSA", "EA3"]), ('"1E1,UNT"', ["1E1", "UNT"]), ("0", []), ("", [])],
)
def test_options_are_always_a_list(reply, options):
    with expected_protocol(KeysightE8257D, [("*OPT?", reply)]) as generator:
        assert generator.options == options


@pytest.mark.parametrize("driver", DRIVERS)
def test_standard_commands_are_there(driver):
    with expected_protocol(
        driver,
        [("*IDN?", "Maker,Model,1,2"), ("*OPC?", "1"), ("*STB?", "4"), ("*CLS", None)],
    ) as instrument:
        assert instrument.id == "Maker,Model,1,2"
        assert instrument.complete == "1"
        assert instrument.status == "4"
        instrument.clear()
