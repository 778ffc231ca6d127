"""The pulse of a run: beats that come from its own progress, never from a timer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

Listener = Callable[[str, float], None]
"""Called with a phase and its deadline in s, such as a guard's `beat`."""

#: Longest silence (s) that is still progress, by phase. `measure` is told by the bench's time-outs;
#: `safe` may take longer at a bench whose field ramps slowly, see `Pulse.allow`.
DEADLINES_S = {
    "compile": 900.0,
    "start": 120.0,
    "ask": 120.0,
    "tell": 300.0,
    "write": 120.0,
    "pause": 15.0,
    "safe": 300.0,
}

#: Listeners hear the same phase at most this often (s): measuring beats a thousand times a second.
TOLD_EVERY_S = 0.1


class Beat(NamedTuple):
    """Something got on: what follows, how long (s) it may take, and when (`time.monotonic`)."""

    phase: str
    deadline_s: float
    at: float


class Pulse:
    """Where the work tells that it gets on, and others see or hear that it does.

    A beat says what begins now and within how many seconds the next beat is due. `listeners` are
    called from the thread that beats.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.last = Beat("idle", math.inf, now())
        self.listeners: list[Listener] = []
        self._deadlines_s = dict(DEADLINES_S)
        self._told = Beat("", 0.0, -math.inf)

    def beat(self, phase: str, deadline_s: float | None = None) -> None:
        """Tell that `phase` begins or gets on; without a deadline it has the usual one."""
        due_s = self._deadlines_s[phase] if deadline_s is None else deadline_s
        self.last = beat = Beat(phase, due_s, self._now())
        told = self._told
        if (beat.phase, due_s) == told[:2] and beat.at - told.at < TOLD_EVERY_S:
            return
        self._told = beat
        for listener in self.listeners:
            listener(phase, due_s)

    def allow(self, phase: str, deadline_s: float) -> None:
        """Let `phase` take at least `deadline_s` where it has its usual deadline."""
        self._deadlines_s[phase] = max(self._deadlines_s[phase], deadline_s)

    def silent_s(self) -> float:
        """Return the seconds since the last beat."""
        return self._now() - self.last.at
