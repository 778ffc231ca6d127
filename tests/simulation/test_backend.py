"""The `@magnon` backend: sessions, time-outs, threads, faults, and what pyvisa-sim must have."""

import gc
import logging
import threading
import time
from typing import Any

import pytest
import pyvisa
from pyvisa import constants
from pyvisa_sim.highlevel import SimVisaLibrary
from pyvisa_sim.sessions.session import Session

import pyvisa_magnon
from magnon_lab.simulation import DefinitionError, SimulationError, shipped_definition
from magnon_lab.simulation.definition import ROLES

LIBRARY = f"{shipped_definition()}@magnon"
TIMEOUT = constants.StatusCode.error_timeout


def test_what_it_takes_from_pyvisa_sim() -> None:
    """Contract with pyvisa-sim 0.7: names that are not in its documentation."""
    assert issubclass(pyvisa_magnon.WRAPPER_CLASS, SimVisaLibrary)
    for name in ("_init", "_register", "open", "close", "open_default_resource_manager"):
        assert callable(getattr(SimVisaLibrary, name))
    for kind, resource_class in (
        (constants.InterfaceType.tcpip, "INSTR"),
        (constants.InterfaceType.tcpip, "SOCKET"),
        (constants.InterfaceType.gpib, "INSTR"),
        (constants.InterfaceType.asrl, "INSTR"),
    ):
        assert Session.get_session_class(kind, resource_class)
    with pytest.raises(ValueError, match="No class registered"):
        Session.get_session_class(constants.InterfaceType.vxi, "INSTR")


def test_a_session_carries_what_the_backend_reads(local: Any) -> None:
    generator = local.open("generator", timeout=1234)
    session = local.manager.visalib.sessions[generator.session]
    assert session.attrs[constants.ResourceAttribute.timeout_value] == 1234
    assert session.attrs[constants.ResourceAttribute.termchar_enabled]
    assert session.attrs[constants.ResourceAttribute.interface_type] == (
        constants.InterfaceType.tcpip
    )
    assert session.device is local.laboratory.instruments["generator"]


def test_resources(local: Any) -> None:
    listed = local.manager.list_resources("?*")
    assert len(listed) == len(ROLES)
    assert "GPIB0::6::INSTR" in listed
    assert local.manager.list_resources() == tuple(n for n in listed if n.endswith("INSTR"))
    with pytest.raises(pyvisa.VisaIOError) as error:
        local.manager.open_resource("TCPIP::sim-toaster::hislip0::INSTR")
    assert error.value.error_code == constants.StatusCode.error_resource_not_found
    with pytest.raises(pyvisa.VisaIOError):
        local.manager.open_resource("VXI0::1::INSTR")


def test_the_shipped_laboratory_needs_no_path() -> None:
    manager = pyvisa.ResourceManager("@magnon")
    try:
        assert "GPIB0::6::INSTR" in manager.list_resources()
    finally:
        manager.close()


def test_a_path_that_leads_nowhere() -> None:
    with pytest.raises(DefinitionError, match=r"no simulated laboratory at .*/nowhere\.yaml"):
        pyvisa.ResourceManager("/nowhere.yaml@magnon")


def test_a_new_manager_finds_a_new_laboratory() -> None:
    values = []
    for _ in range(2):
        manager = pyvisa.ResourceManager(LIBRARY)
        assert pyvisa.ResourceManager(LIBRARY) is manager  # while it is open there is one
        attenuator = manager.open_resource(
            "TCPIP::sim-attenuator::23::SOCKET", read_termination="\r\n", write_termination="\n"
        )
        values.append(attenuator.query("ATT?"))
        assert attenuator.query("SETATT=10") == "1"
        manager.close()
    assert values == ["60.00", "60.00"]


