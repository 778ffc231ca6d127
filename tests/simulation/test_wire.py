"""The wire log, and what can be read from it."""

import contextlib
import random
from collections.abc import Callable
from typing import Any

import pytest

from magnon_lab.simulation import Laboratory, SimulationError, serve, shipped_definition
from magnon_lab.simulation.wire import Entry, WireLog, fastest, read_wire_log, replay

Talk = Callable[[str, str], str]


@pytest.fixture
def wire(laboratory: Laboratory) -> WireLog:
    laboratory.plant.wire.keep(None)
    return laboratory.plant.wire


def last(wire: WireLog) -> Any:
    return list(replay(wire))[-1].values


def test_only_the_last_entries_are_kept(laboratory: Laboratory, talk: Talk) -> None:
    wire = laboratory.plant.wire
    wire.keep(3)
    for _ in range(5):
        talk("generator", ":OUTP?")
    assert [entry.text for entry in wire] == ["0\n", ":OUTP?", "0\n"]
    assert (len(wire), wire.dropped) == (3, 7)
    wire.keep(1)
    assert (len(wire), wire.dropped) == (1, 9)
    wire.clear()
    assert (len(wire), wire.dropped) == (0, 0)


def test_messages_are_logged_whole_and_replies_in_part(
    laboratory: Laboratory, talk: Talk, wire: WireLog
) -> None:
    message = ":LIST:FREQ " + ",".join(["4.465e9"] * 100)
    talk("generator", message)
    talk("analyser", ":INIT:CONT OFF;:INIT;*WAI;:TRAC? TRACE1")
    sent, _, reply = wire
    assert sent.text == message
    assert len(reply.data) == 200
    assert reply.way == ">"


def test_how_much_is_kept_by_file(tmp_path: Any, ring: Any, laboratory: Laboratory) -> None:
    text = shipped_definition().read_text(encoding="utf-8")
    for value, entries in (("all", None), ("7", 7)):
        path = tmp_path / f"{value}.yaml"
        path.write_text(
            text.replace("\nlaboratory:\n", f"\nlaboratory:\n  wire_log: {value}\n"), "utf-8"
        )
        made = Laboratory.from_file(path, ring=ring)
        for place in range(5000):
            made.plant.wire.append(float(place), "probe", "<", b"UNIT?")
        assert len(made.plant.wire) == (entries or 5000)


def test_a_file_has_everything(
    laboratory: Laboratory, talk: Talk, wire: WireLog, tmp_path: Any
) -> None:
    path = tmp_path / "wire.jsonl"
    laboratory.faults.add("kind=stale,role=generator,command=:POW?")
    talk("generator", ":POW -10")
    wire.record(path)
    talk("generator", ":POW -20;:POW?")
    talk("attenuator", "MN?\xb5")
    on_disk = list(read_wire_log(path))  # written at once, not at the end
    wire.record(None)
    talk("generator", ":POW -30")
    assert on_disk == list(wire)[1:-1]
    assert [entry.way for entry in on_disk] == ["<", "!", ">", "<", ">"]
    path.write_text(path.read_text() + '[1.5, "probe", "<", "UN')  # killed while writing
    assert list(read_wire_log(path)) == on_disk
    path.write_text("something else\n")
    with pytest.raises(SimulationError, match=r"wire.jsonl, line 1: no entry of a wire log"):
        list(read_wire_log(path))


# Replay


def test_what_was_asked(talk: Talk, wire: WireLog) -> None:
    talk("generator", ":POW 30;:FREQ 4.465GHz;:OUTP ON;:POW?")
    talk("attenuator", "SETATT=99")
    talk("field", "FUNC:MODE CURR;:CURR -13;:CURR MAX")
    talk("amplifier", "VOLT 12,(@2,3)")
    talk("analyser", ":POW:ATT 20;:DET:TRAC2 AVER")
    asked = [(moment.role, *one) for moment in replay(wire) for one in moment.asked]
    assert asked == [
        ("generator", "power", 0, 30),
        ("generator", "frequency", 0, 4.465e9),
        ("generator", "output", 0, 1),
        ("attenuator", "attenuation", 0, 99),
        ("field", "mode", 0, "CURR"),
        ("field", "current", 0, -13),
        ("field", "current", 0, "MAX"),
        ("amplifier", "voltage", 2, 12),
        ("amplifier", "voltage", 3, 12),
        ("analyser", "attenuation", 0, 20),
        ("analyser", "detector", 2, "AVER"),
    ]
    values = last(wire)
    assert (values.drive_on, values.drive_power_dbm, values.attenuation_db) == (True, 11, 60)


