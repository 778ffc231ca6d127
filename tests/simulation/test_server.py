"""The laboratory on TCP sockets."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from magnon_lab.simulation import Laboratory, LaboratoryServer, serve, shipped_definition


@pytest.fixture
def server(ring: Any) -> Iterator[LaboratoryServer]:
    laboratory = Laboratory.from_file(shipped_definition(), ring=ring)
    with LaboratoryServer(laboratory) as running:
        yield running


def port(server: LaboratoryServer, role: str) -> int:
    return int(server.resources[role].split("::")[2])


def connect(server: LaboratoryServer, role: str) -> Any:
    connection = socket.create_connection(("127.0.0.1", port(server, role)), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def lines(connection: Any, count: int) -> list[bytes]:
    with connection.makefile("rb", buffering=0) as stream:
        return [stream.readline() for _ in range(count)]


def test_it_listens_on_loopback_alone(server: LaboratoryServer) -> None:
    assert server.host == "127.0.0.1"
    assert len({port(server, role) for role in server.resources}) == 7
    assert server.resources["field"].startswith("TCPIP::127.0.0.1::")


def test_messages_are_parted_by_line_feeds_alone(server: LaboratoryServer) -> None:
    with connect(server, "generator") as connection:
        connection.sendall(b":FREQ:MODE?\r\n:POW:MODE?\n:TRIG:")
        assert lines(connection, 2) == [b"CW\n", b"FIX\n"]
        connection.sendall(b"SOUR?\n")
        assert lines(connection, 1) == [b"IMM\n"]


def test_clients_share_the_instrument_but_not_its_answers(server: LaboratoryServer) -> None:
    with connect(server, "generator") as one, connect(server, "generator") as other:
        one.sendall(b":FREQ 4.465e9\n*OPC?\n")
        assert lines(one, 1) == [b"1\n"]
        other.sendall(b":FREQ?\n")
        one.sendall(b":POW?\n")
        assert lines(other, 1) == [b"+4.46500000000000E+09\n"]
        assert lines(one, 1) == [b"-1.35000000000000E+02\n"]


def test_state_outlives_a_client(server: LaboratoryServer) -> None:
    with connect(server, "attenuator") as connection:
        connection.sendall(b"SETATT=12\r\n")
        assert lines(connection, 1) == [b"1\r\n"]
    with connect(server, "attenuator") as connection:
        connection.sendall(b"ATT?\r\n")
        assert lines(connection, 1) == [b"12.00\r\n"]


def test_a_sweep_is_answered_when_its_time_has_come(server: LaboratoryServer) -> None:
    with connect(server, "analyser") as connection:
        connection.sendall(b":INIT:CONT OFF;:SWE:TIME 20;:INIT;*OPC?\n")
        assert lines(connection, 1) == [b"1\n"]
    assert server.laboratory.clock.now() > 20


def test_a_fault_of_the_model_cuts_the_client_off_and_is_logged(
    server: LaboratoryServer, ring: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ring.trace = None
    with connect(server, "analyser") as connection:
        connection.sendall(b":INIT:CONT OFF;:INIT;*OPC?\n")
        assert connection.recv(100) == b""
    assert any("simulation failed" in r.message for r in caplog.records)
    with connect(server, "analyser") as connection:
        connection.sendall(b"*OPC?\n")
        assert lines(connection, 1) == [b"1\n"]


def test_a_hung_instrument_in_real_pace(ring: Any) -> None:
    """It is silent by the wall, others answer meanwhile, and the server can be closed."""
    laboratory = Laboratory.from_file(shipped_definition(), pace="real", ring=ring)
    laboratory.faults.add("kind=hang,role=generator,duration_s=3600")
    with (
        LaboratoryServer(laboratory) as server,
        connect(server, "generator") as hung,
        connect(server, "amplifier") as other,
    ):
        hung.sendall(b":OUTP?\n")
        for _ in range(20):
            other.sendall(b"OUTP? (@2)\n")
            assert lines(other, 1) == [b"0\n"]
        hung.settimeout(0.1)
        with pytest.raises(TimeoutError):
            hung.recv(10)
        before = time.monotonic()
        server.close()
        assert time.monotonic() - before < 60


def test_closing_ends_everything(ring: Any) -> None:
    before = threading.active_count()
    server = LaboratoryServer(Laboratory.from_file(shipped_definition(), ring=ring))
    waiting = threading.Thread(target=server.run_forever)
    waiting.start()
    with connect(server, "probe") as connection:
        connection.sendall(b"UNIT?\n")
        assert lines(connection, 1) == [b"1\n"]
        server.close()
        server.close()
        waiting.join(5)
        assert not waiting.is_alive()
        assert connection.recv(10) == b""
    assert threading.active_count() == before
    with pytest.raises(OSError, match="refused"):
        connect(server, "probe")


def test_chosen_ports_and_a_taken_one(ring: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        laboratory = Laboratory.from_file(shipped_definition(), ring=ring)
        with pytest.raises(OSError, match="in use"):
            LaboratoryServer(laboratory, ports={"field": number})
    with LaboratoryServer(laboratory, ports={"field": number}) as server:
        assert port(server, "field") == number


def test_serve_makes_a_laboratory_of_its_own(tmp_path: Any) -> None:
    text = shipped_definition().read_text(encoding="utf-8")
    path = tmp_path / "cold.yaml"
    start = text.index("  warm_up:")
    path.write_text(text[:start] + text[text.index("\nprotocols:") :], encoding="utf-8")
    with serve(path, seed=7, pace="real") as server, connect(server, "laboratory") as connection:
        connection.sendall(b"LAB:SEED?;PACE?\n")
        assert lines(connection, 1) == [b"7;REAL\n"]
