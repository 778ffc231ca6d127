"""What a fault does to its instrument, and the laboratory's list of all faults."""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from magnon_lab.simulation.clock import Clock, Hold
from magnon_lab.simulation.errors import FaultError, ScpiError
from magnon_lab.simulation.exchange import Job, Program
from magnon_lab.simulation.faults import Fault, Occasion, parse_fault, read_fault
from magnon_lab.simulation.plant import Plant
from magnon_lab.simulation.scpi import Call

_NOISE = [*b"!$%&*<=>?@^_{|}~", *range(0xA1, 0x100)]  # what no number, word or block starts with
_REMEMBERED = 1000
_GARBLED_PART = 0.3
_NAN_PART = 0.1


class Faulty(Protocol):
    """An instrument as its faults see it."""

    role: str
    clock: Clock
    plant: Plant
    received: int
    reply_end: bytes
    networked: bool

    def note(self, way: str, data: bytes) -> None:
        """Enter what passed into the wire log."""

    def parse(self, message: str) -> Sequence[Call | ScpiError]:
        """Return the calls of a message."""

    def find(self, header: str) -> tuple[Any, bool]:
        """Return the entry that a header means, and whether it is the query form."""

    def without_commands(self, message: str, only: Any) -> Program:
        """Return the steps of a message whose commands are accepted but not carried out."""

    def freeze(self, message: str, only: Any) -> None:
        """Let what a message sets or asks read as it does now."""

    def thaw(self) -> None:
        """End what `freeze` did."""

    def trip(self, over: str) -> None:
        """Let the protection trip."""

    def power_up(self) -> None:
        """Take the state that the instrument has when power comes."""

    def cut(self) -> None:
        """Lose all connections."""


