"""One client's connection to a simulated instrument."""

import math
import threading
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from magnon_lab.simulation.clock import Hold
from magnon_lab.simulation.errors import ScpiError
from magnon_lab.simulation.instrument import SimulatedInstrument

_TURN_S = 5.0


class Stop(Enum):
    """Why a read ended."""

    END = "end of message"
    TERMINATOR = "termination character"
    COUNT = "count reached"


class ReadTimeoutError(Exception):
    """No (further) answer came within the time-out."""


class ConnectionLostError(Exception):
    """The connection is gone; a new one has to be made."""


class Waiting(NamedTuple):
    """A reply and the laboratory time at which it reaches the client, if no fault holds it back."""

    data: bytes
    ready_s: float
    whole: bool = True
    hold: Hold | None = None


def _nothing() -> None:
    pass


class Link:
    """Bytes in, bytes out, in laboratory time.

    `stream` links (sockets, serial lines) have no end of message: line feeds part messages, replies
    queue up, and a late reply answers the next query. Others (GPIB, HiSLIP) carry the end of each
    message, and a new message throws an unread reply away with error -410. Each link has its own
    replies; when threads share a link, a thread's write waits until another's reply has been read.
    """

    def __init__(
        self,
        instrument: SimulatedInstrument,
        *,
        stream: bool,
        on_cut: Callable[[], None] = _nothing,
    ) -> None:
        self.instrument = instrument
        self.stream = stream
        self._clock = instrument.clock
        self._lock = instrument.plant.lock
        self._turn = threading.Condition(self._lock)
        self._owner = 0
        self._input = bytearray()
        self._replies: deque[Waiting] = deque()
        self._current = b""
        self._place = 0
        self._whole = True
        self._excused = False  # a fault took a reply away: who reads breaks no protocol
        self._on_cut = on_cut
        self.lost = False
        with self._lock:
            instrument.clients.add(self)

    def write(self, data: bytes, end: bool = True) -> None:
        """Send bytes to the instrument; without `end` the message goes on with the next write.

        Raises `ConnectionLostError`.
        """
        self._clock.sleep(self.instrument.write_s())
        with self._lock:
            self._check()
            self._excused = False
            me = threading.get_ident()
            if self._owner not in (0, me):
                self._turn.wait_for(lambda: self._owner in (0, me), _TURN_S)
            for message in self._messages(data, end):
                self.instrument.note("<", message.encode("latin-1"))
                if not self.stream and self._unread():
                    self._drop()
                    self.instrument.unblock()
                    self.instrument.error(ScpiError(-410))
                self.instrument.receive(self, message)
                if self.lost:
                    return  # as bytes do that were under way; the next read or write tells
            self._owner = me if self._unread() else 0

    def _messages(self, data: bytes, end: bool) -> list[str]:
        self._input += data
        if self.stream:
            *complete, rest = bytes(self._input).split(b"\n")
            self._input = bytearray(rest)
        elif end:
            complete = [bytes(self._input).rstrip(b"\n")]
            self._input.clear()
        else:
            return []
        return [m.rstrip(b"\r").decode("latin-1") for m in complete]

    def deliver(
        self, data: bytes, ready_s: float, whole: bool = True, hold: Hold | None = None
    ) -> None:
        """Take a reply of the instrument, or what a fault left of it."""
        self._excused |= not whole
        if data:
            self._replies.append(Waiting(data, ready_s, whole, hold))

    def cut(self) -> None:
        """Lose the connection with all that was still to come."""
        self.close()
        self.lost = True
        self._on_cut()

    def _check(self) -> None:
        if self.lost:
            raise ConnectionLostError

    def _unread(self) -> bool:
        return bool(self._current or self._replies or self.instrument.pending(self))

    def _drop(self) -> None:
        self._replies.clear()
        self._current, self._place = b"", 0
        self.instrument.forget(self)

    def read(
        self, count: int, timeout_s: float, terminator: int | None = None
    ) -> tuple[bytes, Stop]:
        """Return up to `count` bytes of replies; raise `ReadTimeoutError` when time is up.

        Raises `ConnectionLostError` when nothing can come because the connection is gone. With an
        infinite time-out `ReadTimeoutError` is raised at once where nothing can come any more.
        """
        deadline = self._clock.now() + timeout_s
        got = b""
        while True:
            with self._lock:
                self._check()
                chunk, stop = self._take(count - len(got), terminator)
                got += chunk
                if stop is not None:
                    self._pass_on()
                    return got, stop
                next_s = self._next_event()
                if next_s == math.inf and not (self.stream or self._excused or self._unread()):
                    self.instrument.error(ScpiError(-420))
            if next_s > deadline or next_s == math.inf:
                if deadline < math.inf:
                    self._clock.sleep_until(deadline)
                with self._lock:
                    self._pass_on(timed_out=True)
                raise ReadTimeoutError
            self._clock.sleep_until(next_s)

    def _next_event(self) -> float:
        if self._replies:
            first = self._replies[0]
            return max(first.ready_s, first.hold.lab_s) if first.hold else first.ready_s
        if not self.instrument.pending(self):
            return math.inf
        hang = self.instrument.faults.hang
        return max(self.instrument.blocked_until, hang.lab_s if hang else 0.0)

    def _take(self, count: int, terminator: int | None) -> tuple[bytes, Stop | None]:
        got = b""
        while True:
            if not self._current and not self._fetch():
                return got, None
            data, place = self._current, self._place
            limit = min(len(data), place + count - len(got))
            found = data.find(terminator, place, limit) if terminator is not None else -1
            until = found + 1 if found >= 0 else limit
            got += data[place:until]
            finished = until == len(data)
            self._current, self._place = (b"", 0) if finished else (data, until)
            if finished and not self.stream and self._whole:
                return got, Stop.END
            if found >= 0:
                return got, Stop.TERMINATOR
            if len(got) >= count:
                return got, Stop.COUNT

    def _fetch(self) -> bool:
        self.instrument.run()
        if self._arrived():
            self._current, _, self._whole, _ = self._replies.popleft()
            self._place = 0
            self.instrument.note(">", self._current)
            return True
        return False

    def _arrived(self) -> bool:
        if not self._replies:
            return False
        _, ready_s, _, hold = self._replies[0]
        return ready_s <= self._clock.now() and (hold is None or self._clock.left(hold) <= 0)

    def _pass_on(self, timed_out: bool = False) -> None:
        if self._owner and (timed_out or not self._unread()):
            self._owner = 0
            self._turn.notify_all()

    def next_reply_s(self) -> float:
        """Return when the next reply will be there, infinite when none is under way."""
        with self._lock:
            self.instrument.run()
            return self._next_event()

    def due(self) -> tuple[float, float]:
        """Return when the next reply will be there, and how much longer a fault keeps it back."""
        with self._lock:
            self.instrument.run()
            if self._replies:
                silence_s = self._clock.left(self._replies[0].hold)
            else:
                pending = self.instrument.pending(self)
                silence_s = self._clock.left(self.instrument.faults.hang) if pending else 0.0
            return self._next_event(), silence_s

    def ready_bytes(self) -> bytes:
        """Return all that has arrived by now."""
        with self._lock:
            data, _ = self._take(1 << 62, None)
            self._pass_on()
        return data

    def clear(self) -> None:
        """Device clear: empty both buffers and end what blocks the instrument."""
        with self._lock:
            self._input.clear()
            self._drop()
            self.instrument.unblock()
            self._owner = 0
            self._turn.notify_all()

    def close(self) -> None:
        """End the connection; what it was still owed is dropped."""
        with self._lock:
            self._input.clear()
            self._drop()
            self._owner = 0
            self._turn.notify_all()
            self.instrument.clients.discard(self)

    def discard_input(self) -> None:
        """Throw away replies that have not been read."""
        with self._lock:
            self._replies.clear()
            self._current, self._place = b"", 0
            self._pass_on()

    def status_byte(self) -> int:
        """Serial poll: the status byte with the message-available bit."""
        with self._lock:
            self.instrument.run()
            self._check()
            ready = self._current or self._arrived()
            return self.instrument.status_byte() | (16 if ready else 0)