def test_the_laboratory_stands_while_its_manager_is_not_closed() -> None:
    """Also when a script lets go of everything, as with PyMeasure's drivers one after the other."""

    def attenuation(message: str) -> str:
        manager = pyvisa.ResourceManager(LIBRARY)
        with manager.open_resource(
            "TCPIP::sim-attenuator::23::SOCKET", read_termination="\r\n", write_termination="\n"
        ) as attenuator:
            return str(attenuator.query(message))

    assert attenuation("SETATT=10") == "1"
    gc.collect()
    assert attenuation("ATT?") == "10.00"
    pyvisa.ResourceManager(LIBRARY).close()
    assert attenuation("ATT?") == "60.00"
    pyvisa.ResourceManager(LIBRARY).close()


def test_joined_answers(local: Any) -> None:
    generator = local.open("generator")
    reply = generator.query("*OPC?;:FREQ:MODE?;:POW:MODE?;:OUTP?;:SYST:ERR?")
    assert reply == '1;CW;FIX;0;+0,"No error"'


def test_terminators_are_forgiven(local: Any) -> None:
    generator = local.manager.open_resource(local.resource("generator"))
    for end in ("\n", "\r\n", ""):
        generator.write_termination = end
        assert generator.query(":FREQ:MODE?") == "CW\n"


def test_a_socket_has_no_end_of_message(local: Any) -> None:
    attenuator = local.manager.open_resource(local.resource("attenuator"), timeout=100)
    attenuator.write_termination = "\n"
    attenuator.write("ATT?")
    with pytest.raises(pyvisa.VisaIOError) as error:
        attenuator.read()
    assert error.value.error_code == TIMEOUT


def test_a_message_in_parts(local: Any) -> None:
    attenuator = local.open("attenuator")
    for part in (b"AT", b"T?\r", b"\nMN?\r\nSN"):
        attenuator.write_raw(part)
    assert attenuator.read() == "60.00"
    assert attenuator.read() == "MN=RCDAT-6000-60"
    attenuator.write_raw(b"?\n")
    assert attenuator.read() == "SN=12506040001"


def test_a_serial_line_ends_reads_at_a_line_feed(local: Any) -> None:
    probe = local.manager.open_resource(
        local.resource("probe"), baud_rate=57600, data_bits=7, parity=constants.Parity.odd
    )
    assert probe.query("UNIT?") == "1\n"


# Time-outs


def test_silence_is_a_timeout_that_costs_laboratory_time(local: Any) -> None:
    generator = local.open("generator", timeout=60_000)
    lab_before, wall_before = local.laboratory.clock.now(), time.monotonic()
    with pytest.raises(pyvisa.VisaIOError) as error:
        generator.query(":FOO?")
    assert error.value.error_code == TIMEOUT
    assert generator.last_status == TIMEOUT
    assert local.laboratory.clock.now() - lab_before > 60
    assert time.monotonic() - wall_before < 10
    assert generator.query(":SYST:ERR?").startswith("-113")


def test_a_late_answer_on_a_stream_answers_the_next_query(local: Any) -> None:
    """Finding 6: after a time-out nothing is in step."""
    from magnon_lab.simulation.link import Link, ReadTimeoutError

    link = Link(local.laboratory.instruments["analyser"], stream=True)
    link.write(b":INIT:CONT OFF;:SWE:TIME 3;:INIT;*OPC?\n")
    with pytest.raises(ReadTimeoutError):
        link.read(100, 2.0, 10)
    link.write(b":SWE:POIN?\n")
    assert link.read(100, 5.0, 10)[0] == b"1\n"
    assert link.read(100, 5.0, 10)[0] == b"1001\n"


def test_a_late_answer_on_a_message_link_is_interrupted(local: Any) -> None:
    analyser = local.open("analyser", timeout=1000)
    analyser.write(":INIT:CONT OFF;:SWE:TIME 3;:INIT")
    with pytest.raises(pyvisa.VisaIOError):
        analyser.query("*OPC?")
    analyser.timeout = 5000
    assert analyser.query(":SWE:POIN?") == "1001"
    assert analyser.query(":SYST:ERR?").startswith("-410")
    assert int(analyser.query("*ESR?")) & 4


