"""The grammar of SCPI messages: headers, paths, parameters.

A message is parsed once: instruments keep the result under the message's text. Rules are those of
IEEE 488.2 and SCPI-99 (volume 1): long and short forms in any case, nodes that may be left out,
numeric suffixes, a path that is remembered after a semicolon, numbers with units.
"""

import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from magnon_lab.simulation.errors import DefinitionError, ScpiError

_NODE = re.compile(r"(\[)?:?(\*?[A-Za-z]+)(?:\{(\d+):(\d+)\})?(\])?")
_UNIT_OF_MESSAGE = re.compile(r"\s*(\*?:?[A-Za-z][\w:]*)(\?)?(\s*)(.*?)\s*", re.DOTALL)
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE]\s*[+-]?\d+)?)\s*([A-Za-z%/]*)")
_NOT_A_NUMBER = {"NAN", "INF", "+INF", "-INF", "NINF", "INFINITY", "-INFINITY", "-NAN", "+NAN"}

EXTREMES = {"MIN": "MIN", "MINIMUM": "MIN", "MAX": "MAX", "MAXIMUM": "MAX",
            "DEF": "DEF", "DEFAULT": "DEF"}  # fmt: skip
UNITS: dict[str, dict[str, float]] = {
    "": {},
    "Hz": {"HZ": 1.0, "KHZ": 1e3, "MHZ": 1e6, "GHZ": 1e9, "THZ": 1e12},
    "s": {"S": 1.0, "MS": 1e-3, "US": 1e-6, "NS": 1e-9},
    "V": {"V": 1.0, "MV": 1e-3, "UV": 1e-6, "KV": 1e3, "VP": 1.0, "MVP": 1e-3},
    "A": {"A": 1.0, "MA": 1e-3, "UA": 1e-6},
    "dB": {"DB": 1.0},
    "dBm": {"DBM": 1.0},
    "W": {"W": 1.0, "MW": 1e-3, "UW": 1e-6, "NW": 1e-9, "PW": 1e-12},
    "rad": {"RAD": 1.0, "DEG": math.pi / 180},
    "%": {"PCT": 1.0, "%": 1.0},
}


def short_form(mnemonic: str) -> str:
    """Return the short form of a mnemonic written as `FREQuency`: its upper-case part."""
    return "".join(c for c in mnemonic if not c.islower())


@dataclass(frozen=True, slots=True)
class Parameter:
    """What one parameter of a command may be.

    `kind`: number, integer, boolean, choice, text, numbers (any count), channels.
    `extremes`: whether MIN, MAX and DEF stand for a number.
    """

    kind: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    optional: bool = False
    extremes: bool = False

    def parse(self, token: str) -> Any:
        """Return the value of a token; raise `ScpiError` for what the standard refuses."""
        match self.kind:
            case "number" | "numbers" | "integer":
                value = parse_number(token, self.unit)
                if isinstance(value, str):
                    if not self.extremes:
                        raise ScpiError(-104, token)
                    return value
                return round(value) if self.kind == "integer" else value
            case "boolean":
                return parse_boolean(token)
            case "choice":
                return self._choose(token)
            case "channels":
                return parse_channels(token)
            case _:
                return token.strip("'\"") if token[:1] in "'\"" else token

    def _choose(self, token: str) -> str:
        word = token.strip("'\"").upper()
        for choice in self.choices:
            if word in (choice.upper(), short_form(choice)):
                return short_form(choice)
        if _NUMBER.fullmatch(token):
            raise ScpiError(-104)
        raise ScpiError(-141, token)


def parse_number(token: str, unit: str) -> float | str:
    """Return a number in the unit given, or MIN, MAX, DEF."""
    match = _NUMBER.fullmatch(token)
    if match is None:
        return _not_a_number(token)
    digits, suffix = match.groups()
    try:
        value = float(digits.replace(" ", ""))
    except ValueError as error:
        raise ScpiError(-120, token) from error
    if math.isinf(value):
        raise ScpiError(-123, token)
    if not suffix:
        return value
    factors = UNITS[unit]
    factor = factors.get(suffix.upper())
    if factor is not None:
        return value * factor
    watts = UNITS["W"].get(suffix.upper()) if unit == "dBm" else None
    if watts is not None and value > 0:
        return 10 * math.log10(value * watts * 1e3)
    raise ScpiError(-131 if factors else -138, token)


