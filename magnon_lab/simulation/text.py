"""The grammar of plain text protocols: patterns with places for values, no headers, no paths."""

import math
import re
from collections.abc import Iterable

from magnon_lab.simulation.definition import Dialogue, Property
from magnon_lab.simulation.errors import ScpiError
from magnon_lab.simulation.scpi import Call


class TextGrammar:
    """Whole messages matched against patterns such as `SETATT={}`, in any case.

    One leading colon is ignored. What matches nothing becomes an error -113, a value that cannot be
    read an error -104; how the instrument words them is its own affair.
    """

    def __init__(self, properties: Iterable[Property], dialogues: Iterable[Dialogue]) -> None:
        entries: list[tuple[str, Property | Dialogue, bool]] = []
        for prop in properties:
            entries += [(text, prop, query) for text, query in prop.patterns]
        for dialogue in dialogues:
            entries += [(text, dialogue, True) for text in dialogue.patterns]
        self._patterns = [(_regex(text), target, query) for text, target, query in entries]
        self._bare = [(_bare(text), target, query) for text, target, query in entries]

    def find(self, header: str) -> tuple[Property | Dialogue, bool]:
        """Return the target of a pattern given without its value, such as `SETATT` or `ATT?`.

        Also whether it is the query form. Raises `ScpiError`.
        """
        wanted = _bare(header)
        for pattern, target, query in self._bare:
            if pattern == wanted:
                return target, query
        raise ScpiError(-113, header)

    def parse(self, message: str) -> list[Call | ScpiError]:
        """Return the one call of a message, or the error that it is."""
        text = message.strip().removeprefix(":")
        for pattern, target, query in self._patterns:
            match = pattern.fullmatch(text)
            if match is None:
                continue
            if query:
                return [Call(target, True, (), match.groups())]
            try:
                return [Call(target, False, (), (_value(target, match[1].strip()),))]
            except ValueError:
                return [ScpiError(-104, message)]
        return [ScpiError(-113, message)]


def _value(target: Property | Dialogue, text: str) -> float | str:
    kind = target.kind if isinstance(target, Property) else "text"
    if kind == "integer":
        return int(text)
    if kind == "number":
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(text)
        return value
    return text.upper()


def _bare(text: str) -> str:
    return text.strip().removeprefix(":").partition("{}")[0].rstrip("=: ").upper()


def _regex(text: str) -> re.Pattern[str]:
    parts = text.removeprefix(":").split("{}")
    return re.compile("(.*)".join(re.escape(part) for part in parts), re.IGNORECASE)
