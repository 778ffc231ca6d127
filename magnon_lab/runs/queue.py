"""What is to be run next: a list beside the runs, which outlives every process that works on it."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from magnon_lab.runs import database, schema
from magnon_lab.runs.encoding import encode
from magnon_lab.runs.errors import RunError, told
from magnon_lab.runs.folder import RunsFolder
from magnon_lab.runs.provenance import Process

QUEUE_NAME = "queue.sqlite"

#: What comes after an entry that failed.
POLICIES = ("stop", "go-on")

_COLUMNS = (
    "entry",
    "place",
    "procedure",
    "parameters",
    "bench",
    "folder",
    "on_failure",
    "status",
    "run",
    "resume",
    "exit_code",
    "message",
    "created",
    "started",
    "ended",
    "process",
)


@dataclass(frozen=True)
class Entry:
    """One run that is to be made, or was.

    `parameters` of `procedure`, the absolute path of the `bench` file, the `folder` that relative
    paths in it start from. `on_failure`: "stop" or "go-on", None as whoever works it off says.
    `status`: queued, then that of its `run` (its id, None before it has one); "interrupted" where
    the process is gone. `resume`: the run goes on instead of being made anew.
    """

    entry: int
    place: int
    procedure: str
    parameters: dict[str, Any]
    bench: str
    folder: str
    on_failure: str | None
    status: str
    run: str | None
    resume: bool
    exit_code: int | None
    message: str
    created: float
    started: float | None
    ended: float | None


class Queue:
    """The queue of a folder of runs; may be used by several processes at once.

    What changes it is one transaction each. Raises `RunError`.
    """

    def __init__(self, runs: Path | str) -> None:
        self.runs = Path(runs)
        self.path = self.runs / QUEUE_NAME
        if not self.path.exists():
            with told(self.path):
                _make(self.path)
        self._database = database.Database(self.path, write=True, kind=schema.QUEUE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._database.close()

    # Looking

    def entries(self) -> list[Entry]:
        """Return all entries in the order in which they come."""
        query = f"SELECT {', '.join(_COLUMNS)} FROM entries ORDER BY place"
        return [self._entry(row) for row in self._database.rows(query)]

    def entry(self, number: int) -> Entry:
        """Return one entry by its number."""
        query = f"SELECT {', '.join(_COLUMNS)} FROM entries WHERE entry = ?"
        row = self._database.row(query, (number,))
        if row is None:
            raise RunError(f"the queue {self.path} has no entry {number}")
        return self._entry(row)

    def _entry(self, row: tuple[Any, ...]) -> Entry:
        values = dict(zip(_COLUMNS, row, strict=True))
        process = values.pop("process")
        values["parameters"] = json.loads(values["parameters"])
        values["resume"] = bool(values["resume"])
        if values["status"] == "running":
            values["status"] = self._working(values["run"], process)
        return Entry(**values)

    def _working(self, run: str | None, process: str) -> str:
        """Return the status of an entry at work: its run's, or of a worker that was killed."""
        if run is not None:
            try:
                with RunsFolder(self.runs).find(run) as found:
                    return found.status
            except RunError:
                return "interrupted"
        alive = Process(*json.loads(process)).alive(0.0, time.time())
        return "running" if alive else "interrupted"

    def worker(self) -> Process | None:
        """Return the process that works the queue off and has an entry at work, if one does."""
        query = "SELECT process FROM entries WHERE status = 'running' ORDER BY started DESC"
        for (text,) in self._database.rows(query):
            process = Process(*json.loads(text))
            if process.alive(0.0, time.time()):
                return process
        return None

    # Changing

    def add(
        self,
        procedure: str,
        parameters: Mapping[str, Any],
        bench: Path | str,
        on_failure: str | None = None,
        folder: Path | str | None = None,
    ) -> Entry:
        """Add an entry at the end. Raises `RunError` for a policy that there is not."""
        _check_policy(on_failure)
        values = {
            "procedure": procedure,
            "parameters": encode("parameters", dict(parameters)),
            "bench": str(bench),
            "folder": str(folder or Path.cwd()),
            "on_failure": on_failure,
        }
        with self._database.transaction() as connection:
            number = _insert(connection, values)
        return self.entry(number)

    def duplicate(self, number: int) -> Entry:
        """Add the same once more at the end."""
        one = self.entry(number)
        return self.add(one.procedure, one.parameters, one.bench, one.on_failure, one.folder)

    def edit(
        self,
        number: int,
        parameters: Mapping[str, Any] | None = None,
        bench: Path | str | None = None,
        on_failure: str | None = None,
    ) -> Entry:
        """Change what is given of an entry that waits."""
        _check_policy(on_failure)
        given = {
            "parameters": None if parameters is None else encode("parameters", dict(parameters)),
            "bench": None if bench is None else str(bench),
            "on_failure": on_failure,
        }
        values = {name: value for name, value in given.items() if value is not None}
        with self._database.transaction() as connection:
            self._require(number, "be edited", lambda status: status == "queued")
            if values:
                _update(connection, number, **values)
        return self.entry(number)

    def move(self, number: int, place: int) -> None:
        """Put an entry to a place, 1 for the first."""
        with self._database.transaction() as connection:
            others = [one.entry for one in self.entries() if one.entry != number]
            self._require(number, "be moved", lambda status: True)
            others.insert(max(place, 1) - 1, number)
            for at, one in enumerate(others, start=1):
                _update(connection, one, place=at)

    def remove(self, number: int) -> None:
        """Take an entry out; its run, if it had one, stays."""
        with self._database.transaction() as connection:
            self._require(number, "be removed", lambda status: status not in _AT_WORK)
            connection.execute("DELETE FROM entries WHERE entry = ?", (number,))

    def retry(self, number: int, resume: bool = False) -> Entry:
        """Let an entry wait again: for a new run, or (`resume`) for its own run to go on."""
        with self._database.transaction() as connection:
            one = self._require(number, "be retried", lambda status: status not in _BEFORE_ITS_END)
            if resume and one.run is None:
                raise RunError(f"entry {number} had no run yet that could go on: retry it anew")
            if resume and one.status == "finished":
                raise RunError(f"entry {number} has finished: there is nothing to resume")
            clear = dict.fromkeys(("exit_code", "started", "ended", "process"))
            run = one.run if resume else None
            _update(
                connection, number, status="queued", run=run, resume=int(resume), message="",
                **clear,
            )  # fmt: skip
        return self.entry(number)

    def _require(self, number: int, what: str, allowed: Callable[[str], bool]) -> Entry:
        one = self.entry(number)
        if not allowed(one.status):
            raise RunError(f"entry {number} is {one.status}: it cannot {what}")
        return one

    # Working it off

    def claim(self, number: int) -> bool:
        """Take an entry that waits as this process's work; False if another was faster."""
        with self._database.transaction() as connection:
            done = connection.execute(
                "UPDATE entries SET status = 'running', started = ?, process = ? "
                "WHERE entry = ? AND status = 'queued'",
                (time.time(), encode("process", Process.this()), number),
            )
            return done.rowcount == 1

    def began(self, number: int, run: str) -> None:
        """Note which run an entry became."""
        with self._database.transaction() as connection:
            _update(connection, number, run=run)

    def ended(self, number: int, status: str, exit_code: int, message: str) -> None:
        """Note how an entry ended."""
        with self._database.transaction() as connection:
            _update(
                connection, number, status=status, exit_code=exit_code, message=message,
                ended=time.time(),
            )  # fmt: skip


