"""Trainings in silico for benchmarks that look closer than a campaign does."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from magnon_lab.bench import BenchFile
from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.cli.parameters import build_procedure
from magnon_lab.runs import RunsFolder
from procedures import load_procedure
from procedures.context import Context
from procedures.train import Train

DIGITS_TWIN = {
    "task": "digits",
    "estimator": "twin_first",
    "batch_size": 64,
    "penalty": 3.0,
    "learning_rate": 0.01,
}
"""As in examples/digits-twin.yaml."""


def training(bench: Path | None = None, **values: Any) -> Train:
    """Return a training in silico, checked, with its `trainer` and what it goes `through`."""
    procedure = build_procedure(load_procedure("train"), {"reservoir": "model", **values})
    assert isinstance(procedure, Train)
    bench_file = BenchFile.load(bench or shipped_path())
    procedure.context = Context(bench_file, RunsFolder(Path(tempfile.gettempdir())))
    procedure.validate()
    return procedure
