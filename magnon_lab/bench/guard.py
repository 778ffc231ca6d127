"""The guard: a process that makes the bench safe when the run cannot.

The run's side is `Guard`. It starts a fresh interpreter in a session of its own, so that Ctrl-C
passes it by, and keeps one pipe to it: lines of JSON that tell the bench, then heartbeats (a phase,
and within how many seconds the next is due), at the end that the guard is released. The guard's
side is `keep_guard`. When the pipe closes without a release the run died; when a heartbeat is
overdue the run hangs, and is ended. Either way the guard makes the bench safe through sessions of
its own, and tries again until it is or the time for it is over.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from magnon_lab.bench.benchfile import BenchFile
from magnon_lab.bench.errors import BenchError
from magnon_lab.bench.stand import Journal, no_journal

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "magnon_lab.bench.watch")
"""A guard that reports to stderr alone; what starts a run names one that knows run files."""

READY_S = 30.0
"""A guard that does not stand after this will not; it takes half a second on an idle machine."""

TRIES = 3
"""So often a guard is replaced in vain before the run ends: it, too, may be killed as it starts."""

STANDS = b"standing\n"


class GuardLostError(BenchError):
    """The bench has no guard, and a new one cannot be started."""


class Guard:
    """The guard of one bench, as its run sees it.

    `command` starts its process. `lock` are open files that it holds on to (see `BenchLock`).
    Usable from several threads. A guard that ends without having been released is replaced; while
    that is not possible, `require` and `beat` raise `GuardLostError`.
    """

    def __init__(
        self,
        bench_file: BenchFile,
        command: Sequence[str] = COMMAND,
        lock: Sequence[int] = (),
        journal: Journal = no_journal,
    ) -> None:
        self.command = tuple(command)
        self._first = {
            "bench": bench_file.text,
            "path": str(bench_file.path.resolve()),
            "run": os.getpid(),
            "lock": list(lock),
        }
        self._lock = tuple(lock)
        self._journal = journal
        self._report: dict[str, Any] = {}
        self._armed: dict[str, Any] = {}
        self._beat: dict[str, Any] = {"beat": "start", "due_s": None}
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = threading.Event()  # stands, or cannot
        self._why = ""
        self._over = False
        self._turn = threading.Lock()

    @property
    def pid(self) -> int:
        """Process id of the guard, 0 if there is none."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Start the process; it comes to stand while the caller goes on, see `require`."""
        threading.Thread(target=self._look_after, name="guard", daemon=True).start()

    def require(self) -> None:
        """Return when the guard stands, and has been told that outputs go on now.

        Before, the end of the run would leave the bench as it was found. Raises `GuardLostError`.
        """
        self._ready.wait(READY_S + 5)
        if not self._ready.is_set() or self._why:
            raise GuardLostError(
                f"no guard stands that would switch the bench off if this process died: "
                f"{self._why or 'it does not answer'}. Nothing is switched on without it"
            )
        if not self._armed:
            self._armed = {"armed": True}
            self._say(self._armed)

    def beat(self, phase: str, deadline_s: float) -> None:
        """Tell that the run gets on, and when to expect the next beat. Raises `GuardLostError`."""
        if self._why:
            self.require()
        due_s = deadline_s if math.isfinite(deadline_s) else None
        self._beat = {"beat": phase, "due_s": due_s}
        self._say(self._beat)

    def report_to(self, place: Path) -> None:
        """Tell where the run's record is, for the guard's entry point."""
        self._report = {"report": str(place)}
        self._say(self._report)

    def release(self) -> None:
        """Let the guard end without touching the bench: it is safe, or was never switched on."""
        self._end(b'{"released": true}\n')

    def hand_over(self) -> None:
        """Let the guard make the bench safe, which this process could not."""
        self._end(b"")

    def _end(self, last: bytes) -> None:
        self._over = True
        with self._turn:
            process = self._process
            if process is None or process.stdin is None or process.stdin.closed:
                return
            with contextlib.suppress(OSError):
                process.stdin.write(last)
            process.stdin.close()
        if last:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2.0)

    def _say(self, message: dict[str, Any]) -> None:
        with self._turn:
            process = self._process
            if process is None or process.stdin is None or process.stdin.closed:
                return  # the one that is being started will be told
            try:
                process.stdin.write(json.dumps(message).encode() + b"\n")
            except BlockingIOError:
                # It reads nothing any more. Ended, it will be replaced.
                process.kill()
            except OSError:
                pass  # it has ended, and is being replaced

    def _look_after(self) -> None:
        """Keep a guard standing until it is released; runs in a thread of its own."""
        stood, failed = False, 0
        while not self._over:
            try:
                process = self._begin()
            except (OSError, GuardLostError) as error:
                failed += 1
                if stood and failed < TRIES:
                    self._tell(f"another guard did not come to stand: {error}; trying again")
                    continue
                self._why = str(error)
                self._ready.set()
                if stood:
                    self._tell(f"no other guard can be started: {error}")
                return
            if stood:
                self._tell(f"another guard stands, process {process.pid}")
            stood, failed = True, 0
            self._ready.set()
            process.wait()
            if not self._over:
                self._tell(f"the guard, process {process.pid}, ended; starting another")
        if not stood:
            self._ready.set()

    def _tell(self, message: str) -> None:
        log.error("%s", message)
        # A record that cannot be written is its owner's trouble; the guard is looked after.
        with contextlib.suppress(Exception):
            self._journal("guard", "outcome", message, {})

    def _begin(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            pass_fds=self._lock,
            bufsize=0,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        # All that is known goes with the first line: the run may die before this guard stands.
        told = [self._first, self._report, self._armed, self._beat]
        try:
            process.stdin.write(b"".join(json.dumps(message).encode() + b"\n" for message in told))
        except OSError as error:
            _end(process)
            raise GuardLostError(f"{self.command} ended at once: {error}") from error
        answer = _line_within(process, READY_S)
        process.stdout.close()
        if answer != STANDS:
            _end(process)
            told_text = answer.decode(errors="replace").strip() or "it ended without a word"
            raise GuardLostError(f"{' '.join(self.command)}: {told_text}")
        os.set_blocking(process.stdin.fileno(), False)
        with self._turn:
            before, self._process = self._process, process
            if before is not None and before.stdin is not None:
                before.stdin.close()
            over = self._over
        # What was told while it came to stand went to nobody.
        for message in (self._report, self._armed, self._beat):
            self._say(message)
        if over:
            self.release()
        return process


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a guard that does not stand, and leave nothing of it."""
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was written to it goes nowhere
                pipe.close()
    process.wait()


def _line_within(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """Return the first line that a process writes, what there is of it when the time is over."""
    late = threading.Timer(seconds, process.kill)
    late.daemon = True
    late.start()
    stdout: IO[bytes] | None = process.stdout
    assert stdout is not None
    try:
        return stdout.readline()
    finally:
        late.cancel()


def now_and_then(first_s: float, longest_s: float) -> Callable[[], float]:
    """Return a back-off: each call gives the next wait in s, twice the last up to the longest."""
    wait_s = first_s / 2

    def following() -> float:
        nonlocal wait_s
        wait_s = min(2 * wait_s, longest_s)
        return wait_s

    return following
