"""The tables of a run file, their version, and the way up from older ones."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from magnon_lab.runs.errors import RunError

#: "MagL", which tells a run file from any other SQLite file (PRAGMA application_id).
APPLICATION_ID = 0x4D61674C
SCHEMA_VERSION = 1

#: Script that leads from version n to n + 1, by n.
UPGRADES: dict[int, str] = {}

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
    trace BLOB
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
    request INTEGER PRIMARY KEY, kind TEXT NOT NULL, time REAL NOT NULL, taken REAL
) STRICT;
"""


def create_tables(connection: sqlite3.Connection) -> None:
    """Make an empty run file of an empty database."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    for statement in TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version of the run file at `path`.

    Raises `RunError` if it is no run file, or one of a newer version.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise RunError(f"{path} is a database, but no run file of Magnon Lab")
    if version > SCHEMA_VERSION:
        raise RunError(
            f"{path} was written by a newer Magnon Lab (schema {version}, this one knows up to "
            f"{SCHEMA_VERSION}): upgrade Magnon Lab to open it; it was left untouched"
        )
    return int(version)


def upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables from `version` to this one, inside the caller's transaction."""
    for old in range(version, SCHEMA_VERSION):
        for statement in UPGRADES[old].split(";\n"):
            if statement.strip():
                connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
