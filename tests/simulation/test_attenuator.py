"""The simulated RCDAT-6000-60."""

from collections.abc import Callable
from typing import Any

import pytest

Ask = Callable[[str], str]


@pytest.fixture
def ask(talk: Callable[[str, str], str]) -> Ask:
    return lambda message: talk("attenuator", message)


@pytest.fixture
def attenuation(laboratory: Any) -> Callable[[], float]:
    def now() -> float:
        laboratory.plant.refresh()
        return float(laboratory.plant.setting(laboratory.clock.now())[2])

    return now


def test_it_wakes_at_its_maximum(ask: Ask, attenuation: Any) -> None:
    assert (ask("ATT?"), attenuation()) == ("60.00", 60)
    assert ask("STARTUPATT:INDICATOR?") == "N"


@pytest.mark.parametrize(
    ("sent", "code", "made"),
    [
        ("SETATT=12.25", "1", 12.25),
        (":SETATT=12.3", "1", 12.25),
        ("setatt=12.4\r", "1", 12.5),
        ("SETATT=0", "1", 0),
        ("SETATT=60.5", "2", 60),
        ("SETATT=1e3", "2", 60),
        ("CHAN:1:SETATT:7.75", "1", 7.75),
        ("SETATT=-1", "0", 30),
        ("SETATT=nan", "0", 30),
        ("SETATT=inf", "0", 30),
        ("SETATT=", "0", 30),
        ("SETATT=lots", "0", 30),
    ],
)
def test_codes(ask: Ask, attenuation: Any, sent: str, code: str, made: float) -> None:
    ask("SETATT=30")
    assert ask(sent) == code
    assert float(ask("ATT?")) == made
    assert attenuation() == made


@pytest.mark.parametrize("text", ["*IDN?", "ATT", "SETATT 5", "CHAN:2:ATT?", "", "FOO"])
def test_whatever_else(ask: Ask, text: str) -> None:
    assert ask(text) == "-99 Unrecognized Command. MN:RCDAT-6000-60 SN:12506040001"


@pytest.mark.parametrize(
    ("mode", "expected"), [("N", 60), ("F", 17.25), ("L", 3.5)], ids=["factory", "fixed", "last"]
)
def test_start_up_modes(ask: Ask, laboratory: Any, mode: str, expected: float) -> None:
    assert ask("STARTUPATT:VALUE:17.25") == "1"
    assert ask("SETATT=3.5") == "1"
    assert ask("LASTATT:STORE:INITIATE") == "1"
    assert ask("SETATT=40") == "1"
    assert ask(f"STARTUPATT:INDICATOR:{mode}") == "1"
    assert ask("STARTUPATT:INDICATOR?") == mode
    values = laboratory.instruments["attenuator"].values
    kept = {name: values[name] for name in ("startup_mode", "startup_value", "last")}
    values.update(kept)
    laboratory.instruments["attenuator"].set_defaults()  # power comes back; memory is kept
    assert float(ask("ATT?")) == expected


def test_a_wrong_start_up_mode(ask: Ask) -> None:
    assert ask("STARTUPATT:INDICATOR:X") == "0"


def test_the_hop_list_runs_inside_the_unit(ask: Ask, attenuation: Any, laboratory: Any) -> None:
    assert ask(":HOP:MODE:ON") == "0"  # no point is defined
    assert ask(":HOP:POINTS:2") == "1"
    for index, level in ((1, 10), (2, 20)):
        sent = (f"POINT:{index}", f"ATT:{level}", "DWELL_UNIT:M", "DWELL:100")
        assert [ask(f":HOP:{part}") for part in sent] == ["1"] * 4
    assert ask(":HOP:DIRECTION:0") == "1"
    assert ask(":HOP:MODE:ON") == "1"
    seen = []
    for _ in range(4):
        laboratory.clock.sleep(0.04)
        attenuation()  # brings the unit up to date; its switches need some 100 ns
        laboratory.clock.sleep(0.01)
        seen.append(attenuation())
        laboratory.clock.sleep(0.05)
    assert seen == [10, 20, 10, 20]
    assert ask(":SETATT=33") == "1"
    laboratory.clock.sleep(1)
    assert attenuation() == 33


def test_the_sweep_runs_inside_the_unit(ask: Ask, laboratory: Any) -> None:
    for part in ("START:10", "STOP:12", "STEPSIZE:0.5", "DWELL_UNIT:S", "DWELL:1", "MODE:ON"):
        assert ask(f":SWEEP:{part}") == "1"
    seen = []
    for _ in range(5):
        laboratory.clock.sleep(0.5)
        seen.append(float(ask("ATT?")))
        laboratory.clock.sleep(0.48)
    assert seen == [10, 10.5, 11, 11.5, 12]
    assert ask(":SWEEP:MODE:OFF") == "1"
    assert ask(":SWEEP:STEPSIZE:0") == "0"
