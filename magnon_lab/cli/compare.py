"""`magnon-lab runs compare`: one table and one picture of several trainings."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from magnon_lab.cli.options import (
    DEFAULT_RUNS,
    JsonOption,
    RunsOption,
    err,
    out,
    print_json,
    told,
)

if TYPE_CHECKING:
    from magnon_lab.runs.comparing import Member

PageOption = Annotated[
    Path | None,
    typer.Option(
        "--page",
        metavar="FILE",
        help="A page in Markdown; the table goes between its lines <!-- comparison NAME --> and "
        "<!-- end -->.",
    ),
]
PictureOption = Annotated[
    Path | None, typer.Option("--picture", "-o", metavar="FILE", help="PNG file of the picture.")
]
AgainstOption = Annotated[
    str | None,
    typer.Option("--against", metavar="CASE", help="Also tell by how much others exceed a case."),
]


def compare(
    run: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="Runs; else all of the folder.")
    ] = None,
    campaign: Annotated[
        str | None, typer.Option("--campaign", metavar="NAME", help="Only runs of a campaign.")
    ] = None,
    picture: PictureOption = None,
    page: PageOption = None,
    against: AgainstOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """Compare finished trainings by their test accuracy: mean and spread over seeds."""
    with told(as_json):
        show_comparison(runs, campaign, tuple(run or ()), page, picture, against, as_json)


def show_comparison(
    runs: Path,
    campaign: str | None,
    which: Sequence[str],
    page: Path | None,
    picture: Path | None,
    against: str | None,
    as_json: bool,
) -> None:
    """Tell the table, write the picture, and put the table into a page."""
    from magnon_lab.runs.comparing import groups_of, markdown, table_of

    members, left_out = _members(runs, campaign, which)
    groups = groups_of(members)
    head, rows = table_of(groups, against)
    if picture is not None:
        from magnon_lab.runs.comparison_plot import comparison_png

        comparison_png(groups, picture)
    if page is not None:
        into_page(page, campaign or "", markdown(head, rows))
    if left_out:
        err.print(f"{left_out} runs that did not end with a test are left out", markup=False)
    if as_json:
        print_json(
            {
                "campaign": campaign,
                "groups": [
                    {
                        **group.values,
                        "accuracy": group.accuracy,
                        "spread": group.spread,
                        "learning_measurements": group.learning,
                        "runs": [member.run for member in group.members],
                        "accuracies": [member.accuracy for member in group.members],
                    }
                    for group in groups
                ],
            }
        )
        return
    table = Table(*head, box=None)
    for row in rows:
        table.add_row(*row)
    out.print(table)


def _members(runs: Path, campaign: str | None, which: Sequence[str]) -> tuple[list[Member], int]:
    """Return the trainings to compare, and how many runs were left out."""
    from magnon_lab.runs import RunFile, RunsFolder
    from magnon_lab.runs.comparing import CAMPAIGN, member_of

    folder = RunsFolder(runs)
    folders = [folder.path_of(one) for one in which]
    if not which:
        readable = [one for one in folder.list() if one.status != "unreadable"]
        folders = [one.folder for one in readable if one.procedure == "train"]
    found, left_out = [], 0
    for path in folders:
        with RunFile.open(path) as run:
            names = {event.data["campaign"] for event in run.events(CAMPAIGN)}
            if campaign is not None and campaign not in names:
                continue
            member = member_of(run)
        if member is None:
            left_out += 1
        else:
            found.append(member)
    return found, left_out


def into_page(page: Path, name: str, table: str) -> None:
    """Put a table into a page, in place of the one that stands at its mark."""
    from magnon_lab.cli.errors import BadInputError

    begin = f"<!-- comparison {name} -->"
    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"page {page}: cannot be read: {error}") from error
    mark = re.compile(re.escape(begin) + r"\n.*?<!-- end -->", re.DOTALL)
    if not mark.search(text):
        raise BadInputError(f"page {page}: has no line {begin} with <!-- end --> after it")
    whole = f"{begin}\n{table}\n<!-- end -->"
    beside = page.with_name(f".{page.name}.part")
    beside.write_text(mark.sub(lambda _: whole, text, count=1), encoding="utf-8")
    os.replace(beside, page)
