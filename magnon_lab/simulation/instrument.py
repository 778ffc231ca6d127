"""What all simulated instruments share: messages, timing, kept values, common commands."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from magnon_lab.simulation.definition import DeviceDefinition, Dialogue, Property
from magnon_lab.simulation.errors import DefinitionError, ScpiError
from magnon_lab.simulation.plant import Plant
from magnon_lab.simulation.scpi import Call, Command, Parameter, ScpiGrammar
from magnon_lab.simulation.status import (
    OPERATION_COMPLETE,
    POWER_ON,
    QUERY_ERROR,
    ErrorQueue,
    Register,
)
from magnon_lab.simulation.text import TextGrammar

if TYPE_CHECKING:
    from magnon_lab.simulation.link import Link

Reply = str | bytes | None
Step = Callable[[], Reply]
_MOST_PROGRAMS = 4096
_CHANNELS = Parameter("channels", optional=True)
_EXTREME = Parameter("choice", choices=("MINimum", "MAXimum", "DEFault"), optional=True)


@dataclass(slots=True)
class Job:
    """A message under way: its steps, how far it came, what it has answered so far."""

    link: "Link"
    steps: tuple[Step, ...]
    index: int = 0
    replies: list[str | bytes] = field(default_factory=list)


class SimulatedInstrument:
    """One instrument behind its command protocol.

    Subclasses add what a protocol table cannot say: methods that the file names under `get`, `set`
    and `call`. Time runs on the laboratory's clock: an operation (sweep, settling) has an end, and
    `*OPC?` and `*WAI` hold back whatever follows until then.
    """

    def __init__(self, definition: DeviceDefinition, plant: Plant) -> None:
        self.definition = definition
        self.role = definition.role
        self.plant = plant
        self.clock = plant.clock
        self.settings: Mapping[str, Any] = definition.settings
        errors = definition.errors
        self.errors = ErrorQueue(int(errors.get("length", 20)), bool(errors.get("signed", True)))
        self.values: dict[str, Any] = {}
        self.registers: dict[str, Register] = {}
        self._summaries: list[tuple[str, str, int]] = []
        self._properties = {p.name: p for p in definition.properties}
        self._programs: dict[str, tuple[Step, ...]] = {}
        self._jobs: deque[Job] = deque()
        self._saved: dict[int, dict[str, Any]] = {}
        self.blocked_until = 0.0
        self.operation_end = 0.0
        self._operation_s = 0.0
        self._opc_armed = False
        self._executing = False
        self.event_enable = self.service_enable = 0
        self._make_registers()
        commands = [*self._commands(), *self._register_commands()]
        if definition.grammar == "scpi":
            self._grammar: ScpiGrammar | TextGrammar = ScpiGrammar(commands)
        else:
            self._grammar = TextGrammar(definition.properties, definition.dialogues)
        self._event_status = POWER_ON
        self.set_defaults(everything=True)
        plant.refreshers.append(self.refresh)

    # Commands, from the file

    def _commands(self) -> list[Command]:
        commands = []
        for prop in self.definition.properties:
            self._check(prop.get, prop.set)
            tail = (_CHANNELS,) if prop.channels else ()
            setter = (prop.parameter(), *tail) if prop.settable else None
            extreme = (_EXTREME,) if prop.kind in ("number", "integer") else ()
            getter = (*extreme, *tail) if prop.readable else None
            commands += [Command(h, prop, setter, getter) for h in prop.headers]
        for dialogue in self.definition.dialogues:
            self._check(dialogue.call)
            query = "?" in dialogue.query
            for header in dialogue.headers:
                arguments = dialogue.arguments
                commands.append(
                    Command(
                        header, dialogue, None if query else arguments, arguments if query else None
                    )
                )
        return _joined(commands)

    def _check(self, *methods: str) -> None:
        for method in methods:
            if method and not hasattr(self, method):
                raise DefinitionError(
                    f"device {self.definition.name!r}: {type(self).__name__} has no {method!r}"
                )

    def _make_registers(self) -> None:
        for entry in self.definition.registers:
            condition = getattr(self, f"{entry.name}_condition", lambda: 0)
            children = [r for r in self.definition.registers if r.parent == entry.name]
            self.registers[entry.name] = Register(
                partial(self._condition, condition, children), entry.enable
            )
            self._summaries.append((entry.name, entry.parent, entry.bit))

    def _condition(self, own: Callable[[], int], children: list[Any]) -> int:
        bits = own()
        for child in children:
            if self.registers[child.name].summary():
                bits |= 1 << child.bit
        return bits

    def _register_commands(self) -> list[Command]:
        commands = []
        for entry in self.definition.registers:
            register = self.registers[entry.name]

            def enable(value: int, attribute: str, register: Register = register) -> None:
                setattr(register, attribute, int(value) & 0x7FFF)

            head = entry.header
            for leaf, ask in (("CONDition", register.condition), ("[:EVENt]", register.event)):
                look = partial(self._polled, ask)
                node = leaf if leaf.startswith("[") else f":{leaf}"
                commands.append(Command(head + node, look, None, ()))
            for leaf, attribute in (
                (":ENABle", "enable"),
                (":PTRansition", "positive"),
                (":NTRansition", "negative"),
            ):
                read = partial(_attribute, register, attribute)
                write = partial(enable, attribute=attribute)
                target = (read, write)
                commands.append(Command(head + leaf, target, (Parameter("integer"),), ()))
        return commands

    # Messages

    def compile(self, message: str) -> tuple[Step, ...]:
        """Return the steps of a message; each message is parsed once."""
        program = self._programs.get(message)
        if program is None:
            program = tuple(
                partial(self.error, item) if isinstance(item, ScpiError) else self._step(item)
                for item in self._grammar.parse(message)
            )
            if len(self._programs) >= _MOST_PROGRAMS:
                self._programs.clear()
            self._programs[message] = program
        return program

    def _step(self, call: Call) -> Step:
        target = call.target
        if isinstance(target, Property):
            index = call.suffixes[0] if call.suffixes else 0
            if call.query:
                return partial(self._query_property, target, index, call.arguments)
            return partial(self._set_property, target, index, call.arguments)
        if isinstance(target, Dialogue):
            if target.call:
                return partial(getattr(self, target.call), *call.suffixes, *call.arguments)
            return partial(str, target.reply) if target.reply else _nothing
        if isinstance(target, _Both):
            form = target.query if call.query else target.set
            return self._step(Call(form, call.query, call.suffixes, call.arguments))
        if isinstance(target, tuple):
            return partial(target[0] if call.query else target[1], *call.arguments)
        return partial(target, *call.arguments)

    def receive(self, link: "Link", message: str) -> None:
        """Take a message: execute it, or keep it until what blocks the instrument has ended."""
        self._jobs.append(Job(link, self.compile(message)))
        self.run()

    def run(self) -> None:
        """Go on with messages as far as time allows."""
        if self._executing:
            return
        self._executing = True
        try:
            while self._jobs and self._go_on(self._jobs[0]):
                job = self._jobs.popleft()
                if job.replies:
                    self._answer(job)
        finally:
            self._executing = False

    def _go_on(self, job: Job) -> bool:
        """Execute a message's steps as far as time allows; return whether it has come to its end.

        A fault of the simulation drops the message: the client is told by the exception.
        """
        while job.index < len(job.steps):
            if self.blocked_until > self.clock.now():
                return False
            step = job.steps[job.index]
            job.index += 1
            try:
                reply = step()
            except ScpiError as error:
                reply = self.error(error)
            except Exception:
                # Whatever failed, the message must not be executed again from where it stopped.
                self._jobs.popleft()
                raise
            if reply is not None:
                job.replies.append(reply)
        return True

    def refresh(self) -> None:
        """Bring what the instrument puts out up to now, before others look at the plant."""
        self.run()

    def _answer(self, job: Job) -> None:
        parts = [r if isinstance(r, bytes) else r.encode("latin-1") for r in job.replies]
        data = b";".join(parts) + self.definition.reply_end
        latency = self.definition.latency
        start = max(self.clock.now(), self.blocked_until)
        job.link.deliver(data, start + latency.reply_s + len(data) * latency.byte_s)

    def pending(self, link: "Link") -> bool:
        """Return whether a message of this link has not come to its end."""
        return any(job.link is link for job in self._jobs)

    def forget(self, link: "Link") -> None:
        """Drop a link's messages and what blocks the instrument (device clear)."""
        self._jobs = deque(job for job in self._jobs if job.link is not link)
        self.blocked_until = self.clock.now()

    # Kept values

    def set_defaults(self, everything: bool = False) -> None:
        """Put properties to their defaults; those that survive `*RST` only at power-up."""
        for prop in self.definition.properties:
            if everything or not prop.keep:
                indices = prop.channels or range(1, prop.count + 1)
                if indices:
                    self.values[prop.name] = {
                        i: prop.defaults.get(i, prop.default) for i in indices
                    }
                else:
                    self.values[prop.name] = prop.default
        self.after_defaults()

    def after_defaults(self) -> None:
        """Bring the plant in line after a reset; subclasses that drive the plant override it."""

    def selected_channels(self) -> tuple[int, ...]:
        """Return the channels that a command without a channel list means."""
        return (1,)

    def _query_property(self, prop: Property, index: int, arguments: tuple[Any, ...]) -> Reply:
        extreme = arguments[0] if prop.kind in ("number", "integer") and arguments else None
        if prop.channels:
            channels = self._channels(prop, arguments[-1])
            return ",".join(self._format(prop, c, extreme) for c in channels)
        return self._format(prop, index, extreme)

    def _format(self, prop: Property, index: int, extreme: str | None) -> str:
        if extreme is not None:
            value = self._extreme(prop, extreme, index)
        elif prop.get:
            value = getattr(self, prop.get)(*((index,) if index else ()))
            if isinstance(value, str) and prop.kind != "text":
                return value
        else:
            value = self.values[prop.name]
            if index:
                value = value[index]
        if prop.kind == "boolean":
            value = int(value)
        return prop.reply.format(value)

    def _set_property(self, prop: Property, index: int, arguments: tuple[Any, ...]) -> Reply:
        reply: Reply = None
        for i in self._channels(prop, arguments[-1]) if prop.channels else (index,):
            reply = self._set_value(prop, i, arguments[0])
        return reply

    def _set_value(self, prop: Property, index: int, value: Any) -> Reply:
        if prop.kind in ("number", "integer"):
            value = self._within(prop, index, value)
        if prop.set:
            reply: Reply = getattr(self, prop.set)(*((index, value) if index else (value,)))
            return reply
        self.store(prop.name, value, index)
        return prop.set_reply or None

    def store(self, name: str, value: Any, index: int = 0) -> None:
        """Keep a property's value."""
        if index:
            self.values[name][index] = value
        else:
            self.values[name] = value

    def _channels(self, prop: Property, channels: tuple[int, ...] | None) -> tuple[int, ...]:
        chosen = channels or self.selected_channels()
        for channel in chosen:
            if channel not in prop.channels:
                raise ScpiError(-114, f"channel {channel}")
        return chosen

    def _extreme(self, prop: Property, word: str, index: int) -> Any:
        low, high = prop.range(index)
        chosen = {"MIN": low, "MAX": high, "DEF": prop.defaults.get(index, prop.default)}[word]
        if chosen is None:
            raise ScpiError(-224, word)
        return round(chosen) if prop.kind == "integer" else chosen

    def _within(self, prop: Property, index: int, value: Any) -> Any:
        if isinstance(value, str):
            return self._extreme(prop, value, index)
        low, high = prop.range(index)
        if prop.step:
            value = round(value / prop.step) * prop.step
        if (low is not None and value < low) or (high is not None and value > high):
            if prop.beyond == "reject":
                raise ScpiError(-222, prop.name.replace("_", " "))
            self.error(ScpiError(-222, prop.name.replace("_", " ")))
            value = max(value, low) if low is not None and value < low else high
            value = round(value) if prop.kind == "integer" else value
        return value

    # Operations and status

    def begin(self, duration_s: float) -> None:
        """Start an operation that ends after a duration."""
        self.operation_end = self.clock.now() + duration_s
        self._operation_s = duration_s

    def busy(self) -> bool:
        """Return whether an operation is under way."""
        return self.operation_end > self.clock.now()

    def error(self, error: ScpiError) -> Reply:
        """Put an error into the queue and its bit into the event status register."""
        self.errors.append(error)
        self._event_status |= error.event_bit()
        return None

    def interrupted(self, unterminated: bool = False) -> None:
        """Note a reply thrown away unread (-410), or a read without a query (-420)."""
        self.error(ScpiError(-420 if unterminated else -410))
        self._event_status |= QUERY_ERROR

    def _polled(self, ask: Callable[[], int]) -> str:
        """Answer a status query.

        A client that polls sleeps in between, which virtual pace cannot see: there a poll during an
        operation takes a twentieth of it.
        """
        rest = self.operation_end - self.clock.now()
        if rest > 0 and self.clock.virtual:
            self.clock.sleep(min(rest, self._operation_s / 20))
        return f"{ask():d}"

    def status_byte(self) -> int:
        """Return the status byte (IEEE 488.2, 11.2; SCPI bits 2, 3, 7)."""
        value = 4 if len(self.errors) else 0
        for name, parent, bit in self._summaries:
            if not parent and self.registers[name].summary():
                value |= 1 << bit
        if self._event_now() & self.event_enable:
            value |= 32
        if value & self.service_enable:
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
        value = self._polled(self._event_now)
        self._event_status = 0
        return value

    def read_status_byte(self) -> str:
        """`*STB?`."""
        return self._polled(self.status_byte)

    def set_event_enable(self, value: int) -> None:
        """`*ESE`."""
        self.event_enable = self._byte(value)

    def get_event_enable(self) -> str:
        """`*ESE?`."""
        return f"{self.event_enable:d}"

    def set_service_enable(self, value: int) -> None:
        """`*SRE`."""
        self.service_enable = self._byte(value) & ~64

    def get_service_enable(self) -> str:
        """`*SRE?`."""
        return f"{self.service_enable:d}"

    @staticmethod
    def _byte(value: Any) -> int:
        if isinstance(value, str) or not 0 <= value <= 255:
            raise ScpiError(-222)
        return int(value)

    def reset(self) -> None:
        """`*RST`: defaults; status, errors and stored states stay."""
        self.operation_end = self.clock.now()
        self.set_defaults()

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

    def save_state(self, place: int) -> None:
        """`*SAV`."""
        self._saved[place] = {
            k: dict(v) if isinstance(v, dict) else v for k, v in self.values.items()
        }

    def recall_state(self, place: int) -> None:
        """`*RCL`."""
        if place not in self._saved:
            raise ScpiError(-224, f"state {place} is empty")
        for name, value in self._saved[place].items():
            self.values[name] = dict(value) if isinstance(value, dict) else value
        self.after_defaults()

    def trigger(self) -> None:
        """`*TRG`: nothing waits for a trigger here."""
        raise ScpiError(-211)

    def next_error(self) -> str:
        """`SYST:ERR?`."""
        return self.errors.pop()

    def preset_status(self) -> None:
        """`STAT:PRES`."""
        for register in self.registers.values():
            register.preset()


@dataclass(frozen=True)
class _Both:
    """A header whose query form and command form stand in two entries of the file."""

    query: Any
    set: Any


def _joined(commands: list[Command]) -> list[Command]:
    """Join entries of one header of which one has the query form, the other the command form."""
    by_header: dict[str, Command] = {}
    for command in commands:
        other = by_header.get(command.header)
        if other is None:
            by_header[command.header] = command
            continue
        ask, act = (command, other) if command.query_parameters is not None else (other, command)
        if act.query_parameters is not None or ask.set_parameters is not None:
            raise DefinitionError(f"{command.header} stands in two entries with the same form")
        by_header[command.header] = Command(
            command.header,
            _Both(ask.target, act.target),
            act.set_parameters,
            ask.query_parameters,
        )
    return list(by_header.values())


def _attribute(register: Register, name: str) -> str:
    return f"{getattr(register, name):d}"


def _nothing() -> None:
    return None
