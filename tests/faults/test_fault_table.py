"""Every fault in every phase: the right status, a safe bench, and a journal that tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from magnon_lab.cli.run import use_compilation_cache
from magnon_lab.simulation.faults import KINDS

from .cells import PHASES, RUN_FILE, Cell, Phase, cannot_happen, cells_of
from .finding import outcomes, rows, undisturbed
from .rows import Row, flagged, off, telling
from .running import ROWS, Found
from .table import COMMAND, PATH, markdown, section

ENDS = {"finished": 0, "failed": 1, "aborted": 4, "": 1}
"""Exit code of each end; a run that leaves its bench doubted has 1."""

MEASUREMENTS = sum(len(rows) for rows in ROWS)

UNSEEN = (("sweep", "unlevelled"),)
"""What befalls one measurement without a word: the generator is asked before the sweep."""

ELSEWHERE = (("locked", "interrupted"), ("read-only", "interrupted"), ("removed", "missing"))
"""What a run file shows that could not be told how its run ended."""

_sections: dict[str, list[Row]] = {}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a place for hundreds of runs."""
    use_compilation_cache()
    return tmp_path_factory.mktemp("runs")


def found_in(phase: Phase, folder: Path) -> list[tuple[Cell, Found]]:
    found = outcomes(phase, folder)
    _sections[phase.name] = rows(found, folder)
    return found


def check(cell: Cell, found: Found, whole: Found) -> None:
    """Raise `AssertionError` for what must not be, whatever failed."""
    assert found.happened or cell.role == RUN_FILE, "the fault did not happen"
    assert found.harm == []
    assert found.exit_code == (1 if found.told_unsafe else ENDS[found.status])
    if found.shown != found.status:
        assert not found.status or (cell.kind, found.shown) in ELSEWHERE
    if found.safe_by == "guard":
        assert found.told_unsafe, "the run takes its bench for safe"
        assert found.events[-1].message == "the bench is safe"
    if found.status == "finished":
        assert len(found.measurements["number"]) == MEASUREMENTS
    marked = flagged(found)
    if cell.kind != "drift" and (cell.phase.name, cell.kind) not in UNSEEN:
        assert not (off(found, whole) & ~marked).any(), "measurements are off and do not say so"
    if found.status != "finished" or found.pauses or found.told_unsafe or marked.any():
        told = " ".join([found.message, *(event.message for event in telling(found))])
        assert cell.role in told.replace("run.sqlite", RUN_FILE), "it does not say what failed"
        assert telling(found) or not found.status or cell.kind in dict(ELSEWHERE)


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
def test_phase(phase: Phase, folder: Path) -> None:
    wrong = []
    for cell, found in found_in(phase, folder):
        try:
            check(cell, found, undisturbed(folder))
        except AssertionError as error:
            wrong.append(f"{phase.name}, {cell.fault}: {error}".partition("\n")[0])
    assert wrong == []
    assert section(phase, _sections[phase.name]) in PATH.read_text(), f"run {COMMAND}"


def test_the_table_is_what_was_found(folder: Path) -> None:
    for phase in PHASES:
        if phase.name not in _sections:
            found_in(phase, folder)
    assert markdown(_sections) == PATH.read_text(), f"run {COMMAND}"


def test_nothing_is_left_out() -> None:
    for phase in PHASES:
        for kind in KINDS:
            assert bool(cannot_happen(phase, kind)) != any(
                cell.kind == kind for cell in cells_of(phase)
            )
    befallen = {(cell.kind, cell.role) for phase in PHASES for cell in cells_of(phase)}
    assert {(kind, role) for kind in KINDS for role in KINDS[kind].roles} <= befallen


def test_a_run_without_a_fault(folder: Path) -> None:
    found = undisturbed(folder)
    assert (found.status, found.exit_code, found.safe_by) == ("finished", 0, "run")
    assert telling(found) == []
