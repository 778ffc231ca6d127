"""Sessions against real sockets and against drivers that fail in each way there is."""

import contextlib
import socket
import threading
import time

import pytest
import pyvisa
from pymeasure.instruments import Instrument, SCPIMixin
from pyvisa.constants import StatusCode

from magnon_lab.bench import ConnectionFailed, InstrumentError
from magnon_lab.bench.schema import Role
from magnon_lab.bench.session import Session

STOCK = "pymeasure.instruments.lakeshore:LakeShore425"


class Server:
    """A line-based instrument on a socket: `answers` maps a command to (seconds to wait, reply)."""

    def __init__(self, answers: dict[str, tuple[float, str]]) -> None:
        self.answers = answers
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.resource = f"TCPIP::127.0.0.1::{self.listener.getsockname()[1]}::SOCKET"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), client.makefile("rw", newline="\n") as lines:
            for line in lines:
                wait_s, reply = self.answers.get(line.strip(), (0.0, ""))
                time.sleep(wait_s)
                if reply == "close":
                    return
                if reply:
                    lines.write(reply + "\n")
                    lines.flush()


@pytest.fixture
def server():
    server = Server(
        {"RDGFIELD?": (0.0, "+092.000E-03"), "SLOW?": (0.6, "late"), "CUT?": (0.0, "close")}
    )
    yield server
    server.listener.close()


@pytest.fixture
def session(server):
    session = Session("probe", Role(driver=STOCK, resource=server.resource, timeout_s=0.3), "@py")
    yield session
    session.close()
    session.close_manager()


def test_a_socket_is_told_where_an_answer_ends(session) -> None:
    started = time.monotonic()
    with session as probe:
        assert probe.field == pytest.approx(0.092)
    assert time.monotonic() - started < 0.25  # without a terminator it would wait for a time-out


def test_a_driver_with_terminations_of_its_own_is_not_given_others(server) -> None:
    kepco = "pymeasure.instruments.kepco:KepcoBOP3612"
    session = Session("field", Role(driver=kepco, resource=server.resource, timeout_s=0.3), "@py")
    with session as supply:
        assert supply.adapter.connection.read_termination == "\n"
        assert supply.adapter.connection.write_termination == "\n"
    session.close()
    session.close_manager()


def test_terminations_may_be_told_in_the_bench_file(server) -> None:
    role = Role(driver=STOCK, resource=server.resource, read_termination="\r", write_termination="")
    session = Session("probe", role, "@py")
    with session as probe:
        assert probe.adapter.connection.read_termination == "\r"
        assert probe.adapter.connection.write_termination == ""
    session.close()
    session.close_manager()


def test_a_late_answer_is_never_taken_for_the_next_one(session, server) -> None:
    with session as probe:
        assert probe.field == pytest.approx(0.092)
    with (
        pytest.raises(
            InstrumentError,
            match=r"probe \(LakeShore425 at TCPIP.*\): no answer within 0.3 s; session opened anew",
        ),
        session as probe,
    ):
        probe.ask("SLOW?")
    time.sleep(0.5)  # by now the late answer is there
    with session as probe:
        assert probe.field == pytest.approx(0.092)
    assert server.connections == 2


def test_the_same_without_reopening_would_believe_it(session) -> None:
    """The fault that the reopening is for, as PyVISA alone has it."""
    probe = session.instrument
    with pytest.raises(pyvisa.VisaIOError):
        probe.ask("SLOW?")
    time.sleep(0.5)
    assert probe.field == "late"


def test_a_cut_connection_is_opened_anew(session, server) -> None:
    with session as probe:
        assert probe.field == pytest.approx(0.092)
    with pytest.raises(InstrumentError, match="session opened anew"), session as probe:
        probe.ask("CUT?")
    with session as probe:
        assert probe.field == pytest.approx(0.092)
    assert server.connections == 2


def test_an_unreachable_instrument_is_told_with_what_to_check() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    resource = f"TCPIP::127.0.0.1::{port}::SOCKET"
    session = Session("probe", Role(driver=STOCK, resource=resource), "@py")
    with pytest.raises(ConnectionFailed) as caught, session as probe:
        probe.ask("*IDN?")
    message = str(caught.value)
    assert message.startswith(f"probe (LakeShore425 at {resource}) cannot be reached: ")
    assert "Check that it is on and connected, that the resource is right" in message
    session.close_manager()


