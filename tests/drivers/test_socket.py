"""The drivers over a real TCP socket and pyvisa-py: framing, blocks, late replies."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import pyvisa

from drivers.keysight import KeysightN9000
from drivers.minicircuits import RCDAT

FAST = (
    ":INIT:IMM;*OPC?;:STAT:OPER?;:STAT:OPER:COND?;:STAT:QUES:POW:COND?;:STAT:QUES:INT:COND?;"
    ":SWE:POIN?;:SYST:ERR?"
)
FORMAT = ":FORM REAL,32;:FORM:BORD SWAP;:TRAC? TRACE1"


@contextmanager
def served(answer: Callable[[str], bytes | None], greeting: bytes = b"") -> Iterator[str]:
    """Serve `answer` to each line on loopback; yields the VISA resource."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(greeting)
            for line in self.rfile:
                reply = answer(line.decode().strip())
                if reply is not None:
                    self.wfile.write(reply)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"TCPIP::127.0.0.1::{server.server_address[1]}::SOCKET"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def levels():
    """Levels whose bytes hold many line feeds, the terminator of a socket."""
    values = np.full(4001, np.frombuffer(b"\n\n\xc2\xc2", dtype="<f4")[0])
    values[::7] = np.frombuffer(b"\r\n\n\xc2", dtype="<f4")[0]
    return values


def block(values) -> bytes:
    data = values.astype("<f4").tobytes()
    length = str(len(data))
    return f"#{len(length)}{length}".encode() + data + b"\n"


def open_analyser(resource: str, **kwargs) -> KeysightN9000:
    return KeysightN9000(
        resource, visa_library="@py", read_termination="\n", write_termination="\n", **kwargs
    )


def test_a_block_with_line_feeds_arrives_whole_and_in_step(levels):
    replies = {
        FAST: b'1;24;0;0;0;4001;+0,"No error"\n',
        FORMAT: block(levels),
        "*IDN?": b"a,b,c,d\n",
    }
    with served(replies.get) as resource:
        analyser = open_analyser(resource)
        try:
            for _ in range(3):
                taken = analyser.acquire()
                np.testing.assert_array_equal(taken.trace, levels)
                assert analyser.id == "a,b,c,d"
        finally:
            analyser.adapter.close()


def test_a_short_block_is_an_error(levels):
    replies = {FAST: b'1;24;0;0;0;4001;+0,"No error"\n', FORMAT: block(levels[:4000])}
    with served(replies.get) as resource:
        analyser = open_analyser(resource)
        try:
            with pytest.raises(ConnectionError, match="4000 points instead of 4001"):
                analyser.acquire()
        finally:
            analyser.adapter.close()


def test_a_late_reply_is_noticed_by_the_next_acquisition(levels):
    """After a time-out the old reply is still to come; a joined reply cannot pass for a value."""
    release = threading.Event()

    def answer(line: str) -> bytes | None:
        if line == "*IDN?":
            release.wait(5)
            return b"late,reply,of,identity\n"
        return {FAST: b'1;24;0;0;0;4001;+0,"No error"\n', FORMAT: block(levels)}.get(line)

    with served(answer) as resource:
        analyser = open_analyser(resource, timeout=100)
        try:
            with pytest.raises(pyvisa.VisaIOError, match="Timeout"):
                _ = analyser.id
            release.set()
            analyser.adapter.connection.timeout = 5000
            with pytest.raises(ConnectionError, match="expected 7 replies"):
                analyser.acquire()
        finally:
            release.set()
            analyser.adapter.close()


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("greeting", [b"", b"\r\n"])
def test_the_attenuator_takes_either_line_end_and_a_blank_greeting(end, greeting):
    state = {"attenuation": "90.0"}

    def answer(line: str) -> bytes:
        if line.startswith(":SETATT="):
            state["attenuation"] = line.partition("=")[2]
            return b"1" + end
        return {":MN?": "MN=RCDAT-6000-90", ":ATT?": state["attenuation"]}[line].encode() + end

    with served(answer, greeting) as resource:
        attenuator = RCDAT(resource, visa_library="@py")
        try:
            assert attenuator.attenuation == 90.0
            assert attenuator.set_attenuation(12.3) == 12.25
        finally:
            attenuator.adapter.close()
