"""Options that several commands share, and what every command does with an error."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

BenchOption = Annotated[
    Path | None,
    typer.Option(
        "--bench",
        metavar="FILE",
        help="Bench file; else $MAGNON_LAB_BENCH, ./bench.yaml, then the simulated bench.",
    ),
]
RunsOption = Annotated[
    Path,
    typer.Option("--runs", metavar="DIR", envvar="MAGNON_LAB_RUNS", help="Folder of the runs."),
]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="latest, an id, a unique part of it, or a path.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="For scripts: the last line is one JSON object.")
]
OnErrorOption = Annotated[
    Literal["pause", "fail"],
    typer.Option(
        "--on-error",
        help="When a measurement fails every try, or the analyser is overdriven: wait in standby "
        "for resume or abort, or end the run as failed.",
    ),
]
QueueEntryOption = Annotated[int | None, typer.Option("--queue-entry", hidden=True)]
"""The entry of the queue that a run is made for."""
WorkerOption = Annotated[int | None, typer.Option("--worker", hidden=True)]
"""The process that works the queue off: without it the run must not go on."""
ParameterOption = Annotated[
    list[str] | None,
    typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="Set one parameter."),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="YAML file of parameters; -p goes over it."),
]
DEFAULT_RUNS = Path("runs")

WIDE = 160  # columns of tables that go into a file or a pipe
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(content: Any) -> None:
    """Print one line of JSON; what is not finite becomes null, as JSON knows no NaN."""
    print(json.dumps(_plain(content)), flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    return value if isinstance(value, str | int | bool | type(None)) else str(value)


@contextlib.contextmanager
def told(as_json: bool = False) -> Iterator[None]:
    """Turn an error into its message on stderr, its object under `--json`, and its exit code.

    What nobody foresaw keeps its traceback.
    """
    from magnon_lab.cli.errors import EXPECTED, exit_code_of

    logging.getLogger("pymeasure").setLevel(logging.ERROR)
    try:
        yield
    except EXPECTED as error:
        code = exit_code_of(error)
        message = str(error) or type(error).__name__
        err.print(f"error: {message}", markup=False, style="bold red")
        if as_json:
            print_json({"run": None, "status": "failed", "message": message})
        raise typer.Exit(int(code)) from error
