"""The table of faults, phases and outcomes as markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from magnon_lab.simulation.faults import KINDS

from .cells import PHASES, RUN_FILE, Phase, cannot_happen
from .rows import Row, merged
from .sabotage import SABOTAGES

PATH = Path(__file__).parents[2] / "docs" / "fault-table.md"
COMMAND = ".venv/bin/python -m tests.faults.make_table"

GRAVEST = (
    "guard", "failed", "aborted", "no run", "bench doubted", "paused", "tried again", "flagged",
    "wrong data", "unnoticed",
)  # fmt: skip

MEANING = {
    "guard": "the run could not make the bench safe, its guard did",
    "failed": "the run ended as failed, bench safe",
    "aborted": "paused, resumed by the operator, paused again, aborted, bench safe",
    "no run": "refused before there was a run; nothing was on",
    "bench doubted": "finished, but with exit code 1: a read-back is missing or contradicts",
    "paused": "standby until the operator came, then finished",
    "tried again": "a try or a step more, then finished",
    "flagged": "finished, the measurements concerned are flagged",
    "wrong data": "finished, measurements are off without a flag",
    "unnoticed": "finished, nothing was the worse for it",
}

HEAD = f"""# What becomes of a run when something fails

Every kind of fault of the simulated laboratory (`sim_instruments.yaml` tells them and their keys),
in every phase of a run, on every instrument that it can befall then; and what can happen to the run
file. Made by `{COMMAND}`, and compared with what is found
by `tests/faults`: do not edit.

The run makes three steps of two measurements (numbers 0 to 5) and records each. A reply is spoiled,
a command lost or a setting stuck at one exchange of the phase; what an instrument does by itself
(hang, cut, power cycle, slow, drift, unlevelled, trip) happens at a moment in it, to any of them.
An operator comes to a paused run after ten minutes and resumes it; when it pauses again, aborts it.

- **ends**: status (exit code), as in the run file, and what the file shows if that is another.
- **data**: measurements recorded; how many of them are flagged (overload, unlevelled); how many are
  off, by more than 0.1 dB from a run without a fault, and say nothing.
- **safe**: who made the bench safe, and after how many seconds of bench time, counted from the
  fault or, where the run went on, from its last trace. From the plant: loop open, no drive, no
  bias, no current in the magnet, its supply off. The ramp from 92 mT to zero takes 6 s of them.
- **last words**: the journal's last entry that is no routine; (terminal): what could not be
  recorded there.

Two things befall measurements without a word. Drift is told by reference measurements alone, which
the shipped bench file does not ask for. A generator that loses its level during a sweep is asked
when it is set for the next one: that one measurement is not flagged.

The laboratory is in the run's process, where time-outs cost bench time alone. Where the run cannot
make the bench safe, its guard's own routine follows on the same laboratory; real guards of real
runs do the same in `tests/faults/test_guarded.py`.
"""


def markdown(sections: Mapping[str, Sequence[Row]]) -> str:
    """Return the whole document for the rows of each phase."""
    parts = [HEAD, _overview(sections)]
    parts += [section(phase, sections[phase.name]) for phase in PHASES]
    return "\n".join(parts)


def section(phase: Phase, rows: Sequence[Row]) -> str:
    """Return what a phase's part of the document is."""
    lines = [f"## {phase.name.capitalize()}", "", f"{phase.text[0].upper()}{phase.text[1:]}.", ""]
    lines += [
        "| fault | of | ends | what the run did | data | safe | last words |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in merged(list(rows)):
        where = "; ".join(row.roles)
        cells = (row.kind, where, row.ends, row.handled, row.data, row.safe, row.words)
        lines.append(f"| {' | '.join(cells)} |")
    reasons: dict[str, list[str]] = {}
    for kind in KINDS:
        if why := cannot_happen(phase, kind):
            reasons.setdefault(why, []).append(kind)
    if reasons:
        told = "; ".join(f"{', '.join(kinds)} ({why})" for why, kinds in reasons.items())
        lines += ["", f"Cannot happen: {told}."]
    return "\n".join([*lines, ""])


def _overview(sections: Mapping[str, Sequence[Row]]) -> str:
    """Return kind by phase, the outcomes of each, and their count."""
    lines = [
        "## In short",
        "",
        f"| fault | {' | '.join(phase.name for phase in PHASES)} |",
        f"|---|{'---|' * len(PHASES)}",
    ]
    for kind in (*KINDS, RUN_FILE):
        kinds = SABOTAGES if kind == RUN_FILE else (kind,)
        cells = []
        for phase in PHASES:
            rows = [r for r in sections[phase.name] if r.kind.partition(",")[0] in kinds]
            found = {row.outcome for row in rows}
            cells.append(", ".join(word for word in GRAVEST if word in found) or "–")
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    count = Counter(row.outcome for rows in sections.values() for row in rows)
    lines += ["", f"{count.total()} cells. – cannot happen, see the phase for the reason.", ""]
    lines += [f"- {word} ({count[word]}): {MEANING[word]}" for word in GRAVEST if count[word]]
    return "\n".join([*lines, ""])