class InstrumentFaults:
    """The faults of one instrument: those that wait for their occasion, those that last."""

    def __init__(self, instrument: Faulty) -> None:
        self._instrument = instrument
        self.armed: list[Fault] = []
        self.happened: deque[Happening] = deque(maxlen=_REMEMBERED)
        self.hang: Hold | None = None
        self.outage: Hold | None = None
        self.ongoing: dict[str, tuple[Mapping[str, Any], float]] = {}
        self._last_reply = b""

    def hung(self) -> bool:
        """Return whether the instrument is deaf and mute."""
        if self.hang is not None and self._instrument.clock.left(self.hang) <= 0:
            self.hang = None
        return self.hang is not None

    def reachable(self) -> bool:
        """Return whether a connection can be made."""
        return self._instrument.clock.left(self.outage) <= 0

    def lasting(self, kind: str, option: str, otherwise: float) -> float:
        """Return an option of a fault that lasts, `otherwise` if there is no such fault."""
        if not self.ongoing:
            return otherwise
        options, until_s = self.ongoing.get(kind, ({}, -math.inf))
        if self._instrument.clock.now() < until_s:
            return float(options.get(option, otherwise))
        if self.ongoing.pop(kind, None) and kind == "stuck":
            self._instrument.thaw()
        return otherwise

    def clear(self) -> None:
        """Disarm all faults and end those that last."""
        self.armed.clear()
        self.mend()
        self.outage = None

    def mend(self) -> None:
        """End what does not survive a power cycle."""
        self.hang = None
        self.ongoing.clear()
        self._instrument.thaw()

    # Messages

    def meet(self, job: Job) -> bool:
        """Let happen what is due at a message; return whether it is still to be executed."""
        alive = True
        for fault in self.armed:
            if self._concerns(fault, job) and self._happens(fault):
                alive &= self._begin(fault, job)
        return alive

    def _concerns(self, fault: Fault, job: Job) -> bool:
        if fault.occasion in (Occasion.SWEEP, Occasion.TRACE):
            return False
        if fault.occasion is Occasion.REPLY and not job.program.asks:
            return False
        commands_only = fault.occasion is Occasion.COMMAND or (
            fault.kind == "stuck" and fault.command is None
        )
        if not commands_only and fault.command is None:
            return True
        calls = [call for call in self._instrument.parse(job.message) if isinstance(call, Call)]
        if commands_only:
            calls = [call for call in calls if not call.query]
        return any(fault.target in (None, (call.target, call.query)) for call in calls)

    def _happens(self, fault: Fault) -> bool:
        instrument = self._instrument
        number, seed = instrument.plant.number, instrument.plant.seed
        if not fault.happens(number, seed):
            return False
        text = fault.text()
        instrument.note("!", text.encode())
        self.happened.append(Happening(text, instrument.received, number, instrument.clock.now()))
        return True

    def _begin(self, fault: Fault, job: Job) -> bool:
        instrument, options = self._instrument, fault.options
        duration_s = float(options.get("duration_s", 0.0))
        match fault.kind:
            case "hang":
                self.hang = instrument.clock.hold(duration_s)
            case "cut":
                job.faults.append(fault)
            case "power_cycle":
                instrument.power_up()
                self._lose(duration_s)
                return False
            case "lost":
                job.program = instrument.without_commands(job.message, fault.target)
            case "stuck":
                instrument.freeze(job.message, fault.target)
                self._last(fault, duration_s)
            case "slow" | "unlevelled":
                self._last(fault, duration_s)
            case "drift":
                jump, rate = float(options["jump"]), float(options["rate_per_s"])
                instrument.plant.drift(options["quantity"], jump, rate, duration_s)
            case "trip":
                instrument.trip(options["over"])
            case _:
                job.faults.append(fault)
        return True

    def _last(self, fault: Fault, duration_s: float) -> None:
        self.ongoing[fault.kind] = fault.options, self._instrument.clock.now() + duration_s

    def _lose(self, duration_s: float) -> None:
        """Lose connections; a bus that has none stays, and the instrument on it is silent."""
        clock = self._instrument.clock
        if self._instrument.networked:
            self._instrument.cut()
            self.outage = clock.hold(duration_s)
        elif duration_s:
            self.hang = clock.hold(duration_s)

    def executed(self, job: Job) -> None:
        """Let happen what comes after a message was executed as far as time allows."""
        for fault in job.faults:
            if fault.kind == "cut":
                self._instrument.cut()
                self.outage = self._instrument.clock.hold(fault.options["duration_s"])

    def deliver(self, job: Job, data: bytes, ready_s: float) -> None:
        """Send a reply as the faults that its message met have it."""
        last, self._last_reply = self._last_reply, data
        clock, copies, whole, hold = self._instrument.clock, 1, True, None
        for fault in job.faults:
            match fault.kind:
                case "timeout":
                    hold = clock.hold(ready_s - clock.now() + fault.options["duration_s"])
                case "dropped":
                    data, whole = b"", False
                case "garbled":
                    data = self._garbled(data, fault)
                case "partial":
                    body = len(data) - len(self._instrument.reply_end)
                    data, whole = data[: max(1, body // 2)], False
                case "duplicate":
                    copies = 2
                case "stale":
                    data = last or data
        for _ in range(copies):
            job.client.deliver(data, ready_s, whole, hold)

    def _garbled(self, data: bytes, fault: Fault) -> bytes:
        """Return a reply that no one can read: its first byte and some others are wrong."""
        source = fault.random(self._instrument.plant.seed)
        end = self._instrument.reply_end
        body = bytearray(data.removesuffix(end))
        for place in range(len(body)):
            if place == 0 or source.random() < _GARBLED_PART:
                body[place] = source.choice(_NOISE)
        return bytes(body) + end

    # Sweeps and traces

    def overloads(self) -> bool:
        """Return whether the sweep that starts now overloads the input."""
        due = [self._happens(f) for f in self.armed if f.occasion is Occasion.SWEEP]
        return any(due)

    def spoil(self, trace: np.ndarray) -> np.ndarray:
        """Return a trace (points,) as the faults that are due have it."""
        for fault in self.armed:
            if fault.occasion is not Occasion.TRACE or not self._happens(fault):
                continue
            if fault.kind == "points":
                length = max(0, len(trace) + fault.options["points"])
                trace = np.resize(trace, length)
            else:
                source = fault.random(self._instrument.plant.seed)
                count = max(1, round(_NAN_PART * len(trace)))
                trace = trace.copy()
                trace[source.sample(range(len(trace)), min(count, len(trace)))] = np.nan
        return trace


class Happening(NamedTuple):
    """A fault that happened: which, at which message of the instrument, in which measurement."""

    fault: str
    message: int
    measurement: int | None
    time_s: float

    def text(self) -> str:
        """Return the fault's own words and what is known about it."""
        number = -1 if self.measurement is None else self.measurement
        return f"{self.fault},message={self.message},number={number},time_s={self.time_s:.6f}"


class FaultBoard:
    """All faults of a laboratory."""

    def __init__(self, instruments: Mapping[str, Any], plant: Plant) -> None:
        self._instruments = instruments
        self._plant = plant
        self._place = 0

    def add(self, values: Mapping[str, Any] | str) -> Fault:
        """Arm a fault given by its keys, or as `key=value,key=value`; raise `FaultError`."""
        if isinstance(values, str):
            values = parse_fault(values)
        if not isinstance(values, Mapping):
            raise FaultError(f"{values!r} is no fault; allowed: keys with values")
        fault = read_fault(values, self._instruments)
        instrument = self._instruments[fault.role]
        if fault.command is not None:
            try:
                fault.target = instrument.find(fault.command)
            except ScpiError as error:
                raise FaultError(
                    f"command: {fault.command!r}; allowed: what the {fault.role} knows "
                    f"({error.text()})"
                ) from error
            if fault.occasion is Occasion.COMMAND and fault.target[1]:
                raise FaultError(
                    f"command: {fault.command!r}; allowed for kind {fault.kind!r}: no query"
                )
        self._place += 1
        fault.place = self._place
        instrument.faults.armed.append(fault)
        return fault

    def clear(self) -> None:
        """Disarm all faults, end those that last, and forget what happened."""
        self._plant.drifts.clear()
        for instrument in self._instruments.values():
            instrument.faults.clear()
            instrument.faults.happened.clear()

    def armed(self) -> list[str]:
        """Return all faults in the order in which they were armed, with their counts."""
        found = [fault for each in self._instruments.values() for fault in each.faults.armed]
        found.sort(key=lambda fault: fault.place)
        return [f"{f.text()},occasions={f.occasions},fired={f.fired}" for f in found]

    def happened(self) -> list[str]:
        """Return what happened, oldest first."""
        return [entry.text() for entry in sorted(self._all(), key=lambda entry: entry.time_s)]

    def _all(self) -> Iterator[Happening]:
        for instrument in self._instruments.values():
            yield from instrument.faults.happened
