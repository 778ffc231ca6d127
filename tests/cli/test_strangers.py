"""Files from a stranger execute nothing: what they name by path, and what lies beside them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.runs import RunsFolder
from magnon_lab.runs.queue import Queue
from procedures import ProcedureNotFoundError, consent, load_procedure

from .conftest import Command

MARKS = "import pathlib; pathlib.Path({mark!r}).touch()\n"
SCRIPT = """
from pymeasure.experiment import Procedure


class Own(Procedure):
    DATA_COLUMNS = ["Turn"]

    def execute(self):
        pass
"""


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What is there once the script was executed."""
    return tmp_path / "executed"


@pytest.fixture
def script(tmp_path: Path, mark: Path) -> Path:
    """A script that says when it is executed."""
    path = tmp_path / "script.py"
    path.write_text(MARKS.format(mark=str(mark)) + SCRIPT)
    return path


def test_a_run_file_names_a_script(
    command: Command, tmp_path: Path, script: Path, mark: Path
) -> None:
    runs = tmp_path / "runs"
    assert command("run", "spectrum", "--runs", runs).code == 0
    with RunsFolder(runs).find("latest") as run:
        place = run.folder / "run.sqlite"
    with sqlite3.connect(place) as database:
        database.execute("UPDATE run SET procedure = ?, status = 'stopped'", (str(script),))
    database.close()
    told = command("resume", "latest", "--runs", runs)
    assert told.code == 2
    assert "was not executed" in told.stderr.replace("\n", " ")
    assert not mark.exists()


def test_a_queue_names_a_script(command: Command, tmp_path: Path, script: Path, mark: Path) -> None:
    runs = tmp_path / "runs"
    with Queue(runs) as queue:
        queue.add(str(script), {}, shipped_path())
    assert command("queue", "start", "--runs", runs).code == 1
    with Queue(runs) as queue:
        (entry,) = queue.entries()
    assert entry.status == "failed"
    assert "was not executed" in entry.message
    assert not mark.exists()


def test_a_configuration_names_a_script(
    command: Command, tmp_path: Path, script: Path, mark: Path
) -> None:
    file = tmp_path / "preset.yaml"
    file.write_text(f"procedure: {script}\n")
    told = command("run", "--config", file, "--runs", tmp_path / "runs")
    assert told.code == 2
    assert "was not executed" in told.stderr.replace("\n", " ")
    assert not mark.exists()


def test_what_was_given_by_hand_may_be_named_until_it_changes(
    command: Command, script: Path, mark: Path
) -> None:
    assert command("procedures", "show", script).code == 0
    assert mark.exists()
    assert load_procedure(str(script)).__name__ == "Own"
    script.write_text(script.read_text() + "\n")
    with pytest.raises(ProcedureNotFoundError, match="has changed since"):
        load_procedure(str(script))


def test_where_nothing_can_be_remembered_a_script_is_executed_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MAGNON_LAB_SETTINGS", str(tmp_path / "file" / "settings.yaml"))
    assert load_procedure(str(script), by_hand=True).__name__ == "Own"
    assert not consent.is_taken(script, script.read_bytes())


def test_modules_in_the_folder_of_a_queue_are_not_imported(
    command: Command, tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("procedures", "drivers"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(MARKS.format(mark=str(mark)))
    (tmp_path / "yaml.py").write_text(MARKS.format(mark=str(mark)))
    monkeypatch.chdir(tmp_path)
    assert command("queue", "add", "spectrum", "--runs", "runs").code == 0
    assert command("queue", "start", "--runs", "runs").code == 0
    assert not mark.exists()