def test_an_abort_ends_a_wait_that_was_given_up(local: Any) -> None:
    analyser = local.open("analyser", timeout=1000)
    analyser.write(":INIT:CONT OFF;:TRIG:SOUR EXT1;:INIT")
    with pytest.raises(pyvisa.VisaIOError):
        analyser.query("*OPC?")
    analyser.write(":ABOR")
    assert analyser.query("*OPC?;:SYST:ERR?").startswith("1;-410")


def test_waiting_for_ever_for_nothing_is_not_waited_for(local: Any) -> None:
    generator = local.open("generator", timeout=None)
    before = local.laboratory.clock.now()
    with pytest.raises(pyvisa.VisaIOError):
        generator.query(":FOO?")
    assert local.laboratory.clock.now() - before < 1


def test_device_clear_ends_a_wait(local: Any) -> None:
    analyser = local.open("analyser", timeout=1000)
    analyser.write(":INIT:CONT OFF;:SWE:TIME 100;:INIT")
    with pytest.raises(pyvisa.VisaIOError):
        analyser.query("*OPC?")
    analyser.clear()
    assert analyser.query(":SWE:POIN?") == "1001"
    assert analyser.query("SYST:ERR?") == '+0,"No error"'


def test_reading_what_was_not_asked(local: Any) -> None:
    generator = local.open("generator", timeout=10)
    with pytest.raises(pyvisa.VisaIOError):
        generator.read()
    assert generator.query(":SYST:ERR?").startswith("-420")


def test_flush_discards_the_reply(local: Any) -> None:
    attenuator = local.open("attenuator")
    attenuator.write("MN?")
    attenuator.flush(constants.BufferOperation.discard_read_buffer)
    assert attenuator.query("ATT?") == "60.00"


def test_serial_poll_and_trigger(local: Any) -> None:
    generator = local.open("generator")
    assert generator.stb & 4 == 0
    generator.write(":FOO")
    assert generator.stb & 4
    generator.write("*ESE 32;*SRE 32")
    assert generator.stb & (32 | 64) == 96
    generator.write(":FREQ?")
    local.laboratory.clock.sleep(0.1)
    assert generator.stb & 16
    generator.read()
    assert generator.stb & 16 == 0
    generator.write("*CLS")
    generator.assert_trigger()
    assert generator.query(":SYST:ERR?").startswith("-211")


# Faults


def test_a_fault_of_the_model_is_raised(local: Any, ring: Any) -> None:
    def fails(*arguments: Any) -> None:
        raise ZeroDivisionError("no film")

    ring.trace = fails
    analyser = local.open("analyser")
    with pytest.raises(SimulationError, match="analyser: no film"):
        analyser.query(":INIT:CONT OFF;:INIT;*OPC?")
    assert analyser.query("*OPC?") == "1"


# Threads


def hammer(instruments: list[Any], queries: list[tuple[str, str]], rounds: int) -> list[str]:
    wrong: list[str] = []

    def run(instrument: Any, query: str, expected: str) -> None:
        for _ in range(rounds):
            answer = instrument.query(query)
            if answer != expected:
                wrong.append(f"{query} -> {answer}")

    threads = [
        threading.Thread(target=run, args=(i, *q))
        for i, q in zip(instruments, queries, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


QUERIES = [(":FREQ:MODE?", "CW"), (":POW:MODE?", "FIX"), (":TRIG:SOUR?", "IMM"), ("*OPC?", "1")]


def test_threads_on_sessions_of_their_own_do_not_swap_answers(local: Any) -> None:
    sessions = [local.open("generator") for _ in QUERIES]
    assert hammer(sessions, QUERIES, 300) == []


def test_threads_that_share_a_session_do_not_swap_answers(local: Any) -> None:
    session = local.open("generator")
    assert hammer([session] * len(QUERIES), QUERIES, 300) == []


def test_nothing_is_logged_by_a_quiet_exchange(local: Any, caplog: Any) -> None:
    with caplog.at_level(logging.WARNING):
        assert local.open("generator").query("*OPC?") == "1"
    assert caplog.records == []
