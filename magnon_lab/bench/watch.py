"""The guard's own side: watch one run through a pipe, and make its bench safe when it cannot.

python -m magnon_lab.bench.watch        started by `Guard`, never by hand
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from magnon_lab.bench.bench import Bench
from magnon_lab.bench.benchfile import BenchFile
from magnon_lab.bench.guard import LIVES, STANDS, now_and_then
from magnon_lab.bench.lock import BenchLock
from magnon_lab.bench.stand import Journal, Stand, no_journal
from magnon_lab.bench.steps import StepOutcome
from magnon_lab.bench.telling import Teller
from magnon_lab.stderr import let_nothing_wait_for_stderr

Report = Callable[[Path], Journal]
"""Returns a journal that writes into the run's record at a place."""

LOOK_S = 0.25
"""How often the guard looks whether the process that started it is still there."""

RECORD_S = 30.0
"""A run's record that is locked is waited for so long, once the bench is safe."""

ASK_S = 3.0
"""A run that hangs is given this long after SIGTERM before SIGKILL."""


class Watch:
    """What the guard knows of its run: told line by line through the pipe."""

    def __init__(self, pipe: int = 0) -> None:
        self._pipe = pipe
        self.run = 0  # its process id
        self._rest = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(pipe, selectors.EVENT_READ)
        self.phase = "start"
        self.due = math.inf  # of time.monotonic
        self.place: Path | None = None
        self.armed = False  # outputs may be on
        self.released = False
        self.gone = False
        self._beats = 0

    @property
    def overdue_s(self) -> float:
        """By how many seconds the next heartbeat is late."""
        return time.monotonic() - self.due

    def first(self) -> dict[str, Any]:
        """Return the first line, which tells the bench."""
        while b"\n" not in self._rest:
            data = os.read(self._pipe, 65536)
            if not data:
                raise EOFError("the run ended before it told its bench")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        told: dict[str, Any] = json.loads(line)
        self.run = told["run"]
        return told

    def listen(self, seconds: float) -> int:
        """Take in what the run tells within `seconds`; return how many heartbeats there were."""
        before = self._beats
        self._take()
        if self._selector.select(seconds):
            data = os.read(self._pipe, 65536)
            self.gone = not data
            self._rest += data
            self._take()
        # A forked child of the run may keep the pipe open beyond its end.
        self.gone = self.gone or os.getppid() != self.run
        return self._beats - before

    def _take(self) -> None:
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            told = json.loads(line)
            if "beat" in told:
                self._beats += 1
                self.phase = told["beat"]
                due_s = told["due_s"]
                self.due = math.inf if due_s is None else time.monotonic() + due_s
            if "report" in told:
                self.place = Path(told["report"])
            self.armed = self.armed or "armed" in told
            self.released = self.released or "released" in told


def keep_guard(report: Report | None = None) -> int:
    """Stand guard over the run that started this process; return its exit code.

    Says so on stdout once it stands, and from then on that it lives. `report` opens the run's
    record, only when there is something to tell. Ends when it is released, when the bench is safe,
    or after `guard.give_up_s`.
    """
    for number in (signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])):
        signal.signal(number, signal.SIG_IGN)
    let_nothing_wait_for_stderr()
    watch = Watch()
    told = watch.first()
    bench_file = BenchFile.parse(told["bench"], told["path"])
    Stand(bench_file)  # imports the drivers, so that nothing is left to go wrong later
    lock = BenchLock([role.resource for role in bench_file.model.roles.present().values()])
    with contextlib.suppress(BrokenPipeError):  # the run may have died meanwhile
        os.write(1, STANDS)
    os.set_blocking(1, False)  # a run that is stopped reads nothing
    why = _why_to_act(watch, bench_file.model.guard.timeout_s)
    if not (why and watch.armed):
        return 0
    what = f"guard of {watch.place.name if watch.place else f'process {watch.run}'}"
    with _telling(watch.place, report) as journal:
        if told["lock"]:
            lock.adopt(told["lock"], what)
        return _act(bench_file, journal, why)


