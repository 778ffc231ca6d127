"""Generator and attenuator as the bench uses them, against their command protocol."""

import pytest

from magnon_lab.bench import InstrumentError

OURS = "drivers.keysight:KeysightE8257D"
STOCK = "pymeasure.instruments.agilent:Agilent8257D"
RCDAT = "drivers.minicircuits:RCDAT"
READ = ":FREQ?;:POW?;:STAT:QUES:POW:COND?;:SYST:ERR?"


def test_a_tone_is_set_read_back_and_asked_for_errors_in_one_exchange(playing) -> None:
    pairs = [(f":FREQ 4465000123.456;:POW -12.345;{READ}", '4465000123.456;-12.35;0;+0,"No error"')]
    with playing("generator", OURS, pairs) as generator:
        tone = generator.set(-12.345, 4465000123.456)
    assert tone == (-12.35, 4465000123.456, False)  # to the millihertz


def test_only_what_is_asked_for_is_sent(playing) -> None:
    pairs = [(f":POW -3.000;{READ}", '4465000000;-3;2;+0,"No error"')]
    with playing("generator", OURS, pairs) as generator:
        assert generator.set(-3.0, None).unlevelled


def test_an_error_that_no_one_else_would_fetch_is_raised(playing) -> None:
    reply = '4465000000;10;0;-222,"Data out of range;value clipped"'
    pairs = [(f":POW 12.000;{READ}", reply), ("SYST:ERR?", '+0,"No error"')]
    with (
        playing("generator", OURS, pairs) as generator,
        pytest.raises(InstrumentError, match="reports: -222, Data out of range;value clipped"),
    ):
        generator.set(12.0, None)


def test_a_value_clipped_without_a_word_is_found_by_its_read_back(playing) -> None:
    pairs = [(f":POW 12.000;{READ}", '4465000000;10;0;+0,"No error"')]
    expected = "power was set to 12 dBm but reads back as 10 dBm"
    with (
        playing("generator", OURS, pairs) as generator,
        pytest.raises(InstrumentError, match=expected),
    ):
        generator.set(12.0, None)


def test_the_stock_driver_serves_with_its_coarser_grid(playing) -> None:
    pairs = [
        (":FREQ 4.465000e+09 Hz;", None),  # its %e: 1 kHz at some GHz
        (":POW -3 dBm;", None),
        ("SYST:ERR?", '+0,"No error"'),
        (":POW?;", "-3.0"),
        (":FREQ?;", "4.465E+09"),
    ]
    with playing("generator", STOCK, pairs) as generator:
        tone = generator.set(-3.0, 4465000123.0)
    assert tone.frequency_hz == 4.465e9  # what is realised is what reads back


def test_the_stock_driver_is_asked_for_errors_too(playing) -> None:
    pairs = [
        (":POW 30 dBm;", None),
        ("SYST:ERR?", '-222,"Data out of range"'),
        ("SYST:ERR?", '+0,"No error"'),
    ]
    with (
        playing("generator", STOCK, pairs) as generator,
        pytest.raises(InstrumentError, match="-222"),
    ):
        generator.set(30.0, None)


def test_an_error_queue_without_end_does_not_hang_the_bench(playing) -> None:
    pairs = [(":POW 1 dBm;", None), *[("SYST:ERR?", '-350,"Queue overflow"')] * 64]
    with (
        playing("generator", STOCK, pairs) as generator,
        pytest.raises(InstrumentError, match="the error queue does not end"),
    ):
        generator.set(1.0, None)


@pytest.mark.parametrize(("driver", "query"), [(OURS, ":OUTP?"), (STOCK, ":OUTPUT?")])
@pytest.mark.parametrize(("reply", "on"), [("0", False), ("1", True), ("OFF", False), ("ON", True)])
def test_the_answer_off_is_not_taken_for_a_truth(playing, driver, query, reply, on) -> None:
    pairs = [(query, reply)] * (1 if on else 2)  # nor believed before it came twice
    with playing("generator", driver, pairs) as generator:
        assert generator.is_on() is on


@pytest.mark.parametrize(
    ("driver", "pairs"),
    [
        (OURS, [(":OUTP 0", None), (":OUTP?", "1"), (":OUTP?", "1")]),
        (STOCK, [(":OUTPUT OFF;", None), (":OUTPUT?", "1"), (":OUTPUT?", "1")]),
    ],
)
def test_an_output_that_does_not_go_off_is_told(playing, driver, pairs) -> None:
    expected = "RF was switched off but reads on"
    with (
        playing("generator", driver, pairs) as generator,
        pytest.raises(InstrumentError, match=expected),
    ):
        generator.switch(False)


