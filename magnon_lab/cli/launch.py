"""Run one PyMeasure procedure to its end, headless, recorded, with the bench left safe."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pymeasure.experiment import Procedure, Results

from magnon_lab.bench import Bench, BenchFile
from magnon_lab.bench.errors import CustodyError
from magnon_lab.bench.steps import MAY_BE_ON, failures
from magnon_lab.cli.control import Control
from magnon_lab.cli.errors import BadInputError, Failure, exit_code_of
from magnon_lab.cli.guard import COMMAND as GUARD
from magnon_lab.cli.work import RunWorker, Watch, work
from magnon_lab.runs import RunError, RunFile, RunsFolder
from procedures.base import RingProcedure
from procedures.context import Context
from procedures.pulse import Pulse

log = logging.getLogger(__name__)

#: What is left behind by a procedure that is not ours and did not follow an abort.
_STUCK_UNGUARDED = (
    "aborted; the procedure has not ended, so the process is ended. "
    f"{MAY_BE_ON}: it is unguarded, its instruments are as they were"
)


@dataclass(frozen=True)
class Terms:
    """How a run is carried out, whatever it is.

    `watch` shows how it goes, `began` is called with the run file once there is one, `parent` is a
    process without which the run must not go on. `on_error`: see `Context`.
    """

    watch: Watch | None = None
    began: Callable[[RunFile], None] | None = None
    parent: int | None = None
    on_error: Literal["pause", "fail"] = "pause"


@dataclass
class Outcome:
    """How a run ended.

    `stuck`: a thread still waits for an instrument, so the process must be ended the hard way.
    """

    run: RunFile
    status: str
    exit_code: int
    message: str
    wall_time_s: float
    summary: dict[str, Any] = field(default_factory=dict)
    stuck: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints last."""
        figures = ("accuracy", "loss", "ring_measurements", "bench_time_s")
        rest = {key: value for key, value in self.summary.items() if key not in figures}
        return {
            "run": self.run.id,
            "folder": str(self.run.folder),
            "status": self.status,
            **{key: self.summary.get(key) for key in figures},
            "wall_time_s": round(self.wall_time_s, 3),
            "message": self.message,
            **rest,
        }


class _Journal:
    """The bench's journal: kept until there is a run file, and a sign of life while it is safed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._early: list[tuple[str, str, str, dict[str, Any]]] = []

    def __call__(self, kind: str, phase: str, message: str, data: dict[str, Any]) -> None:
        if kind != "guard":  # the guard looks at the work, it is no work
            with contextlib.suppress(CustodyError):  # told by the work's own beats; this is record
                self._context.pulse.beat("safe" if kind in ("safe", "standby") else "start")
        if self._context.run is None:
            self._early.append((kind, phase, message, data))
        else:
            self._context.run.event(kind, phase, message, data)

    def catch_up(self) -> None:
        for entry in self._early:
            self(*entry)
        self._early.clear()


def launch(
    procedure: Procedure,
    *,
    name: str,
    bench_path: Path | None,
    runs_path: Path,
    terms: Terms | None = None,
) -> Outcome:
    """Run `procedure` as a new run and return how it ended.

    Everything that can be known to be wrong is refused before a run folder exists; instruments are
    reached, with their outputs untouched, before it exists too. Errors up to there are raised,
    later ones are recorded in the run file and told in the outcome.
    """
    runs, terms = RunsFolder(runs_path), terms or Terms()
    if not isinstance(procedure, RingProcedure):
        return _launch_foreign(procedure, name, runs, terms)
    bench_file = BenchFile.load(bench_path)
    prepare(procedure, bench_file, runs)

    def begin() -> RunFile:
        return runs.create(
            procedure=name,
            configuration=procedure.parameter_values(),
            bench_text=bench_file.text,
            seed=int(procedure.seed),
            simulated=bench_file.simulated or not procedure.uses_bench,
            keep=procedure.kept,
        )

    return carry_out(procedure, begin, terms)


def prepare(procedure: RingProcedure, bench_file: BenchFile, runs: RunsFolder) -> None:
    """Give a procedure what it works with, and let it refuse what is wrong (`BadInputError`)."""
    procedure.context = Context(bench_file=bench_file, runs=runs)
    try:
        procedure.validate()
    except (ValueError, RunError) as error:
        raise BadInputError(str(error)) from error


def carry_out(procedure: RingProcedure, begin: Callable[[], RunFile], terms: Terms) -> Outcome:
    """Open the bench, take the run file that `begin` gives, do the work, and say how it ended."""
    started = time.monotonic()
    context = procedure.context
    context.on_error = terms.on_error
    bench_file = context.bench_file
    with contextlib.ExitStack() as listening, contextlib.ExitStack() as stack:
        journal = _Journal(context)
        if procedure.uses_bench:
            # Left as it was found, until there is a run that could have changed it.
            bench = Bench(
                bench_file,
                journal,
                seed=int(procedure.seed),
                leave="unchanged",
                what="a run that begins",
                guard_command=GUARD,
            )
            context.bench = stack.enter_context(bench)
            context.pulse.allow("safe", bench.safe_within_s())
            context.pulse.listeners.append(bench.beat)
        run = context.run = begin()
        journal.catch_up()
        if context.bench is not None:
            context.bench.leave = "safe"
            context.bench.report_to(run.folder, f"run {run.id}")
            run.set_identities(context.bench.identities())
            run.set_frequencies(context.bench.frequencies_hz)
        worker = RunWorker(_results(procedure, run), run)
        control = Control(run, worker.stop, context, terms.parent)
        listening.enter_context(control.signals())  # until the bench is safe and all is recorded
        _work(run, worker, control, terms, str(bench_file.path.resolve()))
        if worker.stuck:
            stack.pop_all()  # its sessions are in the hands of the thread that is stuck
        stack.close()
        return _conclude(procedure, run, worker, control, time.monotonic() - started)


def _results(procedure: RingProcedure, run: RunFile) -> Results:
    """Begin PyMeasure's CSV, with what the run file holds of earlier steps."""
    run.csv_path.unlink(missing_ok=True)
    results = Results(procedure, str(run.csv_path))
    with run.csv_path.open("a", encoding=Results.ENCODING) as file:
        file.writelines(results.format(row) + Results.LINE_BREAK for row in procedure.rows_so_far())
    return results