def _why_to_act(watch: Watch, timeout_s: float) -> str:
    """Watch until the run is over; return why the bench must be made safe, "" if it need not."""
    asked_at = math.inf
    while True:
        beats = watch.listen(LOOK_S)
        with contextlib.suppress(OSError):
            os.write(1, LIVES)
        if watch.released or (watch.gone and not watch.armed):
            return ""
        if watch.gone:
            return f"the run (process {watch.run}) ended, or gave up, in phase {watch.phase!r}"
        if beats:
            asked_at = math.inf  # it gets on again
        elif watch.overdue_s > timeout_s and asked_at == math.inf:
            with contextlib.suppress(ProcessLookupError):
                os.kill(watch.run, signal.SIGTERM)
            _tell(f"the run is silent in phase {watch.phase!r}; it was asked to end")
            asked_at = time.monotonic()
        elif time.monotonic() - asked_at > ASK_S:
            with contextlib.suppress(ProcessLookupError):
                os.kill(watch.run, signal.SIGKILL)
            return (
                f"the run (process {watch.run}) hung in phase {watch.phase!r}, by "
                f"{watch.overdue_s:.1f} s beyond its deadline, and was ended"
            )


def _act(bench_file: BenchFile, journal: Journal, why: str) -> int:
    """Make the bench safe, again and again until it is."""
    config = bench_file.model.guard
    give_up_s = config.give_up_for(bench_file.simulated)
    journal("guard", "intent", f"{why}: making the bench safe", {})
    until = time.monotonic() + give_up_s
    pause_s = now_and_then(1.0, config.longest_pause_s)
    before: list[StepOutcome] = []
    bench = Bench(bench_file, no_journal)
    while True:
        outcomes = bench.safe()
        bench.stand.close()
        for outcome in outcomes:
            if outcome not in before:  # tell each news once, though it is tried for hours
                text = f"{outcome.name}: {'' if outcome.ok else 'FAILED, '}{outcome.text}"
                journal("guard", "outcome", text, {"ok": outcome.ok, **outcome.readback})
        before = outcomes
        if all(outcome.ok for outcome in outcomes):
            journal("guard", "outcome", "the bench is safe", {"ok": True})
            return 0
        wait_s = pause_s()
        if time.monotonic() + wait_s > until:
            journal(
                "guard",
                "outcome",
                f"GIVEN UP after {give_up_s:g} s: the bench is NOT safe, go and look",
                {"ok": False},
            )
            return 1
        time.sleep(wait_s)


@contextlib.contextmanager
def _telling(place: Path | None, report: Report | None) -> Iterator[Journal]:
    """Yield a journal that goes to stderr, to guard.log in the run's folder, and to its record.

    A folder that hangs is waited for as little as stderr, see `Teller`.
    """
    teller = Teller(_record(place, report))

    def journal(kind: str, phase: str, message: str, data: dict[str, Any]) -> None:
        _tell(message)
        teller(kind, phase, message, data)

    try:
        yield journal
    finally:
        teller.end(RECORD_S)


def _record(place: Path | None, report: Report | None) -> Journal:
    """Return a journal that opens guard.log and the run's record when there is something to write.

    What becomes of one does not concern the other.
    """
    if place is None:
        return no_journal
    opened: list[Journal] = []

    def write(kind: str, phase: str, message: str, data: dict[str, Any]) -> None:
        try:
            with (place / "guard.log").open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {message}\n")
        except OSError as error:
            _tell(f"no log file in {place}: {error}")
        if report is None:
            return
        try:
            if not opened:
                opened.append(report(place))
            opened[0](kind, phase, message, data)
        except Exception as error:  # a full disk must not keep the bench from becoming safe
            _tell(f"not recorded in {place}: {error}")

    return write


def _tell(message: str) -> None:
    sys.stderr.write(f"guard: {message}\n")


def main() -> None:
    """Stand guard, reporting to stderr alone."""
    sys.exit(keep_guard())


if __name__ == "__main__":
    main()
