"""Finds the outcomes of all cells of a phase."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from magnon_lab.bench import BenchFile
from magnon_lab.bench.benchfile import shipped_path

from .cells import Cell, Phase, cells_of
from .rows import Row, row_of
from .running import Found, make_run
from .striking import outcome_of

PATIENT = "\nguard: {give_up_s: 600}\n"
"""Longer than any fault here lasts."""


@cache
def bench_file() -> BenchFile:
    """Return the shipped bench file, with a guard that does not give up."""
    return BenchFile.parse(shipped_path().read_text() + PATIENT, shipped_path())


@cache
def undisturbed(folder: Path) -> Found:
    """Return what comes of a run in which nothing fails."""
    with quiet():
        return make_run(bench_file(), folder / "undisturbed")


def outcomes(phase: Phase, folder: Path) -> list[tuple[Cell, Found]]:
    """Return what comes of each cell of a phase; runs go into `folder`."""
    with quiet():
        return [
            (cell, outcome_of(cell, bench_file(), folder / phase.name / str(place)))
            for place, cell in enumerate(cells_of(phase))
        ]


def rows(found: list[tuple[Cell, Found]], folder: Path) -> list[Row]:
    """Return the rows of cells and what came of them."""
    return [row_of(cell, outcome, undisturbed(folder)) for cell, outcome in found]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what hundreds of faults have to say from the terminal."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