def test_an_instrument_that_never_answers_is_unreachable_not_just_late(session, server) -> None:
    expected = r"cannot be reached: no answer within 0\.3 s"
    with pytest.raises(ConnectionFailed, match=expected), session as probe:
        probe.ask("*IDN?")
    with session as probe:  # it may be reached later
        assert probe.field == pytest.approx(0.092)
    assert server.connections == 2


def test_a_trusted_visa_library_that_is_not_there_is_told(tmp_path, monkeypatch) -> None:
    (tmp_path / "settings.yaml").write_text("visa_libraries: ['@nowhere']\n")
    monkeypatch.setenv("MAGNON_LAB_SETTINGS", str(tmp_path / "settings.yaml"))
    session = Session("probe", Role(driver=STOCK, resource="GPIB::1::INSTR"), "@nowhere")
    with pytest.raises(ConnectionFailed, match="VISA library: @nowhere"), session:
        pass


class Fake(SCPIMixin, Instrument):
    """An instrument without a wire."""

    opened = 0

    def __init__(self, adapter, visa_library="", **kwargs) -> None:
        type(self).opened += 1
        super().__init__(FakeAdapter(), "fake")


class FakeConnection:
    timeout = 0.0
    closed = False

    def close(self) -> None:
        self.closed = True


class FakeAdapter:
    def __init__(self) -> None:
        self.connection = FakeConnection()


@pytest.fixture
def fake() -> Session:
    session = Session("generator", Role(driver=STOCK, resource="GPIB::1::INSTR"), "")
    session.driver = Fake
    Fake.opened = 0
    return session


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (pyvisa.VisaIOError(StatusCode.error_timeout), "no answer within 3 s"),
        (pyvisa.VisaIOError(StatusCode.error_connection_lost), "communication failed"),
        (ConnectionResetError("reset by peer"), "communication failed, reset by peer"),
        (KeyError("ON"), "unreadable reply"),
        (ValueError("no number: 'OL'"), "unreadable reply or refused by its driver, no number"),
        (TypeError("'float' object is not subscriptable"), "unreadable reply"),
    ],
)
def test_after_any_fault_between_question_and_answer_the_session_is_new(fake, error, text) -> None:
    with fake as first:
        pass
    with pytest.raises(InstrumentError, match=text) as caught, fake:
        raise error
    assert caught.value.__cause__ is error
    assert first.adapter.connection.closed
    assert fake.instrument is not first
    assert Fake.opened == 2


def test_what_a_driver_refuses_leaves_the_session_as_it_is(fake) -> None:
    with pytest.raises(InstrumentError, match=r"generator .*: in mode VOLT"), fake:
        raise RuntimeError("in mode VOLT")
    with pytest.raises(InstrumentError, match="as it is"), fake:
        raise InstrumentError("as it is")
    assert Fake.opened == 1


def test_an_interrupt_between_question_and_answer_closes_the_session(fake) -> None:
    with pytest.raises(KeyboardInterrupt), fake as first:
        raise KeyboardInterrupt
    assert first.adapter.connection.closed
    assert fake.instrument is not first


def test_a_step_bounds_every_wait_to_what_is_left_of_it(fake) -> None:
    connection = fake.instrument.adapter.connection
    assert connection.timeout == 3000
    with fake.within(1.0), fake:
        assert 0 < connection.timeout <= 1000
    assert connection.timeout == 3000
    with fake.within(0.0), pytest.raises(InstrumentError, match="out of time"), fake:
        pytest.fail("nothing may be said any more")
    with fake.within(10.0), fake:
        assert connection.timeout == 3000


def test_a_sweep_may_need_a_longer_time_out(fake) -> None:
    fake.allow(10.0)
    assert fake.instrument.adapter.connection.timeout == 10000
    fake.allow(1.0)
    assert fake.instrument.adapter.connection.timeout == 10000
