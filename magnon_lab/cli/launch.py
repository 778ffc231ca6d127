"""Run one PyMeasure procedure to its end, headless, recorded, with the bench left safe."""

from __future__ import annotations

import contextlib
import logging
import queue
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from pymeasure.experiment import Procedure, Results, Worker

from magnon_lab.bench import Bench, BenchFile
from magnon_lab.cli.errors import BadInputError, Failure, exit_code_of
from magnon_lab.runs import RunError, RunFile, RunsFolder
from procedures.base import Context, RingProcedure

log = logging.getLogger(__name__)
Watch = Callable[[float, Mapping[str, Any]], None]  # progress in percent, latest record


@dataclass
class Outcome:
    """How a run ended."""

    run: RunFile
    status: str
    exit_code: int
    message: str
    wall_time_s: float
    summary: dict[str, Any] = field(default_factory=dict)

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


class RunWorker(Worker):  # type: ignore[misc]  # PyMeasure ships no types
    """PyMeasure's worker, which also remembers the last record and what went wrong."""

    def __init__(self, results: Results) -> None:
        super().__init__(results, log_level=logging.WARNING)
        self.latest: dict[str, Any] = {}
        self.error: BaseException | None = None

    def handle_record(self, record: dict[str, Any]) -> None:
        """Hand a record to the CSV and keep it for the progress line."""
        self.latest = record
        super().handle_record(record)

    def handle_error(self) -> None:
        """Remember the error; PyMeasure itself only logs it."""
        self.error = sys.exc_info()[1]
        self.emit("error", repr(self.error))
        self.update_status(Procedure.FAILED)

    def handle_abort(self) -> None:
        """Remember a KeyboardInterrupt or SystemExit raised inside the procedure."""
        self.error = sys.exc_info()[1]
        self.update_status(Procedure.ABORTED)


def launch(
    procedure: Procedure,
    *,
    name: str,
    bench_path: Path | None,
    runs_path: Path,
    watch: Watch | None = None,
) -> Outcome:
    """Run `procedure` and return how it ended.

    Everything that can be known to be wrong is refused before a run folder exists; instruments are
    reached, with their outputs untouched, before it exists too. Errors up to there are raised,
    later ones are recorded in the run file and told in the outcome.
    """
    started = time.monotonic()
    runs = RunsFolder(runs_path)
    if not isinstance(procedure, RingProcedure):
        return _launch_foreign(procedure, name, runs, watch, started)
    bench_file = BenchFile.load(bench_path)
    context = procedure.context = Context(bench_file=bench_file, runs=runs)
    try:
        procedure.validate()
    except (ValueError, RunError) as error:
        raise BadInputError(str(error)) from error
    with contextlib.ExitStack() as stack:
        pending: list[tuple[Any, ...]] = []

        def journal(kind: str, phase: str, message: str, data: dict[str, Any]) -> None:
            if context.run is None:
                pending.append((kind, phase, message, data))
            else:
                context.run.event(kind, phase, message, data)

        if procedure.uses_bench:
            context.bench = stack.enter_context(
                Bench(bench_file, journal=journal, seed=int(procedure.seed))
            )
        run = context.run = runs.create(
            procedure=name,
            configuration=procedure.parameter_values(),
            bench_text=bench_file.text,
            seed=int(procedure.seed),
            simulated=bench_file.simulated or not procedure.uses_bench,
            keep=procedure.kept,
        )
        for event in pending:
            run.event(*event)
        if context.bench is not None:
            run.set_identities(context.bench.identities())
            run.set_frequencies(context.bench.frequencies_hz)
        worker = _work(procedure, run, context.stop.set, watch)
    return _conclude(procedure, run, worker, context.stop.is_set(), started)


def _launch_foreign(
    procedure: Procedure, name: str, runs: RunsFolder, watch: Watch | None, started: float
) -> Outcome:
    """Run a procedure that opens instruments by itself: recorded, but outside our limits."""
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
    worker = _work(procedure, run, None, watch)
    return _conclude(procedure, run, worker, False, started)


def _work(
    procedure: Procedure, run: RunFile, stop: Callable[[], None] | None, watch: Watch | None
) -> RunWorker:
    worker = RunWorker(Results(procedure, str(run.csv_path)))
    run.start()
    worker.start()
    progress, last_beat = 0.0, 0.0
    with _signals(stop or worker.stop, worker.stop):
        while worker.is_alive() or not worker.monitor_queue.empty():
            with contextlib.suppress(queue.Empty):
                message = worker.monitor_queue.get(timeout=0.1)
                if message is not None and message[0] == "progress":
                    progress = float(message[1])
            if time.monotonic() - last_beat > 1.0:
                last_beat = time.monotonic()
                run.heartbeat()
            if watch is not None:
                watch(progress, worker.latest)
    return worker


@contextlib.contextmanager
def _signals(first: Callable[[], None], then: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C: first a stop after the step, then an abort; the other signals abort at once."""
    actions = [first, then]

    def interrupt(signum: int, frame: FrameType | None) -> None:
        actions.pop(0)() if len(actions) > 1 else actions[0]()

    def abort(signum: int, frame: FrameType | None) -> None:
        then()

    handlers = {signal.SIGINT: interrupt, signal.SIGTERM: abort, signal.SIGHUP: abort}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _conclude(
    procedure: Procedure, run: RunFile, worker: RunWorker, stopped: bool, started: float
) -> Outcome:
    message = ""
    summary: dict[str, Any] = {}
    if procedure.status == Procedure.FINISHED:
        status, code = ("stopped", Failure.CTRL_C) if stopped else ("finished", 0)
    elif procedure.status == Procedure.ABORTED:
        status, code, message = "aborted", Failure.CTRL_C, "aborted on request"
    else:
        status, code = "failed", exit_code_of(worker.error)
        message = f"{type(worker.error).__name__}: {worker.error}"
        log.debug("the procedure failed", exc_info=worker.error)
    if isinstance(procedure, RingProcedure):
        summary = procedure.summary()
    run.finish(status, message, summary)
    run.close()
    return Outcome(run, status, int(code), message, time.monotonic() - started, summary)
