"""Carries a campaign out: what is done is left, what was cut short goes on, the rest is begun."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magnon_lab.bench import BenchFile
from magnon_lab.cli.campaign_file import Campaign, Member
from magnon_lab.cli.errors import BadInputError, Failure
from magnon_lab.cli.launch import Outcome, Terms, launch
from magnon_lab.cli.options import err
from magnon_lab.cli.parameters import build_procedure
from magnon_lab.cli.resuming import RESUMABLE, resume
from magnon_lab.runs import RunError, RunFile, RunsFolder
from magnon_lab.runs.comparing import CAMPAIGN
from magnon_lab.stderr import drain_stderr
from procedures import load_procedure
from procedures.base import RingProcedure
from procedures.context import Context


@dataclass(frozen=True)
class Standing:
    """A campaign's member and the run that was begun for it, if any; status "" for none."""

    member: Member
    key: str
    folder: Path | None = None
    status: str = ""


@dataclass
class Ended:
    """How a campaign went: runs by their status, and the exit code that tells it."""

    statuses: dict[str, int] = field(default_factory=dict)
    exit_code: int = Failure.NONE


def check_members(campaign: Campaign, runs_path: Path) -> int:
    """Refuse what is wrong with any run before the first begins; return all measurements, about.

    Raises `BadInputError` that names the case, or `LimitError`.
    """
    total, runs, benches = 0, RunsFolder(runs_path), _benches(campaign)
    for member in campaign.members:
        procedure = build_procedure(load_procedure(member.procedure), member.values)
        if not isinstance(procedure, RingProcedure):
            raise BadInputError(f"{member.procedure} opens its instruments by itself")
        procedure.context = Context(benches[member.bench], runs)
        try:
            procedure.check()
            estimate = procedure.estimate()
        except ValueError as error:
            raise BadInputError(f"campaign {campaign.name}: {member.case}: {error}") from error
        total += estimate.measurements if estimate is not None else 0
    return total


def standing(campaign: Campaign, runs_path: Path) -> list[Standing]:
    """Return how each run of a campaign stands, in their order."""
    begun: dict[str, tuple[Path, str]] = {}
    for summary in RunsFolder(runs_path).list():
        if summary.status != "unreadable":
            with RunFile.open(summary.folder) as run:
                for event in run.events(CAMPAIGN):
                    begun[event.data["key"]] = (summary.folder, summary.status)
    found, benches = [], _benches(campaign)
    for member in campaign.members:
        key = member.key(benches[member.bench].text)
        found.append(Standing(member, key, *begun.get(key, (None, ""))))
    return found


def _benches(campaign: Campaign) -> dict[Path | None, BenchFile]:
    return {path: BenchFile.load(path) for path in {one.bench for one in campaign.members}}


def make_members(
    campaign: Campaign, stands: Sequence[Standing], runs_path: Path, parent: int | None = None
) -> Ended:
    """Make the runs that are not done, one after the other; one that fails does not end it.

    `parent` is a process without which none must go on or begin.
    """
    ended = Ended()
    for place, stand in enumerate(stands, start=1):
        if parent is not None and os.getppid() != parent:
            ended.exit_code = ended.exit_code or Failure.INTERRUPTED
            break
        status = stand.status
        if status in ("", *RESUMABLE):
            outcome = _carry_out(campaign, stand, runs_path, parent)
            status = outcome.status
            names = tuple(name for name in campaign.varied if name in stand.member.values)
            err.print(
                f"{place}/{len(stands)} {stand.member.told(names)}: {_result(outcome)}",
                markup=False,
            )
            if outcome.stuck:
                drain_stderr()
                os._exit(outcome.exit_code)  # a thread waits for what never comes
            ended.exit_code = ended.exit_code or outcome.exit_code
            if outcome.exit_code in (Failure.INTERRUPTED, Failure.CTRL_C):
                break
        ended.statuses[status] = ended.statuses.get(status, 0) + 1
    return ended


def _carry_out(campaign: Campaign, stand: Standing, runs_path: Path, parent: int | None) -> Outcome:
    member = stand.member
    if stand.folder is not None:
        try:
            return resume(
                RunFile.open(stand.folder),
                runs_path=runs_path,
                bench_path=member.bench,
                terms=Terms(parent=parent),
            )
        except RunError as error:
            err.print(f"{error}; it is made anew", markup=False)

    def began(run: RunFile) -> None:
        told = {"campaign": campaign.name, "case": member.case, "key": stand.key}
        if member.bench is not None:
            told["bench"] = member.bench.stem
        run.event(CAMPAIGN, "outcome", f"{campaign.name}: {member.case}", told)
        run.annotate(tags=(campaign.name, member.case))

    procedure = build_procedure(load_procedure(member.procedure), member.values)
    return launch(
        procedure,
        name=member.procedure,
        bench_path=member.bench,
        runs_path=runs_path,
        terms=Terms(began=began, parent=parent, on_error="fail"),
    )


def _result(outcome: Outcome) -> str:
    figures: dict[str, Any] = outcome.summary
    told = outcome.status
    if isinstance(accuracy := figures.get("accuracy"), float):
        told = f"accuracy {accuracy:.3f}"
    measured = figures.get("ring_measurements", 0)
    message = f", {outcome.message}" if outcome.message else ""
    return f"{told}, {measured} ring measurements, {outcome.wall_time_s:.0f} s{message}"
