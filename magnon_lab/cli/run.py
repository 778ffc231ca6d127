"""`magnon-lab run`: one procedure, from parameters to a recorded and safe end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from magnon_lab.cli.options import (
    DEFAULT_RUNS,
    BenchOption,
    JsonOption,
    OnErrorOption,
    RunsOption,
    told,
)
from magnon_lab.cli.progress import end_with, progress_line, say_began


def run(
    procedure: Annotated[
        str | None,
        typer.Argument(
            help="spectrum, gain_sweep, train, evaluate, or path/to/file.py[:Class] of your own."
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="Set one parameter."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="YAML file of parameters; -p goes over it."),
    ] = None,
    runs: RunsOption = DEFAULT_RUNS,
    bench: BenchOption = None,
    on_error: OnErrorOption = "pause",
    as_json: JsonOption = False,
) -> None:
    """Run a procedure on the bench, record it, and leave the bench safe.

    Exit codes: 0 finished, 1 failed, 2 bad input, 3 refused by a limit, 4 ended before its time
    (a request, SIGTERM, SIGHUP) so that `resume` goes on, 130 ended by Ctrl-C (first: after the
    step, second: at once).
    """
    with told(as_json):
        from magnon_lab.cli.errors import BadInputError
        from magnon_lab.cli.launch import Terms, launch
        from magnon_lab.cli.parameters import build_procedure, read_assignments, read_configuration
        from procedures import load_procedure

        values: dict[str, Any] = read_configuration(config) if config is not None else {}
        named = values.pop("procedure", None)
        name = procedure or named
        if name is None:
            raise BadInputError(
                "no procedure: name one, or give --config a file with `procedure: …`"
            )
        if procedure and named and procedure != named:
            raise BadInputError(
                f"procedure {procedure!r} was asked for, but {config} is for {named!r}"
            )
        values |= read_assignments(parameter or [])
        use_compilation_cache()
        built = build_procedure(load_procedure(name), values)
        with progress_line(quiet=as_json) as watch:
            terms = Terms(watch, say_began, on_error=on_error)
            outcome = launch(built, name=name, bench_path=bench, runs_path=runs, terms=terms)
        end_with(outcome, as_json)


def use_compilation_cache() -> None:
    """Keep what JAX compiles in the user's cache folder, so that a second run starts at once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "magnon-lab" / "jax"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
