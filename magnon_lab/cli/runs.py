"""`magnon-lab runs`: what was run, and what came out of it."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from magnon_lab.cli.compare import compare
from magnon_lab.cli.options import (
    DEFAULT_RUNS,
    JsonOption,
    RunArgument,
    RunsOption,
    out,
    print_json,
    told,
)

app = typer.Typer(help="What was run, and what came out of it.", no_args_is_help=True)
app.command("compare")(compare)


#: Entries of the journal that `show --json` gives: ramps of a long run can make a million.
NEWEST = 1000


@app.command("list")
def list_runs(runs: RunsOption = DEFAULT_RUNS, as_json: JsonOption = False) -> None:
    """List the runs of a folder, oldest first.

    Loss and step accuracy are those of the last step's batch; the test accuracy is that of the last
    evaluation on the test split.
    """
    from magnon_lab.runs import RunsFolder

    with told(as_json):
        found = RunsFolder(runs).list()
        if as_json:
            print_json([run._asdict() for run in found])
            return
        if not found:
            out.print(f"There are no runs in {runs} yet: magnon-lab run train --runs {runs}")
            return
        figures = ("steps", "measured", "loss", "step accuracy", "test accuracy")
        table = Table("run", "status", "bench", *figures, box=None)
        for run in found:
            table.add_row(
                run.id,
                run.status,
                "simulated" if run.simulated else "real",
                str(run.steps),
                str(run.ring_measurements),
                _number(run.loss),
                _number(run.accuracy),
                _number(run.test_accuracy),
            )
        out.print(table)


@app.command("show")
def show(run: RunArgument, runs: RunsOption = DEFAULT_RUNS, as_json: JsonOption = False) -> None:
    """Show a run: status, figures, configuration, instruments, evaluations, journal."""
    from magnon_lab.runs import RunsFolder

    with told(as_json):
        found = RunsFolder(runs).find(run)
        info = found.info()
        evaluations = [
            {
                "step": one.step,
                "split": one.split,
                "loss": one.loss,
                "accuracy": one.accuracy,
                "n": one.n,
            }
            for one in found.evaluations()
        ]
        events = found.events(newest=NEWEST)
        if as_json:
            print_json(
                info
                | {
                    "folder": found.folder,
                    "measured": found.counts(),
                    "evaluations": evaluations,
                    "events": [event._asdict() for event in events],
                }
            )
            return
        table = Table(show_header=False, box=None, title_justify="left", title=found.id)
        for key in ("procedure", "status", "message", "seed", "parent", "revision"):
            if info[key] not in (None, ""):
                table.add_row(key, str(info[key]))
        table.add_row("bench", "simulated" if info["simulated"] else "real")
        for key in ("created", "started", "ended"):
            table.add_row(key, _when(info[key]))
        for title, mapping in (
            ("result", info["summary"]),
            ("measured", found.counts()),
            ("instrument", info["identities"]),
            ("parameter", info["configuration"]),
        ):
            for key, value in mapping.items():
                table.add_row(f"{title} {key}", _number(value))
        for one in evaluations:
            table.add_row(
                f"evaluation, step {one['step']}",
                f"{one['split']}: accuracy {_number(one['accuracy'])}, loss {_number(one['loss'])}",
            )
        out.print(table)
        for event in events[-20:]:
            out.print(
                f"{_when(event.time)}  {event.kind} {event.phase}: {event.message}", markup=False
            )


@app.command("plot")
def plot(
    run: RunArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="PNG file; else in the run's folder.")
    ] = None,
    runs: RunsOption = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """Write a PNG: loss and accuracy of a training, or the traces of a sweep."""
    from magnon_lab.runs import RunsFolder
    from magnon_lab.runs.plot import run_png

    with told(as_json):
        found = RunsFolder(runs).find(run)
        path = run_png(found, output or found.folder / f"{found.id}.png")
        _tell_files(found.id, [path], as_json)


@app.command("check")
def check_run(
    run: RunArgument, runs: RunsOption = DEFAULT_RUNS, as_json: JsonOption = False
) -> None:
    """Look through a whole run file: whether it is sound (else exit code 1), and what is in it."""
    from magnon_lab.runs import RunsFolder
    from magnon_lab.runs.check import check

    with told(as_json):
        findings = check(RunsFolder(runs).path_of(run))
        sound = all(finding.ok for finding in findings)
        if as_json:
            print_json({"ok": sound, "findings": [finding._asdict() for finding in findings]})
        else:
            table = Table("part", "", "found", box=None)
            for finding in findings:
                table.add_row(finding.what, "ok" if finding.ok else "WRONG", finding.text)
            out.print(table)
        if not sound:
            raise typer.Exit(1)


@app.command("export")
def export_run(
    run: RunArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="File or folder to write.")],
    file_format: Annotated[
        str | None,
        typer.Option("--format", help="csv (a folder), npz or nc; else from the ending."),
    ] = None,
    runs: RunsOption = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """Write everything that a run holds for other programs."""
    from magnon_lab.runs import RunsFolder
    from magnon_lab.runs.export import export

    with told(as_json):
        found = RunsFolder(runs).find(run)
        chosen = file_format or (output.suffix[1:] if output.suffix in (".npz", ".nc") else "csv")
        _tell_files(found.id, export(found, output, chosen), as_json)


def _tell_files(run_id: str, paths: list[Path], as_json: bool) -> None:
    if as_json:
        print_json({"run": run_id, "files": [str(path) for path in paths]})
    else:
        for path in paths:
            out.print(str(path), markup=False)


def _number(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(value)


def _when(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
