"""What goes wrong with a run file, told with its path and what to do about it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class RunError(Exception):
    """A run or its file that cannot be used as asked; the message says what to do."""


#: By primary result code (sqlite.org/rescode.html), what it means for a run file.
_ADVICE = {
    sqlite3.SQLITE_NOTADB: "is no run file of Magnon Lab",
    sqlite3.SQLITE_CORRUPT: "is damaged: restore it from a copy, or recover its tables with "
    "'sqlite3 run.sqlite .recover'",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: check that the folder exists and may be written",
    sqlite3.SQLITE_READONLY: "may not be written: check permissions, or copy the run elsewhere",
    sqlite3.SQLITE_PERM: "may not be written: check permissions, or copy the run elsewhere",
    sqlite3.SQLITE_BUSY: "is locked by another process: end the program that writes it, or wait",
    sqlite3.SQLITE_LOCKED: "is locked by another process: end the program that writes it, or wait",
    sqlite3.SQLITE_FULL: "cannot grow, the disk is full: free space; what was recorded is kept",
    sqlite3.SQLITE_IOERR: "cannot be read or written, the disk reports an error",
}


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the file system into RunError with `path` and advice."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        advice = _ADVICE.get(code, "cannot be used")
        raise RunError(f"{path} {advice} ({error})") from error
    except OSError as error:
        raise RunError(f"{path} cannot be used: {error.strerror or error}") from error
