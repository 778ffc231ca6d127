"""The guard's entry point: it reports into the run file of the run that it watches."""

from __future__ import annotations

import sys
from pathlib import Path

from magnon_lab.bench.guard import PYTHON
from magnon_lab.bench.stand import Journal
from magnon_lab.bench.watch import keep_guard
from magnon_lab.runs import RunFile

COMMAND = (*PYTHON, "magnon_lab.cli.guard")
"""Starts a guard for a run."""


def journal_of(folder: Path) -> Journal:
    """Return a journal that writes into the run file in `folder`, beside whoever writes it."""
    return RunFile.open(folder).event


if __name__ == "__main__":
    sys.exit(keep_guard(journal_of))