def test_what_the_bench_was_set_to(laboratory: Laboratory, talk: Talk, wire: WireLog) -> None:
    messages = [
        ("field", "FUNC:MODE CURR;:VOLT 20;:CURR 1"),
        ("field", "OUTP 1"),
        ("amplifier", "VOLT 12,(@2);CURR 0.6,(@2)"),
        ("amplifier", "OUTP 1,(@2)"),
        ("attenuator", "SETATT=12.3"),
        ("generator", "*RST;:FREQ 4.465e9;:POW -10;:OUTP 1"),
        ("field", "OUTP 0"),
    ]
    for role, message in messages:
        talk(role, message)
        laboratory.clock.sleep(1)
    moments = list(replay(wire))
    assert [(m.role, m.text) for m in moments] == messages
    supply = [(m.values.supply_on, round(m.values.supply_current_a, 3)) for m in moments]
    assert supply == [(False, 0), *[(True, 1)] * 5, (False, 0)]
    assert moments[1].values.coil_current_a == pytest.approx(0, abs=1e-3)  # not there yet
    assert moments[2].values.coil_current_a == pytest.approx(1, abs=1e-3)
    assert [m.values.amplifier_on for m in moments] == [False, False, False, *[True] * 4]
    assert moments[4].values.attenuation_db == 12.25
    final = moments[-1].values
    assert (final.drive_on, final.drive_power_dbm, final.drive_frequency_hz) == (True, -10, 4.465e9)
    assert final.amplifier_voltage_v == 12


def test_a_supply_in_voltage_mode_drives_what_its_limit_lets(talk: Talk, wire: WireLog) -> None:
    talk("field", "VOLT 4;:CURR 12;:OUTP 1")
    talk("field", "CURR 0.5")
    currents = [round(m.values.supply_current_a, 3) for m in replay(wire)]
    assert currents == [2.0, 0.5]


def test_programs_inside_instruments_count(
    laboratory: Laboratory, talk: Talk, wire: WireLog
) -> None:
    for line in ("SWEEP:START:10", "SWEEP:STOP:0", "SWEEP:STEPSIZE:10", "SWEEP:DWELL:500"):
        assert talk("attenuator", line) == "1"
    talk("attenuator", "SWEEP:MODE:ON")
    laboratory.clock.sleep(0.7)
    talk("probe", "UNIT?")
    assert [m.values.attenuation_db for m in replay(wire)][-2:] == [10, 0]


def test_a_profile_counts(ring: Any) -> None:
    made = Laboratory.from_file(shipped_definition(), ring=ring, profile="left_running")
    made.plant.wire.append(0.5, "generator", "<", b":POW -5")
    (moment,) = replay(made.plant.wire, profile="left_running")
    assert (moment.values.drive_on, moment.values.drive_power_dbm) == (True, -5)
    assert moment.values.attenuation_db == 12
    made.plant.wire.append(0.7, "laboratory", "<", b"LAB:PROF open_loop_gain")
    assert last(made.plant.wire).attenuation_db == 0


@pytest.mark.parametrize(
    ("fault", "attenuation_db", "drive_on", "amplifier_on", "supply_a"),
    [
        ("kind=lost,role=attenuator,command=SETATT", 60, True, True, 1),
        ("kind=lost,role=generator,command=:OUTP", 12, False, True, 1),
        ("kind=lost,role=generator,at=2", 12, True, True, 1),
        ("kind=trip,role=amplifier,command=OUTP?", 12, True, False, 1),
        ("kind=trip,role=field,command=OUTP?", 12, True, True, 0),
        ("kind=power_cycle,role=generator,command=:OUTP?", 12, False, True, 1),
        ("kind=power_cycle,role=field,command=OUTP?", 12, True, True, 0),
        ("kind=dropped,role=attenuator", 12, True, True, 1),
        ("kind=cut,role=attenuator,command=SETATT", 12, True, True, 1),
        ("kind=garbled,role=generator", 12, True, True, 1),
    ],
)
def test_faults_that_change_a_setting_come_true(
    ring: Any,
    fault: str,
    attenuation_db: float,
    drive_on: bool,
    amplifier_on: bool,
    supply_a: float,
) -> None:
    from magnon_lab.simulation.link import ConnectionLostError, Link

    made = Laboratory.from_file(shipped_definition(), ring=ring)
    made.faults.add(fault)
    for role, message in [
        ("field", "FUNC:MODE CURR;:VOLT 20;:CURR 1;:OUTP 1"),
        ("amplifier", "VOLT 12,(@2);OUTP 1,(@2)"),
        ("attenuator", "SETATT=12"),
        ("generator", ":OUTP ON"),
        ("generator", ":OUTP?"),
        ("amplifier", "OUTP? (@2)"),
        ("field", "OUTP?"),
    ]:
        link = Link(made.instruments[role], stream=True)
        link.write(message.encode() + b"\n")
        made.clock.sleep(0.5)
        with contextlib.suppress(ConnectionLostError):
            link.ready_bytes()
        link.close()
    values = last(made.plant.wire)
    assert values.attenuation_db == attenuation_db
    assert (values.drive_on, values.amplifier_on) == (drive_on, amplifier_on)
    assert values.supply_current_a == pytest.approx(supply_a, abs=1e-3)


