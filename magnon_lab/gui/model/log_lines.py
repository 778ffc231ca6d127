"""Lines of the log: what a run's journal says, and what the program itself says."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass

from magnon_lab.runs import Event

#: Kinds of the journal that somebody should know of, whatever they say.
ATTENTION = ("retry", "pause", "changed", "unguarded", "idle")
WRONG = ("stuck", "error")

PROGRAM = "program"
"""Kind of what the program itself says."""


@dataclass(frozen=True)
class LogLine:
    """One line; `level`: "error", "warning" or "" for what is as it should be."""

    time: float
    kind: str
    phase: str
    message: str
    level: str

    @property
    def when(self) -> str:
        """When it was said, to the tenth of a second."""
        tenth = int(self.time * 10) % 10
        return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(self.time))}.{tenth}"

    def matches(self, kind: str, words: str) -> bool:
        """Return whether it is of a kind (empty: of any) and holds every word."""
        text = f"{self.kind} {self.phase} {self.message} {self.level}".lower()
        return kind in ("", self.kind) and all(word in text for word in words.lower().split())


def of_event(event: Event) -> LogLine:
    """Return the line of an entry of the journal."""
    return LogLine(event.time, event.kind, event.phase, event.message, _level(event))


def _level(event: Event) -> str:
    message = event.message.lower()
    if event.kind in WRONG or event.data.get("ok") is False or "failed" in message:
        return "warning" if event.kind == "retry" else "error"
    if "refused" in message or (event.kind in ATTENTION and event.phase == "outcome"):
        return "warning"
    return ""


def of_record(record: logging.LogRecord) -> LogLine:
    """Return the line of something that the program logged."""
    level = "error" if record.levelno >= logging.ERROR else (
        "warning" if record.levelno >= logging.WARNING else ""
    )  # fmt: skip
    return LogLine(record.created, PROGRAM, record.levelname.lower(), record.getMessage(), level)


def kinds(lines: Iterable[LogLine]) -> list[str]:
    """Return the kinds that lines are of, in alphabetical order."""
    return sorted({line.kind for line in lines})
