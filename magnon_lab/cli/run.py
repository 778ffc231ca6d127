"""`magnon-lab run`: one procedure, from parameters to a recorded and safe end."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from magnon_lab.cli.options import (
    DEFAULT_RUNS,
    BenchOption,
    JsonOption,
    RunsOption,
    err,
    out,
    print_json,
    told,
)

Watch = Callable[[float, Mapping[str, Any]], None]


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
    as_json: JsonOption = False,
) -> None:
    """Run a procedure on the bench, record it, and leave the bench safe.

    Exit codes: 0 finished, 1 failed, 2 bad input, 3 refused by a limit, 130 stopped by Ctrl-C
    (first: after the step, second: at once).
    """
    with told(as_json):
        from magnon_lab.cli.errors import BadInputError
        from magnon_lab.cli.launch import launch
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
            outcome = launch(built, name=name, bench_path=bench, runs_path=runs, watch=watch)
        if outcome.message:
            err.print(f"{outcome.status}: {outcome.message}", markup=False, style="bold red")
        if as_json:
            print_json(outcome.as_json())
        else:
            for key, value in outcome.as_json().items():
                if value not in (None, ""):
                    out.print(f"{key:>20}  {value}", markup=False)
        raise typer.Exit(outcome.exit_code)


def use_compilation_cache() -> None:
    """Keep what JAX compiles in the user's cache folder, so that a second run starts at once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "magnon-lab" / "jax"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")


@contextmanager
def progress_line(quiet: bool) -> Iterator[Watch]:
    """Show progress: a bar on a terminal, a plain line now and then elsewhere."""
    if not err.is_terminal:
        yield _plain_lines(quiet)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("starting", total=100.0)

        def watch(percent: float, record: Mapping[str, Any]) -> None:
            bar.update(task, completed=percent, description=_sentence(record) or "starting")

        yield watch


def _plain_lines(quiet: bool) -> Watch:
    last = -math.inf

    def watch(percent: float, record: Mapping[str, Any]) -> None:
        nonlocal last
        if not quiet and record and time.monotonic() - last >= 10.0:
            last = time.monotonic()
            err.print(f"{percent:5.1f} %  {_sentence(record)}", markup=False)

    return watch


def _sentence(record: Mapping[str, Any]) -> str:
    return "  ".join(
        f"{name} {value:.4g}"
        for name, value in record.items()
        if isinstance(value, int | float) and math.isfinite(value)
    )
