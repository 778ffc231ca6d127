"""Lets the fault of a cell happen in its phase."""

from __future__ import annotations

from pathlib import Path

from magnon_lab.bench import BenchFile
from magnon_lab.runs import RunFile
from magnon_lab.simulation import Laboratory

from .cells import RUN_FILE, Cell
from .laboratory import strike
from .running import Found, make_run
from .sabotage import SABOTAGES, Mend


class Striker:
    """Arms a cell's fault, or lets it strike, when its phase has come."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._count = 0
        self.mend: Mend = lambda: None

    @property
    def armed_from_the_beginning(self) -> tuple[str, ...]:
        """The faults whose own keys say when they happen."""
        cell = self._cell
        return () if cell.by_itself or cell.phase.told else (cell.fault,)

    def begins(self, phase: str, laboratory: Laboratory, run: RunFile | None) -> None:
        """Take note of a phase that the wires do not show."""
        if phase != self._cell.phase.name:
            return
        if self._cell.by_itself and self._cell.phase.moment is not None:
            return  # it has its moment later
        if self._cell.role == RUN_FILE:
            assert run is not None
            self.mend = SABOTAGES[self._cell.kind].act(run)
        elif self._cell.by_itself:
            strike(laboratory, self._cell.fault)
        else:
            laboratory.faults.add(self._cell.fault)

    def over(self) -> None:
        """Mend what would keep the run from being looked at."""
        self.mend()

    def heard(self, laboratory: Laboratory, role: str, text: str) -> None:
        """Take note of a message of the run."""
        moment = self._cell.phase.moment
        if not self._cell.by_itself or moment is None:
            return
        number = laboratory.plant.number
        if role == moment.role and text.startswith(moment.starts):
            if moment.measurement not in (None, number):
                return
            self._count += 1
            if self._count == moment.at:
                strike(laboratory, self._cell.fault)


def outcome_of(cell: Cell, bench_file: BenchFile, folder: Path) -> Found:
    """Make a run in which a cell's fault happens."""
    striker = Striker(cell)
    faults = striker.armed_from_the_beginning
    return make_run(bench_file, folder, faults, striker.begins, striker.heard, striker.over)