def found(kind: str) -> list[tuple[str, str]]:
    return [
        ("*IDN?", "Agilent Technologies, E8257D, US1, C.06"),
        (":POW?", "-135"),
        (":FREQ?", "20e9"),
        (":STAT:QUES:POW:COND?", "0"),
        (":OUTP?", "0"),
        (":OUTP?", "0"),
        (":SYST:PON:TYPE?", kind),
    ]


def test_a_source_that_may_wake_with_rf_on_is_a_hazard(playing) -> None:
    with playing("generator", OURS, found("PRES")) as generator:
        assert generator.connect().hazards == ()
    with playing("generator", OURS, found("LAST")) as generator:
        (hazard,) = generator.connect().hazards
    assert "maybe with RF on: set its power-on type to preset (:SYST:PON:TYPE PRES)" in hazard
    allowed = {"roles.generator.require_preset_at_power_on": False}
    with playing("generator", OURS, found("LAST")[:-1], allowed) as generator:
        assert generator.connect().hazards == ()


def test_another_instrument_than_expected_is_told(playing) -> None:
    expected = r"is 'Rohde&Schwarz,SMB100A,1,2'; roles\.generator\.identity expects 'E8257D'"
    with (
        playing(
            "generator",
            OURS,
            [("*IDN?", "Rohde&Schwarz,SMB100A,1,2")],
            {"roles.generator.identity": "E8257D"},
        ) as generator,
        pytest.raises(InstrumentError, match=expected),
    ):
        generator.connect()


def test_an_attenuation_is_quantised_and_read_back(playing) -> None:
    pairs = [(":MN?", "MN=RCDAT-6000-60"), (":SETATT=11.00", "1"), (":ATT?", "11.0")]
    with playing("attenuator", RCDAT, pairs) as attenuator:
        assert attenuator.set(11.1) == 11.0


def test_an_attenuation_that_reads_back_otherwise_is_told(playing) -> None:
    pairs = [(":MN?", "MN=RCDAT-6000-60"), (":SETATT=11.00", "1"), (":ATT?", "0.0")]
    expected = "attenuation was set to 11 dB but reads back as 0 dB"
    with playing("attenuator", RCDAT, pairs) as attenuator, pytest.raises(
        InstrumentError, match=expected
    ):  # fmt: skip
        attenuator.set(11.0)


def test_a_refusing_code_is_an_error(playing) -> None:
    pairs = [(":MN?", "MN=RCDAT-6000-60"), (":SETATT=11.00", "2")]
    with playing("attenuator", RCDAT, pairs) as attenuator, pytest.raises(
        InstrumentError, match="now at maximum attenuation"
    ):  # fmt: skip
        attenuator.set(11.0)


@pytest.mark.parametrize(
    ("start_up", "hazards"),
    [
        ([(":STARTUPATT:INDICATOR?", "N")], 0),
        ([(":STARTUPATT:INDICATOR?", "F"), (":STARTUPATT:VALUE?", "60")], 0),
        ([(":STARTUPATT:INDICATOR?", "F"), (":STARTUPATT:VALUE?", "0")], 1),
        ([(":STARTUPATT:INDICATOR?", "L")], 1),
    ],
)
def test_an_attenuator_that_may_wake_at_0_db_is_a_hazard(playing, start_up, hazards) -> None:
    pairs = [(":MN?", "RCDAT-6000-60"), (":SN?", "1"), (":FIRMWARE?", "B1"), (":ATT?", "60")]
    maximum = [(":MN?", "RCDAT-6000-60")]
    with playing("attenuator", RCDAT, pairs + maximum + start_up) as attenuator:
        found = attenuator.connect().hazards
    assert len(found) == hazards
    assert all("which is most gain" in hazard for hazard in found)


def test_limits_that_the_attenuator_cannot_make_are_a_hazard(playing) -> None:
    pairs = [(":MN?", "RCDAT-6000-30"), (":SN?", "1"), (":FIRMWARE?", "B1"), (":ATT?", "30")]
    pairs += [(":MN?", "RCDAT-6000-30"), (":STARTUPATT:INDICATOR?", "N")]
    with playing("attenuator", RCDAT, pairs) as attenuator:
        (hazard,) = attenuator.connect().hazards
    assert hazard == "limits.attenuation_db goes to 60 dB but it has at most 30 dB"
