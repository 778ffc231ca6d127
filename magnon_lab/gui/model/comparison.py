"""Several runs beside one another: what tells them apart, and the spread of repeats."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from magnon_lab.gui.model.curve import Array, Axis, Curve
from magnon_lab.gui.model.snapshot import Snapshot

#: Points of a band, and the parameters that a repeat may change.
POINTS, FREE = 500, ("seed",)
#: What a legend has room for.
LONGEST = 60


@dataclass(frozen=True, eq=False)
class Band:
    """Mean and standard deviation over runs, (n,): NaN where fewer than two runs are.

    runs: how many there are.
    """

    x: Array
    mean: Array
    deviation: Array
    runs: int


def repeats(snapshots: Iterable[Snapshot]) -> list[list[Snapshot]]:
    """Return the runs in groups that differ in their seed alone, in the order given."""
    groups: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        fixed = {name: value for name, value in snapshot.configuration.items() if name not in FREE}
        key = json.dumps([snapshot.procedure, fixed], sort_keys=True, default=str)
        # A run that was not read yet is nobody's repeat.
        groups.setdefault(key if snapshot.id else str(snapshot.folder), []).append(snapshot)
    return list(groups.values())


def band(curves: Sequence[Curve], axis: Axis, weight: float = 0.0) -> Band | None:
    """Return the spread of at least two curves, each smoothed by `weight`, None for fewer.

    The deviation is that of a sample (n - 1). Between points of a curve it is taken to be straight.
    """
    lines = []
    for curve in curves:
        x, y = curve.x[axis], curve.smoothed(weight)
        finite = np.isfinite(x) & np.isfinite(y)
        if finite.any():
            lines.append((x[finite], y[finite]))
    if len(lines) < 2:
        return None
    ends = sorted(x[-1] for x, _ in lines)
    grid = np.linspace(min(x[0] for x, _ in lines), ends[-2], POINTS)
    table = np.stack([np.interp(grid, x, y, left=np.nan, right=np.nan) for x, y in lines])
    there = np.isfinite(table)
    count = there.sum(axis=0)
    filled = np.where(there, table, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=0) / count
        deviation = np.sqrt((np.where(there, table - mean, 0.0) ** 2).sum(axis=0) / (count - 1))
    mean[count < 2] = np.nan
    deviation[count < 2] = np.nan
    return Band(grid, mean, deviation, len(lines))


def legends(snapshots: Sequence[Snapshot], seeds: bool = True) -> list[str]:
    """Return a short text for each run: what its parameters have that the others' have not.

    Without `seeds`, what repeats have in common: the same text for each of them.
    """
    tables = [{**one.configuration, "procedure": one.procedure} for one in snapshots]
    names = dict.fromkeys(name for table in tables for name in table)
    telling = [
        name
        for name in names
        if (seeds or name not in FREE) and len({_text(table.get(name)) for table in tables}) > 1
    ]
    texts = [_told(table, telling) for table in tables]
    if not seeds:
        return texts
    ids = [one.id or one.folder.name for one in snapshots]
    return [
        text if text and texts.count(text) == 1 else f"{text} {short(run)}".strip()
        for text, run in zip(texts, ids, strict=True)
    ]


def short(run_id: str) -> str:
    """Return the part of a run's id that people tell it by."""
    return run_id.rpartition("-")[2] or run_id


def _told(table: Mapping[str, Any], telling: Sequence[str]) -> str:
    text = ", ".join(
        f"{name.replace('_', ' ')} {_text(table[name])}" for name in telling if name in table
    )
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
