"""Magnet supply, amplifier supply and gaussmeter as the bench uses them."""

import math

import pytest

from magnon_lab.bench import InstrumentError

KEPCO = "drivers.kepco:KepcoBOP3612"
STOCK_KEPCO = "pymeasure.instruments.kepco:KepcoBOP3612"
E36312A = "drivers.keysight:KeysightE36312A"
STOCK_E36312A = "pymeasure.instruments.keysight:KeysightE36312A"
STOCK_425 = "pymeasure.instruments.lakeshore:LakeShore425"
NO_ERROR = ("SYST:ERR?", '0,"No error"')


@pytest.mark.parametrize("driver", [KEPCO, STOCK_KEPCO])
def test_the_mode_is_asked_before_every_set_point(playing, driver) -> None:
    current = "CURRent 2.000000" if driver == KEPCO else "CURRent 2"
    pairs = [("FUNCtion:MODE?", "1"), (current, None), ("CURRent?", "2.0000E0")]
    with playing("field", driver, pairs) as source:
        source.step_to(70.0)
    late = [*pairs[:2], ("CURRent?", "1.9714E0"), ("CURRent?", "2.0E0"), ("CURRent?", "2.0E0")]
    with playing("field", driver, late) as source:
        source.step_to(70.0)  # what answered first was another question's answer
    lost = [*pairs[:2], ("CURRent?", "1.9714E0"), ("CURRent?", "1.9714E0")]
    with (
        playing("field", driver, lost) as source,
        pytest.raises(InstrumentError, match=r"set to 2 A but reads back as 1\.9714 A"),
    ):
        source.step_to(70.0)
    with (
        playing("field", driver, [("FUNCtion:MODE?", "0")] * 2) as source,
        pytest.raises(InstrumentError, match="mode VOLT, where a current set point is a limit"),
    ):
        source.step_to(70.0)


@pytest.mark.parametrize("driver", [KEPCO, STOCK_KEPCO])
def test_found_off_it_is_made_a_current_source_at_zero(playing, driver) -> None:
    ours = driver == KEPCO
    pairs = [
        *[("OUTPut?", "0")] * 2,
        *[("MEASure:CURRent?", "0.0")] * 2,
        *[("FUNCtion:MODE?", "0")] * 2,
        ("FUNCtion:MODE CURR", None),
        ("FUNCtion:MODE?", "1"),
        ("CURRent 0.000000" if ours else "CURRent 0", None),
        ("VOLTage 20.000000" if ours else "VOLTage 20", None),
        *([("CURRent:RANGe 1", None)] if ours else []),
        ("VOLTage?", "2.0E1"),
        NO_ERROR,
    ]
    with playing("field", driver, pairs) as source:
        source.take_over()


@pytest.mark.parametrize(
    "live",
    [[("OUTPut?", "1")], [*[("OUTPut?", "0")] * 2, *[("MEASure:CURRent?", "2.6E0")] * 2]],
    ids=["on", "says off"],
)
def test_found_carrying_current_it_is_left_as_it_is(playing, live) -> None:
    with playing("field", KEPCO, [*live, *[("FUNCtion:MODE?", "1")] * 2]) as source:
        source.take_over()


def test_found_on_in_voltage_mode_it_is_brought_down_before_the_mode_is_changed(playing) -> None:
    # 0.5 A at 35 mT/A and 20 mT/s: 0.875 s in steps of 0.05 s
    steps = round(0.875 / 0.05)
    down = [(f"VOLTage {1.0 * (1 - n / steps):.6f}", None) for n in range(1, steps + 1)]
    pairs = [
        ("OUTPut?", "1"),
        *[("FUNCtion:MODE?", "0")] * 2,
        *[("VOLTage?", "1.0")] * 2,
        *[("MEASure:CURRent?", "0.5")] * 2,
        *down,
        *[("MEASure:CURRent?", "0.001")] * 2,
        ("OUTPut 0", None),
        ("OUTPut?", "0"),
        NO_ERROR,
        ("FUNCtion:MODE CURR", None),
        ("FUNCtion:MODE?", "1"),
        ("CURRent 0.000000", None),
        ("VOLTage 20.000000", None),
        ("CURRent:RANGe 1", None),
        ("VOLTage?", "20"),
        NO_ERROR,
    ]
    with playing("field", KEPCO, pairs) as source:
        source.take_over()
        slept = source.session.clock.slept
    assert slept == [0.05] * steps + [0.35]  # no step faster than 25 ms, read-back after 0.35 s


@pytest.mark.parametrize("driver", [KEPCO, STOCK_KEPCO])
def test_an_output_that_carries_current_is_not_switched_off(playing, driver) -> None:
    with playing("field", driver, [("MEASure:CURRent?", "2.6")] * 2) as source:
        with pytest.raises(InstrumentError, match=r"OUTPUT LEFT ON, 2\.600 A still flow"):
            source.switch_off()
        assert source.session.clock.slept == [0.35]


@pytest.mark.parametrize("says", ["0", "1"])
def test_an_output_is_switched_off_also_if_it_says_that_it_is_off(playing, says) -> None:
    pairs = [
        *[("MEASure:CURRent?", "0.001")] * 2,
        ("OUTPut 0", None),
        ("OUTPut?", says),
        *([("OUTPut?", "0")] * 2 if says == "1" else []),
        NO_ERROR,
    ]
    with playing("field", KEPCO, pairs) as source:
        source.session.doubt = lambda: None
        source.switch_off()