_AT_WORK = ("running", "paused")
_BEFORE_ITS_END = ("queued", *_AT_WORK)


def _check_policy(on_failure: str | None) -> None:
    if on_failure is not None and on_failure not in POLICIES:
        raise RunError(f"on_failure: {on_failure!r} is not one of {', '.join(POLICIES)}")


def _insert(connection: sqlite3.Connection, values: Mapping[str, Any]) -> int:
    row = {**values, "status": "queued", "resume": 0, "message": "", "created": time.time()}
    cursor = connection.execute(
        f"INSERT INTO entries ({', '.join(row)}, place) VALUES ({', '.join('?' * len(row))}, "
        "(SELECT coalesce(max(place), 0) + 1 FROM entries))",
        tuple(row.values()),
    )
    return int(cursor.lastrowid or 0)


def _update(connection: sqlite3.Connection, number: int, **values: Any) -> None:
    assigned = ", ".join(f"{name} = ?" for name in values)
    connection.execute(f"UPDATE entries SET {assigned} WHERE entry = ?", (*values.values(), number))


def _make(path: Path) -> None:
    """Make an empty queue, whole or not at all, whoever else makes it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with closing(database.create(making)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            schema.QUEUE.create_tables(connection)
            connection.execute("COMMIT")
        with contextlib.suppress(FileExistsError):  # another process was faster, its is as empty
            os.link(making, path)
    finally:
        making.unlink(missing_ok=True)
