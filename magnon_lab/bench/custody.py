"""Who has a bench: the lock on its instruments, and the guard that outlives its holder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from magnon_lab.bench.benchfile import BenchFile
from magnon_lab.bench.guard import Guard
from magnon_lab.bench.lock import BenchLock
from magnon_lab.bench.stand import Journal

log = logging.getLogger(__name__)


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
            log.critical("the bench is NOT safe: the guard (process %d) goes on trying", guard.pid)
            guard.hand_over()
        if self.lock is not None:
            self.lock.release()

    def require_guard(self) -> None:
        """Raise `GuardLostError` if there should be a guard and none stands."""
        if self.guard is not None:
            self.guard.require()

    def beat(self, phase: str, deadline_s: float) -> None:
        """Tell the guard that work gets on and when the next beat is due."""
        if self.guard is not None:
            self.guard.beat(phase, deadline_s)

    def report_to(self, place: Path, what: str) -> None:
        """Name the record of who has the bench, for its guard, and for others who want it."""
        if self.lock is not None and self.lock.held:
            self.lock.describe(what)
        if self.guard is not None:
            self.guard.report_to(place)
