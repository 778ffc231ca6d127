"""How a run gets on, on the terminal, and how it ended."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from magnon_lab.cli.options import err, out, print_json
from magnon_lab.stderr import drain_stderr

if TYPE_CHECKING:
    from magnon_lab.cli.launch import Outcome
    from magnon_lab.cli.work import Watch
    from magnon_lab.runs import RunFile

#: A plain line now and then, in s.
EVERY_S = 10.0


def say_began(run: RunFile) -> None:
    """Say which run it is: by its id it is asked to pause, stop or abort from elsewhere."""
    err.print(f"run {run.id}", markup=False)


def end_with(outcome: Outcome, as_json: bool) -> None:
    """Tell how a run ended, and end this process with the code that says so."""
    with contextlib.suppress(OSError):  # the terminal may be gone; the run has ended all the same
        if outcome.message:
            err.print(f"{outcome.status}: {outcome.message}", markup=False, style="bold red")
        if as_json:
            print_json(outcome.as_json())
        else:
            for key, value in outcome.as_json().items():
                if value not in (None, "") and key != "message":
                    out.print(f"{key:>20}  {value}", markup=False)
    if outcome.stuck:
        # A thread waits for an instrument that may never answer; Python would wait for it.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        drain_stderr()
        os._exit(outcome.exit_code)
    raise typer.Exit(outcome.exit_code)


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

        def watch(percent: float, record: Mapping[str, Any], waits: str) -> None:
            told = waits or sentence(record) or "starting"
            bar.update(task, completed=percent, description=told)

        yield watch


def _plain_lines(quiet: bool) -> Watch:
    last, told = -math.inf, ""

    def watch(percent: float, record: Mapping[str, Any], waits: str) -> None:
        nonlocal last, told
        news, told = waits != told, waits
        if quiet or not (record or news):
            return
        if news or time.monotonic() - last >= EVERY_S:
            last = time.monotonic()
            err.print(f"{percent:5.1f} %  {waits or sentence(record)}", markup=False)

    return watch


def sentence(record: Mapping[str, Any]) -> str:
    """Return a record's figures in one line."""
    return "  ".join(
        f"{name} {value:.4g}"
        for name, value in record.items()
        if isinstance(value, int | float) and math.isfinite(value)
    )