def _launch_foreign(procedure: Procedure, name: str, runs: RunsFolder, terms: Terms) -> Outcome:
    """Run a procedure that opens instruments by itself: recorded, but outside our limits."""
    started = time.monotonic()
    run = runs.create(
        procedure=name,
        configuration=procedure.parameter_values(),
        bench_text="",
        seed=0,
        simulated=False,
    )
    run.event(
        "unguarded",
        "outcome",
        "this procedure opens its instruments by itself: no limit of the bench file is checked "
        "and no safe state is ensured",
        {},
    )
    pulse = Pulse()
    worker = RunWorker(Results(procedure, str(run.csv_path)), run, pulse)
    control = Control(run, worker.stop, None, terms.parent, pulse)
    with control.signals():
        _work(run, worker, control, terms, "")
        return _conclude(procedure, run, worker, control, time.monotonic() - started)


def _work(run: RunFile, worker: RunWorker, control: Control, terms: Terms, bench_path: str) -> None:
    run.start()
    told = {"pid": os.getpid(), "host": socket.gethostname(), "bench_path": bench_path}
    run.event("process", "outcome", f"process {told['pid']} on {told['host']} runs it", told)
    if terms.began is not None:
        terms.began(run)
    work(worker, run, control, terms.watch)


def _conclude(
    procedure: Procedure, run: RunFile, worker: RunWorker, control: Control, wall_time_s: float
) -> Outcome:
    ours = isinstance(procedure, RingProcedure)
    resumable = ours and procedure.resumable
    message = ""
    code = Failure.INTERRUPTED if resumable else Failure.FAILED
    if control.by_ctrl_c:
        code = Failure.CTRL_C
    how = f"; magnon-lab resume {run.id} goes on" if resumable else ""
    if worker.stuck:
        status = "aborted"
        message = (_stuck(procedure.context) if ours else _STUCK_UNGUARDED) + how
    elif procedure.status == Procedure.FINISHED:
        if ours and procedure.ended_early:
            status, message = "stopped", f"stopped on request{how}"
        else:
            status, code = "finished", Failure.NONE
    elif procedure.status == Procedure.ABORTED:
        status, message = "aborted", f"aborted on request{how}"
    else:
        status, code = "failed", exit_code_of(worker.error)
        message = f"{type(worker.error).__name__}: {worker.error}"
        log.debug("the procedure failed", exc_info=worker.error)
    if not worker.stuck and ours and (unsafe := _unsafe(procedure.context)):
        code = Failure.FAILED
        message = f"{message}; {unsafe}" if message else unsafe
    summary = procedure.summary() if ours else {}
    try:
        if worker.stuck:
            run.event("stuck", "outcome", message)
        run.finish(status, message, summary)
    except RunError as error:  # what happened is told all the same
        code, message = Failure.FAILED, f"{message}; {error}" if message else str(error)
    run.close()
    return Outcome(run, status, int(code), message, wall_time_s, summary, worker.stuck)


def _unsafe(context: Context) -> str:
    """Say what is not known to be off although the bench was to be safe, "" if all is."""
    bench = context.bench
    told = failures(bench.outcomes) if bench else ""
    if not told:
        return ""
    then = "its guard goes on trying, and magnon-lab bench safe does so by hand"
    if context.bench_file.in_process:
        then = "its simulated laboratory ends with this process"
    return f"{MAY_BE_ON} ({told}); {then}"


def _stuck(context: Context) -> str:
    """Say what an abort that was not followed leaves behind."""
    last = context.pulse.last
    told = f"aborted; {last.phase} has not got on for {context.pulse.silent_s():.1f} s"
    if context.bench is None or last.phase == "compile":
        return f"{told}, so the process is ended"
    if context.bench_file.in_process:
        return f"{told}, so the process is ended, and its simulated laboratory with it"
    if context.bench.guarded:
        return f"{told}, so the process is ended, and its guard makes the bench safe"
    return (
        f"{told}, so the process is ended. {MAY_BE_ON}: no guard looks after it; "
        "magnon-lab bench safe switches it off once its instruments answer"
    )
