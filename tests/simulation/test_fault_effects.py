"""What each kind of fault does, in process and over TCP."""

import math
import time
from collections.abc import Callable
from typing import Any

import pytest
import pyvisa
from pyvisa import constants

from magnon_lab.simulation import Laboratory
from magnon_lab.simulation.faults import KINDS

Talk = Callable[[str, str], str]
TIMEOUT = constants.StatusCode.error_timeout
SWEEP = ":INIT:CONT OFF;:INIT;*WAI;:TRAC? TRACE1"


def add(bench: Any, text: str) -> None:
    bench.laboratory.faults.add(text)


def open_patiently(bench: Any, role: str, timeout_ms: float = 250) -> Any:
    return bench.open(role, timeout=timeout_ms)


def times_out(instrument: Any, query: str) -> bool:
    try:
        instrument.query(query)
    except pyvisa.VisaIOError as error:
        return bool(error.error_code == TIMEOUT)
    return False


def is_cut(act: Callable[[], Any]) -> bool:
    try:
        act()
    except pyvisa.VisaIOError as error:
        return error.error_code == constants.StatusCode.error_connection_lost
    except ConnectionError:  # what PyVISA-py lets through
        return True
    return False


# Silence


def test_a_late_reply_answers_the_next_query(bench: Any) -> None:
    add(bench, "kind=timeout,role=attenuator,duration_s=1,command=MN?")
    attenuator = open_patiently(bench, "attenuator")
    assert times_out(attenuator, "MN?")
    attenuator.timeout = 5000
    assert attenuator.query("SN?") == "MN=RCDAT-6000-60"
    assert attenuator.read() == "SN=12506040001"


def test_a_late_reply_on_a_message_link_is_interrupted(local: Any) -> None:
    add(local, "kind=timeout,role=generator,duration_s=30")
    generator = open_patiently(local, "generator")
    assert times_out(generator, ":POW?")
    assert generator.query(":FREQ:MODE?") == "CW"
    assert generator.query(":SYST:ERR?").startswith("-410")


@pytest.mark.parametrize("kind", ["timeout", "dropped"])
def test_silence_lasts_as_long_as_the_client_waits(local: Any, kind: str) -> None:
    add(local, f"kind={kind},role=generator")
    generator = open_patiently(local, "generator", 3000)
    before, wall = local.laboratory.clock.now(), time.monotonic()
    assert times_out(generator, ":POW?")
    assert local.laboratory.clock.now() - before == pytest.approx(3, abs=0.01)
    assert time.monotonic() - wall < 1


@pytest.mark.parametrize("role", ["generator", "attenuator", "field", "probe", "amplifier"])
def test_a_dropped_reply_leaves_no_trace(bench: Any, role: str) -> None:
    add(bench, f"kind=dropped,role={role}")
    query = {"attenuator": "MN?", "probe": "UNIT?"}.get(role, "*ESE?")
    instrument = open_patiently(bench, role)
    assert times_out(instrument, query)
    assert instrument.query(query)
    if role not in ("attenuator", "probe"):
        assert "No error" in instrument.query("SYST:ERR?")


def test_half_a_reply(bench: Any) -> None:
    add(bench, "kind=partial,role=generator,command=:FREQ?")
    generator = open_patiently(bench, "generator")
    assert times_out(generator, ":FREQ?")
    generator.close()
    generator = open_patiently(bench, "generator", 2000)
    assert float(generator.query(":FREQ?")) == 20e9
    assert "No error" in generator.query("SYST:ERR?")


def test_half_a_block(bench: Any) -> None:
    add(bench, "kind=partial,role=analyser,command=:TRAC?")
    analyser = open_patiently(bench, "analyser", 500)
    analyser.write(":FORM REAL,32;:SWE:POIN 401")
    with pytest.raises(pyvisa.VisaIOError):
        analyser.query_binary_values(SWEEP, is_big_endian=True)


def test_a_hung_instrument_alone_is_silent(bench: Any) -> None:
    add(bench, "kind=hang,role=generator,duration_s=3600,at=2")
    generator, amplifier = (open_patiently(bench, r, 150) for r in ("generator", "amplifier"))
    assert generator.query(":OUTP?") == "0"
    for _ in range(2):
        assert times_out(generator, ":POW?")
        assert amplifier.query("OUTP? (@2)") == "0"
        generator.close()
        generator = open_patiently(bench, "generator", 150)
    bench.laboratory.faults.clear()
    generator.timeout = 5000
    assert generator.query(":FREQ:MODE?") == "CW"


