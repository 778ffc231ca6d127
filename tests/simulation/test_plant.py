"""The chain through the real ring model: what is turned is what is seen."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from magnon_lab.ring import QUANTITIES, Imperfections, Readout, RingModel, RingParameters
from magnon_lab.simulation import Laboratory, shipped_definition
from magnon_lab.simulation.link import Link

Talk = Callable[[str, str], str]
AXIS = np.linspace(4.3e9, 4.65e9, 401)
SETUP = (
    ":INIT:CONT OFF;:FREQ:STAR 4.3e9;:FREQ:STOP 4.65e9;:SWE:POIN 401;:BAND 1e6;:BAND:VID 1e6;"
    ":DET:TRAC1 AVER;:POW:ATT 20;:DISP:WIND:TRAC:Y:RLEV 0"
)


@pytest.fixture(scope="module")
def running() -> tuple[Laboratory, Talk]:
    """Return a laboratory with field and bias on, attenuator at its maximum, generator off."""
    laboratory = Laboratory.from_file(shipped_definition())
    links = {role: Link(i, stream=True) for role, i in laboratory.instruments.items()}

    def exchange(role: str, message: str) -> str:
        links[role].write(message.encode() + b"\n")
        laboratory.clock.sleep(0.1)
        return links[role].ready_bytes().decode("latin-1").strip()

    exchange("field", "FUNC:MODE CURR;:VOLT 20;:CURR 2.64;:OUTP 1")
    exchange("amplifier", "VOLT 12, (@2);:CURR 0.6, (@2);:OUTP 1, (@2)")
    exchange("analyser", SETUP)
    laboratory.clock.sleep(2)
    return laboratory, exchange


def trace(running: tuple[Laboratory, Talk], attenuation: float, number: int = 5) -> np.ndarray:
    _, talk = running
    talk("attenuator", f"SETATT={attenuation}")
    talk("laboratory", f"LAB:NUMB {number}")
    talk("analyser", ":INIT;*OPC?")
    return np.array([float(v) for v in talk("analyser", ":TRAC? TRACE1").split(",")])


def test_the_ring_oscillates_when_the_attenuator_lets_it(
    running: tuple[Laboratory, Talk],
) -> None:
    closed, ringing = trace(running, 60), trace(running, 6)
    assert closed.max() < -55
    assert ringing.max() > -20
    assert ringing.max() > np.median(ringing) + 30


def test_the_trace_is_that_of_the_ring_model(running: tuple[Laboratory, Talk]) -> None:
    laboratory, talk = running
    talk("generator", ":FREQ 4.465e9;:POW -10;:OUTP ON")
    shown = trace(running, 12, number=77)
    block = laboratory.definition.laboratory
    model = RingModel(
        RingParameters.from_mapping(block["ring"]),
        Imperfections.from_mapping(block["imperfections"]),
        seed=block["seed"],
    )
    setting = laboratory.plant.setting(laboratory.clock.now())
    assert dict(zip(QUANTITIES, setting, strict=True)) == pytest.approx(
        {
            "drive_power_dbm": -10,
            "drive_frequency_hz": 4.465e9,
            "attenuation_db": 12,
            "field_mt": 2.64 * 34.95 - 0.05,
            "amplifier_voltage_v": 12,
        },
        rel=2e-4,
    )
    direct = model.trace(setting, Readout(), 77, 77 * 0.05).trace_dbm
    assert shown == pytest.approx(direct, abs=1e-4)
    talk("generator", ":OUTP OFF")


def test_a_number_reproduces_a_trace_to_the_last_bit(running: tuple[Laboratory, Talk]) -> None:
    first = trace(running, 12, number=3)
    running[0].clock.sleep(1000)
    assert np.array_equal(trace(running, 12, number=3), first)
    assert not np.array_equal(trace(running, 12, number=4), first)


def test_the_field_moves_the_modes(running: tuple[Laboratory, Talk]) -> None:
    """Some 31.6 MHz/mT near 92 mT, upwards; just above threshold there is one line."""
    laboratory, talk = running

    def mode() -> float:
        return float(AXIS[trace(running, 8.5).argmax()])

    before, field = mode(), laboratory.plant.magnet.field(laboratory.clock.now())
    talk("field", "CURR 2.646")
    laboratory.clock.sleep(1)
    shift = laboratory.plant.magnet.field(laboratory.clock.now()) - field
    assert shift == pytest.approx(0.006 * 34.95, abs=0.02)
    assert mode() - before == pytest.approx(31.6e6 * shift, abs=2.5e6)
    talk("field", "CURR 2.5")
    laboratory.clock.sleep(1)
    talk("field", "CURR 2.64")
    laboratory.clock.sleep(1)
    assert mode() == before


def test_without_bias_there_is_no_gain(running: tuple[Laboratory, Talk]) -> None:
    laboratory, talk = running
    talk("amplifier", "OUTP 0, (@2)")
    laboratory.clock.sleep(1)
    assert trace(running, 2).max() < -55
    talk("amplifier", "OUTP 1, (@2)")
    laboratory.clock.sleep(1)
    assert trace(running, 2).max() > -20


def test_overload_is_seen_by_the_analyser(running: tuple[Laboratory, Talk]) -> None:
    _, talk = running
    trace(running, 2)
    assert int(talk("analyser", ":STAT:QUES:INT:COND?")) == 0
    talk("analyser", ":POW:ATT 0;:DISP:WIND:TRAC:Y:RLEV -30")
    trace(running, 2)
    assert int(talk("analyser", ":STAT:QUES:INT:COND?")) & (16 | 32)
    talk("analyser", ":POW:ATT 20;:DISP:WIND:TRAC:Y:RLEV 0")


def test_a_seed_makes_another_laboratory(running: tuple[Laboratory, Talk]) -> None:
    _, talk = running
    first = trace(running, 20, number=9)
    talk("laboratory", "LAB:SEED 1")
    other = trace(running, 20, number=9)
    assert not np.array_equal(other, first)
    talk("laboratory", "LAB:SEED 2506")
    assert np.array_equal(trace(running, 20, number=9), first)


def test_a_server_compiles_before_it_listens() -> None:
    laboratory = Laboratory.from_file(shipped_definition())
    laboratory.warm_up()
    before: Any = laboratory.plant.ring
    laboratory.warm_up()
    assert laboratory.plant.ring is before
