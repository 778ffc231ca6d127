"""Processes that the window starts and that outlive it: runs, the queue, *Make safe*."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from magnon_lab.bench.guard import PYTHON

#: How often (ms) children are looked at.
LOOK_MS = 50

ACCEPT = "--accept-changed"
"""Lets a run go on at a bench that has changed; a refusal for that reason names it."""

COMMAND = (*PYTHON, "magnon_lab.cli")

_BEGAN = b"run "
"""What a run's process says of its id, on a line of its own on its error output."""

_outliving: list[subprocess.Popen[bytes]] = []
"""Children of windows that are closed; kept, since Python warns of one that is forgotten."""


@dataclass
class Child:
    """A process at work. `what`: "run", "resume", "queue", "safe", "show" or "check"."""

    what: str
    process: subprocess.Popen[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]
    about: str = ""
    """Id of the run that it is to go on with."""
    run: str | None = None
    """Id of its run, once it has told it."""

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def ask_to_end(self) -> None:
        """End it as Ctrl-C does: a run after its step, a queue with its run."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)


@dataclass(frozen=True)
class Ended:
    """How a child ended: exit code (negative: of a signal), message, and what its JSON told."""

    what: str
    code: int
    message: str
    run: str | None
    told: Mapping[str, Any] = field(default_factory=dict)
    said: str = ""
    """Its error output."""
    about: str = ""
    """Id of the run that it was to go on with."""


class Processes(QObject):
    """Starts children for a folder of runs and a bench file, and notices how they end.

    `began` tells a child whose run has got its id, `ended` how one ended. Each child is in a
    session of its own and writes to files, so that it goes on, and waits for nobody, when the
    window is gone. `at_work` are the children that have not ended yet.
    """

    began = pyqtSignal(object)
    ended = pyqtSignal(object)

    def __init__(
        self, runs: Path, bench: Path | None = None, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._runs = Path(runs).resolve()
        self.bench = None if bench is None else Path(bench).resolve()
        self.at_work: list[Child] = []
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)

    # Starting

    def run(self, procedure: str, values: Mapping[str, str]) -> Child:
        """Run a procedure with these parameters; the others are as it has them."""
        words = ["run", procedure]
        for name, value in values.items():
            words += ["-p", f"{name}={value}"]
        return self._start("run", [*words, *self._at_bench(), *self._into_runs()])

    def resume(self, run_id: str, accept_changed: bool = False) -> Child:
        """Go on with a run that ended before its time, at the bench file that it used last.

        A bench that is not as it was then is refused, unless `accept_changed`.
        """
        words = ["resume", run_id, *([ACCEPT] if accept_changed else [])]
        return self._start("resume", [*words, *self._into_runs()], about=run_id)

    def queue_start(self, on_failure: str = "stop") -> Child:
        """Work the queue off; `on_failure`: "stop" or "go-on"."""
        words = ["queue", "start", "--on-failure", on_failure]
        return self._start("queue", [*words, *self._into_runs()])

    def make_safe(self) -> Child:
        """Switch everything off, whoever holds the bench."""
        return self._start("safe", ["bench", "safe", *self._at_bench()])

    def show_bench(self) -> Child:
        """Read every quantity back."""
        return self._start("show", ["bench", "show", *self._at_bench()])

    def check_bench(self) -> Child:
        """Ask every instrument who it is."""
        return self._start("check", ["bench", "check", *self._at_bench()])

    def _at_bench(self) -> list[str]:
        return [] if self.bench is None else ["--bench", str(self.bench)]

    def _into_runs(self) -> list[str]:
        return ["--runs", str(self._runs)]

    def _start(self, what: str, words: Sequence[str], about: str = "") -> Child:
        # Files that nobody has to empty: a pipe would fill, or break, once the window is gone.
        stdout, stderr = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        process = subprocess.Popen(
            [*COMMAND, *words, "--json"],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        child = Child(what, process, stdout, stderr, about)
        self.at_work.append(child)
        self._timer.start()
        return child

    # Noticing

    def find(self, what: str) -> Child | None:
        """Return a child of a kind that has not ended yet."""
        return next((child for child in self.at_work if child.what == what), None)

    def _look(self) -> None:
        for child in list(self.at_work):
            code = child.process.poll()
            if child.run is None and child.what in ("run", "resume"):
                child.run = _run_id(_read(child.stderr))
                if child.run is not None:
                    self.began.emit(child)
            if code is not None:
                self.at_work.remove(child)
                self.ended.emit(_how_it_ended(child, code))
        if not self.at_work:
            self._timer.stop()

    def let_go(self) -> None:
        """Look no more; children go on."""
        self._timer.stop()
        for child in self.at_work:
            child.stdout.close()
            child.stderr.close()
            _outliving.append(child.process)
        self.at_work.clear()


def _read(file: IO[bytes]) -> bytes:
    """Read a file whole without moving the place where its writer writes, which is ours too."""
    number = file.fileno()
    return os.pread(number, os.fstat(number).st_size, 0)


def _run_id(said: bytes) -> str | None:
    for line in said.splitlines(keepends=True):
        if line.startswith(_BEGAN) and line.endswith(b"\n"):
            return line[len(_BEGAN) :].decode(errors="replace").strip()
    return None


def _how_it_ended(child: Child, code: int) -> Ended:
    with child.stdout, child.stderr:
        out, err = (_read(one).decode(errors="replace") for one in (child.stdout, child.stderr))
    told = _last_json(out)
    message = str(told.get("message") or "")
    if not message and code:
        message = _said(err, child.run) or _ending(code)
    run = told.get("run") or child.run
    return Ended(child.what, code, message, run, told, err, child.about)


def _last_json(text: str) -> dict[str, Any]:
    lines = text.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {"lines": found}


def _said(text: str, run: str | None) -> str:
    """Return the last line of what a child said of an error."""
    lines = [line.strip() for line in text.strip().splitlines()]
    lines = [line for line in lines if line and line != f"run {run}"]
    return lines[-1].removeprefix("error: ") if lines else ""


def _ending(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"its process was ended by {name}"