def test_a_replay_ends_where_the_laboratory_did(
    laboratory: Laboratory, talk: Talk, wire: WireLog
) -> None:
    """Any messages, legal or not: the replay finds the state that the instruments are in."""
    source = random.Random(5)

    def number() -> str:
        return f"{source.choice([-1, 1]) * 10 ** source.uniform(-2, 2):.3f}"

    messages = [
        ("generator", lambda: f":POW {number()}"),
        ("generator", lambda: f":FREQ {abs(float(number())):g}GHz;:POW?"),
        ("generator", lambda: f":OUTP {source.choice(['ON', 'OFF', 'MAYBE'])}"),
        ("generator", lambda: source.choice(["*RST", "*SAV 1", "*RCL 1", ":FREQ:MODE LIST;*OPC?"])),
        ("attenuator", lambda: f"SETATT={number()}"),
        ("field", lambda: f"CURR {number()}"),
        ("field", lambda: f"FUNC:MODE {source.choice(['CURR', 'VOLT'])};:VOLT {number()}"),
        ("field", lambda: f"OUTP {source.choice('01')}"),
        ("amplifier", lambda: f"VOLT {number()},(@2);OUTP {source.choice('01')},(@2)"),
        ("amplifier", lambda: f"CURR:PROT:STAT ON,(@2);CURR {number()},(@2)"),
    ]
    laboratory.faults.add("kind=lost,role=generator,probability=0.2")
    laboratory.faults.add("kind=power_cycle,role=field,probability=0.1")
    for _ in range(400):
        role, make = source.choice(messages)
        talk(role, make())
        laboratory.clock.sleep(source.uniform(0, 0.2))
    talk("probe", "UNIT?")
    values, plant = last(wire), laboratory.plant
    plant.refresh()
    instruments = laboratory.instruments
    assert values.attenuation_db == instruments["attenuator"].values["attenuation"]
    assert values.drive_on == instruments["generator"].values["output"]
    assert (values.drive_frequency_hz, values.drive_power_dbm) == instruments["generator"].output()
    assert values.amplifier_on == instruments["amplifier"].values["output"][2]
    assert values.amplifier_voltage_v == instruments["amplifier"].values["voltage"][2]
    assert values.supply_on == instruments["field"].values["output"]
    assert values.coil_current_a == pytest.approx(plant.magnet.current(plant.clock.now()), abs=0.02)


def test_the_fastest_change() -> None:
    def log(*steps: tuple[float, float]) -> list[Entry]:
        start = [Entry(0.0, "field", "<", b"FUNC:MODE CURR;:VOLT 20;:OUTP 1")]
        return start + [Entry(t, "field", "<", f"CURR {a}".encode()) for t, a in steps]

    ramp = [(10 + 0.1 * i, 0.06 * i) for i in range(1, 20)]
    assert fastest(replay(log(*ramp)), "supply_current_a") == pytest.approx(0.6, rel=0.01)
    assert fastest(replay(log(*ramp, (12.0, 0.0))), "supply_current_a") > 10
    assert fastest(replay(log((5, 1.0), (5, 2.0))), "supply_current_a") == float("inf")
    assert fastest(replay(log((5, 1.0), (5, 1.0))), "supply_current_a") == pytest.approx(0.2, 0.01)
    assert fastest(replay([]), "supply_current_a") == 0


def test_a_served_bench_can_be_replayed(tmp_path: Any) -> None:
    import socket

    text = shipped_definition().read_text(encoding="utf-8")
    definition, path = tmp_path / "cold.yaml", tmp_path / "wire.jsonl"
    start = text.index("  warm_up:")
    definition.write_text(text[:start] + text[text.index("\nprotocols:") :], encoding="utf-8")
    with serve(definition, wire_log=path) as server:
        port = int(server.resources["attenuator"].split("::")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            for value in (20, 12):
                connection.sendall(f"SETATT={value}\r\n".encode())
                assert connection.recv(10) == b"1\r\n"
        moments = list(replay(read_wire_log(path), definition))
    assert [m.values.attenuation_db for m in moments] == [20, 12]
    assert 0 <= moments[0].time_s < moments[1].time_s