def test_a_hung_instrument_acts_when_it_is_back(local: Any) -> None:
    add(local, "kind=hang,role=generator,duration_s=60,command=:POW")
    generator = local.open("generator")
    generator.write(":POW -10")
    values = local.laboratory.instruments["generator"].values
    assert values["power"] == -135
    local.laboratory.clock.sleep(59)
    local.laboratory.plant.refresh()
    assert values["power"] == -135
    local.laboratory.clock.sleep(1.1)
    local.laboratory.plant.refresh()
    assert values["power"] == -10


def test_a_hang_holds_no_one_else_up(local: Any) -> None:
    """In virtual pace the minute costs the time of those who wait for it, not that of others."""
    add(local, "kind=hang,role=analyser,duration_s=60")
    analyser, generator = local.open("analyser", timeout=100), local.open("generator")
    assert times_out(analyser, "*OPC?")
    before = local.laboratory.clock.now()
    for _ in range(50):
        assert generator.query(":OUTP?") == "0"
    assert local.laboratory.clock.now() - before < 0.1
    analyser.timeout = 100_000
    before = local.laboratory.clock.now()
    assert analyser.query("*OPC?") == "1"
    assert local.laboratory.clock.now() - before == pytest.approx(60, abs=0.5)


def test_clearing_ends_a_hang(bench: Any) -> None:
    add(bench, "kind=hang,role=generator,duration_s=3600")
    generator, laboratory = (open_patiently(bench, r) for r in ("generator", "laboratory"))
    assert times_out(generator, ":OUTP?")
    assert laboratory.query("LAB:FAUL:CLE;*OPC?") == "1"
    generator.close()
    assert bench.open("generator", timeout=2000).query(":OUTP?") == "0"


# Wrong replies


def test_a_garbled_number_cannot_be_read(bench: Any) -> None:
    add(bench, "kind=garbled,role=generator,probability=1,seed=3")
    generator = bench.open("generator", encoding="latin-1")
    for query in (":FREQ?", ":POW?", ":OUTP?", ":OUTP?"):
        with pytest.raises(ValueError, match="could not convert"):
            float(generator.query(query))
    bench.laboratory.faults.clear()
    assert generator.query(":OUTP?") == "0"


def test_a_garbled_block_is_no_block(bench: Any) -> None:
    add(bench, "kind=garbled,role=analyser,command=:TRAC?")
    analyser = bench.open("analyser", timeout=2000)
    analyser.write(":FORM REAL,32;:SWE:POIN 401")
    analyser.write(SWEEP)
    block = analyser.read_bytes(6 + 4 * 401 + 1)
    assert block[:1] != b"#"
    assert block[-1:] == b"\n"


def test_a_reply_that_comes_twice(bench: Any) -> None:
    add(bench, "kind=duplicate,role=attenuator,command=SETATT")
    attenuator = bench.open("attenuator")
    assert attenuator.query("SETATT=12") == "1"
    assert attenuator.query("ATT?") == "1"
    assert attenuator.read() == "12.00"


def test_a_reply_from_before(bench: Any) -> None:
    add(bench, "kind=stale,role=attenuator,at=2")
    attenuator = bench.open("attenuator")
    assert attenuator.query("ATT?") == "60.00"
    assert attenuator.query("MN?") == "60.00"
    assert attenuator.query("MN?") == "MN=RCDAT-6000-60"


# Connections


@pytest.mark.parametrize("message", ["SETATT=12", "ATT?"])
def test_a_cut_connection(bench: Any, message: str) -> None:
    add(bench, "kind=cut,role=attenuator,at=2")
    attenuator, other = bench.open("attenuator"), bench.open("generator")
    assert attenuator.query("ATT?") == "60.00"
    assert is_cut(lambda: attenuator.query(message))
    assert is_cut(lambda: attenuator.query("ATT?"))
    attenuator.close()
    assert other.query(":OUTP?") == "0"
    again = bench.open("attenuator")
    assert again.query("ATT?") == ("12.00" if "SET" in message else "60.00")  # it was executed


def test_a_cut_takes_all_connections(bench: Any) -> None:
    one, other = bench.open("generator"), bench.open("generator")
    assert (one.query(":OUTP?"), other.query(":OUTP?")) == ("0", "0")
    add(bench, "kind=cut,role=generator,command=*OPC?")
    assert is_cut(lambda: one.query("*OPC?"))
    assert is_cut(lambda: other.query(":OUTP?"))
    for session in (one, other):
        session.close()


def test_an_instrument_that_cannot_be_reached_for_a_while(bench: Any) -> None:
    add(bench, "kind=cut,role=generator,duration_s=3600")
    generator = bench.open("generator")
    assert is_cut(lambda: generator.query(":OUTP?"))

    def reach() -> Any:
        try:
            return bench.open("generator").query(":OUTP?")
        except (pyvisa.VisaIOError, OSError):
            return None

    assert reach() is None
    assert reach() is None
    if bench.laboratory.clock.served:
        bench.laboratory.faults.clear()
    else:
        bench.laboratory.clock.sleep(3600)
    assert reach() == "0"


