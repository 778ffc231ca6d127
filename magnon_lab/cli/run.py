"""`magnon-lab run`: one procedure, from parameters to a recorded and safe end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magnon_lab.cli.options import (
    DEFAULT_RUNS,
    BenchOption,
    ConfigOption,
    JsonOption,
    OnErrorOption,
    ParameterOption,
    QueueEntryOption,
    RunsOption,
    WorkerOption,
    told,
)
from magnon_lab.cli.progress import end_with, progress_line, say_began

if TYPE_CHECKING:
    from magnon_lab.runs import RunFile


def run(
    procedure: Annotated[
        str | None,
        typer.Argument(
            help="spectrum, gain_sweep, train, evaluate, hand, or your own path/to/file.py[:Class]."
        ),
    ] = None,
    parameter: ParameterOption = None,
    config: ConfigOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    bench: BenchOption = None,
    on_error: OnErrorOption = "pause",
    queue_entry: QueueEntryOption = None,
    worker: WorkerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a procedure on the bench, record it, and leave the bench safe.

    Exit codes: 0 finished, 1 failed, 2 bad input, 3 refused by a limit, 4 ended before its time
    (a request, SIGTERM, SIGHUP) so that `resume` goes on, 130 ended by Ctrl-C (first: after the
    step, second: at once).
    """
    with told(as_json):
        from magnon_lab.cli.launch import Terms, launch
        from magnon_lab.cli.parameters import asked_for, build_procedure
        from procedures import load_procedure

        name, values = asked_for(procedure, config, parameter or [])
        use_compilation_cache()
        by_hand = procedure is not None and queue_entry is None
        built = build_procedure(load_procedure(name, by_hand=by_hand), values)
        with progress_line(quiet=as_json) as watch:
            terms = Terms(watch, began_of(queue_entry, runs), worker, on_error)
            outcome = launch(built, name=name, bench_path=bench, runs_path=runs, terms=terms)
        end_with(outcome, as_json)


def began_of(queue_entry: int | None, runs: Path) -> Callable[[RunFile], None]:
    """Return what is to be done once there is a run: say so, here and in the queue it is from."""

    def began(run: RunFile) -> None:
        say_began(run)
        if queue_entry is not None:
            from magnon_lab.runs.queue import Queue

            with Queue(runs) as queue:
                queue.began(queue_entry, run.id)

    return began


def use_compilation_cache() -> None:
    """Keep what JAX compiles in the user's cache folder, so that a second run starts at once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "magnon-lab" / "jax"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