def _not_a_number(token: str) -> str:
    word = token.upper()
    if word in EXTREMES:
        return EXTREMES[word]
    if word in _NOT_A_NUMBER:
        raise ScpiError(-120, token)
    if re.match(r"[+-]?[.\d]", token):
        raise ScpiError(-121, token)
    raise ScpiError(-104, token)


def parse_boolean(token: str) -> bool:
    """Return the value of `ON`, `OFF` or a number (rounded: not zero is true)."""
    word = token.upper()
    if word in ("ON", "OFF"):
        return word == "ON"
    if not _NUMBER.fullmatch(token):
        raise ScpiError(-141 if token[:1].isalpha() else -104, token)
    return round(float(parse_number(token, ""))) != 0


def parse_channels(token: str) -> tuple[int, ...]:
    """Return the channels of a list such as `(@1,3)` or `(@1:3)`."""
    match = re.fullmatch(r"\(\s*@([\d\s,:]+)\)", token)
    if match is None:
        raise ScpiError(-104, token)
    channels: list[int] = []
    for part in match[1].split(","):
        first, _, last = part.partition(":")
        try:
            channels.extend(range(int(first), int(last or first) + 1))
        except ValueError as error:
            raise ScpiError(-102, token) from error
    return tuple(channels)


@dataclass(frozen=True, slots=True)
class Command:
    """A command and what its two forms take; a form that is None does not exist."""

    header: str
    target: Any
    set_parameters: tuple[Parameter, ...] | None
    query_parameters: tuple[Parameter, ...] | None


@dataclass(frozen=True, slots=True)
class Call:
    """A parsed command: its target, which form, numeric suffixes, values."""

    target: Any
    query: bool
    suffixes: tuple[int, ...]
    arguments: tuple[Any, ...]


@dataclass(slots=True)
class _Node:
    children: "dict[str, _Node]" = field(default_factory=dict)
    command: Command | None = None
    suffixes: tuple[tuple[int, int, int], ...] = ()  # position in the path, lowest, highest


