"""The laboratory instrument, profiles, clock, and the keys of all noise."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from magnon_lab.simulation import Laboratory, shipped_definition
from magnon_lab.simulation.clock import Clock

Talk = Callable[[str, str], str]


@pytest.fixture
def ask(talk: Talk) -> Callable[[str], str]:
    return lambda message: talk("laboratory", message)


def test_identity(ask: Callable[[str], str]) -> None:
    maker, model, seed, version = ask("*IDN?").split(",")
    assert (maker, model, seed) == ("Magnon Lab", "Simulated Laboratory", "2506")
    assert version


def test_time_passes_by_waiting(ask: Callable[[str], str], laboratory: Any) -> None:
    wall = time.monotonic()
    start = float(ask("LAB:TIME?"))
    assert ask("LAB:WAIT 3600;*OPC?") == "1"
    assert float(ask("LAB:TIME?")) - start == pytest.approx(3600, abs=0.1)
    assert time.monotonic() - wall < 10
    assert float(ask("LAB:TIME?")) == laboratory.clock.now()


def test_time_can_be_put_on_but_not_back(ask: Callable[[str], str], laboratory: Any) -> None:
    ask("LAB:TIME 5000.125")
    assert laboratory.clock.now() == 5000.125
    ask("LAB:TIME 10")
    assert ask("SYST:ERR?").startswith("-222")


def test_seed_and_pace_by_command(ask: Callable[[str], str], laboratory: Any) -> None:
    ask("LAB:SEED 17")
    assert ask("LAB:SEED?") == "17"
    assert ask("*IDN?").split(",")[2] == "17"
    ask("LAB:SEED -1")
    assert ask("SYST:ERR?").startswith("-222")
    ask("LAB:PACE REAL")
    assert (ask("LAB:PACE?"), laboratory.clock.pace) == ("REAL", "real")
    ask("LAB:PACE VIRT")
    assert ask("LAB:PACE?") == "VIRTUAL"


def test_seed_and_pace_by_argument(ring: Any) -> None:
    made = Laboratory.from_file(shipped_definition(), seed=5, pace="real", ring=ring)
    assert (made.plant.seed, made.clock.pace) == (5, "real")


def test_number(ask: Callable[[str], str]) -> None:
    assert ask("LAB:NUMB?") == "-1"
    ask("LAB:NUMBER 41")
    assert ask("LAB:NUMB?") == "41"
    ask("LAB:NUMB -3")
    assert ask("SYST:ERR?").startswith("-222")
    ask("LAB:NUMB:AUTO")
    assert ask("LAB:NUMB?") == "-1"


def test_harm_is_told_and_cleared(ask: Callable[[str], str], talk: Talk) -> None:
    assert ask("LAB:HARM?") == "0"
    talk("field", "DIAG:TST?")
    count, text = ask("LAB:HARM?").split(",", 1)
    assert count == "1"
    assert text.startswith('"')
    assert "DIAG:TST?" in text
    ask("LAB:HARM:CLE")
    assert ask("LAB:HARM?") == "0"


def test_the_wire_is_logged(ask: Callable[[str], str], laboratory: Any, talk: Talk) -> None:
    talk("generator", ":FREQ?")
    entries = [(role, way, data) for _, role, way, data in laboratory.plant.wire]
    assert entries == [
        ("generator", "<", b":FREQ?"),
        ("generator", ">", b"+2.00000000000000E+10\n"),
    ]
    assert laboratory.instruments["laboratory"].ask_log(1).endswith(b"E+10\\n'\n")


# Keys of noise


def sweep(talk: Talk) -> str:
    return talk("analyser", ":INIT:CONT OFF;:INIT;*WAI;:TRAC? TRACE1")


def test_a_number_reproduces_its_measurement(talk: Talk, ring: Any) -> None:
    first = {}
    for number in (3, 4, 3):
        talk("laboratory", f"LAB:NUMB {number}")
        pair = sweep(talk), sweep(talk)
        assert pair[0] != pair[1]
        assert first.setdefault(number, pair) == pair
    assert first[3][0] != first[4][0]
    assert ring.calls[0].number == 3
    assert ring.calls[0].time_s == pytest.approx(3 * 0.05)


def test_without_a_number_each_sweep_counts_on(talk: Talk, ring: Any) -> None:
    for _ in range(5):
        sweep(talk)
    keys = [call.number for call in ring.calls]
    assert len(set(keys)) == 5
    assert min(keys) >= 1 << 31  # apart from every number of a run


def test_readings_are_keyed_too(talk: Talk, laboratory: Any) -> None:
    def readings() -> list[str]:
        talk("laboratory", "LAB:NUMB 8")
        laboratory.clock.sleep(0.2)
        return [
            talk("probe", "RDGFIELD?"),
            talk("field", "MEAS:CURR?"),
            talk("field", "MEAS:VOLT?"),
        ]

    first = readings()
    talk("field", "MEAS:CURR?")
    assert readings() == first
    talk("laboratory", "LAB:SEED 99")
    assert readings() != first


# States in which a bench is found


@pytest.mark.parametrize("profile", ["magnet_on", "open_loop_gain", "bias_on", "drive_on"])
def test_hazards(ring: Any, profile: str) -> None:
    made = Laboratory.from_file(shipped_definition(), ring=ring, profile=profile)
    power, frequency, attenuation, field, voltage = made.plant.setting(0.0)
    assert field == pytest.approx(3 * 34.95, abs=0.02) if profile == "magnet_on" else field == 0
    assert attenuation == (0 if profile == "open_loop_gain" else 60)
    assert voltage == (12 if profile == "bias_on" else 0)
    assert (power, frequency) == (0, 4.465e9) if profile == "drive_on" else power == -np.inf
    assert made.plant.harm == []


def test_a_profile_by_command(ask: Callable[[str], str], talk: Talk) -> None:
    ask("LAB:PROF left_running")
    assert talk("generator", ":OUTP?") == "1"
    assert talk("attenuator", "ATT?") == "12.00"
    assert float(talk("field", "MEAS:CURR?")) == pytest.approx(2.6, abs=5e-3)
    assert ask("LAB:PROF nonesuch;:SYST:ERR?").startswith("-224")


# The clock


def test_virtual_time_does_not_wait() -> None:
    clock = Clock("virtual")
    clock.sleep(10)
    clock.sleep_until(5)
    assert clock.now() == 10
    clock.sleep_until(12)
    clock.sleep(-1)
    assert clock.now() == 12


def test_real_time_waits() -> None:
    clock = Clock("real")
    start = time.monotonic()
    clock.sleep(0.02)
    clock.sleep_until(clock.now() + 0.02)
    assert time.monotonic() - start >= 0.04
    assert clock.now() >= 0.04


def test_real_pace_waits_for_a_sweep(ring: Any) -> None:
    from magnon_lab.simulation.link import Link, ReadTimeoutError

    made = Laboratory.from_file(shipped_definition(), pace="real", ring=ring)
    link = Link(made.instruments["analyser"], stream=False)
    link.write(b":INIT:CONT OFF;:SWE:TIME 0.2;:INIT;*OPC?\n")
    start = time.monotonic()
    with pytest.raises(ReadTimeoutError):
        link.read(100, 0.05)
    assert link.read(100, 5)[0] == b"1\n"
    assert 0.15 < time.monotonic() - start < 2