def test_limits_beyond_what_the_supply_makes_are_a_hazard(playing) -> None:
    pairs = [
        ("*IDN?", "KEPCO,BIT 4886 36-12  08-04-2023,H249977,4.04-1.82"),
        ("OUTPut?", "0"),
        ("FUNCtion:MODE?", "0"),
        ("MEASure:CURRent?", "0.0"),
    ]
    changes = {"roles.field.mt_per_a": 10.0, "roles.field.max_current_a": None}
    with playing("field", STOCK_KEPCO, pairs, changes) as source:
        (hazard,) = source.connect().hazards
    assert hazard == "limits.field_mt goes to 150 mT but it makes at most 120 mT, 12 A at 10 mT/A"


def channel(number: int, voltage: float, limit: float) -> list[tuple[str, str | None]]:
    return [
        (f"CURR {limit:g}, (@{number})", None),
        (f"VOLT {voltage:g}, (@{number})", None),
        (f"VOLT? (@{number})", f"{voltage:+.8E}"),
        (f"CURR? (@{number})", f"{limit:+.8E}"),
        (f"OUTPut 1, (@{number})", None),
        (f"OUTPut? (@{number})", "1"),
        NO_ERROR,
    ]


GATE = {"roles.amplifier.gate": {"channel": 1, "voltage_v": 2.0, "current_limit_a": 0.1}}
OFF_2 = [("OUTPut 0, (@2)", None), ("OUTPut? (@2)", "0")]
OFF_1 = [("OUTPut 0, (@1)", None), ("OUTPut? (@1)", "0")]


def test_a_gate_is_biased_first_and_last(playing) -> None:
    on = [*[("MEAS:CURRent? (@2)", "0.38")] * 2, ("VOLT? (@2)", "12.0")]
    pairs = channel(1, 2, 0.1) + channel(2, 12, 0.6) + on + OFF_2 + OFF_1 + [NO_ERROR]
    with playing("amplifier", STOCK_E36312A, pairs, GATE) as amplifier:
        assert amplifier.switch_on() == 12.0
        assert amplifier.session.clock.slept == [0.2]
        amplifier.switch_off()


@pytest.mark.parametrize("current_a", [0.0, 0.24, 0.51])
def test_a_current_outside_its_window_switches_the_bias_off_again(playing, current_a) -> None:
    drawn = [("MEAS:CURRent? (@2)", str(current_a))] * 2
    pairs = [*channel(2, 12, 0.6), *drawn, *OFF_2, NO_ERROR]
    expected = (
        rf"draws {current_a:.3f} A at 12 V, outside expected_current_a, 0\.25 to 0\.5 A; its b"
    )
    with (
        playing("amplifier", STOCK_E36312A, pairs) as amplifier,
        pytest.raises(InstrumentError, match=expected),
    ):
        amplifier.switch_on()


def test_a_gate_keeps_its_bias_while_the_drain_may_be_on(playing) -> None:
    pairs = [("OUTPut 0, (@2)", None), *[("OUTPut? (@2)", "1")] * 2]
    with (
        playing("amplifier", STOCK_E36312A, pairs, GATE) as amplifier,
        pytest.raises(InstrumentError, match="output 2 was switched off but reads on"),
    ):
        amplifier.switch_off()


def test_protections_are_armed_where_the_driver_has_them(playing) -> None:
    pairs = [
        ("CURR 0.600000, (@2)", None),
        ("VOLT:PROT 13.125000, (@2)", None),
        ("CURR:PROT:STAT 1, (@2)", None),
        ("VOLT 12.000000, (@2)", None),
        ("VOLT? (@2)", "12"),
        ("CURR? (@2)", "0.6"),
        ("OUTP 1, (@2)", None),
        ("OUTP? (@2)", "1"),
        NO_ERROR,
        *[("MEAS:CURR? (@2)", "0.38")] * 2,
        ("VOLT? (@2)", "12"),
    ]
    with playing("amplifier", E36312A, pairs) as amplifier:
        amplifier.switch_on()


def test_a_channel_that_is_not_there_is_told(playing) -> None:
    with (
        playing("amplifier", STOCK_E36312A, [], {"roles.amplifier.channel": 4}) as amplifier,
        pytest.raises(InstrumentError, match="has no channel 4; it has 1, 2, 3"),
    ):
        amplifier.voltage_v()


PREPARED = [("UNIT 2", None), ("RDGMODE 1,0,1", None), ("REL?", "0"), ("UNIT?", "2")]


def test_the_gaussmeter_is_set_to_tesla_before_it_is_believed(playing) -> None:
    readings = [("RDGFIELD?", "+091.840E-03"), ("RDGFIELD?", "+092.000E-03")]
    with playing("probe", STOCK_425, PREPARED + readings) as probe:
        assert probe.field_mt() == pytest.approx(91.84)
        assert probe.field_mt() == pytest.approx(92.0)
        # 30 ms are kept between all exchanges
        assert probe.session.clock.slept == [0.03] * 6


def test_a_relative_reading_is_made_absolute(playing) -> None:
    pairs = [*PREPARED[:2], ("REL?", "1"), ("REL 0", None), PREPARED[3], ("RDGFIELD?", "0.092")]
    with playing("probe", STOCK_425, pairs) as probe:
        assert math.isclose(probe.field_mt(), 92.0)


@pytest.mark.parametrize("reply", ["OL", "NO PROBE", "nan"])
def test_what_is_no_number_is_never_taken_for_a_field(playing, reply) -> None:
    with (
        playing("probe", STOCK_425, [*PREPARED, ("RDGFIELD?", reply)]) as probe,
        pytest.raises(InstrumentError, match="which is no number"),
    ):
        probe.field_mt()
