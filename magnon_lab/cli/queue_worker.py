"""Works a queue off: one entry after the other, each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO

from magnon_lab.bench import BenchFile, BenchFileError
from magnon_lab.bench.guard import PYTHON
from magnon_lab.bench.lock import BenchHeldError, BenchLock
from magnon_lab.bench.steps import MAY_BE_ON
from magnon_lab.cli.errors import Failure
from magnon_lab.runs import RunError, RunsFolder
from magnon_lab.runs.queue import Entry, Queue

#: How often (s) a child is looked at.
TURN_S = 0.1

#: Ends that count as failures; a run that was stopped on request has done what was asked of it.
FAILURES = ("failed", "aborted", "interrupted")


class Worker:
    """Works off the queue of `runs`, only the entries of `bench` if one is given.

    One works a bench: what another works is left to it. `say` is called with a line on each thing
    that happens. A run that is at work when this process ends is told to abort, however it ends.
    """

    def __init__(
        self,
        queue: Queue,
        say: Callable[[str], None],
        *,
        bench: Path | None = None,
        on_failure: str = "stop",
        on_error: str = "pause",
    ) -> None:
        self.queue = queue
        self.done: list[Entry] = []
        self.refused: list[str] = []
        self._say = say
        self._bench = bench
        self._on_failure = on_failure
        self._on_error = on_error
        self._locks: dict[str, BenchLock] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._signal: signal.Signals | None = None

    def work(self) -> int:
        """Work until nothing is left, a failure ends it or a signal does; return the exit code."""
        try:
            with self._signals():
                while self._signal is None and (entry := self._next()) is not None:
                    ended = self._carry_out(entry)
                    self.done.append(ended)
                    if why := self._stops(ended):
                        self._say(f"entry {entry.entry} {why}: the queue stops here")
                        break
        finally:
            for lock in self._locks.values():
                lock.release()
        if self._signal is not None:
            return Failure.CTRL_C if self._signal == signal.SIGINT else Failure.INTERRUPTED
        failed = any(_failed(entry) for entry in self.done)
        nothing = self.refused and not self.done
        return Failure.FAILED if failed or nothing else Failure.NONE

    def _stops(self, ended: Entry) -> str:
        """Say why nothing may come after an entry, "" if the next may."""
        if MAY_BE_ON in ended.message:  # whatever the policy: somebody must look
            return "left the bench in doubt"
        policy = ended.on_failure or self._on_failure
        return ended.status if _failed(ended) and policy == "stop" else ""

    def _next(self) -> Entry | None:
        """Claim the first entry that waits and whose bench nobody else works."""
        self.refused = []
        for entry in self.queue.entries():
            if entry.status != "queued" or not self._mine(entry):
                continue
            try:
                self._lock(entry.bench)
            except BenchFileError:
                pass  # its own process says what is wrong with it, and is recorded as failed
            except BenchHeldError as error:
                holder = error.holder.told() if error.holder is not None else "another process"
                self.refused.append(
                    f"entry {entry.entry} is left to {holder}, who works the bench {entry.bench}"
                )
                continue
            if self.queue.claim(entry.entry):
                return entry
        return None

    def _mine(self, entry: Entry) -> bool:
        return self._bench is None or Path(entry.bench) == self._bench

    def _lock(self, bench: str) -> None:
        """Be the one that works a bench, until this process ends. Raises `BenchHeldError`."""
        if bench in self._locks:
            return
        bench_file = BenchFile.load(bench)
        lock = BenchLock(_places(bench_file, self.queue.runs))
        ours = {place for one in self._locks.values() for place in one.resources}
        if not ours.issuperset(lock.resources):
            lock.acquire(f"the queue of {self.queue.runs}")
        self._locks[bench] = lock

    def _carry_out(self, entry: Entry) -> Entry:
        number = entry.entry
        self._say(f"entry {number}: {f'resume {entry.run}' if entry.resume else entry.procedure}")
        with tempfile.TemporaryFile() as stdout:
            code = self._run(entry, stdout)
            stdout.seek(0)
            told = _last_json(stdout.read())
        status, message = self._outcome(number, code, told)
        self.queue.ended(number, status, code, message)
        self._say(f"entry {number}: {status}" + (f", {message}" if message else ""))
        return self.queue.entry(number)

    def _run(self, entry: Entry, stdout: IO[bytes]) -> int:
        """Make the entry's run in a child, and return its exit code."""
        # In a session of its own, so that Ctrl-C comes to it once: from here.
        self._child = subprocess.Popen(
            self._command(entry),
            cwd=entry.folder,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            start_new_session=True,
        )
        try:
            if self._signal is not None:  # it came while the child was made
                self._child.send_signal(self._signal)
            while (code := self._child.poll()) is None:
                time.sleep(TURN_S)
            return code
        finally:
            if self._child.poll() is None:
                self._child.terminate()
            self._child = None

    def _command(self, entry: Entry) -> list[str]:
        runs = ["--runs", str(self.queue.runs.resolve()), "--bench", entry.bench, "--json"]
        runs += ["--on-error", self._on_error]
        runs += ["--queue-entry", str(entry.entry), "--worker", str(os.getpid())]
        if entry.resume:
            return [*_MAGNON_LAB, "resume", str(entry.run), *runs]
        parameters = [
            word for name, value in entry.parameters.items() for word in ("-p", f"{name}={value}")
        ]
        return [*_MAGNON_LAB, "run", entry.procedure, *parameters, *runs]

    def _outcome(self, number: int, code: int, told: dict[str, str]) -> tuple[str, str]:
        """Return status and message of an entry whose process has ended."""
        run = self.queue.entry(number).run
        message = str(told.get("message") or "")
        if run is None:
            ended = f"its process ended with {code} before it had a run"
            return ("interrupted" if code < 0 else "failed"), message or ended
        try:
            with RunsFolder(self.queue.runs).find(run) as found:
                info = found.info()
        except RunError as error:
            return "failed", str(error)
        if info["status"] == "interrupted":
            return "interrupted", f"its process was ended ({_ending(code)})"
        # What a resume refuses leaves the run as it was, and has a message of its own.
        return str(info["status"]) if code != Failure.BAD_INPUT else "failed", (
            message or info["message"]
        )

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Hand signals on to the run at work, and begin no other after one."""

        def hand_on(number: int, frame: FrameType | None) -> None:
            self._signal = signal.Signals(number)
            if self._child is not None:
                with contextlib.suppress(ProcessLookupError):
                    self._child.send_signal(number)

        numbers = [signal.SIGINT, signal.SIGTERM]
        if hasattr(signal, "SIGHUP"):
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, hand_on) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


_MAGNON_LAB = (*PYTHON, "magnon_lab.cli")


def _failed(entry: Entry) -> bool:
    """Tell a failure; also a run that has finished but did not leave its bench safe."""
    return entry.status in FAILURES or entry.exit_code == Failure.FAILED


def _places(bench_file: BenchFile, runs: Path) -> list[str]:
    """Return what one worker has to itself: instruments, or a bench that each process has anew."""
    if bench_file.in_process:
        return [f"queue of {runs.resolve()} at {bench_file.path.resolve()}"]
    return [f"queue at {role.resource}" for role in bench_file.model.roles.present().values()]


def _last_json(stdout: bytes) -> dict[str, str]:
    lines = stdout.decode(errors="replace").strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
