"""The simulated E8257D and what it drives the ring with."""

import math
from collections.abc import Callable
from typing import Any

import pytest

Talk = Callable[[str, str], str]


@pytest.fixture
def ask(talk: Talk) -> Callable[[str], str]:
    return lambda message: talk("generator", message)


@pytest.fixture
def drive(laboratory: Any) -> Callable[[], tuple[float, float]]:
    def now() -> tuple[float, float]:
        laboratory.plant.refresh()
        power, frequency, *_ = laboratory.plant.setting(laboratory.clock.now())
        return float(power), float(frequency)

    return now


def test_power_up(ask: Callable[[str], str], drive: Any) -> None:
    assert ask(":OUTP?;:SYST:PON:TYPE?") == "0;PRES"
    assert float(ask(":POW?")) == -135
    assert float(ask(":FREQ?")) == 20e9
    assert drive()[0] == -math.inf


def test_what_reaches_the_ring(ask: Callable[[str], str], drive: Any, laboratory: Any) -> None:
    ask(":FREQ 4465000000.123;:POW -10.25")
    assert drive()[0] == -math.inf
    ask(":OUTP ON")
    laboratory.clock.sleep(0.02)
    assert drive() == (pytest.approx(-10.25), pytest.approx(4465000000.123, abs=1e-3))
    ask(":OUTP OFF")
    laboratory.clock.sleep(0.02)
    assert drive()[0] == -math.inf


def test_it_takes_ten_milliseconds_to_settle(
    ask: Callable[[str], str], drive: Any, laboratory: Any
) -> None:
    ask(":POW 0;:OUTP ON;*OPC?")
    ask(":POW 5")
    assert ask(":STAT:OPER:COND?") == "2"
    assert drive()[0] == 0
    before = laboratory.clock.now()
    assert ask("*OPC?") == "1"
    assert 0.001 < laboratory.clock.now() - before < 0.012
    assert drive()[0] == 5
    assert ask(":STAT:OPER:COND?") == "0"


@pytest.mark.parametrize(
    ("message", "query", "value"),
    [
        (":POW 30", ":POW?", 25),
        (":POW -200", ":POW?", -135),
        (":FREQ 30 GHz", ":FREQ?", 20e9),
        (":FREQ 1 kHz", ":FREQ?", 250e3),
        (":AM:DEPT 120", ":AM:DEPT?", 100),
    ],
)
def test_out_of_range_is_clipped_with_an_error(
    ask: Callable[[str], str], message: str, query: str, value: float
) -> None:
    ask(message)
    assert float(ask(query)) == value
    assert ask(":SYST:ERR?").startswith('-222,"Data out of range')


def test_strict_firmware_refuses_instead(ask: Callable[[str], str], laboratory: Any) -> None:
    generator = laboratory.instruments["generator"]
    generator.settings = {**generator.settings, "strict": True}
    ask(":POW 5;:POW 30")
    assert float(ask(":POW?")) == 5
    assert ask(":SYST:ERR?").startswith("-222")


def test_extremes(ask: Callable[[str], str]) -> None:
    assert float(ask(":POW? MAX")) == 25
    assert float(ask(":FREQ? MIN")) == 250e3
    ask(":POW MIN;:FREQ DEF")
    assert (float(ask(":POW?")), float(ask(":FREQ?"))) == (-135, 20e9)


def test_more_than_it_can_level(ask: Callable[[str], str], drive: Any, laboratory: Any) -> None:
    ask(":FREQ 4.5e9;:POW 20;:OUTP ON")
    assert int(ask(":STAT:QUES:POW:COND?")) & 2
    laboratory.clock.sleep(0.02)
    assert drive()[0] == 11
    ask(":POW 5")
    assert ask(":STAT:QUES:POW:COND?") == "0"


def test_a_list_sweep_steps_the_drive(
    ask: Callable[[str], str], drive: Any, laboratory: Any
) -> None:
    ask(":INIT:CONT OFF;:OUTP ON;:LIST:TYPE LIST;FREQ 4.4e9,4.5e9,4.6e9;POW -10;DWEL 0.1")
    ask(":POW:MODE LIST;:FREQ:MODE LIST")
    ask(":INIT")
    seen = []
    for _ in range(3):
        laboratory.clock.sleep(0.05)
        seen.append(drive()[1])
        assert ask(":STAT:OPER:COND?") == "8"
        laboratory.clock.sleep(0.045)
    assert seen == [4.4e9, 4.5e9, 4.6e9]
    assert ask("*OPC?") == "1"
    ask(":FREQ:MODE CW")
    laboratory.clock.sleep(0.1)
    assert drive()[1] == 20e9


def test_lists_must_fit_together(ask: Callable[[str], str]) -> None:
    ask(":LIST:TYPE LIST;FREQ 1e9,2e9,3e9;POW -10,-20;DWEL 0.1;:FREQ:MODE LIST;:INIT")
    assert ask(":SYST:ERR?").startswith("-221")


def test_initiating_a_running_sweep_is_ignored(ask: Callable[[str], str]) -> None:
    ask(":INIT:CONT OFF;:FREQ:STAR 1e9;STOP 2e9;:SWE:POIN 11;DWEL 1;:FREQ:MODE SWE;:INIT;:INIT")
    assert ask(":SYST:ERR?").startswith("-213")
    ask(":ABOR")
    assert ask("*OPC?") == "1"
