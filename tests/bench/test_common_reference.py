"""Generator and analyser must share one 10 MHz, where they can tell."""

import pytest

from magnon_lab.bench import Bench, InstrumentError, check_bench
from magnon_lab.bench.roles import Reference

STOCK = {"roles.generator.driver": "pymeasure.instruments.agilent:Agilent8257D"}


def found(wire, role: str, **values: object) -> None:
    for name, value in values.items():
        wire.laboratory.instruments[role].found(name, value)


def test_a_common_reference_is_found_well(bench) -> None:
    assert bench.stand.adapters["analyser"].reference() == Reference(False, True)
    assert bench.stand.adapters["generator"].reference() == Reference(True, True)
    assert bench.stand.adapters["field"].reference() is None
    assert all(line.ok for line in bench.check())


def test_two_references_are_refused_and_what_to_connect_is_told(shipped, manager, wire) -> None:
    found(wire, "generator", reference="INT")
    with Bench(shipped) as bench:
        expected = (
            r"not started\. generator: it and the analyser \(KeysightN9000 at .*\) run on a 10 MHz "
            "reference of their own each: connect the 10 MHz output of one to the 10 MHz input"
        )
        with pytest.raises(InstrumentError, match=expected):
            bench.start()
        assert [line.role for line in bench.check() if not line.ok] == ["generator"]
        found(wire, "analyser", reference="EXT")  # the other way round is as good
        assert all(line.ok for line in bench.check())
        assert bench.start()


@pytest.mark.parametrize("role", ["generator", "analyser"])
def test_a_reference_that_is_not_locked_is_refused(shipped, manager, wire, role) -> None:
    found(wire, role, reference_lost=1)
    (wrong,) = [line for line in check_bench(shipped) if not line.ok]
    assert wrong.role == role
    assert "its 10 MHz reference is not locked: see that what feeds" in wrong.text
    with Bench(shipped) as bench, pytest.raises(InstrumentError, match=f"{role}: its 10 MHz"):
        bench.start()


def test_a_bench_may_do_without(edited, manager, wire) -> None:
    found(wire, "generator", reference="INT")
    with Bench(edited({"common_reference": False})) as bench:
        assert bench.start()


def test_who_cannot_tell_is_not_asked(edited, manager, wire) -> None:
    found(wire, "generator", reference="INT")
    with Bench(edited(STOCK)) as bench:
        assert bench.start()
    assert not [message for message in wire.sent("generator") if "ROSC" in message]


def test_profiles_of_the_laboratory_show_both(shipped, manager) -> None:
    for profile in ("two_references", "reference_lost"):
        with manager.open_resource("TCPIP::sim-laboratory::hislip0::INSTR") as laboratory:
            laboratory.write(f":LAB:PROF {profile}")
        assert [line.role for line in check_bench(shipped) if not line.ok] == ["generator"]


def test_one_out_of_reach_leaves_the_other_be_checked(edited, manager, wire) -> None:
    found(wire, "analyser", reference_lost=1)
    gone = edited({"roles.generator.resource": "TCPIP::elsewhere::hislip0::INSTR"})
    wrong = {line.role: line.text for line in check_bench(gone) if not line.ok}
    assert set(wrong) == {"generator", "analyser"}
    assert "not locked" in wrong["analyser"]


@pytest.mark.parametrize(
    ("source", "condition", "reference"),
    [
        ("INT", "0", Reference(False, True)),
        ("E10", "1", Reference(True, True)),  # its oven is still cold
        ("EXT", "256", Reference(True, False)),
    ],
)
def test_a_rohde_schwarz_tells_too(playing, source, condition, reference) -> None:
    pairs = [("ROSC:SOUR?", source), ("STAT:QUES:FREQ:COND?", condition)]
    with playing("analyser", "pymeasure.instruments.rohdeschwarz:FSW", pairs) as analyser:
        assert analyser.reference() == reference
