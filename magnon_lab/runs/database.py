"""One connection to a run file: opening, transactions, and errors that can be read."""

from __future__ import annotations

import sqlite3
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from magnon_lab.runs import schema
from magnon_lab.runs.errors import RunError, told
from magnon_lab.runs.schema import Schema

#: How long to wait for another process that writes, in s.
BUSY_TIMEOUT_S = 10.0

_MAGIC = b"SQLite format 3\x00"

#: How often this process has which file (device and inode) open. POSIX locks of a process end when
#: it closes any handle of a file, so a file with a connection is never opened by hand beside it:
#: another process would take itself for the last one then, and delete the log in use.
File = tuple[int, int]
_open_files: Counter[File] = Counter()
_handles = threading.Lock()


class Database:
    """A file of a kind, opened for reading or for writing; may be used from several threads.

    An older file is brought up to this version by who opens it for writing. Who opens it for
    reading changes nothing, and finds it as if it were.
    """

    def __init__(self, path: Path, *, write: bool, kind: Schema | None = None) -> None:
        self.path = path
        self.write = write
        self._kind = kind or schema.RUN
        self._lock = threading.RLock()
        if not path.is_file():
            raise RunError(f"{path} does not exist: there is no {self._kind.what}")
        with told(path), _handles:
            self._connection, self._file = _open_whole(
                path, "rw" if write else "ro", self._kind.what
            )
        try:
            with told(path):
                self._settle()
        except BaseException:
            self.close()
            raise

    def _settle(self) -> None:
        """Refuse what is no file of ours, bring an older one up or bridge it, set how to commit."""
        self.version = self._kind.check_version(self._connection, self.path)
        if not self.write:
            if self._older:
                self._connection.execute("PRAGMA temp_store = MEMORY")
                self._kind.bridge(self._connection, self.version)
            return
        # FULL: a commit is on the disk when it returns, so an acknowledged step stays.
        self._connection.execute("PRAGMA synchronous = FULL")
        if self._older:
            with self.transaction() as connection:
                # Once more: another may have brought it up before this transaction began.
                version = self._kind.check_version(connection, self.path)
                self._kind.upgrade(connection, version)
            self.version = self._kind.version
        self._connection.execute("PRAGMA foreign_keys = ON")

    @property
    def _older(self) -> bool:
        return self.version < self._kind.version

    def _follow(self) -> None:
        """Look at an older file as it is now, if another has brought it up meanwhile."""
        version = self._kind.check_version(self._connection, self.path)
        if version != self.version:
            self._kind.bridge(self._connection, version)
            self.version = version

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing; committed to the disk when the block ends."""
        if not self.write:
            raise RunError(f"{self.path} was opened for reading only")
        with self._lock, told(self.path):
            self._require_in_place()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                # Also on KeyboardInterrupt; SQLite itself may have rolled back (disk full).
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _require_in_place(self) -> None:
        """Raise `RunError` if the path leads elsewhere: SQLite would write on, to be lost."""
        try:
            status = self.path.stat()
            there = (status.st_dev, status.st_ino)
        except FileNotFoundError:
            there = None
        if there != self._file:
            raise RunError(
                f"{self.path} was removed, moved or replaced while it was written: nothing more "
                "can be recorded in it; put it back, or begin anew"
            )

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query, in one short read transaction."""
        with self._reading() as connection:
            return connection.execute(query, values).fetchall()

    def row(self, query: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query, or None."""
        with self._reading() as connection:
            first: tuple[Any, ...] | None = connection.execute(query, values).fetchone()
            return first

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, told(self.path):
            if self._older:
                self._follow()
            yield self._connection

    def fold(self) -> None:
        """Fold the write-ahead log into the file, as far as readers allow."""
        with self._lock, told(self.path):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the connection; may be called twice."""
        with self._lock, _handles:
            self._connection.close()
            file, self._file = self._file, None
            if file is not None:
                _open_files.subtract([file])
                if not _open_files[file]:
                    del _open_files[file]


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open without implicit transactions, usable from any thread (callers hold the lock)."""
    uri = path.absolute().as_uri()

    def connect(query: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{uri}?{query}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA application_id").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    try:
        return connect(f"mode={mode}")
    except sqlite3.OperationalError as error:
        # In a folder that may not be written WAL finds no place for its index. A run whose log
        # was folded in can be read without; nobody can be writing it there.
        place = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        if mode != "ro" or error.sqlite_errorcode & 0xFF not in place or has_log(path):
            raise
        return connect("mode=ro&immutable=1")


def _open_whole(
    path: Path, mode: str, what: str
) -> tuple[sqlite3.Connection, tuple[int, int] | None]:
    """Open a file that is whole, and note that it is open; `_handles` is held."""
    status = path.stat()
    file = (status.st_dev, status.st_ino)
    if not _open_files[file]:
        check_whole(path, what)
    connection = _connect(path, mode)
    _open_files[file] += 1
    return connection, file


def create(path: Path) -> sqlite3.Connection:
    """Make a new file at `path`, without tables, and return the open connection.

    Raises `RunError` where write-ahead logging does not work.
    """
    connection = _connect(path, "rwc")
    try:
        connection.execute(f"PRAGMA page_size = {schema.PAGE_SIZE}")
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise RunError(
                f"{path} is on a file system without write-ahead logging (a network share?): "
                "put the runs folder on a local disk"
            )
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def has_log(path: Path) -> bool:
    """Return whether a write-ahead log holds what is not in the file yet."""
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def check_whole(path: Path, what: str = "run file") -> None:
    """Refuse a file that is empty, no database, or shorter than its own header says."""
    with told(path), path.open("rb") as file:
        header = file.read(32)
        size = file.seek(0, 2)
    if not header:
        raise RunError(f"{path} is empty: it is no {what}, or was never written")
    if len(header) < 32 or not header.startswith(_MAGIC):
        raise RunError(f"{path} is no {what} of Magnon Lab")
    page_size, pages = struct.unpack(">16xH10xI", header)
    page_size = 65536 if page_size == 1 else page_size  # sqlite.org/fileformat.html, 1.3.2
    # While a log is there pages may be in it that are not in the file yet.
    if size < pages * page_size and not has_log(path):
        raise RunError(
            f"{path} is truncated: {size} bytes of {pages * page_size} are there; restore it from "
            "a copy, or recover its tables with 'sqlite3 run.sqlite .recover'"
        )
