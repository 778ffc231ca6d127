"""The simulated Lake Shore 425."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from magnon_lab.simulation.gaussmeter import lakeshore_number

Ask = Callable[[str], str]


@pytest.fixture
def ask(talk: Callable[[str, str], str], laboratory: Any) -> Ask:
    def exchange(message: str) -> str:
        laboratory.clock.sleep(0.12)  # a new conversion each time
        return talk("probe", message)

    return exchange


@pytest.fixture
def field(laboratory: Any) -> Callable[[float], None]:
    def apply(millitesla: float) -> None:
        coil, clock = laboratory.plant.magnet.coil, laboratory.clock
        current = (millitesla + coil.hysteresis_mt) / coil.mt_per_a
        laboratory.plant.magnet.force_current(clock.now(), current, 36)
        clock.sleep(5)

    return apply


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.092, "+092.000E-03"),
        (-920.0, "-920.000E+00"),
        (0.0, "+000.000E+00"),
        (73211.27, "+073.211E+03"),
        (-0.0001, "-100.000E-06"),
    ],
)
def test_form_of_numbers(value: float, text: str) -> None:
    assert lakeshore_number(value) == text
    assert re.fullmatch(r"[+-]\d{3}\.\d{3}E[+-]\d\d", text)
    assert float(text) == pytest.approx(value, rel=1e-4)


def test_it_reads_the_field_with_its_offset_and_noise(
    ask: Ask, field: Any, laboratory: Any
) -> None:
    field(92.0)
    ask("UNIT 2")
    readings = [float(ask("RDGFIELD?")) * 1e3 for _ in range(40)]
    assert sum(readings) / 40 == pytest.approx(92.02, abs=0.005)
    assert 0.001 < max(readings) - min(readings) < 0.05


def test_a_reading_stands_for_a_tenth_of_a_second(
    talk: Callable[[str, str], str], laboratory: Any
) -> None:
    first = talk("probe", "RDGFIELD?")
    laboratory.plant.magnet.force_current(laboratory.clock.now(), 2.0, 36)
    laboratory.clock.sleep(0.05)
    assert talk("probe", "RDGFIELD?") == first
    laboratory.clock.sleep(0.1)
    assert talk("probe", "RDGFIELD?") != first


def test_range_decides_resolution_and_overload(ask: Ask, field: Any) -> None:
    field(30.0)
    ask("UNIT 1;RANGE 2")
    fine = float(ask("RDGFIELD?"))
    assert fine == pytest.approx(300.2, abs=0.2)
    assert round(fine * 100) == pytest.approx(fine * 100, abs=1e-6)
    ask("RANGE 4")
    assert float(ask("RDGFIELD?")) in (300.0, 301.0)
    ask("RANGE 1")
    assert ask("RDGFIELD?") == "OL"
    ask("AUTO 1")
    assert float(ask("RDGFIELD?")) == pytest.approx(300.2, abs=0.2)
    assert ask("RANGE?;AUTO?") == "2;1"


def test_without_its_probe(ask: Ask, laboratory: Any) -> None:
    probe = laboratory.instruments["probe"]
    probe.settings = {**probe.settings, "fitted": False}
    assert ask("RDGFIELD?") == "NO PROBE"


def test_relative_reading(ask: Ask, field: Any) -> None:
    field(50.0)
    ask("UNIT 2;REL 1")
    field(60.0)
    assert float(ask("RDGREL?")) == pytest.approx(0.010, abs=5e-5)
    assert float(ask("RDGFIELD?")) == pytest.approx(0.060, abs=5e-5)
    assert ask("REL?") == "1"
    ask("RELSP 0.055")
    assert float(ask("RELSP?")) == pytest.approx(0.055)
    assert float(ask("RDGREL?")) == pytest.approx(0.005, abs=5e-5)


def test_zeroing_with_field_on_spoils_every_reading(ask: Ask, field: Any) -> None:
    field(20.0)
    ask("UNIT 2;ZPROBE")
    assert float(ask("RDGFIELD?")) == pytest.approx(0, abs=5e-5)
    field(30.0)
    assert float(ask("RDGFIELD?")) == pytest.approx(0.010, abs=5e-5)
    ask("ZCLEAR")
    assert float(ask("RDGFIELD?")) == pytest.approx(0.030, abs=7e-5)


def test_settings_survive_reset_and_power(ask: Ask, laboratory: Any) -> None:
    ask("UNIT 4;REL 1;*RST")
    assert ask("UNIT?;REL?") == "4;1"
    ask("DFLT 99")
    assert ask("UNIT?;REL?") == "1;0"


def test_highest_reading(ask: Ask, field: Any) -> None:
    ask("UNIT 2")
    field(40.0)
    ask("RDGFIELD?")
    field(10.0)
    assert float(ask("RDGMX?")) == pytest.approx(0.040, abs=1e-4)
    low, high = ask("RDGMNMX?").split(",")
    assert (float(low), float(high)) == (0, pytest.approx(0.040, abs=1e-4))
    ask("MXRST")
    assert float(ask("RDGMX?")) == pytest.approx(0.0101, abs=5e-5)


def test_the_alarm_closes_its_relay(ask: Ask, field: Any) -> None:
    ask("UNIT 2;ALARM 1,1,0,0.05,1,0,0;RELAY 2,2")
    field(40.0)
    assert ask("RELAYST? 2;ALARMST?") == "0;0"
    field(60.0)
    assert ask("RELAYST? 2;ALARMST?") == "1;1"
    ask("RELAY 2,0")
    assert ask("RELAYST? 2") == "0"


def test_silence_about_what_it_does_not_know(ask: Ask) -> None:
    assert ask("FOO?") == ""
    assert ask("UNIT 9") == ""
    assert ask("UNIT?") == "1"


def test_a_question_mark_repeats_the_reply(ask: Ask) -> None:
    assert ask("?") == ""
    assert ask("RDGFIELD?") == ask("?")


def test_haste_is_counted(talk: Callable[[str, str], str], laboratory: Any) -> None:
    probe = laboratory.instruments["probe"]
    talk("probe", "UNIT?")
    assert probe.hurried == 0
    talk("probe", "UNIT?")
    assert probe.hurried == 1
