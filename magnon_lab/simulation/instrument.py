"""What all simulated instruments share: messages, timing, kept values."""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from magnon_lab.simulation.command_table import Action, Both, commands
from magnon_lab.simulation.definition import DeviceDefinition, Dialogue, Property
from magnon_lab.simulation.errors import DefinitionError, ScpiError, SimulationError
from magnon_lab.simulation.exchange import Client, Job, Program, Reply, Step
from magnon_lab.simulation.fault_effects import InstrumentFaults
from magnon_lab.simulation.plant import Plant
from magnon_lab.simulation.reporting import StatusReporting
from magnon_lab.simulation.scpi import Call, ScpiGrammar
from magnon_lab.simulation.text import TextGrammar

_MOST_PROGRAMS = 4096


class SimulatedInstrument(StatusReporting):
    """One instrument behind its command protocol.

    Subclasses add what a protocol table cannot say: methods that the file names under `get`, `set`
    and `call`. Time runs on the laboratory's clock: an operation (sweep, settling) has an end, and
    `*OPC?` and `*WAI` hold back whatever follows until then.
    """

    def __init__(self, definition: DeviceDefinition, plant: Plant) -> None:
        super().__init__(definition, plant.clock)
        self.role = definition.role
        self.plant = plant
        self.settings: Mapping[str, Any] = definition.settings
        self.values: dict[str, Any] = {}
        self._properties = {p.name: p for p in definition.properties}
        self._programs: dict[str, Program] = {}
        self._jobs: deque[Job] = deque()
        self._executing = False
        self._saved: dict[int, dict[str, Any]] = {}
        self._frozen: dict[tuple[str, int], Reply] = {}
        self.clients: set[Client] = set()
        self.received = 0
        self.reply_end = definition.reply_end
        self.networked = definition.resource.startswith("TCPIP")
        self.faults = InstrumentFaults(self)
        self._check_methods()
        self._grammar: ScpiGrammar | TextGrammar
        if definition.grammar == "text":
            self._grammar = TextGrammar(definition.properties, definition.dialogues)
        else:
            self._grammar = ScpiGrammar(commands(definition, self.registers, self.polled))
        self.set_defaults(everything=True)
        plant.refreshers.append(self.refresh)

    def _check_methods(self) -> None:
        definition = self.definition
        entries = [(p.name, (p.get, p.set), p.plant) for p in definition.properties]
        entries += [(d.query, (d.call, ""), d.plant) for d in definition.dialogues]
        for entry, methods, quantity in entries:
            place = f"device {definition.name!r}, {entry!r}"
            for method in methods:
                if method and not hasattr(self, method):
                    raise DefinitionError(f"{place}: {type(self).__name__} has no {method!r}")
            if quantity and quantity not in self.plant.quantities:
                known = sorted(self.plant.quantities)
                raise DefinitionError(f"{place}: the plant has no {quantity!r}, but {known}")

    # Messages

    def parse(self, message: str) -> Sequence[Call | ScpiError]:
        """Return the calls of a message."""
        return self._grammar.parse(message)

    def find(self, header: str) -> tuple[Any, bool]:
        """Return the entry that a header means and whether it is the query form; `ScpiError`."""
        return self._grammar.find(header)

    def compile(self, message: str) -> Program:
        """Return the steps of a message; each message is parsed once."""
        program = self._programs.get(message)
        if program is None:
            calls = self.parse(message)
            program = Program(tuple(self._step(call) for call in calls), self._asks(calls))
            if len(self._programs) >= _MOST_PROGRAMS:
                self._programs.clear()
            self._programs[message] = program
        return program

    def _asks(self, calls: Sequence[Call | ScpiError]) -> bool:
        answers_all = self.definition.grammar == "text"
        return answers_all or any(isinstance(call, Call) and call.query for call in calls)

    def without_commands(self, message: str, only: Any) -> Program:
        """Return the steps of a message whose commands are accepted but not carried out.

        `only`: the entry and form (as `find` has it) of those commands, None for all.
        """
        calls = self.parse(message)
        steps = [
            partial(_constant, getattr(call.target, "set_reply", None) or None)
            if isinstance(call, Call) and not call.query and only in (None, (call.target, False))
            else self._step(call)
            for call in calls
        ]
        return Program(tuple(steps), self._asks(calls))

    def freeze(self, message: str, only: Any) -> None:
        """Let what a message sets (or asks, if `only` is a query) read as it does now."""
        for call in self.parse(message):
            if isinstance(call, ScpiError):
                continue
            if call.query if only is None else only != (call.target, call.query):
                continue
            target = call.target.query if isinstance(call.target, Both) else call.target
            with suppress(ScpiError):  # what cannot be read now does not freeze
                if isinstance(target, Property) and target.readable:
                    for index in self._indices(target, call):
                        self._frozen[target.name, index] = self._format(target, index, None)
                elif isinstance(target, Dialogue) and call.query:
                    self._frozen[target.query, 0] = self._step(call)()

    def _stuck(self, name: str, index: int) -> Reply:
        if not self._frozen or not self.faults.lasting("stuck", "duration_s", 0.0):
            return None
        return self._frozen.get((name, index))

    def thaw(self) -> None:
        """End what `freeze` did."""
        self._frozen.clear()

    def _step(self, call: Call | ScpiError) -> Step:
        if isinstance(call, ScpiError):
            return partial(self.error, call)
        target = call.target
        if isinstance(target, Both | Action):
            form = target.query if call.query else target.set
            if isinstance(target, Action) and form is not None:
                return partial(form, *call.arguments)
            target = form
        if isinstance(target, Property):
            index = call.suffixes[0] if call.suffixes else 0
            act = self._query_property if call.query else self._set_property
            return partial(act, target, index, call.arguments)
        assert isinstance(target, Dialogue)
        if not target.call:
            return partial(_constant, target.reply or None)
        bound = (target.plant,) if target.plant else ()
        act = partial(getattr(self, target.call), *bound, *call.suffixes, *call.arguments)
        return partial(self._ask, target.query, act) if call.query else act

    def _ask(self, query: str, act: Step) -> Reply:
        stuck = self._stuck(query, 0)
        return act() if stuck is None else stuck

    def receive(self, client: Client, message: str) -> None:
        """Take a message: execute it, or keep it until what blocks the instrument has ended."""
        self.received += 1
        job = Job(client, message, self.compile(message))
        if self.faults.armed and not self.faults.meet(job):
            return
        self._jobs.append(job)
        self.run()
        if job.faults:
            self.faults.executed(job)

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
        """Execute a message's steps as far as time allows; return whether it came to its end."""
        steps = job.program.steps
        while job.index < len(steps):
            if self.blocked_until > self.clock.now():
                return False
            if self.faults.hang is not None and self.faults.hung():
                return False
            step = steps[job.index]
            job.index += 1
            try:
                reply = step()
            except ScpiError as error:
                reply = self.error(error)
            except Exception as error:
                # Whatever failed is the simulation's fault and must not look like silence; nor may
                # the message go on from there at the next occasion.
                self._jobs.popleft()
                raise SimulationError(f"simulated {self.role}: {error}") from error
            if reply is not None:
                job.replies.append(reply)
        return True

    def _answer(self, job: Job) -> None:
        parts = [r if isinstance(r, bytes) else r.encode("latin-1") for r in job.replies]
        data = b";".join(parts) + self.reply_end
        latency = self.definition.latency
        start = max(self.clock.now(), self.blocked_until)
        bus_s = latency.reply_s + len(data) * latency.byte_s
        if self.faults.ongoing:
            bus_s *= self.slowness()
        if self.faults.armed:
            self.faults.deliver(job, data, start + bus_s)
        else:
            job.client.deliver(data, start + bus_s)

    def slowness(self) -> float:
        """Return by what factor a fault slows down what is said to and by the instrument."""
        return self.faults.lasting("slow", "factor", 1.0)

    def write_s(self) -> float:
        """Return how long it takes in s to say something to the instrument."""
        write_s = self.definition.latency.write_s
        return write_s * self.slowness() if self.faults.ongoing else write_s

    def pending(self, client: Client) -> bool:
        """Return whether a reply to this client is still to come."""
        return any(job.client is client and job.program.asks for job in self._jobs)

    def forget(self, client: Client) -> None:
        """Drop a client's messages that have not come to their end."""
        self._jobs = deque(job for job in self._jobs if job.client is not client)

    def unblock(self) -> None:
        """End what holds messages back (device clear)."""
        self.blocked_until = self.clock.now()

    def note(self, way: str, data: bytes) -> None:
        """Enter bytes into the laboratory's wire log."""
        self.plant.wire.append(self.clock.now(), self.role, way, data)

    def refresh(self) -> None:
        """Bring what the instrument puts out up to now, before others look at the plant."""
        self.run()

    # Kept values

    def power_up(self) -> None:
        """Take the state that the instrument has when power comes back.

        What survives `*RST` is in a memory that survives this too.
        """
        self._jobs.clear()
        self.faults.mend()
        self.report_power_on()
        self.set_defaults()

    def cut(self) -> None:
        """Lose all connections."""
        for client in tuple(self.clients):
            client.cut()

    def trip(self, over: str) -> None:
        """Let the protection of a supply trip, over `current` or `voltage`."""
        raise NotImplementedError(f"{self.role} has no protection that trips")

    def reset(self) -> None:
        """`*RST`: defaults; status, errors and stored states stay."""
        self.end_operation()
        self.set_defaults()

    def set_defaults(self, everything: bool = False) -> None:
        """Put properties to their defaults; those that survive `*RST` only if everything is new."""
        for prop in self.definition.properties:
            if not everything and prop.keep:
                continue
            indices = prop.channels or range(1, prop.count + 1)
            values = {i: prop.defaults.get(i, prop.default) for i in indices}
            self.values[prop.name] = values or prop.default
        self.after_defaults()

    def after_defaults(self) -> None:
        """Bring the plant in line after a reset; subclasses that drive the plant override it."""

    def save_state(self, place: int) -> None:
        """`*SAV`."""
        self._saved[place] = _copy(self.values)

    def recall_state(self, place: int) -> None:
        """`*RCL`."""
        if place not in self._saved:
            raise ScpiError(-224, f"state {place} is empty")
        self.values.update(_copy(self._saved[place]))
        self.after_defaults()

    def trigger(self) -> None:
        """`*TRG`: nothing waits for a trigger here."""
        raise ScpiError(-211)

    def selected_channels(self) -> tuple[int, ...]:
        """Return the channels that a command without a channel list means."""
        return (1,)

    def _query_property(self, prop: Property, index: int, arguments: tuple[Any, ...]) -> Reply:
        extreme = arguments[0] if prop.kind in ("number", "integer") and arguments else None
        if prop.channels:
            channels = self._channels(prop, arguments[-1])
            return ",".join(self._format(prop, c, extreme) for c in channels)
        return self._format(prop, index, extreme)

    def _indices(self, prop: Property, call: Call) -> tuple[int, ...]:
        return self._channels(prop, call.arguments[-1]) if prop.channels else call.suffixes or (0,)

    def _format(self, prop: Property, index: int, extreme: str | None) -> str:
        stuck = self._stuck(prop.name, index)
        if stuck is not None and extreme is None:
            return str(stuck)
        if extreme is not None:
            value = self._extreme(prop, extreme, index)
        elif prop.get:
            value = getattr(self, prop.get)(*((index,) if index else ()))
        else:
            value = self.values[prop.name][index] if index else self.values[prop.name]
        if prop.kind == "boolean":
            value = int(value)
        return prop.reply.format(value)

    def _set_property(self, prop: Property, index: int, arguments: tuple[Any, ...]) -> Reply:
        reply: Reply = None
        for i in self._channels(prop, arguments[-1]) if prop.channels else (index,):
            reply = self.set_value(prop.name, arguments[0], i)
        return reply

    def set_value(self, name: str, value: Any, index: int = 0) -> Reply:
        """Set a property as its command does: range, grid, the class's own method."""
        prop = self._properties[name]
        if prop.kind in ("number", "integer"):
            value = self._within(prop, index, value)
        if prop.set:
            reply: Reply = getattr(self, prop.set)(*((index, value) if index else (value,)))
            return reply
        if index:
            self.values[name][index] = value
        else:
            self.values[name] = value
        return prop.set_reply or None

    def found(self, name: str, value: Any, index: int = 0) -> None:
        """Take a value as somebody has left it, whatever the command's form."""
        prop = self._properties[name]
        if prop.kind in ("text", "choice"):
            value = prop.parameter().parse(str(value))
        elif prop.kind == "boolean":
            value = bool(value)
        self.set_value(name, value, index)

    def quantity(self, name: str) -> str:
        """Return what in the plant a property is, as the file says."""
        return self._properties[name].plant

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
        below, above = low is not None and value < low, high is not None and value > high
        if not (below or above):
            return value
        error = ScpiError(-222, prop.name.replace("_", " "))
        if prop.beyond == "reject" or self.settings.get("strict"):
            raise error
        self.error(error)
        value = low if below else high
        return round(value) if prop.kind == "integer" else value


def _copy(values: dict[str, Any]) -> dict[str, Any]:
    return {k: dict(v) if isinstance(v, dict) else v for k, v in values.items()}


def _constant(reply: str | None) -> str | None:
    return reply
