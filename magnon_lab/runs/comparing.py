"""Several trainings beside one another: mean and spread over those that differ in nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from magnon_lab.runs.reading import RunReader

CAMPAIGN = "campaign"
"""The journal's entry by which a run tells the campaign and the case that it was made for."""

FREE = ("seed",)
"""What repeats may differ in."""

ALONG = ("budget", "steps", "learning_rate", "batch_size")
"""What says how much was learnt and how fast, not what learns."""


@dataclass(frozen=True)
class Member:
    """A finished training: what it was, what it measured, and how it did on the test split.

    learning: ring measurements for learning, of every purpose but the evaluation; seconds: of the
    learner itself (asking and telling); bench_time_s: NaN without instruments.
    """

    run: str
    campaign: str
    case: str
    configuration: Mapping[str, Any]
    accuracy: float
    learning: int
    evaluation: int
    seconds: float
    bench_time_s: float


@dataclass(frozen=True)
class Group:
    """Trainings that differ in their seed alone; `values` tell them from other groups."""

    values: Mapping[str, Any]
    members: tuple[Member, ...]

    @property
    def accuracy(self) -> float:
        """Mean test accuracy."""
        return mean([member.accuracy for member in self.members])

    @property
    def spread(self) -> float:
        """Standard deviation of the test accuracy, of a sample; NaN for one training."""
        return spread([member.accuracy for member in self.members])

    @property
    def learning(self) -> float:
        """Mean ring measurements for learning."""
        return mean([float(member.learning) for member in self.members])

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return self.spread / math.sqrt(len(self.members))


def mean(values: Sequence[float]) -> float:
    """Return the mean of at least one value."""
    return sum(values) / len(values)


def spread(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample (n - 1), NaN for one value."""
    if len(values) < 2:
        return math.nan
    middle = mean(values)
    return math.sqrt(sum((value - middle) ** 2 for value in values) / (len(values) - 1))


def member_of(run: RunReader) -> Member | None:
    """Return what a run is in a comparison; None for one that did not end with a test."""
    info = run.info()
    summary = info["summary"]
    accuracy = summary.get("accuracy")
    if info["status"] != "finished" or accuracy is None or summary.get("split") != "test":
        return None
    told = run.events(CAMPAIGN)
    data = told[-1].data if told else {}
    counts = run.counts()
    evaluation = counts.get("evaluation", 0)
    steps = run.steps()
    bench = {"bench": data["bench"]} if "bench" in data else {}
    return Member(
        run=run.id,
        campaign=str(data.get("campaign", "")),
        case=str(data.get("case", "")),
        configuration={**bench, **info["configuration"]},
        accuracy=float(accuracy),
        learning=sum(counts.values()) - evaluation,
        evaluation=evaluation,
        seconds=float(steps["seconds_ask"].sum() + steps["seconds_tell"].sum()),
        bench_time_s=float(summary.get("bench_time_s") or math.nan),
    )


def groups_of(members: Iterable[Member]) -> list[Group]:
    """Return the groups of repeats, and by which values one group is told from another.

    Of runs made for campaigns that is the case, and what varies within a case; of others, all
    parameters that vary.
    """
    members = list(members)
    by_case: dict[str, list[Member]] = {}
    for member in members:
        by_case.setdefault(member.case, []).append(member)
    names: dict[str, None] = {"case": None} if len(by_case) > 1 or "" not in by_case else {}
    for of_case in by_case.values():
        names |= dict.fromkeys(_varying(of_case))
    found: dict[str, list[Member]] = {}
    told: dict[str, dict[str, Any]] = {}
    for member in members:
        table = {"case": member.case, **member.configuration}
        values = {name: table.get(name) for name in names}
        key = json.dumps(values, sort_keys=True, default=str)
        told[key] = values
        found.setdefault(key, []).append(member)
    return _ordered([Group(told[key], tuple(group)) for key, group in found.items()])


def _ordered(groups: list[Group]) -> list[Group]:
    """Sort by value after value: numbers by size, all else as it first came."""

    def rank(name: str) -> Callable[[Group], Any]:
        column = [group.values[name] for group in groups]
        if all(isinstance(value, int | float) for value in column):
            return lambda group: group.values[name]
        told = [str(value) for value in column]
        return lambda group: told.index(str(group.values[name]))

    ranks = [rank(name) for name in (groups[0].values if groups else {})]
    return sorted(groups, key=lambda group: [one(group) for one in ranks])


def _varying(members: Sequence[Member]) -> list[str]:
    names = dict.fromkeys(name for member in members for name in member.configuration)
    return [
        name
        for name in names
        if name not in FREE
        and len({json.dumps(one.configuration.get(name), default=str) for one in members}) > 1
    ]


def partner(group: Group, groups: Sequence[Group], case: str) -> Group | None:
    """Return the group of another case that is like this one, None if there is none.

    If none is like it in all, the one that is but for what `ALONG` names.
    """

    def alike(ignored: tuple[str, ...]) -> list[Group]:
        def told(values: Mapping[str, Any]) -> dict[str, Any]:
            return {name: value for name, value in values.items() if name not in ignored}

        wanted = told({**group.values, "case": case})
        return [one for one in groups if told(one.values) == wanted]

    exactly, nearly = alike(()), alike(ALONG)
    if exactly:
        return exactly[0]
    return nearly[0] if len(nearly) == 1 else None


def table_of(
    groups: Sequence[Group], against: str | None = None
) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of a table, one row a group.

    Test accuracy as mean and standard deviation over seeds. With `against`, a case: by how much the
    mean exceeds that case's, with the standard error of the difference.
    """
    names = list(groups[0].values) if groups else []
    head = [name.replace("_", " ") for name in names]
    head += ["ring measurements", "test accuracy", "seeds"]
    if any(member.seconds for group in groups for member in group.members):
        head.append("learner s")
    if against is not None:
        head.append(f"more than {against}")
    rows = []
    for group in groups:
        row = [_text(group.values[name]) for name in names]
        row.append(f"{group.learning:.0f}")
        row.append(f"{group.accuracy:.3f} ± {group.spread:.3f}".replace(" ± nan", ""))
        row.append(str(len(group.members)))
        if "learner s" in head:
            row.append(f"{mean([member.seconds for member in group.members]):.1f}")
        if against is not None:
            row.append(_difference(group, partner(group, groups, against)))
        rows.append(row)
    return head, rows


def _difference(group: Group, other: Group | None) -> str:
    if other is None or other is group:
        return ""
    error = math.hypot(group.error, other.error)
    return f"{group.accuracy - other.accuracy:+.3f} ± {error:.3f}".replace(" ± nan", "")


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
