"""Status reporting and common commands of IEEE 488.2, as all the instruments share them."""

import math
from collections.abc import Callable
from functools import partial

from magnon_lab.simulation.clock import Clock
from magnon_lab.simulation.definition import DeviceDefinition, RegisterDefinition
from magnon_lab.simulation.errors import ScpiError
from magnon_lab.simulation.status import OPERATION_COMPLETE, POWER_ON, ErrorQueue, Register

_POLLS = 20


class StatusReporting:
    """Error queue, registers, operations under way, and the commands that ask for them.

    A subclass gives a register its condition by a method named after it, `<name>_condition`.
    """

    def __init__(self, definition: DeviceDefinition, clock: Clock) -> None:
        self.definition = definition
        self.clock = clock
        errors = definition.errors
        self.errors = ErrorQueue(int(errors.get("length", 20)), bool(errors.get("signed", True)))
        self.registers: dict[str, Register] = {}
        for entry in definition.registers:
            own = getattr(self, f"{entry.name}_condition", int)
            children = [r for r in definition.registers if r.parent == entry.name]
            condition = partial(self._condition, own, children)
            self.registers[entry.name] = Register(condition, entry.enable)
        self.blocked_until = 0.0
        self.operation_end = 0.0
        self._operation_s = 0.0
        self._opc_armed = False
        self._event_status = POWER_ON
        self._event_enable = self._service_enable = 0

    def _condition(self, own: Callable[[], int], children: list[RegisterDefinition]) -> int:
        bits = own()
        for child in children:
            if self.registers[child.name].summary():
                bits |= 1 << child.bit
        return bits

    def error(self, error: ScpiError) -> str | None:
        """Put an error into the queue and its bit into the event status register.

        Instruments without a queue return what they answer instead.
        """
        self.errors.append(error)
        self._event_status |= error.event_bit()
        return None

    # Operations

    def begin(self, duration_s: float) -> None:
        """Start an operation that ends after a duration; infinite if something must end it."""
        self.operation_end = self.clock.now() + duration_s
        self._operation_s = duration_s

    def end_operation(self) -> None:
        """End what is under way."""
        self.operation_end = min(self.operation_end, self.clock.now())

    def busy(self) -> bool:
        """Return whether an operation is under way."""
        return self.operation_end > self.clock.now()

    def operation_complete(self) -> None:
        """`*OPC`: set bit 0 of the event status register when all operations have ended."""
        self._opc_armed = True

    def ask_operation_complete(self) -> str:
        """`*OPC?`: answer 1 when all operations have ended."""
        self.wait_to_continue()
        return "1"

    def wait_to_continue(self) -> None:
        """`*WAI`: hold back what follows until all operations have ended."""
        self.blocked_until = max(self.blocked_until, self.operation_end)

    # Status

    def polled(self, ask: Callable[[], int]) -> str:
        """Answer a status query.

        A client that polls sleeps in between, which virtual pace cannot see: there a poll during an
        operation takes a twentieth of it.
        """
        rest = self.operation_end - self.clock.now()
        if 0 < rest < math.inf and self.clock.virtual:
            self.clock.sleep(min(rest, self._operation_s / _POLLS))
        return f"{ask():d}"

    def status_byte(self) -> int:
        """Return the status byte (IEEE 488.2, 11.2; SCPI bits 2, 3, 7)."""
        value = 4 if len(self.errors) else 0
        for entry in self.definition.registers:
            if not entry.parent and self.registers[entry.name].summary():
                value |= 1 << entry.bit
        if self._event_now() & self._event_enable:
            value |= 32
        if value & self._service_enable:
            value |= 64
        return value

    def _event_now(self) -> int:
        if self._opc_armed and not self.busy():
            self._opc_armed = False
            self._event_status |= OPERATION_COMPLETE
        return self._event_status

    def clear_status(self) -> None:
        """`*CLS`."""
        self.errors.clear()
        self._event_status = 0
        self._opc_armed = False
        for register in self.registers.values():
            register.clear()

    def event_status(self) -> str:
        """`*ESR?`: answer and clear the event status register."""
        value = self.polled(self._event_now)
        self._event_status = 0
        return value

    def read_status_byte(self) -> str:
        """`*STB?`."""
        return self.polled(self.status_byte)

    def set_event_enable(self, value: int) -> None:
        """`*ESE`."""
        self._event_enable = _byte(value)

    def get_event_enable(self) -> str:
        """`*ESE?`."""
        return f"{self._event_enable:d}"

    def set_service_enable(self, value: int) -> None:
        """`*SRE`: bit 6 cannot be enabled."""
        self._service_enable = _byte(value) & ~64

    def get_service_enable(self) -> str:
        """`*SRE?`."""
        return f"{self._service_enable:d}"

    def next_error(self) -> str:
        """`SYST:ERR?`."""
        return self.errors.pop()

    def preset_status(self) -> None:
        """`STAT:PRES`."""
        for register in self.registers.values():
            register.preset()

    def report_power_on(self) -> None:
        """Start reporting anew after power came back."""
        self.clear_status()
        self.preset_status()
        self._event_status = POWER_ON
        self._event_enable = self._service_enable = 0
        self.blocked_until = self.operation_end = self.clock.now()


def _byte(value: int) -> int:
    if not 0 <= value <= 255:
        raise ScpiError(-222)
    return value
