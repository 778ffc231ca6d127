"""The guard: a process that makes the bench safe when the run cannot.

The run's side is `Guard`. It starts a fresh interpreter in a session of its own, so that Ctrl-C
passes it by, and keeps one pipe to it: lines of JSON that tell the bench, then heartbeats (a phase,
and within how many seconds the next is due), at the end that the guard is released. The guard tells
through another that it stands, and then, again and again, that it lives; silent, it is replaced.
The guard's side is `keep_guard`. When the pipe closes without a release the run died; when a
heartbeat is overdue the run hangs, and is ended. Either way the guard makes the bench safe through
sessions of its own, and tries again until it is or the time for it is over.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from magnon_lab.bench.benchfile import BenchFile
from magnon_lab.bench.errors import CustodyError
from magnon_lab.bench.stand import Journal, no_journal

log = logging.getLogger(__name__)

PYTHON = (sys.executable, "-P", "-m")
"""Runs a module; what lies in the current folder, a `yaml.py` say, is not taken for a library."""

COMMAND = (*PYTHON, "magnon_lab.bench.watch")
"""A guard that reports to stderr alone; what starts a run names one that knows run files."""

READY_S = 30.0
"""A guard that does not stand after this will not; it takes half a second on an idle machine."""

REPLACED_S = 15.0
"""Whoever needs the guard waits so long for the next one, and each of those may take so long."""

RELEASE_S = 2.0
"""A guard that is released is waited for so long."""

SILENT_S = 5.0
"""A guard that gave no sign of life for so long hangs; it gives four a second."""

TRIES = 3
"""So often a guard is replaced in vain before the run ends: it, too, may be killed as it starts."""

STANDS = b"standing\n"
LIVES = b"."
RELEASED = b'{"released": true}\n'


class GuardLostError(CustodyError):
    """The bench has no guard, and a new one cannot be started."""


class Guard:
    """The guard of one bench, as its run sees it.

    `command` starts its process. `lock` are open files that it holds on to (see `BenchLock`).
    Usable from several threads. A guard that ends without having been released, or hangs, is
    replaced; meanwhile `require` waits. Where it cannot be, `require` and `beat` raise
    `GuardLostError`.
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
        self._stood = False  # there was one
        self._why = ""
        self._last: bytes | None = None  # what a guard is told at the end, b"" to act
        self._turn = threading.Lock()
        self._keeper = threading.Thread(target=self._look_after, name="guard", daemon=True)

    @property
    def pid(self) -> int:
        """Process id of the guard, 0 if there is none."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Start the process; it comes to stand while the caller goes on, see `require`."""
        self._keeper.start()

    def require(self) -> None:
        """Return when the guard stands, and has been told that outputs go on now.

        Before, the end of the run would leave the bench as it was found. Raises `GuardLostError`.
        """
        self._ready.wait(REPLACED_S if self._stood else READY_S + 5)
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
        self._end(RELEASED)
        if self._keeper.is_alive():
            self._keeper.join(RELEASE_S)

    def hand_over(self) -> None:
        """Let the guard make the bench safe, which this process could not."""
        self._end(b"")

    def _end(self, last: bytes) -> None:
        with self._turn:
            self._last = last
            if self._process is not None:
                _say_last(self._process, last)

    def _say(self, message: dict[str, Any]) -> None:
        with self._turn:
            process = self._process
            if process is None or process.stdin is None or process.stdin.closed:
                return  # the one that is being started will be told
            try:
                # Not the stream's own write, which takes a full pipe for no error.
                os.write(process.stdin.fileno(), json.dumps(message).encode() + b"\n")
            except BlockingIOError:
                process.kill()  # it reads nothing any more; ended, it will be replaced
            except OSError:
                pass  # it has ended, and is being replaced

    def _look_after(self) -> None:
        """Keep a guard standing until it is released; runs in a thread of its own."""
        failed, news = 0, ""
        while self._last is None:
            try:
                process = self._begin(REPLACED_S if self._stood else READY_S)
            except (OSError, GuardLostError) as error:
                failed += 1
                if self._stood and failed < TRIES:
                    self._tell(f"another guard did not come to stand: {error}; trying again")
                    continue
                self._why = str(error)
                self._ready.set()
                if self._stood:
                    self._tell(f"{news}; no other guard can be started: {error}")
                return
            failed, self._stood = 0, True
            self._ready.set()
            if news:
                self._tell(f"{news}; another stands, process {process.pid}")
            what = self._attend(process)
            self._ready.clear()
            news = f"the guard, process {process.pid}, {what}"
        self._ready.set()

    def _attend(self, process: subprocess.Popen[bytes]) -> str:
        """Wait for the end of a guard, ending one that hangs; return what became of it."""
        assert process.stdout is not None
        silent_s, what = 0.0, "ended"
        with process.stdout, selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            # Second by second: a machine that stood still for long is one second late, not silent.
            while silent_s < SILENT_S:
                if not selector.select(1.0):
                    silent_s += 1.0
                elif os.read(process.stdout.fileno(), 65536):
                    silent_s = 0.0
                else:
                    break
            else:
                if self._last is None:
                    what = f"gave no sign of life for {SILENT_S:g} s and was ended"
                    process.kill()
        process.wait()
        return what

    def _tell(self, message: str) -> None:
        log.error("%s", message)
        # A record that cannot be written is its owner's trouble; the guard is looked after.
        with contextlib.suppress(Exception):
            self._journal("guard", "outcome", message, {})

    def _begin(self, within_s: float) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            pass_fds=self._lock,
            bufsize=0,
        )
        assert process.stdin is not None
        # All that is known goes with the first line: the run may die before this guard stands.
        told = [self._first, self._report, self._armed, self._beat]
        try:
            process.stdin.write(b"".join(json.dumps(message).encode() + b"\n" for message in told))
        except OSError as error:
            _end(process)
            raise GuardLostError(f"{self.command} ended at once: {error}") from error
        answer = _line_within(process, within_s)
        if answer != STANDS:
            _end(process)
            told_text = answer.decode(errors="replace").strip() or "it ended without a word"
            raise GuardLostError(f"{' '.join(self.command)}: {told_text}")
        os.set_blocking(process.stdin.fileno(), False)
        with self._turn:
            before, self._process = self._process, process
            if before is not None and before.stdin is not None:
                before.stdin.close()
        # What was told while it came to stand went to nobody.
        for message in (self._report, self._armed, self._beat):
            self._say(message)
        with self._turn:
            if self._last is not None:
                _say_last(process, self._last)
        return process


def _say_last(process: subprocess.Popen[bytes], last: bytes) -> None:
    """Tell a guard how it ends, and close its pipe."""
    assert process.stdin is not None
    if not process.stdin.closed:
        with contextlib.suppress(OSError):
            process.stdin.write(last)
        process.stdin.close()


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
