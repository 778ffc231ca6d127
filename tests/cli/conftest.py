from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from magnon_lab.cli.app import app
from magnon_lab.cli.run import use_compilation_cache

from ..serving import changed_bench
from .asking import training


@dataclass
class Told:
    """What a command left behind: exit code, its last line as JSON, what it said on stderr."""

    code: int
    json: dict[str, Any]
    stdout: str
    stderr: str


Command = Callable[..., Told]


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One compilation cache for all runs of the session, so that only the first compiles."""
    kept = dict(os.environ)
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    use_compilation_cache()
    yield
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Return the words of a short training."""
    return training(tmp_path_factory.mktemp("data"))


@pytest.fixture
def command() -> Command:
    """Call `magnon-lab` with these words, in this process."""

    def call(*words: object) -> Told:
        result = CliRunner().invoke(app, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        lines = result.stdout.strip().splitlines()
        last = json.loads(lines[-1]) if "--json" in words and lines else {}
        return Told(result.exit_code, last, result.stdout, result.stderr)

    return call


@pytest.fixture
def bench_with_all_knobs(tmp_path: Path) -> Path:
    """Return the shipped bench with field and amplifier voltage among the knobs."""
    slow = "  field_mt: {from: 91, to: 92}\n  amplifier_voltage_v: {from: 11, to: 12}\n"
    return changed_bench(tmp_path, lambda text: text.replace("\nhold:", f"{slow}\nhold:"))
