"""Faults: how they are described, when they happen, what is told about them."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import pyvisa

from magnon_lab.simulation import DefinitionError, FaultError, Laboratory, shipped_definition
from magnon_lab.simulation.faults import DRIFTING, KINDS, parse_fault

Talk = Callable[[str, str], str]


def example(kind: str, **keys: Any) -> dict[str, Any]:
    """Return a fault of a kind with the least that must be said."""
    options = {"quantity": "field_mt", "jump": 1.0} if kind == "drift" else {}
    return {"kind": kind, "role": KINDS[kind].roles[0], **options, **keys}


def edited(tmp_path: Any, block: str) -> Any:
    """Write the shipped definition with more in its laboratory block."""
    text = shipped_definition().read_text(encoding="utf-8")
    path = tmp_path / "faulty.yaml"
    path.write_text(text.replace("\nlaboratory:\n", f"\nlaboratory:\n{block}\n"), encoding="utf-8")
    return path


def test_the_shipped_laboratory_has_no_faults(laboratory: Laboratory) -> None:
    assert laboratory.faults.armed() == []
    assert "faults" not in laboratory.definition.laboratory


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_armed_by_its_own_words(laboratory: Laboratory, kind: str) -> None:
    fault = laboratory.faults.add(example(kind))
    again = laboratory.faults.add(fault.text())
    assert again.text() == fault.text()
    assert KINDS[kind].text


@pytest.mark.parametrize("quantity", DRIFTING)
def test_a_drift_knows_whose_it_is(laboratory: Laboratory, quantity: str) -> None:
    fault = laboratory.faults.add({"kind": "drift", "quantity": quantity, "rate_per_s": 0.1})
    assert fault.role == DRIFTING[quantity]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("kind=timout,role=analyser", "kind: 'timout'; allowed: one of timeout, hang, cut"),
        ("role=analyser", "kind: None; allowed: one of timeout"),
        ("kind=timeout,role=analyzer", "role: 'analyzer'; allowed for kind 'timeout': one of anal"),
        ("kind=timeout", "role: None; allowed"),
        ("kind=timeout,role=laboratory", "role: 'laboratory'; allowed"),
        ("kind=trip,role=generator", "'trip': one of field, amplifier|one of amplifier, field"),
        ("kind=timeout,role=probe,at=0", "at: 0; allowed: a whole number from 1"),
        ("kind=timeout,role=probe,at=1.5", "at: 1.5; allowed: a whole number from 1"),
        ("kind=timeout,role=probe,at=true", "at: True; allowed: a whole number from 1"),
        ("kind=timeout,role=probe,probability=0", "probability: 0; allowed: a number above 0"),
        ("kind=timeout,role=probe,probability=nan", "probability: nan; allowed: a number above 0"),
        ("kind=timeout,role=probe,probability=0.5,at=3", "probability: not together with at"),
        ("kind=timeout,role=probe,count=x", "count: 'x'; allowed: a whole number from 1"),
        ("kind=timeout,role=probe,seed=-1", "seed: -1; allowed: a whole number from 0"),
        ("kind=timeout,role=probe,duration_s=-2", "duration_s: -2; allowed: a number of seconds"),
        ("kind=timeout,role=probe,duration_s=inf", "duration_s: inf; allowed: a number of seconds"),
        ("kind=timeout,role=probe,factor=2", "factor: no key of kind 'timeout'; known: kind, role"),
        ("kind=slow,role=probe,factor=0", "factor: 0; allowed: a number from 0.001"),
        ("kind=points,role=analyser,points=0", "points: 0; allowed: a whole number"),
        ("kind=drift,role=field", "quantity: needed by kind 'drift'; allowed: one of drive_power"),
        ("kind=drift,quantity=field_mt", "jump: kind 'drift' needs jump or rate_per_s"),
        ("kind=drift,quantity=field,jump=1,role=field", "quantity: 'field'; allowed: one of"),
        ("kind=trip,role=amplifier,over=heat", "over: 'heat'; allowed: one of current, voltage"),
        ("kind=lost,role=generator,command=:POW?", "command: ':POW\\?'; allowed for kind 'lost'"),
        ("kind=lost,role=generator,command=:PWO", "command: ':PWO'; allowed: what the generator"),
        ("kind=lost,role=attenuator,command=ATTN", "command: 'ATTN'; allowed: what the attenuator"),
        ("kind=lost,role=generator,command=:ABOR?", "command: ':ABOR\\?'; allowed: what the"),
        (
            "kind=nan_trace,role=analyser,command=:TRAC?",
            "command: not with kind 'nan_trace', which happens to",
        ),
        ("kind=nan_trace,role=analyser,measurement=-1", "measurement: -1; allowed"),
        ("timeout", "'timeout' in a fault; allowed: key=value"),
        ("", "'' in a fault; allowed: key=value"),
    ],
)
def test_a_mistake_is_told(laboratory: Laboratory, fault: str, told: str) -> None:
    with pytest.raises(FaultError, match=told):
        laboratory.faults.add(fault)
    assert laboratory.faults.armed() == []


def test_by_file(tmp_path: Any, ring: Any) -> None:
    path = edited(
        tmp_path,
        """  faults:
    - {kind: dropped, role: attenuator, at: 2, command: "ATT?"}
    - {kind: slow, role: generator, probability: 0.25, seed: 4, factor: 3, duration_s: 10}""",
    )
    assert Laboratory.from_file(path, ring=ring).faults.armed() == [
        "kind=dropped,role=attenuator,at=2,count=1,command=ATT?,occasions=0,fired=0",
        "kind=slow,role=generator,probability=0.25,seed=4,factor=3,duration_s=10,"
        "occasions=0,fired=0",
    ]


@pytest.mark.parametrize(
    ("block", "told"),
    [
        (
            "  faults: [{kind: nan_trace, role: analyser}, {kind: nan_trace}]",
            r"faults\[1\]: role: None",
        ),
        ("  faults: {kind: nan_trace}", r"laboratory.faults: \{'kind': 'nan_trace'\} is no list"),
        ("  faults: [nan_trace]", r"laboratory.faults\[0\]: 'nan_trace' in a fault; allowed"),
        ("  faults: [[1]]", r"laboratory.faults\[0\]: \[1\] is no fault; allowed"),
        ("  wire_log: -1", "laboratory.wire_log: -1 entries; allowed"),
        ("  wire_log: many", "laboratory.wire_log: 'many' entries; allowed"),
    ],
)
def test_a_mistake_in_the_file(tmp_path: Any, ring: Any, block: str, told: str) -> None:
    with pytest.raises(DefinitionError, match=told):
        Laboratory.from_file(edited(tmp_path, block), ring=ring)


def test_by_command(talk: Talk) -> None:
    def ask(message: str) -> str:
        return talk("laboratory", message)

    assert ask("LAB:FAUL?") == "0"
    assert ask("LAB:FAULT:ADD 'kind=dropped,role=generator,at=2';*OPC?") == "1"
    assert ask('LAB:FAUL:ADD "kind=dropped,role=oscilloscope"') == ""
    error = ask("SYST:ERR?")
    assert error.startswith("-224,\"Illegal parameter value;role: 'oscilloscope'; allowed")
    assert [talk("generator", ":OUTP?") for _ in range(3)] == ["0", "", "0"]
    assert ask("LAB:FAUL?") == ('1,"kind=dropped,role=generator,at=2,count=1,occasions=3,fired=1"')
    count, text = ask("LAB:FAUL:LOG?").split(",", 1)
    assert count == "1"
    assert text.startswith('"kind=dropped,role=generator,at=2,count=1,message=2,number=-1,time_s=')
    ask("LAB:FAUL:CLE")
    assert ask("LAB:FAUL?;FAUL:LOG?") == "0;0"


def test_by_the_driver(bench: Any) -> None:
    from drivers.magnonlab import SimulatedLaboratory

    laboratory = SimulatedLaboratory(
        bench.resource("laboratory"), **bench.driver_arguments("laboratory")
    )
    laboratory.add_fault("dropped", "generator", at=2, command=":OUTP?")
    with pytest.raises(ValueError, match=r"refuses .*: role: 'oscilloscope'; allowed"):
        laboratory.add_fault("dropped", "oscilloscope")
    generator = bench.open("generator", timeout=200)
    assert generator.query(":OUTP?") == "0"
    with pytest.raises(pyvisa.VisaIOError):
        generator.query(":OUTP?")
    (armed,), (happened,) = laboratory.faults, laboratory.faults_happened
    assert (armed["kind"], armed["occasions"], armed["fired"]) == ("dropped", "2", "1")
    assert (happened["message"], happened["number"]) == ("2", "-1")
    laboratory.clear_faults()
    assert laboratory.faults == laboratory.faults_happened == []


# When


def answers(talk: Talk, count: int, role: str = "generator", message: str = ":OUTP?") -> str:
    """Return what came of so many queries: `.` for an answer, `x` for none."""
    return "".join("." if talk(role, message) else "x" for _ in range(count))


@pytest.mark.parametrize(
    ("keys", "seen"),
    [
        ({}, "x....."),
        ({"at": 3}, "..x..."),
        ({"at": 3, "count": 2}, "..xx.."),
        ({"at": 4, "count": 9}, "...xxx"),
        ({"probability": 1.0}, "xxxxxx"),
        ({"probability": 1.0, "count": 4}, "xxxx.."),
    ],
)
def test_when(laboratory: Laboratory, talk: Talk, keys: dict[str, Any], seen: str) -> None:
    talk("generator", ":OUTP?")  # counting begins when the fault is armed
    laboratory.faults.add(example("dropped", role="generator", **keys))
    assert answers(talk, 6) == seen
    assert answers(talk, 3, "amplifier", "OUTP? (@2)") == "..."


def test_by_chance_and_seed(ring: Any) -> None:
    def seen(lab_seed: int, **keys: Any) -> str:
        laboratory = Laboratory.from_file(shipped_definition(), seed=lab_seed, ring=ring)
        laboratory.faults.add(example("dropped", role="generator", probability=0.3, **keys))
        return answers(talker(laboratory), 200)

    assert seen(1) == seen(1)
    assert seen(1) != seen(2)
    assert seen(1, seed=7) == seen(2, seed=7) != seen(1)
    assert 40 < seen(1).count("x") < 80  # 60 expected, standard deviation 6.5


def talker(laboratory: Laboratory) -> Talk:
    from magnon_lab.simulation.link import Link

    links = {role: Link(i, stream=True) for role, i in laboratory.instruments.items()}

    def talk(role: str, message: str) -> str:
        links[role].write(message.encode() + b"\n")
        if links[role].next_reply_s() == math.inf:
            return ""
        return links[role].read(1 << 20, 60.0, 10)[0].decode("latin-1").strip()

    return talk


def test_bound_to_a_header(laboratory: Laboratory, talk: Talk) -> None:
    laboratory.faults.add("kind=dropped,role=generator,command=SOUR:POWer?,at=2")
    assert answers(talk, 3) == "..."
    assert answers(talk, 3, message=":POW?") == ".x."
    laboratory.faults.clear()
    laboratory.faults.add("kind=dropped,role=attenuator,command=SETATT")
    assert [talk("attenuator", m) for m in ("ATT?", ":setatt=12", "ATT?")] == ["60.00", "", "12.00"]


def test_bound_to_a_measurement(laboratory: Laboratory, talk: Talk) -> None:
    laboratory.faults.add("kind=dropped,role=generator,measurement=40,at=2")
    for number, seen in ((39, "..."), (40, ".x."), (41, "..."), (40, "...")):
        talk("laboratory", f"LAB:NUMB {number}")
        assert answers(talk, 3) == seen


def test_what_counts_as_an_occasion(laboratory: Laboratory, talk: Talk) -> None:
    """Commands cannot lose their reply, queries cannot be lost."""
    laboratory.faults.add("kind=dropped,role=generator")
    laboratory.faults.add("kind=lost,role=generator,at=2")
    talk("generator", ":POW -10")
    assert talk("generator", ":POW?") == ""
    talk("generator", ":POW -20")
    assert float(talk("generator", ":POW?")) == -10
    assert [text.split(",")[0] for text in laboratory.faults.happened()] == [
        "kind=dropped",
        "kind=lost",
    ]
    marks = [(e.role, e.text.split(",")[0]) for e in laboratory.plant.wire if e.way == "!"]
    assert marks == [("generator", "kind=dropped"), ("generator", "kind=lost")]


def test_words_of_a_fault() -> None:
    text = "kind = slow, role=probe ,factor=2.5,at=7,command=RDGFIELD?"
    assert parse_fault(text) == {
        "kind": "slow", "role": "probe", "factor": 2.5, "at": 7, "command": "RDGFIELD?",
    }  # fmt: skip
