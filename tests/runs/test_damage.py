"""Files that are no good say what they are and what to do."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from magnon_lab.runs import RunError, RunFile, RunsFolder, StepRow, database, provenance, schema
from magnon_lab.runs.errors import told


def test_a_missing_file(tmp_path):
    with pytest.raises(RunError, match="nowhere does not exist"):
        RunFile.open(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"empty/run\.sqlite does not exist"):
        RunFile.open(tmp_path / "empty")


def test_an_empty_file(tmp_path):
    (tmp_path / "run.sqlite").touch()
    with pytest.raises(RunError, match="is empty"):
        RunFile.open(tmp_path)


@pytest.mark.parametrize("text", [b"hello", b"x" * 5000])
def test_no_database(tmp_path, text):
    (tmp_path / "run.sqlite").write_bytes(text)
    with pytest.raises(RunError, match=r"run\.sqlite is no run file of Magnon Lab"):
        RunFile.open(tmp_path)


def test_another_database(tmp_path):
    connection = sqlite3.connect(tmp_path / "run.sqlite")
    connection.execute("CREATE TABLE run (id)")
    connection.commit()
    connection.close()
    before = (tmp_path / "run.sqlite").read_bytes()
    with pytest.raises(RunError, match="a database, but no run file of Magnon Lab"):
        RunFile.open(tmp_path, write=True)
    assert (tmp_path / "run.sqlite").read_bytes() == before


@pytest.mark.parametrize("part", [0.999, 0.5, 0.1])
def test_a_truncated_file(finished, part):
    size = finished.stat().st_size
    with finished.open("r+b") as file:
        file.truncate(int(part * size))
    with pytest.raises(RunError, match=f"is truncated: {int(part * size)} bytes of {size}"):
        RunFile.open(finished)


def test_a_damaged_file(finished):
    data = bytearray(finished.read_bytes())
    data[2 * schema.PAGE_SIZE :] = os.urandom(len(data) - 2 * schema.PAGE_SIZE)
    finished.write_bytes(data)
    with RunFile.open(finished) as run:
        with pytest.raises(RunError, match="is damaged: restore it from a copy"):
            run.measurements()
        assert run.status == "finished"


def test_a_file_without_its_run(finished):
    connection = sqlite3.connect(finished)
    connection.execute("DELETE FROM run")
    connection.commit()
    connection.close()
    with pytest.raises(RunError, match="holds no run"):
        RunFile.open(finished)


@pytest.mark.parametrize("write", [False, True])
def test_a_newer_file_is_refused_and_left_untouched(finished, write):
    connection = sqlite3.connect(finished)
    connection.execute(f"PRAGMA user_version = {schema.RUN.version + 1}")
    connection.close()
    before = finished.read_bytes()
    with pytest.raises(
        RunError, match=r"newer Magnon Lab \(schema \d+, this one knows up to \d+\)"
    ):
        RunFile.open(finished, write=write)
    assert finished.read_bytes() == before


def test_a_locked_file(run, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    other = sqlite3.connect(run.folder / "run.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with RunFile.open(run.folder) as viewer:
        assert viewer.status == "running"
        with pytest.raises(RunError, match="is locked by another process: end the program"):
            viewer.request("stop")
    other.execute("ROLLBACK")
    other.close()
    assert run.request("stop") == 1


def test_a_file_that_may_not_be_written(run):
    run._database.rows("PRAGMA query_only = ON")
    with pytest.raises(RunError, match="may not be written: check permissions"):
        run.event("x", "outcome", "y")


@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_a_file_that_is_no_longer_where_it_was(run, how):
    path = run.folder / "run.sqlite"
    if how == "removed":
        path.unlink()
    elif how == "moved":
        run.folder.rename(run.folder.with_name("elsewhere"))
    else:
        shutil.copy(path, run.folder / "copy")
        (run.folder / "copy").replace(path)
    with pytest.raises(RunError, match=r"run\.sqlite was removed, moved or replaced"):
        run.record_step(StepRow(step=0, ring_measurements=0))


def test_errors_of_the_file_system_name_the_path(tmp_path):
    with (
        pytest.raises(RunError, match="gone cannot be used: No such file"),
        told(tmp_path / "gone"),
    ):
        (tmp_path / "gone").read_text()


# Creation


def nothing_left(folder):
    return not folder.exists() or not list(folder.iterdir())


def test_a_failed_creation_leaves_nothing_behind(runs, monkeypatch):
    def fail(kind, connection):
        connection.execute("CREATE TABLE half (x)")
        raise sqlite3.OperationalError("out of luck")

    monkeypatch.setattr(schema.Schema, "create_tables", fail)
    with pytest.raises(RunError, match="out of luck"):
        runs.create("train", {}, "", 0, True)
    assert nothing_left(runs.path)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "runs").write_text("a file, not a folder")
    with pytest.raises(RunError, match="cannot be used: Not a directory"):
        RunsFolder(tmp_path / "runs").create("train", {}, "", 0, True)


CREATE = """
import os, sys
from magnon_lab.runs import RunError, RunsFolder
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    RunsFolder(sys.argv[1]).create("train", {}, "", 0, True, versions={})
except RunError as error:
    print(error)
"""


def test_a_folder_that_may_not_be_written():
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o555)
        words = [sys.executable, "-c", CREATE, str(folder)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    finally:
        folder.chmod(0o755)
        left = list(folder.iterdir())
        shutil.rmtree(folder)
    assert f"{folder}/" in done.stdout
    assert "cannot be used: Permission denied" in done.stdout
    assert left == []


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"configuration": {"f": object()}}, "configuration cannot be written"),
        ({"configuration": {}, "keep": "some"}, "keep must be"),
        ({"configuration": {}, "keep": 0}, "keep must be"),
        ({"configuration": {}, "checkpoints_kept": 0}, "at least 1 checkpoint"),
    ],
)
def test_what_cannot_be_recorded_is_refused_before_anything_is_made(runs, arguments, match):
    with pytest.raises(RunError, match=match):
        runs.create("train", bench_text="", seed=0, simulated=True, **arguments)
    assert nothing_left(runs.path)


def test_a_file_system_without_write_ahead_logging_is_refused(tmp_path, monkeypatch):
    real = database._connect

    class NoLog:
        def __init__(self, connection):
            self._connection = connection

        def execute(self, query, *values):
            if "journal_mode" in query:
                query = "SELECT 'delete'"
            return self._connection.execute(query, *values)

        def close(self):
            self._connection.close()

    monkeypatch.setattr(database, "_connect", lambda path, mode: NoLog(real(path, mode)))
    with pytest.raises(RunError, match="without write-ahead logging"):
        RunsFolder(tmp_path).create("train", {}, "", 0, True)
    assert nothing_left(tmp_path)


def test_provenance_is_asked_before_anything_is_made(runs, monkeypatch):
    def fail():
        raise KeyboardInterrupt

    monkeypatch.setattr(provenance, "versions", fail)
    with pytest.raises(KeyboardInterrupt):
        runs.create("train", {}, "", 0, True)
    assert nothing_left(runs.path)


def test_a_copied_run_can_be_read(finished, tmp_path):
    shutil.copytree(finished.parent, tmp_path / "odd # name? 100 %")
    with RunFile.open(tmp_path / "odd # name? 100 %") as run:
        assert run.steps()["step"].tolist() == [0]
