"""From a device's definition to the commands that its grammar knows."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from magnon_lab.simulation.definition import DeviceDefinition, RegisterDefinition
from magnon_lab.simulation.errors import DefinitionError
from magnon_lab.simulation.scpi import Command, Parameter
from magnon_lab.simulation.status import Register

_CHANNELS = Parameter("channels", optional=True)
_EXTREME = Parameter("choice", choices=("MINimum", "MAXimum", "DEFault"), optional=True)


@dataclass(frozen=True)
class Both:
    """A header whose query form and command form stand in two entries of the file."""

    query: Any
    set: Any


@dataclass(frozen=True)
class Action:
    """A command that no entry of the file describes, such as the reading of a status register."""

    query: Callable[..., str] | None
    set: Callable[..., None] | None


def commands(
    definition: DeviceDefinition,
    registers: Mapping[str, Register],
    polled: Callable[[Callable[[], int]], str],
) -> list[Command]:
    """Return all commands of a device; `polled` answers a status query."""
    found = [*_properties(definition), *_dialogues(definition)]
    for entry in definition.registers:
        found += _register(entry, registers[entry.name], polled)
    return _joined(found)


def _properties(definition: DeviceDefinition) -> Iterator[Command]:
    for prop in definition.properties:
        tail = (_CHANNELS,) if prop.channels else ()
        setter = (prop.parameter(), *tail) if prop.settable else None
        extreme = (_EXTREME,) if prop.kind in ("number", "integer") else ()
        getter = (*extreme, *tail) if prop.readable else None
        for header in prop.headers:
            yield Command(header, prop, setter, getter)


def _dialogues(definition: DeviceDefinition) -> Iterator[Command]:
    for dialogue in definition.dialogues:
        for header in dialogue.headers:
            if "?" in dialogue.query:
                yield Command(header, dialogue, None, dialogue.arguments)
            else:
                yield Command(header, dialogue, dialogue.arguments, None)


def _register(
    entry: RegisterDefinition, register: Register, polled: Callable[[Callable[[], int]], str]
) -> Iterator[Command]:
    for leaf, ask in ((":CONDition", register.condition), ("[:EVENt]", register.event)):
        yield Command(entry.header + leaf, Action(partial(polled, ask), None), None, ())
    for leaf, attribute in (
        (":ENABle", "enable"),
        (":PTRansition", "positive"),
        (":NTRansition", "negative"),
    ):
        action = Action(partial(_read, register, attribute), partial(_write, register, attribute))
        yield Command(entry.header + leaf, action, (Parameter("integer"),), ())


def _read(register: Register, attribute: str) -> str:
    return f"{getattr(register, attribute):d}"


def _write(register: Register, attribute: str, value: int) -> None:
    setattr(register, attribute, value & 0x7FFF)


def _joined(found: Iterable[Command]) -> list[Command]:
    """Join entries of one header of which one has the query form, the other the command form."""
    by_header: dict[str, Command] = {}
    for command in found:
        other = by_header.get(command.header)
        if other is None:
            by_header[command.header] = command
            continue
        ask, act = (command, other) if command.query_parameters is not None else (other, command)
        if act.query_parameters is not None or ask.set_parameters is not None:
            raise DefinitionError(f"{command.header} stands in two entries with the same form")
        target = Both(ask.target, act.target)
        by_header[command.header] = Command(
            command.header, target, act.set_parameters, ask.query_parameters
        )
    return list(by_header.values())
