"""A look through a whole run file: whether it is sound, and what is in it."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from magnon_lab.runs.database import Database, has_log
from magnon_lab.runs.errors import RunError
from magnon_lab.runs.reading import FILE_NAME, RunReader
from magnon_lab.runs.schema import RUN

#: Most lines of one kind of damage that are told.
MOST = 10


class Finding(NamedTuple):
    """One thing that was looked at: whether it is sound, and what was found."""

    what: str
    ok: bool
    text: str


def check(path: Path | str) -> list[Finding]:
    """Return what was found in the run file at `path` (or in this folder); changes nothing.

    The last finding is of the first part that cannot be read at all.
    """
    path = Path(path)
    file = path / FILE_NAME if path.is_dir() else path
    found: list[Finding] = []
    try:
        database = Database(file, write=False)
        try:
            for look in (_file, _tables, _run, _steps, _measurements, _evaluations, _checkpoints):
                found.extend(look(database))
        finally:
            database.close()
    except RunError as error:
        found.append(Finding("file", False, str(error)))
    return found


def _file(database: Database) -> Iterator[Finding]:
    size = database.path.stat().st_size
    log = ", with a write-ahead log to be folded in" if has_log(database.path) else ""
    older = f", schema {database.version}, read as {RUN.version}"
    told = f"{database.path}: {size} bytes" + older * (database.version < RUN.version) + log
    yield Finding("file", True, told)


def _tables(database: Database) -> Iterator[Finding]:
    wrong = [str(line) for (line,) in database.rows("PRAGMA integrity_check")]
    if wrong == ["ok"]:
        yield Finding("tables", True, "every page and index is sound")
    else:
        yield from (Finding("tables", False, line) for line in wrong[:MOST])


def _run(database: Database) -> Iterator[Finding]:
    info = RunReader(database).info()
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(info["created"]))
    bench = "simulated bench" if info["simulated"] else "real bench"
    told = f"{info['id']}: {info['procedure']}, {info['status']}, {bench}, made {when}"
    yield Finding("run", True, told)


def _steps(database: Database) -> Iterator[Finding]:
    count, first, last, back = _one(
        database,
        "SELECT count(*), min(step), max(step), coalesce(sum(time < before), 0) FROM "
        "(SELECT step, time, lag(time) OVER (ORDER BY step) AS before FROM steps)",
    )
    if not count:
        yield Finding("steps", True, "none")
        return
    whole = last - first + 1 == count
    text = f"{count}, from {first} to {last}" + ("" if whole else ": some are missing in between")
    if back:
        text += f"; the clock was set back {back} times meanwhile"
    yield Finding("steps", whole, text)


def _measurements(database: Database) -> Iterator[Finding]:
    rows = {
        purpose: (count, traces)
        for purpose, count, traces in database.rows(
            "SELECT purpose, count(*), count(trace) FROM measurements JOIN kinds USING (kind) "
            "GROUP BY purpose"
        )
    }
    counts = {
        purpose: (count, traces)
        for purpose, count, traces in database.rows("SELECT purpose, measured, traces FROM counts")
    }
    for purpose in sorted(rows.keys() | counts.keys()):
        count, traces = rows.get(purpose, (0, 0))
        told = f"{purpose}: {count}, {traces} with their trace"
        same = counts.get(purpose, (0, 0)) == (count, traces)
        yield Finding("measurements", same, told if same else f"{told}, but counted otherwise")
    if not rows:
        yield Finding("measurements", True, "none")
        return
    yield from _lengths(database)
    (lost,) = _one(
        database,
        "SELECT count(*) FROM measurements WHERE step IS NOT NULL AND step NOT IN "
        "(SELECT step FROM steps)",
    )
    if lost:
        yield Finding("measurements", False, f"{lost} belong to steps that are not there")


def _lengths(database: Database) -> Iterator[Finding]:
    """Tell whether settings and traces are as long as they must be."""
    (points,) = _one(database, "SELECT length(frequencies) / 8 FROM run")
    lengths = [
        (size, count)
        for size, count in database.rows(
            "SELECT length(trace), count(*) FROM measurements WHERE trace IS NOT NULL GROUP BY 1"
        )
    ]
    if points is None and len(lengths) == 1:
        points = lengths[0][0] // 4
    wrong = sum(count for size, count in lengths if size != 4 * (points or 0))
    if lengths:
        told = f"traces of {points} points" if points else "traces of different lengths"
        yield Finding("traces", not wrong, told + (f", {wrong} of another length" * bool(wrong)))
    knobs = {kind: len(json.loads(text)) for kind, text in _kinds(database)}
    wrong = sum(
        count
        for kind, asked, made, count in database.rows(
            "SELECT kind, length(requested), length(realised), count(*) FROM measurements "
            "GROUP BY 1, 2, 3"
        )
        if {asked, made} != {8 * knobs.get(kind, -1)}
    )
    if wrong:
        yield Finding("settings", False, f"{wrong} do not fit the knobs that were turned")


def _evaluations(database: Database) -> Iterator[Finding]:
    rows = database.rows("SELECT step, split, n, confusion FROM evaluations ORDER BY step, time")
    wrong = [
        f"{split} at step {step}"
        for step, split, n, confusion in rows
        if confusion is not None and sum(map(sum, json.loads(confusion))) != n
    ]
    if wrong:
        text = f"samples and confusion do not agree: {', '.join(wrong[:MOST])}"
        yield Finding("evaluations", False, text)
    elif rows:
        yield Finding("evaluations", True, f"{len(rows)}, the last on {rows[-1][1]}")


def _checkpoints(database: Database) -> Iterator[Finding]:
    rows = database.rows("SELECT step, state FROM checkpoints ORDER BY step")
    if not rows:
        yield Finding("checkpoints", True, "none")
        return
    broken = [str(step) for step, state in rows if not _readable(state)]
    text = f"of steps {', '.join(str(step) for step, _ in rows)}, {len(rows[-1][1])} bytes the last"
    if broken:
        text += f"; not readable: {', '.join(broken)}"
    yield Finding("checkpoints", not broken, text)


def _readable(state: bytes) -> bool:
    """Return whether every part of a state (an npz archive) has the checksum that it should."""
    try:
        with zipfile.ZipFile(io.BytesIO(state)) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, EOFError, ValueError):
        return False


def _kinds(database: Database) -> list[tuple[Any, ...]]:
    return database.rows("SELECT kind, knobs FROM kinds")


def _one(database: Database, query: str) -> tuple[Any, ...]:
    row = database.row(query)
    assert row is not None
    return row
