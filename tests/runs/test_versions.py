"""Files of older versions: brought up by who writes them, left as they are by who only looks."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from magnon_lab.runs import RunError, RunFile, RunsFolder, schema
from magnon_lab.runs.check import check
from magnon_lab.runs.viewing import RunViewer

#: What leads from a version to the one before it.
BACK = {
    3: ("ALTER TABLE measurements DROP COLUMN place",),
    2: ("DROP TABLE annotations", "ALTER TABLE control DROP COLUMN data"),
}


def take_back(path, version):
    """Make a file what an older Magnon Lab would have written, without a log."""
    with closing(sqlite3.connect(path)) as connection:
        for newer in range(schema.RUN.version, version, -1):
            for statement in BACK[newer]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")


def version_of(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


def columns(connection, table):
    return {
        name for (name,) in connection.execute(f"SELECT name FROM pragma_table_info('{table}')")
    }


@pytest.fixture(params=sorted(version - 1 for version in BACK))
def older(finished, request):
    """Return the path of a finished run's file of each older version."""
    take_back(finished, request.param)
    return finished


def test_whoever_only_looks_finds_all_and_changes_nothing(older):
    before, version = older.read_bytes(), version_of(older)
    [summary] = RunsFolder(older.parents[1]).list()
    assert (summary.status, summary.steps) == ("finished", 1)
    with RunFile.open(older) as run:
        found = run.measurements()
        assert len(found["number"]) == 100
        assert set(found["place"].tolist()) == {-1}
        assert run.requests() == []
        assert run.annotations() == ((), "")
        assert run.steps()["step"].tolist() == [0]
    with closing(RunViewer.open(older)) as viewer:
        assert viewer.ends() == (0, 0)
    findings = {finding.what: finding for finding in check(older)}
    assert findings["tables"].ok
    assert findings["measurements"].ok
    assert f"schema {version}, read as {schema.RUN.version}" in findings["file"].text
    assert version_of(older) == version
    assert older.read_bytes() == before


def test_whoever_looks_sees_all_tables_and_columns_of_today(older):
    with closing(sqlite3.connect(":memory:")) as today, closing(sqlite3.connect(older)) as found:
        schema.RUN.create_tables(today)
        schema.RUN.bridge(found, version_of(older))
        for (table,) in today.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
            assert columns(found, table) == columns(today, table)


def test_whoever_writes_brings_it_up_under_the_eyes_of_who_looks(older):
    with RunFile.open(older) as run, RunFile.open(older) as other:
        assert other.annotations().note == ""
        run.annotate(note="from long ago")
        for reader in (run, other):
            assert reader.annotations().note == "from long ago"
            assert len(reader.measurements()["place"]) == 100
    assert version_of(older) == schema.RUN.version


def test_of_two_that_bring_a_file_up_at_once_the_second_finds_it_done(older, monkeypatch):
    look, looks = schema.Schema.check_version, []

    def another_is_first(kind, connection, path):
        version = look(kind, connection, path)
        looks.append(version)
        if len(looks) == 1:
            RunFile.open(older, write=True).close()
        return version

    monkeypatch.setattr(schema.Schema, "check_version", another_is_first)
    with RunFile.open(older, write=True) as run:
        run.annotate(note="second")
        assert run.annotations().note == "second"
    assert looks[-1] == schema.RUN.version  # and not what it was at the first look


@pytest.fixture
def next_versions(monkeypatch):
    """Let this Magnon Lab know versions to come, with the scripts that lead there."""

    def know(*scripts):
        known = schema.RUN.version
        upgrades = dict(enumerate(scripts, start=known))
        newer = replace(schema.RUN, version=known + len(scripts), upgrades=upgrades)
        monkeypatch.setattr(schema, "RUN", newer)

    return know


def test_a_file_is_brought_up_step_by_step(finished, next_versions):
    known = schema.RUN.version
    next_versions(
        "ALTER TABLE run ADD COLUMN note TEXT NOT NULL DEFAULT 'none';\n",
        "ALTER TABLE steps ADD COLUMN extra REAL;\nUPDATE run SET note = 'both';\n",
    )
    with RunFile.open(finished, write=True) as run:
        assert run._one("SELECT note FROM run") == ("both",)
        assert run.steps()["step"].tolist() == [0]
        assert run._one("PRAGMA user_version") == (known + 2,)


def test_an_upgrade_that_fails_changes_nothing(finished, next_versions, monkeypatch):
    next_versions("ALTER TABLE run ADD COLUMN note TEXT;\nDROP TABLE nothing;\n")
    with pytest.raises(RunError, match="cannot be used"):
        RunFile.open(finished, write=True)
    monkeypatch.undo()
    with RunFile.open(finished) as run, pytest.raises(RunError, match="no such column: note"):
        run._one("SELECT note FROM run")


READ_ONLY = """
import os, sys
from magnon_lab.runs import RunFile, RunError
from magnon_lab.runs.check import check
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
with RunFile.open(sys.argv[1]) as run:
    print(run.status, len(run.steps()["step"]), len(run.measurements()["place"]))
print(all(finding.ok for finding in check(sys.argv[1]) if finding.what != "checkpoints"))
try:
    RunFile.open(sys.argv[1], write=True).event("x", "outcome", "y")
except RunError as error:
    print(error)
"""


@pytest.mark.parametrize("version", range(1, schema.RUN.version + 1))
def test_a_run_in_an_archive_that_may_not_be_written_can_be_read(finished, version):
    take_back(finished, version)
    # Not below tmp_path, whose parents only their owner may enter.
    archive = Path(tempfile.mkdtemp())
    try:
        shutil.copy(finished, archive)
        (archive / finished.name).chmod(0o444)
        archive.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(archive)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert os.listdir(archive) == [finished.name]
        assert (archive / finished.name).read_bytes() == finished.read_bytes()
    finally:
        archive.chmod(0o755)
        shutil.rmtree(archive)
    first, sound, refused = done.stdout.splitlines()
    assert first == "finished 1 100"
    assert sound == "True"
    assert "run.sqlite may not be written: check permissions, or copy the run elsewhere" in refused