class ScpiGrammar:
    """All commands of one instrument."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self._root = _Node()
        self._headers: dict[str, tuple[Command, tuple[int, ...]] | ScpiError] = {}
        for command in commands:
            self._add(command)

    def _add(self, command: Command) -> None:
        nodes = _NODE.findall(command.header)
        if "".join(m[0] for m in _NODE.finditer(command.header)) and not nodes:
            raise DefinitionError(f"malformed SCPI header {command.header!r}")
        optional = [i for i, node in enumerate(nodes) if node[0]]
        for left_out in itertools.chain.from_iterable(
            itertools.combinations(optional, n) for n in range(len(optional) + 1)
        ):
            self._insert([n for i, n in enumerate(nodes) if i not in left_out], command)

    def _insert(self, nodes: list[tuple[str, ...]], command: Command) -> None:
        here = self._root
        suffixes = []
        for position, (_, mnemonic, low, high, _) in enumerate(nodes):
            long, short = mnemonic.upper(), short_form(mnemonic)
            here = here.children.setdefault(short, _Node())
            if long != short:
                parent = self._parent_of(nodes[:position])
                parent.children[long] = here
            if low:
                suffixes.append((position, int(low), int(high)))
        if here is self._root:
            return
        if here.command is not None and here.command.target is not command.target:
            raise DefinitionError(f"{command.header}: same header as {here.command.header}")
        here.command, here.suffixes = command, tuple(suffixes)

    def _parent_of(self, nodes: list[tuple[str, ...]]) -> _Node:
        here = self._root
        for node in nodes:
            here = here.children[short_form(node[1])]
        return here

    def parse(self, message: str) -> list[Call | ScpiError]:
        """Parse a message; an error ends it, since what follows an error is not believed."""
        if not message.isascii():
            return [ScpiError(-101)]
        calls: list[Call | ScpiError] = []
        path = ""
        for unit in split_outside(message, ";"):
            if not unit.strip():
                continue
            try:
                call, path = self._parse_unit(unit, path)
            except ScpiError as error:
                calls.append(error)
                break
            calls.append(call)
        return calls

    def _parse_unit(self, unit: str, path: str) -> tuple[Call, str]:
        match = _UNIT_OF_MESSAGE.fullmatch(unit)
        if match is None:
            raise ScpiError(-102, unit.strip()[:40])
        header, mark, blank, rest = match.groups()
        if rest and not blank and not mark:
            raise ScpiError(-103, unit.strip()[:40])
        if not header.startswith("*"):
            header = header[1:] if header.startswith(":") else path + header
            path = header[: header.rfind(":") + 1]
        command, suffixes = self._find(header.upper())
        parameters = command.query_parameters if mark else command.set_parameters
        if parameters is None:
            raise ScpiError(-113, header)
        values = parse_arguments(rest, parameters) if rest or parameters else ()
        return Call(command.target, bool(mark), suffixes, values), path

    def find(self, header: str) -> tuple[Any, bool]:
        """Return the target of a header and whether it is the query form; raise `ScpiError`."""
        query = header.endswith("?")
        command, _ = self._find(header.removeprefix(":").removesuffix("?").upper())
        if (command.query_parameters if query else command.set_parameters) is None:
            raise ScpiError(-113, header)
        return command.target, query

    def _find(self, header: str) -> tuple[Command, tuple[int, ...]]:
        found = self._headers.get(header)
        if found is None:
            try:
                found = self._walk(header)
            except ScpiError as error:
                found = error
            self._headers[header] = found
        if isinstance(found, ScpiError):
            raise ScpiError(found.code, found.detail)
        return found

    def _walk(self, header: str) -> tuple[Command, tuple[int, ...]]:
        here = self._root
        numbers: list[int | None] = []
        for mnemonic in header.split(":"):
            if len(mnemonic.rstrip("0123456789")) > 12:
                raise ScpiError(-112, mnemonic)
            child, number = here.children.get(mnemonic), None
            if child is None:
                name = mnemonic.rstrip("0123456789")
                child = here.children.get(name)
                if child is None or name == mnemonic:
                    raise ScpiError(-113, header)
                number = int(mnemonic[len(name) :])
            numbers.append(number)
            here = child
        if here.command is None:
            raise ScpiError(-113, header)
        allowed = {position: (low, high) for position, low, high in here.suffixes}
        suffixes = []
        for position, number in enumerate(numbers):
            low, high = allowed.get(position, (1, 1))
            value = 1 if number is None else number
            if not low <= value <= high:
                raise ScpiError(-114, header)
            if position in allowed:
                suffixes.append(value)
        return here.command, tuple(suffixes)


def parse_arguments(text: str, parameters: tuple[Parameter, ...]) -> tuple[Any, ...]:
    """Parse the comma-separated values after a header; left-out optional ones become None."""
    tokens = [token.strip() for token in split_outside(text, ",")] if text else []
    values: list[Any] = []
    for parameter in parameters:
        if parameter.kind == "numbers":
            values.append(tuple(parameter.parse(token) for token in tokens))
            tokens = []
        elif not tokens:
            if not parameter.optional:
                raise ScpiError(-109)
            values.append(None)
        elif parameter.optional and tokens[0].startswith("(") != (parameter.kind == "channels"):
            values.append(None)
        else:
            values.append(parameter.parse(tokens.pop(0)))
    if tokens:
        raise ScpiError(-108, tokens[0])
    return tuple(values)


def split_outside(text: str, separator: str) -> list[str]:
    """Split at a separator that stands neither in quotes nor in parentheses."""
    if "'" not in text and '"' not in text and "(" not in text:
        return text.split(separator)
    parts, start, depth, quote = [], 0, 0, ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == separator and depth <= 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]
