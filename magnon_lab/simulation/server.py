"""The simulated laboratory on TCP sockets: the same instruments in a process of their own."""

import contextlib
import logging
import math
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType

from magnon_lab.simulation.clock import Pace
from magnon_lab.simulation.instrument import SimulatedInstrument
from magnon_lab.simulation.laboratory import Laboratory
from magnon_lab.simulation.link import ConnectionLostError, Link

log = logging.getLogger(__name__)

_CHUNK = 65536
_LOOK_S = 0.02  # how often a silent instrument sees whether its fault was cleared


class LaboratoryServer:
    """One listening port an instrument, one thread a client, until closed.

    Messages end with a line feed (a carriage return before it is ignored), replies as the
    instrument's file says. State outlives the clients: a lab that a killed run leaves behind is
    found as it was left. `resources` are VISA names that pyvisa-py opens.
    """

    def __init__(
        self, laboratory: Laboratory, host: str = "127.0.0.1", ports: int | Mapping[str, int] = 0
    ) -> None:
        self.laboratory = laboratory
        laboratory.clock.served = True
        self.host = host
        self.resources: dict[str, str] = {}
        self._closing = threading.Event()
        self._listeners: list[socket.socket] = []
        self._clients: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        try:
            for place, (role, instrument) in enumerate(laboratory.instruments.items()):
                if isinstance(ports, int):
                    port = ports + place if ports else 0
                else:
                    port = ports.get(role, 0)
                self._listen(role, instrument, port)
        except OSError:
            self.close()
            raise

    def _listen(self, role: str, instrument: SimulatedInstrument, port: int) -> None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.create_server((self.host, port), family=family)
        self._listeners.append(listener)
        number = listener.getsockname()[1]
        self.resources[role] = f"TCPIP::{self.host}::{number}::SOCKET"
        self._run(f"{role} on port {number}", self._accept, listener, instrument)

    def _run(self, name: str, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, instrument: SimulatedInstrument) -> None:
        while not self._closing.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return  # closed
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                if self._closing.is_set():
                    client.close()
                    return
                self._clients.add(client)
                self._threads = [t for t in self._threads if t.is_alive()]
                self._run(f"{instrument.role} client", self._serve, client, instrument)

    def _serve(self, client: socket.socket, instrument: SimulatedInstrument) -> None:
        link = Link(instrument, stream=True, on_cut=partial(_cut, client))
        try:
            if not instrument.faults.reachable():
                _cut(client)
                return
            while not link.lost and (data := client.recv(_CHUNK)):
                link.write(data)
                self._answer(client, link)
        except ConnectionLostError:
            log.debug("%s: client cut off by a fault", instrument.role)
        except OSError as error:
            log.debug("%s: client gone: %s", instrument.role, error)
        except Exception:
            # A fault of a model must be seen: loudly here, and by the client as a cut connection.
            log.exception("%s: the simulation failed; client disconnected", instrument.role)
        finally:
            link.close()
            with self._lock:
                self._clients.discard(client)
            client.close()

    def _answer(self, client: socket.socket, link: Link) -> None:
        """Send all replies that are under way, each when its time has come.

        A silence that a fault makes is waited out by the wall; no other instrument knows of it.
        """
        while not self._closing.is_set():
            ready_s, silence_s = link.due()
            if ready_s == math.inf:
                return
            if silence_s > 0:
                self._closing.wait(min(silence_s, _LOOK_S))
                continue
            self.laboratory.clock.sleep_until(ready_s)
            if data := link.ready_bytes():
                client.sendall(data)

    def run_forever(self) -> None:
        """Wait until `close` is called, or an exception (a signal's) ends the wait."""
        while not self._closing.wait(1.0):
            pass

    def close(self) -> None:
        """Stop listening and end all connections; idempotent."""
        self._closing.set()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                log.debug("client gone already: %s", error)
        for listener in self._listeners:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                log.debug("listener closed already: %s", error)
            listener.close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(2.0)
        self.laboratory.plant.wire.record(None)

    def __enter__(self) -> "LaboratoryServer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _cut(client: socket.socket) -> None:
    """Let a connection end by a reset, as when its instrument lost power."""
    with contextlib.suppress(OSError):  # the client was quicker
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.shutdown(socket.SHUT_RD)  # wakes whoever reads; closing then resets


def serve(
    path: str | Path,
    host: str = "127.0.0.1",
    ports: int | Mapping[str, int] = 0,
    seed: int | None = None,
    pace: Pace | None = None,
    wire_log: str | Path | None = None,
) -> LaboratoryServer:
    """Power a laboratory up and serve it on TCP; it listens when this returns.

    `ports`: the first of consecutive ports, one an instrument in the file's order, or a port for
    each role; 0 takes free ones. `wire_log`: a file for everything that goes over the wires, for
    `wire.replay`. Raises `DefinitionError` for the file and `OSError` for a port that is taken or
    a log that cannot be written.
    """
    laboratory = Laboratory.from_file(path, seed, pace)
    laboratory.plant.wire.record(wire_log)
    laboratory.warm_up()
    return LaboratoryServer(laboratory, host, ports)
