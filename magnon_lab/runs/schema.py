"""The tables of our SQLite files, their version, and the way up from older ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from magnon_lab.runs.errors import RunError

#: Nine rows with a 401-point trace fill a page of this size to 96 %, in bytes.
PAGE_SIZE = 16384

PHASES = ("ask", "settle", "sweep", "transfer", "tell", "write")

TABLES = f"""
CREATE TABLE run (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL, procedure TEXT NOT NULL, status TEXT NOT NULL, message TEXT NOT NULL,
    parent TEXT, simulated INTEGER NOT NULL, seed INTEGER NOT NULL,
    configuration TEXT NOT NULL, bench TEXT NOT NULL, versions TEXT NOT NULL,
    revision TEXT, modified INTEGER, identities TEXT NOT NULL, summary TEXT NOT NULL,
    keep TEXT NOT NULL, checkpoints_kept INTEGER NOT NULL, frequencies BLOB,
    created REAL NOT NULL, started REAL, ended REAL, process TEXT NOT NULL, heartbeat REAL NOT NULL
) STRICT;
CREATE TABLE steps (
    step INTEGER PRIMARY KEY, time REAL NOT NULL, bench_time_s REAL,
    ring_measurements INTEGER NOT NULL, loss REAL, loss_kind TEXT NOT NULL, accuracy REAL,
    learning_rate REAL, perturbation REAL, gradient_snr REAL, clip_penalty REAL, cosine REAL,
    measurements TEXT NOT NULL, {", ".join(f"seconds_{phase} REAL" for phase in PHASES)}
) STRICT;
CREATE TABLE evaluations (
    step INTEGER NOT NULL, split TEXT NOT NULL, time REAL NOT NULL, loss REAL, accuracy REAL,
    n INTEGER NOT NULL, confusion TEXT, PRIMARY KEY (step, split)
) STRICT, WITHOUT ROWID;
CREATE TABLE kinds (
    kind INTEGER PRIMARY KEY, purpose TEXT NOT NULL, knobs TEXT NOT NULL, UNIQUE (purpose, knobs)
) STRICT;
CREATE TABLE measurements (
    number INTEGER PRIMARY KEY, step INTEGER, kind INTEGER NOT NULL REFERENCES kinds (kind),
    flags INTEGER NOT NULL, bench_time_s REAL, requested BLOB NOT NULL, realised BLOB NOT NULL,
    trace BLOB, place INTEGER
) STRICT;
CREATE TABLE counts (
    purpose TEXT PRIMARY KEY, measured INTEGER NOT NULL, traces INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE events (
    event INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, phase TEXT NOT NULL,
    message TEXT NOT NULL, data TEXT NOT NULL
) STRICT;
CREATE TABLE checkpoints (step INTEGER PRIMARY KEY, time REAL NOT NULL, state BLOB NOT NULL) STRICT;
CREATE TABLE control (
    request INTEGER PRIMARY KEY, kind TEXT NOT NULL, time REAL NOT NULL, taken REAL,
    data TEXT NOT NULL DEFAULT '{{}}'
) STRICT;
CREATE TABLE annotations (
    name TEXT PRIMARY KEY, value TEXT NOT NULL, time REAL NOT NULL
) STRICT, WITHOUT ROWID;
"""

UPGRADES = {
    1: """
ALTER TABLE control ADD COLUMN data TEXT NOT NULL DEFAULT '{}';
CREATE TABLE annotations (
    name TEXT PRIMARY KEY, value TEXT NOT NULL, time REAL NOT NULL
) STRICT, WITHOUT ROWID;
""",
    2: """
ALTER TABLE measurements ADD COLUMN place INTEGER;
""",
}

#: What whoever only reads an older file sees in place of what it lacks; the file stays as it is.
BRIDGES = {
    1: """
CREATE TEMP VIEW control AS SELECT *, '{}' AS data FROM main.control;
CREATE TEMP VIEW annotations AS SELECT '' AS name, '' AS value, 0.0 AS time WHERE 0;
""",
    2: """
CREATE TEMP VIEW measurements AS SELECT *, NULL AS place FROM main.measurements;
""",
}


QUEUE_TABLES = """
CREATE TABLE entries (
    entry INTEGER PRIMARY KEY, place INTEGER NOT NULL,
    procedure TEXT NOT NULL, parameters TEXT NOT NULL, bench TEXT NOT NULL, folder TEXT NOT NULL,
    on_failure TEXT, status TEXT NOT NULL, run TEXT, resume INTEGER NOT NULL,
    exit_code INTEGER, message TEXT NOT NULL,
    created REAL NOT NULL, started REAL, ended REAL, process TEXT
) STRICT;
"""


@dataclass(frozen=True)
class Schema:
    """One kind of file: `what` it is called, what tells it from other SQLite files, its tables.

    `application_id` is PRAGMA application_id. `upgrades` holds the script that leads from version n
    to n + 1, by n; `bridges` the temporary views that let a file of version n be read as one of
    n + 1, which must not name the same view twice.
    """

    what: str
    application_id: int
    version: int
    tables: str
    upgrades: Mapping[int, str] = field(default_factory=dict)
    bridges: Mapping[int, str] = field(default_factory=dict)

    def create_tables(self, connection: sqlite3.Connection) -> None:
        """Make an empty file of this kind of an empty database."""
        connection.execute(f"PRAGMA application_id = {self.application_id}")
        connection.execute(f"PRAGMA user_version = {self.version}")
        for statement in _statements(self.tables):
            connection.execute(statement)

    def check_version(self, connection: sqlite3.Connection, path: Path) -> int:
        """Return the schema version of the file at `path`.

        Raises `RunError` if it is of no such kind, or of a newer version.
        """
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != self.application_id or version < 1:
            raise RunError(f"{path} is a database, but no {self.what} of Magnon Lab")
        if version > self.version:
            raise RunError(
                f"{path} was written by a newer Magnon Lab (schema {version}, this one knows up to "
                f"{self.version}): upgrade Magnon Lab to open it; it was left untouched"
            )
        return int(version)

    def upgrade(self, connection: sqlite3.Connection, version: int) -> None:
        """Bring the tables from `version` to this one, inside the caller's transaction."""
        for old in range(version, self.version):
            for statement in _statements(self.upgrades[old]):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {self.version}")

    def bridge(self, connection: sqlite3.Connection, version: int) -> None:
        """Show this connection a file of `version` as one of this version; the file is not changed.

        In place of what an earlier call made, so that it can follow another that upgrades the file.
        """
        made = connection.execute("SELECT name FROM temp.sqlite_master WHERE type = 'view'")
        for (name,) in made.fetchall():
            connection.execute(f"DROP VIEW temp.{name}")
        for old in range(version, self.version):
            for statement in _statements(self.bridges[old]):
                connection.execute(statement)


def _statements(script: str) -> list[str]:
    return [statement for statement in script.split(";\n") if statement.strip()]


RUN = Schema("run file", 0x4D61674C, 3, TABLES, UPGRADES, BRIDGES)  # "MagL"
QUEUE = Schema("queue", 0x4D616751, 1, QUEUE_TABLES)  # "MagQ"
