"""Status reporting of IEEE 488.2 and SCPI: error queue, event registers, status byte."""

from collections import deque
from collections.abc import Callable

from magnon_lab.simulation.errors import ScpiError

OPERATION_COMPLETE, POWER_ON = 1, 128


class ErrorQueue:
    """First in, first out; when full the newest entry is replaced by -350 and the rest is kept."""

    def __init__(self, length: int, signed: bool) -> None:
        self._entries: deque[str] = deque()
        self._length = length
        self._signed = signed

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, error: ScpiError) -> None:
        """Add an error."""
        if len(self._entries) >= self._length:
            self._entries[-1] = ScpiError(-350).entry()
        else:
            self._entries.append(error.entry())

    def pop(self) -> str:
        """Return and remove the oldest entry, or the instrument's word for no error."""
        if self._entries:
            return self._entries.popleft()
        return '+0,"No error"' if self._signed else '0,"No error"'

    def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()


class Register:
    """One SCPI status register: condition, transition filters, event, enable.

    The condition is asked for when somebody looks, so a condition that came and went in between
    must be latched with `pulse`.
    """

    def __init__(self, condition: Callable[[], int], enable: int = 0) -> None:
        self._condition = condition
        self._last = 0
        self._event = 0
        self.enable = enable
        self._enable_preset = enable
        self.positive = 0x7FFF
        self.negative = 0

    def condition(self) -> int:
        """Return the present condition and latch what has changed since the last look."""
        now = self._condition()
        changed = now ^ self._last
        if changed:
            self._event |= (changed & now & self.positive) | (changed & ~now & self.negative)
            self._last = now
        return now

    def pulse(self, bits: int) -> None:
        """Latch a condition that came and went."""
        self._event |= bits & (self.positive | self.negative)

    def event(self) -> int:
        """Return and clear the latched events."""
        self.condition()
        value, self._event = self._event, 0
        return value

    def summary(self) -> bool:
        """Return whether an enabled event is latched."""
        self.condition()
        return bool(self._event & self.enable)

    def clear(self) -> None:
        """Clear the latched events (`*CLS`)."""
        self.condition()
        self._event = 0

    def preset(self) -> None:
        """Set filters and enable mask as `STAT:PRES` does."""
        self.positive, self.negative, self.enable = 0x7FFF, 0, self._enable_preset
