"""Make every fault happen in every phase of a run, and write docs/fault-table.md.

    .venv/bin/python -m tests.faults.make_table

Takes about a minute.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from magnon_lab.cli.run import use_compilation_cache

from .cells import PHASES
from .finding import outcomes, rows
from .table import PATH, markdown


def main() -> None:
    """Find, write, and say where."""
    use_compilation_cache()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sections = {}
        for phase in PHASES:
            print(f"{phase.name} ...", file=sys.stderr, flush=True)
            sections[phase.name] = rows(outcomes(phase, folder), folder)
        PATH.write_text(markdown(sections), encoding="utf-8")
    print(PATH)


if __name__ == "__main__":
    main()
