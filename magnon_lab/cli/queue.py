"""`magnon-lab queue`: what is to be run next, and working it off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from magnon_lab.cli.options import (
    DEFAULT_RUNS,
    BenchOption,
    ConfigOption,
    JsonOption,
    OnErrorOption,
    ParameterOption,
    RunsOption,
    err,
    out,
    print_json,
    told,
)

if TYPE_CHECKING:
    from magnon_lab.runs.queue import Entry

app = typer.Typer(help="What is to be run next, one after the other.", no_args_is_help=True)

EntryArgument = Annotated[int, typer.Argument(metavar="ENTRY", help="Its number in the list.")]
Policy = Literal["stop", "go-on"]


@app.command("add")
def add(
    procedure: Annotated[
        str | None, typer.Argument(help="As for run; or --config names it.")
    ] = None,
    parameter: ParameterOption = None,
    config: ConfigOption = None,
    bench: BenchOption = None,
    on_failure: Annotated[
        Policy | None,
        typer.Option("--on-failure", help="Whether others come after it if it fails."),
    ] = None,
    runs: RunsOption = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """Add a run at the end of the queue; what is wrong with its parameters is refused now."""
    from magnon_lab.cli.parameters import asked_for
    from magnon_lab.runs.queue import Queue

    with told(as_json):
        name, values = asked_for(procedure, config, parameter or [])
        file = _checked(name, values, bench, runs, by_hand=procedure is not None)
        with Queue(runs) as queue:
            _tell(queue.add(_absolute(name), values, file, on_failure), as_json, "added")


@app.command("list")
def list_entries(runs: RunsOption = DEFAULT_RUNS, as_json: JsonOption = False) -> None:
    """List the queue in the order in which it is worked off."""
    from magnon_lab.runs.queue import Queue

    with told(as_json), Queue(runs) as queue:
        entries = queue.entries()
        if as_json:
            print_json([vars(entry) for entry in entries])
            return
        if not entries:
            out.print("The queue is empty: magnon-lab queue add train")
            return
        table = Table("entry", "status", "procedure", "parameters", "run", "message", box=None)
        for entry in entries:
            values = " ".join(f"{name}={value}" for name, value in entry.parameters.items())
            name = f"resume {entry.procedure}" if entry.resume else entry.procedure
            table.add_row(
                str(entry.entry), entry.status, name, values, entry.run or "", entry.message
            )
        out.print(table)


@app.command("move")
def move(
    entry: EntryArgument,
    place: Annotated[int, typer.Argument(help="1 for the first.")],
    runs: RunsOption = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """Put an entry to another place."""
    from magnon_lab.runs.queue import Queue

    with told(as_json), Queue(runs) as queue:
        queue.move(entry, place)
        _tell(queue.entry(entry), as_json, f"moved to place {queue.entry(entry).place}")


@app.command("remove")
def remove(
    entry: EntryArgument, runs: RunsOption = DEFAULT_RUNS, as_json: JsonOption = False
) -> None:
    """Take an entry out; its run, if it had one, stays."""
    from magnon_lab.runs.queue import Queue

    with told(as_json), Queue(runs) as queue:
        one = queue.entry(entry)
        queue.remove(entry)
        _tell(one, as_json, "removed")


@app.command("edit")
def edit(
    entry: EntryArgument,
    parameter: ParameterOption = None,
    bench: BenchOption = None,
    on_failure: Annotated[Policy | None, typer.Option("--on-failure")] = None,
    runs: RunsOption = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """Change parameters, bench file or policy of an entry that waits."""
    from magnon_lab.cli.parameters import read_assignments
    from magnon_lab.runs.queue import Queue

    with told(as_json), Queue(runs) as queue:
        one = queue.entry(entry)
        values = one.parameters | read_assignments(parameter or [])
        file = _checked(one.procedure, values, bench or Path(one.bench), runs)
        _tell(queue.edit(entry, values, file, on_failure), as_json, "changed")


@app.command("duplicate")
def duplicate(
    entry: EntryArgument, runs: RunsOption = DEFAULT_RUNS, as_json: JsonOption = False
) -> None:
    """Add the same once more at the end."""
    from magnon_lab.runs.queue import Queue

    with told(as_json), Queue(runs) as queue:
        _tell(queue.duplicate(entry), as_json, f"added, like entry {entry}")


@app.command("retry")
def retry(
    entry: EntryArgument,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with its run instead of making a new one.")
    ] = False,
    runs: RunsOption = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """Let an entry that ended wait again, at its place."""
    from magnon_lab.runs.queue import Queue

    with told(as_json), Queue(runs) as queue:
        _tell(queue.retry(entry, resume), as_json, "waits again")


@app.command("start")
def start(
    runs: RunsOption = DEFAULT_RUNS,
    bench: BenchOption = None,
    on_failure: Annotated[
        Policy,
        typer.Option("--on-failure", help="For entries that say nothing of their own."),
    ] = "stop",
    on_error: OnErrorOption = "pause",
    as_json: JsonOption = False,
) -> None:
    """Work the queue off, each run in a process of its own; with --bench only the entries of one.

    A run that failed, was aborted or killed ends the queue, unless the policy says to go on; one
    that was stopped on request does not. Ctrl-C (first: after the step, second: at once) ends the
    run at work and the queue with it. Exit codes: 0 all did well, 1 one failed, 4 and 130 as for
    run.
    """
    from magnon_lab.cli.queue_worker import Worker
    from magnon_lab.runs.queue import Queue

    with told(as_json), Queue(runs) as queue:

        def say(line: str) -> None:
            err.print(line, markup=False)

        worker = Worker(
            queue,
            say,
            bench=None if bench is None else _bench(bench),
            on_failure=on_failure,
            on_error=on_error,
        )
        code = worker.work()
        for line in worker.refused:
            say(line)
        left = sum(entry.status == "queued" for entry in queue.entries())
        if as_json:
            done = [vars(entry) for entry in worker.done]
            print_json({"done": done, "left": left, "refused": worker.refused})
        else:
            out.print(f"{len(worker.done)} worked off, {left} wait")
        raise typer.Exit(code)


def _checked(
    name: str, values: dict[str, Any], bench: Path | None, runs: Path, by_hand: bool = False
) -> Path:
    """Refuse what can be known to be wrong with a run by now; return its bench file's path."""
    from magnon_lab.bench import BenchFile
    from magnon_lab.cli.launch import prepare
    from magnon_lab.cli.parameters import build_procedure
    from magnon_lab.runs import RunsFolder
    from procedures import load_procedure
    from procedures.base import RingProcedure

    procedure = build_procedure(load_procedure(name, by_hand=by_hand), values)
    if isinstance(procedure, RingProcedure) and not procedure.reads_runs:
        prepare(procedure, BenchFile.load(bench), RunsFolder(runs))
    return _bench(bench)


def _bench(path: Path | None) -> Path:
    """Return the absolute path of a bench file that is found right now. Raises `BenchFileError`."""
    from magnon_lab.bench import BenchFile

    return BenchFile.load(path).path.resolve()


def _absolute(procedure: str) -> str:
    """Return a procedure's name; a script's path so that it is found from any other folder."""
    file, colon, name = procedure.partition(":")
    return f"{Path(file).resolve()}{colon}{name}" if file.endswith(".py") else procedure


def _tell(entry: Entry, as_json: bool, what: str) -> None:
    if as_json:
        shown: dict[str, Any] = vars(entry)
        print_json(shown)
    else:
        out.print(f"entry {entry.entry} ({entry.procedure}): {what}", markup=False)
