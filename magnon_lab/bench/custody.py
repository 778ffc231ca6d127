"""Who has a bench: the lock on its instruments, and the guard that outlives its holder."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

from magnon_lab.bench.benchfile import BenchFile
from magnon_lab.bench.guard import Guard
from magnon_lab.bench.lock import BenchLock
from magnon_lab.bench.stand import Journal

log = logging.getLogger(__name__)

CONFIRM_S = 5.0
"""So often it is looked whether the lock is still what others find."""

TOUCH_S = 60.0
"""So often it is shown to be in use, for whoever clears old files away."""


class Custody:
    """Lock and guard of a bench; neither for instruments that live in this process alone.

    Without a `guard_command` there is a lock only.
    """

    def __init__(
        self,
        bench_file: BenchFile,
        journal: Journal,
        what: str,
        guard_command: Sequence[str] | None,
    ) -> None:
        self.lock: BenchLock | None = None
        self.guard: Guard | None = None
        self._bench_file, self._journal = bench_file, journal
        self._what, self._command = what, guard_command
        self._confirmed_s = self._touched_s = -math.inf  # of time.monotonic
        if not bench_file.in_process:
            roles = bench_file.model.roles.present().values()
            self.lock = BenchLock([role.resource for role in roles])

    def take(self) -> None:
        """Take the lock, and start a guard that holds it, too. Raises `BenchHeldError`."""
        if self.lock is None:
            return
        self.lock.acquire(self._what)
        if self._command is not None:
            descriptors = self.lock.descriptors
            self.guard = Guard(self._bench_file, self._command, descriptors, self._journal)
            self.guard.start()

    def give_back(self, done: bool) -> None:
        """Give the bench back; not `done`, its guard goes on trying to make it safe."""
        guard, self.guard = self.guard, None
        if guard is not None and done:
            guard.release()
        elif guard is not None:
            guard.hand_over()
            log.critical("the bench is NOT safe: the guard (process %d) goes on trying", guard.pid)
        if self.lock is not None:
            self.lock.release()

    def require_guard(self) -> None:
        """Raise `CustodyError` if there should be a guard and none stands, or the lock is lost."""
        if self.guard is not None:
            self.guard.require()
        now_s = time.monotonic()
        if self.lock is not None and now_s - self._confirmed_s >= CONFIRM_S:
            self.lock.confirm()
            self._confirmed_s = now_s

    def beat(self, phase: str, deadline_s: float) -> None:
        """Tell the guard that work gets on and when the next beat is due.

        A lock that was lost is told before the next measurement and not here: also a safe state
        beats, and must not be kept from being reached.
        """
        if self.guard is not None:
            self.guard.beat(phase, deadline_s)
        now_s = time.monotonic()
        if self.lock is not None and now_s - self._touched_s >= TOUCH_S:
            self.lock.touch()
            self._touched_s = now_s

    def report_to(self, place: Path, what: str) -> None:
        """Name the record of who has the bench, for its guard, and for others who want it."""
        if self.lock is not None and self.lock.held:
            self.lock.describe(what)
        if self.guard is not None:
            self.guard.report_to(place)
