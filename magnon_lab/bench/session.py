"""A VISA session to one instrument, which is never believed after a fault until opened anew."""

from __future__ import annotations

import difflib
import importlib
import inspect
import logging
import math
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import pyvisa
from pymeasure.instruments import Instrument
from pyvisa.constants import StatusCode

from magnon_lab.bench.clock import Clock, WallClock
from magnon_lab.bench.errors import BenchFileError, ConnectionFailed, InstrumentError
from magnon_lab.bench.schema import Role
from magnon_lab.bench.settings import require_driver_module, require_visa_library

log = logging.getLogger(__name__)

GARBLED = (ValueError, TypeError, KeyError, IndexError)
"""What PyMeasure raises, by driver and property, for a reply that it cannot read."""


def driver_class(role: str, name: str) -> type[Instrument]:
    """Return the PyMeasure instrument that `module:Class` names.

    Raises `BenchFileError` naming the role's key when the module is not an allowed one (it is not
    imported then), does not exist, or holds no such instrument.
    """
    module_name, _, class_name = name.partition(":")
    key = f"roles.{role}.driver = {name!r}"
    require_driver_module(key, module_name)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise BenchFileError(f"{key}: {error}") from error
    found = getattr(module, class_name, None)
    if not (inspect.isclass(found) and issubclass(found, Instrument)):
        known = [
            key
            for key, value in vars(module).items()
            if inspect.isclass(value) and issubclass(value, Instrument)
        ]
        near = difflib.get_close_matches(class_name, known, n=1)
        meant = f"; did you mean {module_name}:{near[0]}?" if near else ""
        raise BenchFileError(f"{key}: allowed: a PyMeasure Instrument in {module_name}{meant}")
    return found


