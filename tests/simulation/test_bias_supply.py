"""The simulated E36312A with the loop amplifier as its load."""

from collections.abc import Callable
from typing import Any

import pytest

from magnon_lab.simulation.plant import AmplifierLoad

Ask = Callable[[str], str]


@pytest.fixture
def ask(talk: Callable[[str, str], str]) -> Ask:
    return lambda message: talk("amplifier", message)


def test_the_load_draws_its_nominal_current() -> None:
    load = AmplifierLoad()
    assert load.current(12.0) == pytest.approx(0.38)
    assert load.current(1.0) < 1e-3
    currents = [load.current(v) for v in range(3, 26)]
    assert currents == sorted(currents)
    assert load.current(load.voltage(0.2, 25.0)) == pytest.approx(0.2)


def test_power_up(ask: Ask) -> None:
    assert ask("OUTP? (@1:3)") == "0,0,0"
    assert [float(v) for v in ask("VOLT? (@1:3)").split(",")] == [0, 0, 0]
    assert ask("OUTP:PON:STAT?") == "RST"


def test_bias_reaches_the_amplifier(ask: Ask, laboratory: Any) -> None:
    ask("VOLT 12, (@2);:CURR 0.6, (@2);:OUTP ON, (@2)")
    assert laboratory.plant.setting(laboratory.clock.now())[4] == 0
    laboratory.clock.sleep(0.1)
    assert laboratory.plant.setting(laboratory.clock.now())[4] == 12
    assert float(ask("MEAS:CURR? (@2)")) == pytest.approx(0.38, abs=1e-3)
    assert ask("STAT:QUES:INST:ISUM2:COND?") == "2"
    ask("OUTP OFF, (@1:3)")
    laboratory.clock.sleep(0.1)
    assert laboratory.plant.setting(laboratory.clock.now())[4] == 0
    assert ask("STAT:QUES:INST:ISUM2:COND?") == "0"


def test_other_channels_feed_nothing(ask: Ask, laboratory: Any) -> None:
    ask("VOLT 5, (@1,3);:OUTP ON, (@1,3)")
    laboratory.clock.sleep(0.1)
    assert laboratory.plant.setting(laboratory.clock.now())[4] == 0
    assert float(ask("MEAS:VOLT? (@3)")) == pytest.approx(5, abs=2e-3)
    assert float(ask("MEAS:CURR? (@3)")) == pytest.approx(0, abs=1e-3)


def test_current_limit(ask: Ask, laboratory: Any) -> None:
    ask("VOLT 12, (@2);:CURR 0.2, (@2);:OUTP ON, (@2)")
    laboratory.clock.sleep(0.1)
    assert ask("STAT:QUES:INST:ISUM2:COND?") == "1"
    assert float(ask("MEAS:CURR? (@2)")) == pytest.approx(0.2, abs=1e-3)
    voltage = float(ask("MEAS:VOLT? (@2)"))
    assert voltage == pytest.approx(laboratory.plant.load.voltage(0.2, 12), abs=2e-3)
    assert voltage < 8


def test_over_current_trips_after_its_delay(ask: Ask, laboratory: Any) -> None:
    ask("CURR:PROT:STAT ON, (@2);:CURR:PROT:DEL 0.05, (@2)")
    ask("VOLT 12, (@2);:CURR 0.2, (@2);:OUTP ON, (@2)")
    assert ask("OUTP? (@2)") == "1"
    laboratory.clock.sleep(0.1)
    assert ask("OUTP? (@2);:CURR:PROT:TRIP? (@2)") == "0;1"
    assert ask("STAT:QUES:INST:ISUM2:COND?") == "8"
    ask("OUTP ON, (@2)")
    assert ask("OUTP? (@2)") == "0"
    assert ask("SYST:ERR?").startswith("-221")
    ask("OUTP:PROT:CLE (@2);:CURR 0.6, (@2);:OUTP ON, (@2)")
    laboratory.clock.sleep(0.2)
    assert ask("OUTP? (@2);:CURR:PROT:TRIP? (@2)") == "1;0"


def test_the_trip_reaches_the_ring_without_being_asked_for(ask: Ask, laboratory: Any) -> None:
    ask("CURR:PROT:STAT ON, (@2);:VOLT 12, (@2);:CURR 0.2, (@2);:OUTP ON, (@2)")
    laboratory.clock.sleep(1)
    laboratory.plant.refresh()
    laboratory.clock.sleep(0.1)
    assert laboratory.plant.setting(laboratory.clock.now())[4] == 0


def test_over_voltage_trips(ask: Ask) -> None:
    ask("VOLT:PROT 10, (@2);:OUTP ON, (@2);:VOLT 12, (@2)")
    assert ask("OUTP? (@2);:VOLT:PROT:TRIP? (@2)") == "0;1"
    ask("VOLT 5, (@2);:VOLT:PROT:CLE (@2);:OUTP ON, (@2)")
    assert ask("OUTP? (@2);:VOLT:PROT:TRIP? (@2)") == "1;0"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("VOLT 7, (@1)", -222),
        ("VOLT 26, (@2)", -222),
        ("CURR 1.1, (@3)", -222),
        ("VOLT -1, (@2)", -222),
        ("VOLT 5, (@4)", -114),
        ("OUTP 1, (@0)", -114),
        ("VOLT", -109),
        ("VOLT.10", -103),
        ("INST:NSEL 4", -222),
        ("APPL CH4,1,1", -141),
    ],
)
def test_refusals_change_nothing(ask: Ask, message: str, code: int) -> None:
    before = ask("VOLT? (@1:3);:CURR? (@1:3);:OUTP? (@1:3);:INST?")
    ask(message)
    assert int(ask("SYST:ERR?").split(",")[0]) == code
    assert ask("VOLT? (@1:3);:CURR? (@1:3);:OUTP? (@1:3);:INST?") == before


def test_limits_by_channel(ask: Ask) -> None:
    assert float(ask("VOLT? MAX, (@1)")) == 6.18
    assert float(ask("VOLT? MAX, (@2)")) == 25.75
    ask("CURR MAX, (@1)")
    assert float(ask("CURR? (@1)")) == 5.15


def test_rise_delay(ask: Ask, laboratory: Any) -> None:
    ask("OUTP:DEL:RISE 0.5, (@2);:VOLT 12, (@2);:OUTP ON, (@2)")
    laboratory.clock.sleep(0.3)
    assert laboratory.plant.setting(laboratory.clock.now())[4] == 0
    laboratory.clock.sleep(0.4)
    assert laboratory.plant.setting(laboratory.clock.now())[4] == 12
