"""Coil, iron and supply against closed forms, and the supply's traps."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from magnon_lab.simulation.magnet import Coil, Magnet
from magnon_lab.simulation.magnet_supply import kepco_number

R, L = 2.0, 0.05
Ask = Callable[[str], str]


@pytest.fixture
def magnet() -> Magnet:
    return Magnet(Coil(mt_per_a=35, resistance_ohm=R, inductance_h=L, time_constant_s=0.03))


def test_a_forced_current_rises_at_the_voltage_limit(magnet: Magnet) -> None:
    """I(t) = (V/R)(1 - exp(-tR/L)) until the set point is reached, then it is held."""
    magnet.force_current(0.0, 3.0, 20.0)
    arrival = -L / R * math.log(1 - 3.0 * R / 20)
    for t in (0.2 * arrival, 0.7 * arrival):
        assert magnet.current(t) == pytest.approx(20 / R * (1 - math.exp(-t * R / L)))
        assert magnet.voltage(t) == 20
        assert magnet.limited(t)
    assert magnet.current(arrival * 1.001) == 3.0
    assert magnet.voltage(arrival * 1.001) == 6.0
    assert not magnet.limited(arrival * 1.001)


def test_too_little_voltage_never_gets_there(magnet: Magnet) -> None:
    magnet.force_current(0.0, 3.0, 4.0)
    assert magnet.current(100.0) == pytest.approx(4.0 / R)
    assert magnet.limited(100.0)


def test_a_voltage_settles_with_the_coils_time_constant(magnet: Magnet) -> None:
    magnet.force_voltage(0.0, 5.0, 12.0)
    assert magnet.current(L / R) == pytest.approx(2.5 * (1 - math.exp(-1)))
    assert magnet.current(10.0) == 2.5
    magnet.force_voltage(10.0, 36.0, 4.0)  # held at the current limit
    assert magnet.current(20.0) == 4.0


def test_the_field_lags_behind_the_current() -> None:
    """After a step of current the field relaxes exponentially."""
    tau = 0.2
    magnet = Magnet(Coil(mt_per_a=35, resistance_ohm=R, inductance_h=1e-6, time_constant_s=tau))
    magnet.force_current(0.0, 1.0, 1e4)
    for t in (0.1, 0.2, 0.6):
        assert magnet.field(t) == pytest.approx(35 * (1 - math.exp(-t / tau)), rel=1e-4)
    assert magnet.field(10.0) == 35.0  # settled, to the last bit


def test_the_field_does_not_depend_on_being_looked_at() -> None:
    def after(looks: int) -> float:
        magnet = Magnet(Coil(hysteresis_mt=0.1))
        for step in range(1, 11):
            magnet.force_current(step * 0.1, 0.26 * step, 20)
            for look in range(looks):
                magnet.field(step * 0.1 + 0.01 * look)
        return magnet.field(5.0)

    assert after(0) == after(3) == after(9)


def test_hysteresis_is_a_loop_closed_by_coming_from_one_side() -> None:
    magnet = Magnet(Coil(mt_per_a=35, hysteresis_mt=0.5))
    fields = []
    for place, current in enumerate((2.0, 3.0, 2.0, 0.0, 2.0)):
        magnet.force_current(10.0 * place, current, 36)
        fields.append(magnet.field(10.0 * place + 9))
    rising, _, falling, remanent, again = fields
    assert falling - rising == pytest.approx(1.0)
    assert rising == pytest.approx(70 - 0.5)
    assert remanent == pytest.approx(0.5)
    assert again == rising


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.09989, "9.989E-2"),
        (13.9997, "1.39997E1"),
        (0.008, "8.0E-3"),
        (0.0, "0.0E0"),
        (-5.5, "-5.5E0"),
    ],
)
def test_numbers_as_the_card_writes_them(value: float, text: str) -> None:
    assert kepco_number(value) == text


# The supply


@pytest.fixture
def ask(talk: Callable[[str, str], str]) -> Ask:
    return lambda message: talk("field", message)


def number(text: str) -> float:
    return float(text)


def test_power_up(ask: Ask) -> None:
    assert ask("FUNC:MODE?;:OUTP?;:CURR?;:VOLT?") == "0;0;0.0E0;0.0E0"


def test_the_two_commands_swap_meaning_with_the_mode(ask: Ask, laboratory: Any) -> None:
    """Set 2 A in voltage mode and nothing flows; 5 V do, up to the limit of 2 A."""
    ask("CURR 2;OUTP 1")
    laboratory.clock.sleep(1)
    assert number(ask("MEAS:CURR?")) == pytest.approx(0, abs=5e-3)
    ask("VOLT 5")
    laboratory.clock.sleep(1)
    assert number(ask("MEAS:CURR?")) == pytest.approx(2.0, abs=5e-3)
    ask("FUNC:MODE CURR;:CURR 1")
    laboratory.clock.sleep(1)
    assert number(ask("MEAS:CURR?")) == pytest.approx(1.0, abs=5e-3)
    assert number(ask("MEAS:VOLT?")) == pytest.approx(2.0, abs=2e-2)


def test_compliance_keeps_the_current_from_its_set_point(ask: Ask, laboratory: Any) -> None:
    ask("FUNC:MODE CURR;:VOLT 2;CURR 3;OUTP 1")
    laboratory.clock.sleep(2)
    assert number(ask("CURR?")) == pytest.approx(3, abs=4e-4)
    assert number(ask("MEAS:CURR?")) == pytest.approx(1.0, abs=5e-3)


def test_the_read_back_is_a_third_of_a_second_behind(ask: Ask, laboratory: Any) -> None:
    ask("FUNC:MODE CURR;:VOLT 36;CURR 2;OUTP 1")
    laboratory.clock.sleep(0.16)
    assert 0.6 < number(ask("MEAS:CURR?")) < 1.5
    laboratory.clock.sleep(0.3)
    assert number(ask("MEAS:CURR?")) == pytest.approx(2.0, abs=5e-3)


def test_switching_off_with_current_is_a_kick(ask: Ask, laboratory: Any) -> None:
    ask("FUNC:MODE CURR;:VOLT 36;CURR 2;OUTP 1")
    laboratory.clock.sleep(1)
    ask("OUTP 0")
    assert "2.00 A" in laboratory.plant.harm[0].text
    assert number(ask("CURR?")) == pytest.approx(2, abs=4e-4)  # set points are kept
    laboratory.clock.sleep(1)
    assert laboratory.plant.magnet.field(laboratory.clock.now()) == pytest.approx(0.05, abs=1e-6)


def test_reset_is_a_step_to_zero(ask: Ask, laboratory: Any) -> None:
    ask("FUNC:MODE CURR;:VOLT 36;CURR 2;OUTP 1")
    laboratory.clock.sleep(1)
    ask("*RST")
    assert "reset" in laboratory.plant.harm[0].text
    assert ask("OUTP?;:FUNC:MODE?") == "0;0"


@pytest.mark.parametrize(
    ("value", "code"),
    [("12.5", -222), ("-13", -222), ("nan", -120), ("1.5x", -120), ("1e9", -120), ("MAX", 0)],
)
def test_numbers_it_refuses(ask: Ask, value: str, code: int) -> None:
    ask("CURR 1")
    ask(f"CURR {value}")
    assert int(ask("SYST:ERR?").split(",")[0]) == code
    assert number(ask("CURR?")) == pytest.approx(12 if code == 0 else 1, abs=4e-4)


def test_too_many_digits_are_ignored_in_silence(ask: Ask) -> None:
    ask("CURR 1;CURR 2.123456789")
    assert ask("SYST:ERR?") == '0,"No error"'
    assert number(ask("CURR?")) == pytest.approx(1, abs=4e-4)


def test_a_message_is_cut_at_253_characters(ask: Ask) -> None:
    ask("CURR 1;" + "CURR 1;" * 36 + "CURR 5")
    assert number(ask("CURR?")) == pytest.approx(1, abs=4e-4)


def test_the_spike_of_the_automatic_range(ask: Ask, laboratory: Any) -> None:
    supply = laboratory.instruments["field"]
    supply.settings = {**supply.settings, "quarter_scale_spike_a": 0.5}
    ask("FUNC:MODE CURR;:VOLT 36;CURR 2.9;OUTP 1")
    laboratory.clock.sleep(1)
    ask("CURR 3.1")
    assert laboratory.plant.magnet.current(laboratory.clock.now()) > 3.2
    laboratory.clock.sleep(1)
    ask("CURR:RANG 1;:CURR 2.9")
    assert 2.89 < laboratory.plant.magnet.current(laboratory.clock.now()) < 3.11