@pytest.mark.parametrize("role", ["generator", "field"])
def test_a_power_cycle(bench: Any, role: str) -> None:
    instrument = bench.open(role, timeout=500)
    instrument.query("*ESR?")
    header, value = (":POW", "-20") if role == "generator" else ("CURR", "1.5")
    instrument.write(f"{header} {value}")
    assert float(instrument.query(f"{header}?")) == pytest.approx(float(value), abs=1e-3)
    add(bench, f"kind=power_cycle,role={role},command=*ESE?")
    if role == "generator":
        assert is_cut(lambda: instrument.query("*ESE?"))
        instrument.close()
        instrument = bench.open(role)
    else:  # GPIB has no connection to lose
        assert times_out(instrument, "*ESE?")
    assert int(instrument.query("*ESR?")) & 128
    assert float(instrument.query(f"{header}?")) == (-135 if role == "generator" else 0)


def test_power_on_with_the_last_state(laboratory: Laboratory, talk: Talk) -> None:
    talk("generator", ":POW -20;:OUTP ON;:SYST:PON:TYPE LAST")
    laboratory.instruments["generator"].power_up()
    laboratory.clock.sleep(1)
    assert talk("generator", ":POW?;:OUTP?") == "-2.00000000000000E+01;1"
    assert laboratory.plant.setting(laboratory.clock.now())[0] == -20
    talk("generator", ":SYST:PON:TYPE PRES")
    laboratory.instruments["generator"].power_up()
    assert talk("generator", ":OUTP?") == "0"


# Settings and read-backs


def test_a_lost_command(bench: Any) -> None:
    add(bench, "kind=lost,role=generator,command=:POW")
    generator = bench.open("generator")
    assert generator.query(":POW -10;:FREQ 4.465e9;:POW?;:FREQ?") == (
        "-1.35000000000000E+02;+4.46500000000000E+09"
    )
    assert generator.query(":SYST:ERR?") == '+0,"No error"'
    assert float(generator.query(":POW -10;:POW?")) == -10


def test_a_lost_command_of_a_text_protocol_is_acknowledged(bench: Any) -> None:
    add(bench, "kind=lost,role=attenuator")
    attenuator = bench.open("attenuator")
    assert attenuator.query("SETATT=12") == "1"
    assert attenuator.query("ATT?") == "60.00"


@pytest.mark.parametrize(
    ("role", "command", "query", "before", "truth"),
    [
        ("attenuator", "SETATT=12", "ATT?", "60.00", 12),
        ("generator", ":POW -10", ":POW?", "-1.35000000000000E+02", -10),
        ("amplifier", "VOLT 5,(@2)", "VOLT? (@2)", "+0.00000000E+00", 5),
        ("amplifier", "OUTP 1,(@2)", "OUTP? (@2)", "0", True),
        ("field", "CURR 1.5", "CURR?", "0.0E0", 1.5),
    ],
)
def test_a_stuck_read_back(
    bench: Any, role: str, command: str, query: str, before: str, truth: float
) -> None:
    add(bench, f"kind=stuck,role={role},duration_s=100")
    instrument = bench.open(role)
    instrument.write(command)
    if role == "attenuator":
        instrument.read()
    assert instrument.query(query) == before
    name = {"VOLT": "voltage", "CURR": "current", ":POW": "power", "OUTP": "output"}.get(
        command.split()[0], "attenuation"
    )
    value = bench.laboratory.instruments[role].values[name]
    value = value[2] if isinstance(value, dict) else value
    assert value == pytest.approx(truth, abs=1e-3)  # it was done
    bench.laboratory.clock.sleep(101)
    assert instrument.query(query) != before


def test_a_stuck_measurement(laboratory: Laboratory, talk: Talk) -> None:
    laboratory.faults.add("kind=stuck,role=field,command=MEAS:CURR?,at=2")
    readings = [talk("field", "MEAS:CURR?") for _ in range(5)]
    assert readings[0] != readings[1] == readings[2] == readings[3] == readings[4]
    laboratory.faults.clear()
    assert talk("field", "MEAS:CURR?") != readings[1]


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_disturbs_another_instrument(laboratory: Laboratory, kind: str) -> None:
    role = KINDS[kind].roles[-1]
    options = {"quantity": "probe_mt", "jump": 1.0} if kind == "drift" else {}
    laboratory.faults.add({"kind": kind, "role": role, "probability": 1.0, **options})
    others = [i for r, i in laboratory.instruments.items() if r != role]
    assert all(not i.faults.armed and i.faults.reachable() for i in others)
    assert math.isfinite(laboratory.clock.now())
