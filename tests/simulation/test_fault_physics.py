"""Faults of what is measured and of what is true: traces, levels, drift, trips."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from magnon_lab.simulation import Laboratory

Talk = Callable[[str, str], str]
SWEEP = ":INIT:CONT OFF;:INIT;*WAI;:TRAC? TRACE1"


def trace(talk: Talk) -> np.ndarray:
    return np.array([float(x) for x in talk("analyser", SWEEP).split(",")])


def test_a_trace_of_wrong_length(laboratory: Laboratory, talk: Talk) -> None:
    laboratory.faults.add("kind=points,role=analyser,points=-3,at=2")
    laboratory.faults.add("kind=points,role=analyser,points=2,at=3")
    assert [len(trace(talk)) for _ in range(4)] == [1001, 998, 1003, 1001]


def test_a_trace_with_nan(bench: Any) -> None:
    bench.laboratory.faults.add("kind=nan_trace,role=analyser,count=3")
    analyser = bench.open("analyser", timeout=5000)
    binary = np.array(analyser.query_binary_values(f":FORM REAL,32;{SWEEP}", is_big_endian=True))
    assert np.isnan(binary).sum() == 100
    text = np.array(analyser.query_ascii_values(f":FORM ASC;{SWEEP}"))
    assert (text == 9.91e37).sum() == 100
    whole = np.array(analyser.query_binary_values(f":FORM INT,32;{SWEEP}", "i", True))
    assert (whole == -(2**31)).sum() == 100
    sound = np.array(analyser.query_binary_values(f":FORM REAL,32;{SWEEP}", is_big_endian=True))
    assert np.isfinite(sound).all()


def test_an_overload(laboratory: Laboratory, talk: Talk) -> None:
    laboratory.faults.add("kind=overload,role=analyser,at=2")
    status = [
        int(talk("analyser", ":INIT:CONT OFF;:INIT;*WAI;:STAT:QUES:INT:COND?")) for _ in range(3)
    ]
    assert [bits & 48 for bits in status] == [0, 48, 0]


def test_unlevelled(laboratory: Laboratory, talk: Talk) -> None:
    laboratory.faults.add("kind=unlevelled,role=generator,command=:OUTP?,duration_s=10")
    talk("generator", ":FREQ 4.465e9;:POW 0;:OUTP ON")

    def truth() -> tuple[float, int]:
        laboratory.clock.sleep(0.1)
        laboratory.plant.refresh()
        power = laboratory.plant.setting(laboratory.clock.now())[0]
        return power, int(talk("generator", ":STAT:QUES:POW:COND?"))

    assert truth() == (0, 0)
    talk("generator", ":OUTP?")
    assert truth() == (-6, 2)
    assert talk("generator", ":POW?") == "+0.00000000000000E+00"
    laboratory.clock.sleep(10)
    assert truth() == (0, 0)


def test_slow(laboratory: Laboratory, talk: Talk) -> None:
    def cost(role: str) -> float:
        before = laboratory.clock.now()
        talk(role, "*ESE?")
        return laboratory.clock.now() - before

    usual = cost("field"), cost("generator")
    laboratory.faults.add("kind=slow,role=field,factor=100,duration_s=50")
    cost("field")
    assert cost("field") == pytest.approx(100 * usual[0])
    assert cost("generator") == pytest.approx(usual[1])
    laboratory.clock.sleep(50)
    assert cost("field") == pytest.approx(usual[0])


def test_drift_of_what_is_true(laboratory: Laboratory, talk: Talk) -> None:
    talk("generator", ":FREQ 4.465e9;:POW 0;:OUTP ON")
    laboratory.clock.sleep(1)
    start = laboratory.plant.setting(laboratory.clock.now())
    laboratory.faults.add("kind=drift,quantity=drive_power_dbm,jump=-3")
    laboratory.faults.add("kind=drift,quantity=field_mt,rate_per_s=0.5,duration_s=4")
    laboratory.faults.add("kind=drift,quantity=attenuation_db,jump=1,rate_per_s=-0.25")
    for role, query in (("generator", ":OUTP?"), ("field", "OUTP?"), ("attenuator", "ATT?")):
        talk(role, query)
    now = laboratory.clock.now()
    change = laboratory.plant.setting(now + 2) - start
    np.testing.assert_allclose(change, [-3, 0, 0.5, 1, 0], atol=5e-3)
    assert laboratory.plant.setting(now + 20)[3] - start[3] == pytest.approx(2, abs=5e-3)
    assert talk("attenuator", "ATT?") == "60.00"
    laboratory.clock.sleep(20)
    assert float(talk("probe", "UNIT 2;RDGFIELD?")) == pytest.approx(2.02e-3, abs=2e-5)
    laboratory.faults.clear()
    np.testing.assert_array_equal(laboratory.plant.setting(now), start)


def test_drift_of_what_is_read(laboratory: Laboratory, talk: Talk) -> None:
    talk("laboratory", "LAB:NUMB 3")
    before = trace(talk)
    laboratory.faults.add("kind=drift,quantity=trace_db,jump=-2")
    laboratory.faults.add("kind=drift,quantity=probe_mt,jump=5")
    talk("laboratory", "LAB:NUMB 3")
    np.testing.assert_allclose(trace(talk) - before, -2, atol=1e-4)
    laboratory.clock.sleep(1)
    talk("probe", "UNIT 2;RANGE 2")
    assert float(talk("probe", "RDGFIELD?")) == pytest.approx(5.02e-3, abs=2e-5)
    assert laboratory.plant.setting(laboratory.clock.now())[3] == 0


@pytest.mark.parametrize(("over", "bits"), [("current", 8), ("voltage", 4)])
def test_the_bias_trips(laboratory: Laboratory, talk: Talk, over: str, bits: int) -> None:
    talk("amplifier", "VOLT 12,(@2);CURR 0.6,(@2);OUTP 1,(@2)")
    laboratory.faults.add(f"kind=trip,role=amplifier,over={over}")
    assert talk("amplifier", "OUTP? (@2)") == "0"
    assert int(talk("amplifier", "STAT:QUES:INST:ISUM2:COND?")) == bits
    laboratory.clock.sleep(0.2)
    assert laboratory.plant.setting(laboratory.clock.now())[4] == 0
    talk("amplifier", "OUTP 1,(@2)")
    assert talk("amplifier", "SYST:ERR?").startswith("-221")
    assert talk("amplifier", "OUTP:PROT:CLE (@2);:OUTP 1,(@2);:OUTP? (@2)") == "1"


def test_the_magnet_supply_falls(laboratory: Laboratory, talk: Talk) -> None:
    talk("field", "FUNC:MODE CURR;:VOLT 20;:OUTP 1;:CURR 2")
    laboratory.clock.sleep(2)
    laboratory.faults.add("kind=trip,role=field")
    assert talk("field", "OUTP?") == "0"
    laboratory.clock.sleep(2)
    assert laboratory.plant.magnet.current(laboratory.clock.now()) == pytest.approx(0, abs=1e-6)
    assert laboratory.plant.harm == []  # nobody commanded it
