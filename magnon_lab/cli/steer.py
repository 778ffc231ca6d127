"""`magnon-lab pause|stop|abort|set|resume RUN`: requests to a run, and going on with one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    from magnon_lab.runs import Event, RunFile

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


def set_quantity(
    run: RunArgument,
    quantity: Annotated[str, typer.Argument(help="For example attenuation_db; or drive.")],
    value: Annotated[
        str, typer.Argument(help="In the unit that the quantity's name ends with; drive: on, off.")
    ],
    runs: RunsOption = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """Let a run in hand mode (`run hand`) turn one quantity, under all limits.

    Ends when it is turned and read back; in a pause, when it is accepted for later. Exit code 3 if
    it is refused. (A negative value goes after `--`.)
    """
    from magnon_lab.bench import LimitError
    from magnon_lab.runs import RunsFolder

    with told(as_json), RunsFolder(runs).find(run) as found:
        request, _ = _take_up(found, "set", _wish(quantity, value))
        answer = _answer(found, request)
        if answer.data.get("ok") is False:
            raise LimitError(answer.data["why"])
        turned = answer.phase == "outcome"
        if as_json:
            told_by = {"requested": answer.data["asked"], "read_back": answer.data.get("found")}
            print_json({"run": found.id, "turned": turned} | told_by)
        else:
            later = "" if turned else "accepted, for when the run goes on: "
            out.print(f"run {found.id}: {later}{answer.message}", markup=False)


def _wish(quantity: str, value: str) -> dict[str, Any]:
    from magnon_lab.bench import QUANTITIES
    from magnon_lab.cli.errors import BadInputError

    if quantity == "drive":
        if value not in ("on", "off"):
            raise BadInputError(f"drive = {value!r}; allowed: on, off")
        return {quantity: value == "on"}
    if quantity not in QUANTITIES:
        known = ", ".join((*QUANTITIES, "drive"))
        raise BadInputError(f"quantity {quantity!r} is not known: {known} are")
    try:
        return {quantity: float(value)}
    except ValueError as error:
        raise BadInputError(f"{quantity} = {value!r} is not a number") from error


def _answer(run: RunFile, request: int) -> Event:
    """Wait for what the run says to a wish: that it is turned, refused, or accepted for later."""
    from magnon_lab.runs import RunError

    while True:
        status = run.status
        events = run.events("set", newest=200)
        said = [event for event in events if request in event.data["requests"]]
        if said and (said[-1].phase == "outcome" or status == "paused"):
            return said[-1]
        if status not in ("running", "paused"):
            raise RunError(f"run {run.id} is {status}: it ended before it turned what was asked")
        time.sleep(0.05)


def _ask(run: RunFile, kind: str, as_json: bool) -> None:
    _, seconds = _take_up(run, kind)
    if as_json:
        print_json({"run": run.id, "request": kind, "taken_up_s": seconds, "status": run.status})
    else:
        out.print(f"run {run.id}: {kind} taken up after {seconds} s", markup=False)


def _take_up(run: RunFile, kind: str, data: Mapping[str, Any] | None = None) -> tuple[int, float]:
    """Ask a run for something; return the request and after how many seconds it was taken up."""
    from magnon_lab.runs import RunError

    asked = time.monotonic()
    request = run.request(kind, data)
    while not any(one.id == request and one.taken for one in run.requests()):
        if time.monotonic() - asked > WAIT_S:
            raise RunError(
                f"run {run.id} did not take up the {kind} within {WAIT_S:g} s; it will as soon as "
                "it can. If its process hangs, end it: its guard makes the bench safe"
            )
        time.sleep(0.05)
    return request, round(time.monotonic() - asked, 2)
