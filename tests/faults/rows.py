"""What came of a cell, in the words of the table."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from magnon_lab.bench import FLAG_OVERLOAD, FLAG_UNLEVELLED
from magnon_lab.runs import Event

from .cells import Cell
from .running import Found

AGREE_DB = 0.1
"""A trace that no fault touched agrees so well with that of a run without one."""

ROUTINE = ("output", "ramp", "process", "safe", "standby", "request")
STEPS = (
    "attenuator to maximum", "generator off", "amplifier bias off", "field to zero",
    "current and field read back", "field supply off",
)  # fmt: skip
"""Steps of the safe state."""

LONGEST = 140


@dataclass(frozen=True)
class Row:
    """One row of the table, or several alike: `roles` and `seconds` (least, most) tell them."""

    kind: str
    roles: tuple[str, ...]
    ends: str
    handled: str
    data: str
    safe_by: str
    seconds: tuple[float, float]
    words: str

    @property
    def outcome(self) -> str:
        """The one word for it, the gravest that fits."""
        if self.safe_by == "guard":
            return "guard"
        for word in ("failed", "aborted", "no run"):
            if self.ends.startswith(word):
                return word
        for word in ("bench doubted", "paused", "tried again", "flagged"):
            if word in self.handled:
                return word
        return "wrong data" if "off" in self.data else "unnoticed"

    @property
    def safe(self) -> str:
        """Who made the bench safe, and after how many seconds."""
        if not self.safe_by:
            return "was never on"
        low, high = (f"{value:.1f}" for value in self.seconds)
        return f"{self.safe_by}, {low if low == high else f'{low} to {high}'} s"


def row_of(cell: Cell, found: Found, undisturbed: Found) -> Row:
    """Return the row of one cell."""
    return Row(
        kind=cell.kind_text,
        roles=(cell.where,),
        ends=_ends(found),
        handled=", ".join(_handled(found)),
        data=_data(found, undisturbed),
        safe_by=found.safe_by,
        seconds=(found.safe_after_s, found.safe_after_s),
        words=last_words(found),
    )


def _ends(found: Found) -> str:
    if not found.status:
        return f"no run ({found.exit_code})"
    told = f"{found.status} ({found.exit_code})"
    return told if found.shown == found.status else f"{told}, shown as {found.shown}"


def _handled(found: Found) -> list[str]:
    messages = [event.message for event in found.events]
    told = []
    if any(text.startswith("try ") or text.endswith("tried once more") for text in messages):
        told.append("tried again")
    if found.pauses == 1:
        told.append("paused, resumed")
    elif found.pauses:
        told.append("paused, resumed, paused, aborted")
    if flagged(found).any():
        told.append("flagged")
    if found.told_unsafe:
        told.append("bench doubted")
    return told or ["ended" if found.status != "finished" else "nothing was noticed"]


def flagged(found: Found) -> np.ndarray:
    """Return which measurements say of themselves that they are no good, (n,)."""
    flags = found.measurements.get("flags", np.zeros(0, dtype=np.uint32))
    return (flags & (FLAG_OVERLOAD | FLAG_UNLEVELLED)) != 0


def off(found: Found, undisturbed: Found) -> np.ndarray:
    """Return which measurements are not what they would be without the fault, (n,)."""
    if not len(found.measurements.get("number", ())):
        return np.zeros(0, dtype=bool)
    place = np.searchsorted(undisturbed.measurements["number"], found.measurements["number"])
    expected = undisturbed.measurements["traces_dbm"][place]
    worst_db = np.abs(found.measurements["traces_dbm"] - expected).max(axis=1, initial=0.0)
    return np.asarray(~(worst_db < AGREE_DB))


def _data(found: Found, undisturbed: Found) -> str:
    wrong, marked = off(found, undisturbed), flagged(found)
    told = f"{len(wrong)}"
    if marked.any():
        told += f", {int(marked.sum())} flagged"
    if (wrong & ~marked).any():
        told += f", {int((wrong & ~marked).sum())} off"
    return told


def telling(found: Found) -> list[Event]:
    """Return the entries of the journal that are no routine."""
    return [
        event
        for event in found.events
        if event.kind not in ROUTINE or event.data.get("ok") is False
    ]


def last_words(found: Found) -> str:
    """Return the last entry that is no routine; what a run tells that could not record it."""
    entries = telling(found)
    if entries:
        return _short(entries[-1].message)
    if found.status == "finished" and not found.message:
        return ""
    return _short(f"(terminal) {found.message}")


def _short(text: str) -> str:
    text = re.sub(r" \(\w+ at [^)]*\)", "", text)  # driver and resource
    text = re.sub(r"\S+/run\.sqlite", "run.sqlite", text)
    text = re.sub(r" \(-\d{6,}\)(: .*)?|\. Check that it is on.*", "", text)
    text = re.sub(r", 'ascii' codec .*", "", text)
    text = text.replace("|", "/").replace("\n", " ")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}…"


def merged(rows: list[Row]) -> list[Row]:
    """Return the rows with those joined that differ in the instrument, or in a duration, alone."""
    joined = _joined(rows, lambda row: (row.kind,), _with_roles)
    return _joined(joined, lambda row: (row.kind.partition(",")[0], *row.roles), _with_duration)


def _joined(
    rows: list[Row], key: Callable[[Row], tuple[str, ...]], join: Callable[[Row, Row], Row]
) -> list[Row]:
    found: dict[tuple[str, ...], Row] = {}
    for row in rows:
        words = row.words
        for special in (*STEPS, *(role.partition(",")[0] for role in row.roles)):
            words = words.replace(special, "it")
        words = re.sub(r"measurement \d", "measurement", words)
        alike = (*key(row), row.ends, row.handled, row.data, row.safe_by, words)
        found[alike] = join(found[alike], row) if alike in found else row
    return list(found.values())


def _with_roles(one: Row, other: Row) -> Row:
    return replace(one, roles=one.roles + other.roles, seconds=_span(one, other))


def _with_duration(one: Row, other: Row) -> Row:
    kind = f"{one.kind}, also {other.kind.partition(', ')[2]}"
    return replace(one, kind=kind, seconds=_span(one, other))


def _span(one: Row, other: Row) -> tuple[float, float]:
    return min(one.seconds[0], other.seconds[0]), max(one.seconds[1], other.seconds[1])
