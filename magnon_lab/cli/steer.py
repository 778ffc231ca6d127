"""`magnon-lab pause|stop|abort|resume RUN`: requests to a run, and going on with one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magnon_lab.cli.options import (
    DEFAULT_RUNS,
    BenchOption,
    JsonOption,
    OnErrorOption,
    QueueEntryOption,
    RunArgument,
    RunsOption,
    WorkerOption,
    out,
    print_json,
    told,
)
from magnon_lab.cli.progress import end_with, progress_line

if TYPE_CHECKING:
    from magnon_lab.runs import RunFile

#: A run takes a request up within 2 s; one that does not within this many has lost its main thread.
WAIT_S = 10.0


def pause(run: RunArgument, runs: RunsOption = DEFAULT_RUNS, as_json: JsonOption = False) -> None:
    """Let a run wait after its current step, with the bench in standby, until it is resumed."""
    _ask_by_name(run, "pause", runs, as_json)


def stop(run: RunArgument, runs: RunsOption = DEFAULT_RUNS, as_json: JsonOption = False) -> None:
    """Let a run end after its current step: it evaluates what it has, and leaves the bench safe."""
    _ask_by_name(run, "stop", runs, as_json)


def abort(run: RunArgument, runs: RunsOption = DEFAULT_RUNS, as_json: JsonOption = False) -> None:
    """Let a run end before its next measurement, and leave the bench safe."""
    _ask_by_name(run, "abort", runs, as_json)


def resume(
    run: RunArgument,
    runs: RunsOption = DEFAULT_RUNS,
    bench: BenchOption = None,
    accept_changed: Annotated[
        bool,
        typer.Option("--accept-changed", help="Go on at a bench that is not as it was."),
    ] = False,
    on_error: OnErrorOption = "pause",
    queue_entry: QueueEntryOption = None,
    worker: WorkerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a run: one that waits in its process, or one that ended before its time.

    The latter goes on here, from its last checkpoint, once the bench file and every instrument's
    identity are found to be what they were. Exit codes are those of `run`.
    """
    with told(as_json):
        from magnon_lab.cli.launch import Terms
        from magnon_lab.cli.resuming import resume as go_on
        from magnon_lab.cli.run import began_of, use_compilation_cache
        from magnon_lab.runs import RunsFolder

        found = RunsFolder(runs).find(run)
        if found.status == "paused":
            with found:
                _ask(found, "resume", as_json)
            return
        use_compilation_cache()
        with progress_line(quiet=as_json) as watch:
            outcome = go_on(
                found,
                runs_path=runs,
                bench_path=bench,
                accept_changed=accept_changed,
                terms=Terms(watch, began_of(queue_entry, runs), worker, on_error),
            )
        end_with(outcome, as_json)


def _ask_by_name(name: str, kind: str, runs: Path, as_json: bool) -> None:
    from magnon_lab.runs import RunsFolder

    with told(as_json), RunsFolder(runs).find(name) as run:
        _ask(run, kind, as_json)


def _ask(run: RunFile, kind: str, as_json: bool) -> None:
    from magnon_lab.runs import RunError

    asked = time.monotonic()
    request = run.request(kind)
    while not any(one.id == request and one.taken for one in run.requests()):
        if time.monotonic() - asked > WAIT_S:
            raise RunError(
                f"run {run.id} did not take up the {kind} within {WAIT_S:g} s; it will as soon as "
                "it can. If its process hangs, end it: its guard makes the bench safe"
            )
        time.sleep(0.05)
    seconds = round(time.monotonic() - asked, 2)
    if as_json:
        print_json({"run": run.id, "request": kind, "taken_up_s": seconds, "status": run.status})
    else:
        out.print(f"run {run.id}: {kind} taken up after {seconds} s", markup=False)
