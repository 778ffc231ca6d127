"""The time that settling, ramps and sweeps take; a simulated laboratory has its own."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Time in s, and a way to let it pass."""

    def now(self) -> float:
        """Return the time in s since a fixed moment."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""


class WallClock:
    """Real time, from 0 at the moment the clock is made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def now(self) -> float:
        """Return the time in s since the clock was made."""
        return time.monotonic() - self._start

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        if seconds > 0:
            time.sleep(seconds)