class Session:
    """One instrument of one role.

    Everything said to the instrument is said inside `with session:`. A time-out there leaves a
    late answer that the next query would take for its own, a garbled reply may leave its other
    half: either way the session is closed and opened anew before `InstrumentError` is raised, and
    `ConnectionFailed` if that fails. What a driver refuses (a RuntimeError) leaves nothing behind.
    While `deadline` (of `time.monotonic`) is set, no wait for an answer goes beyond it.
    """

    def __init__(self, role: str, config: Role, visa_library: str) -> None:
        self.role = role
        self.config = config
        self.visa_library = visa_library
        require_visa_library(visa_library)
        self.driver = driver_class(role, config.driver)
        self.timeout_s = config.timeout_s
        self.deadline: float | None = None
        self.clock: Clock = WallClock()
        self._instrument: Any = None
        self._manager: Any = None
        self._answered = False  # PyVISA-py opens a session where no one listens, too
        self._doubted = False
        self._one_at_a_time = threading.RLock()

    @property
    def instrument(self) -> Any:
        """The PyMeasure instrument; opened if it is not. Raises `ConnectionFailed`."""
        if self._instrument is None:
            self.open()
        return self._instrument

    def open(self) -> None:
        """Open the session. Raises `ConnectionFailed` saying what to check."""
        self.close()
        self._answered = False
        try:
            self._instrument = self._construct()
        except Exception as error:  # PyVISA-py raises a bare Exception for a host that is not there
            raise ConnectionFailed(self._unreachable(_first_line(error))) from error
        self._manager = getattr(self._instrument.adapter, "manager", None)
        self._set_timeout(self.timeout_s)
        _send_at_once(self._instrument.adapter.connection)
        self.lend_clock(self.clock)

    def lend_clock(self, clock: Clock) -> None:
        """Let the driver wait by `clock`, if it is one that asks whose time passes."""
        self.clock = clock
        if hasattr(self._instrument, "clock"):
            self._instrument.clock = clock

    def close(self) -> None:
        """Close the session; a connection that is gone already is no error."""
        instrument, self._instrument = self._instrument, None
        if instrument is None:
            return
        try:
            # Not adapter.close(): with a simulated library that closes all other sessions too.
            instrument.adapter.connection.close()
        except (pyvisa.Error, OSError, AttributeError) as error:
            log.debug("closing %s: %s", self.told(), error)

    def close_manager(self) -> None:
        """Close the resource manager, and with it every session that its library has."""
        manager, self._manager = self._manager, None
        if manager is not None:
            manager.close()

    def doubt(self) -> None:
        """Open the session anew before it is used next: an answer in it may be a late one."""
        self._doubted = True

    def allow(self, timeout_s: float) -> None:
        """Let answers take up to `timeout_s`, if that is more than now."""
        if timeout_s > self.timeout_s:
            self.timeout_s = timeout_s
            if self._instrument is not None:
                self._set_timeout(timeout_s)

    @contextmanager
    def within(self, timeout_s: float) -> Iterator[None]:
        """Bound all waits inside to `timeout_s` from now."""
        self.deadline = time.monotonic() + timeout_s
        try:
            yield
        finally:
            self.deadline = None
            if self._instrument is not None:
                self._set_timeout(self.timeout_s)

    def __enter__(self) -> Any:
        # A call that is stuck keeps its thread, and must not keep the others for good.
        left = math.inf if self.deadline is None else self.deadline - time.monotonic()
        if not self._one_at_a_time.acquire(timeout=min(max(left, 0.0), 3 * self.timeout_s + 1)):
            raise InstrumentError(f"{self.told()}: another call still waits for its answer")
        try:
            instrument = self.instrument
            if self.deadline is not None:
                left = self.deadline - time.monotonic()
                if left <= 0:
                    raise InstrumentError(f"{self.told()}: out of time")
                self._set_timeout(min(left, self.timeout_s))
        except BaseException:
            self._one_at_a_time.release()
            raise
        return instrument

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._judge(error)
        finally:
            self._one_at_a_time.release()

    def _judge(self, error: BaseException | None) -> None:
        """Believe the session, or open it anew and raise what the bench calls the error."""
        doubted, self._doubted = self._doubted, False
        if error is None or isinstance(error, InstrumentError):
            self._answered = True
            if doubted:
                self.close()
            return
        if isinstance(error, RuntimeError):
            raise InstrumentError(f"{self.told()}: {_first_line(error)}") from error
        if not isinstance(error, (pyvisa.Error, OSError, *GARBLED)):
            self.close()  # interrupted between question and answer: not to be believed either
            return
        # Our drivers raise ConnectionError itself for a reply that does not fit; sockets raise
        # what is derived from it.
        garbled = isinstance(error, GARBLED) or type(error) is ConnectionError
        if garbled:
            what = f"unreadable reply or refused by its driver, {_first_line(error)}"
        elif isinstance(error, pyvisa.VisaIOError) and error.error_code == StatusCode.error_timeout:
            what = f"no answer within {self.timeout_s:g} s"
        else:
            what = f"communication failed, {_first_line(error)}"
        if not (garbled or self._answered):
            self.close()
            raise ConnectionFailed(self._unreachable(what)) from error
        self.open()  # raises ConnectionFailed
        raise InstrumentError(f"{self.told()}: {what}; session opened anew") from error

    def told(self) -> str:
        """Return role, driver and resource for a message."""
        return f"{self.role} ({self.config.driver.partition(':')[2]} at {self.config.resource})"

    def _unreachable(self, why: str) -> str:
        return (
            f"{self.told()} cannot be reached: {why}. Check that it is on and connected, that the "
            "resource is right, that its remote interface is on, and that no other program holds "
            f"it. VISA library: {self.visa_library or 'default'}"
        )

    def _construct(self) -> Any:
        termination = {
            "read_termination": self.config.read_termination,
            "write_termination": self.config.write_termination,
        }
        own = {name: value for name, value in termination.items() if value is not None}
        # As the default of an interface, which a driver's own settings overrule: PyVISA reads a
        # socket until a time-out unless told where an answer ends.
        raw = self.config.resource.upper().endswith("::SOCKET") and not own
        defaults = {"tcpip": {"read_termination": "\n", "write_termination": "\n"}} if raw else {}
        with warnings.catch_warnings():
            # PyMeasure warns that it is not known whether some drivers speak SCPI.
            warnings.simplefilter("ignore", FutureWarning)
            return self.driver(
                self.config.resource,
                visa_library=self.visa_library,
                open_timeout=int(1e3 * self.config.timeout_s),
                **own,
                **defaults,
            )

    def _set_timeout(self, timeout_s: float) -> None:
        connection = getattr(self._instrument.adapter, "connection", None)
        if connection is not None:
            connection.timeout = 1e3 * timeout_s


def _send_at_once(connection: Any) -> None:
    """Switch Nagle's algorithm off, which keeps a second message back for 40 ms.

    PyVISA-py has VI_ATTR_TCPIP_NODELAY but refuses to set it (0.8), so its socket is asked itself.
    """
    sessions = getattr(getattr(connection, "visalib", None), "sessions", {})
    link = getattr(sessions.get(getattr(connection, "session", None)), "interface", None)
    if isinstance(link, socket.socket) and link.type == socket.SOCK_STREAM:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
