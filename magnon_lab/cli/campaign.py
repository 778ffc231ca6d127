"""`magnon-lab campaign`: grids and repeats over parameters, one run after the other."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from magnon_lab.cli.compare import AgainstOption, PageOption, PictureOption, show_comparison
from magnon_lab.cli.options import (
    DEFAULT_RUNS,
    BenchOption,
    JsonOption,
    RunsOption,
    WorkerOption,
    err,
    out,
    print_json,
    told,
)

if TYPE_CHECKING:
    from magnon_lab.cli.campaign_file import Campaign
    from magnon_lab.cli.campaigns import Standing


def campaign(
    file: Annotated[Path, typer.Argument(help="YAML file: parameters, cases; a list is a grid.")],
    runs: RunsOption = DEFAULT_RUNS,
    bench: BenchOption = None,
    visa: Annotated[
        bool, typer.Option("--visa", help="Through the bench, where the file means in silico.")
    ] = False,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="That share the runs; in silico only.")
    ] = 1,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only tell which runs there are, and how they stand.")
    ] = False,
    page: PageOption = None,
    picture: PictureOption = None,
    against: AgainstOption = None,
    part: Annotated[str | None, typer.Option("--part", hidden=True)] = None,
    worker: WorkerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make all runs that a file asks for: what is done is left, what was cut short goes on.

    In silico unless --visa is given. Then they are compared, as `runs compare` does. Exit code 1
    if a run failed, 130 or 4 if one was ended before its time; the same command goes on.
    """
    with told(as_json):
        from magnon_lab.bench.guard import PYTHON
        from magnon_lab.cli.campaign_file import read_campaign
        from magnon_lab.cli.campaigns import check_members, make_members, standing
        from magnon_lab.cli.errors import BadInputError, Failure
        from magnon_lab.cli.run import use_compilation_cache

        if visa and processes > 1:
            raise BadInputError("processes: one process works a bench at a time")
        asked = read_campaign(file, visa, bench)
        measurements = check_members(asked, runs)
        stands = standing(asked, runs)
        if part is None:
            done = sum(one.status == "finished" for one in stands)
            err.print(
                f"campaign {asked.name}: {len(stands)} runs of some {measurements} ring "
                f"measurements, {done} of them done",
                markup=False,
            )
        if plan:
            _show_plan(asked, stands, as_json)
            return
        use_compilation_cache()
        which, of = (int(word) for word in (part or f"1/{processes}").split("/"))
        words = [*PYTHON, "magnon_lab.cli", "campaign", str(file), "--runs", str(runs)]
        words += ["--bench", str(bench)] if bench is not None else []
        words += ["--worker", str(os.getpid())]
        with _together(
            [[*words, "--part", f"{place}/{processes}"] for place in range(2, processes + 1)]
        ) as others:
            ended = make_members(asked, stands[which - 1 :: of], runs, worker)
            if ended.exit_code != Failure.INTERRUPTED:  # else no part goes on
                for other in others:
                    other.wait()
        codes = (ended.exit_code, *(other.returncode for other in others))
        code = next((code for code in codes if code), 0)
        if part is None and not code:
            show_comparison(runs, asked.name, (), page, picture, against, as_json)
        elif as_json:
            print_json({"campaign": asked.name, "exit_code": code})
        raise typer.Exit(code)


@contextmanager
def _together(commands: list[list[str]]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run commands beside what the block does; what still runs when it ends is told to abort."""
    others: list[subprocess.Popen[bytes]] = []
    try:
        others.extend(subprocess.Popen(words) for words in commands)
        yield others
    finally:
        for other in others:
            other.terminate()  # nothing where it has ended
        for other in others:
            other.wait()


def _show_plan(asked: Campaign, stands: list[Standing], as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "campaign": asked.name,
                "runs": [
                    {
                        "case": one.member.case,
                        "parameters": dict(one.member.values),
                        "status": one.status or "not begun",
                        "run": None if one.folder is None else one.folder.name,
                    }
                    for one in stands
                ],
            }
        )
        return
    table = Table("case", *asked.varied, "status", "run", box=None)
    for one in stands:
        values = (str(one.member.values.get(name, "")) for name in asked.varied)
        name = "" if one.folder is None else one.folder.name
        table.add_row(one.member.case, *values, one.status or "not begun", name)
    out.print(table)
