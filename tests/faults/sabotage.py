"""What can happen to the run file while a step is written into it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from magnon_lab.runs import RunFile

BUSY_MS = 300
"""What a run waits for a lock here, instead of 10 s."""

SHORT_S = 0.05
"""Well below that: how long a lock is held that a run outwaits."""

Mend = Callable[[], None]


def _full(run: RunFile) -> Mend:
    """Leave no page more than the file has."""
    (pages,) = run._database.row("PRAGMA page_count") or (0,)
    run._database.rows(f"PRAGMA max_page_count = {pages}")
    return lambda: None


def _read_only(run: RunFile) -> Mend:
    """Let nothing be written, as on a disk that was mounted anew after an error."""
    run._database.rows("PRAGMA query_only = ON")
    return lambda: None


def _remove(run: RunFile) -> Mend:
    """Remove the file under its run."""
    (run.folder / "run.sqlite").unlink()
    return lambda: None


def _lock(run: RunFile, seconds: float) -> Mend:
    """Lock the file from another connection, at most until the returned call."""
    run._database.rows(f"PRAGMA busy_timeout = {BUSY_MS}")
    locked, over = threading.Event(), threading.Event()

    def hold(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            locked.set()
            over.wait(seconds)
            other.execute("ROLLBACK")

    thread = threading.Thread(target=hold, args=(run.folder / "run.sqlite",))
    thread.start()
    assert locked.wait(10)

    def mend() -> None:
        over.set()
        thread.join()

    return mend


class Sabotage(NamedTuple):
    """One thing that can happen: in words, and how it is brought about."""

    text: str
    act: Callable[[RunFile], Mend]
    """Brings it about; returns what mends it once the run is over."""


SABOTAGES: Mapping[str, Sabotage] = {
    "disk full": Sabotage("no room is left", _full),
    "read-only": Sabotage("it may no longer be written", _read_only),
    "removed": Sabotage("somebody removed it", _remove),
    "locked": Sabotage("another process holds it for good", lambda run: _lock(run, 60.0)),
    "locked briefly": Sabotage(
        "another process holds it for less than the busy time-out",
        lambda run: _lock(run, SHORT_S),
    ),
}
