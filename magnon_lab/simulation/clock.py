"""The laboratory's own clock."""

import threading
import time
from typing import Literal, NamedTuple

Pace = Literal["virtual", "real"]


class Hold(NamedTuple):
    """The end of a silence, in laboratory time and on this machine's clock."""

    lab_s: float
    wall_s: float


class Clock:
    """Time of the simulated laboratory in seconds since its power-up.

    In `virtual` pace time only passes when something takes time, and then at once: settling, sweeps
    and time-outs cost laboratory time but no waiting, and the same exchanges give the same times.
    In `real` pace the clock follows the wall, and whatever takes time is waited for.

    `served`: clients sit in other processes and wait by the wall. A silence that passed at once
    would be none to them, so in either pace a `Hold` then lasts by the wall.
    """

    def __init__(self, pace: Pace = "virtual") -> None:
        self._lock = threading.Lock()
        self._now = 0.0
        self._origin = time.monotonic()
        self.pace: Pace = pace
        self.served = False

    @property
    def virtual(self) -> bool:
        """Whether time passes without waiting."""
        return self.pace == "virtual"

    def now(self) -> float:
        """Return the laboratory time in seconds."""
        if self.pace == "virtual":
            return self._now
        return time.monotonic() - self._origin

    def sleep(self, seconds: float) -> None:
        """Let laboratory time pass."""
        if seconds <= 0:
            return
        if self.pace == "virtual":
            with self._lock:
                self._now += seconds
        else:
            time.sleep(seconds)

    def sleep_until(self, moment: float) -> None:
        """Let laboratory time pass up to `moment`; a moment that has passed costs nothing."""
        if self.pace == "virtual":
            with self._lock:
                self._now = max(self._now, moment)
        else:
            time.sleep(max(0.0, moment - self.now()))

    def hold(self, seconds: float) -> Hold:
        """Return the end of a silence that starts now."""
        return Hold(self.now() + seconds, time.monotonic() + seconds)

    def left(self, hold: Hold | None) -> float:
        """Return how much of a silence is left in s, 0 or less when it is over."""
        if hold is None:
            return 0.0
        return hold.wall_s - time.monotonic() if self.served else hold.lab_s - self.now()

    def set(self, moment: float, pace: Pace | None = None) -> None:
        """Put the clock to `moment`, and to another pace if one is given."""
        with self._lock:
            self.pace = pace or self.pace
            self._now = moment
            self._origin = time.monotonic() - moment
