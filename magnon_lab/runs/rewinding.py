"""A run file taken back to where a run goes on, so that nothing in it is there twice."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

#: Measurements from a number on; the reference before number n has number -1 - n.
_FROM_ON = "(number >= ? OR number <= -1 - ?)"


def rewind(
    connection: sqlite3.Connection, step: int, number: int, final: tuple[str, ...]
) -> dict[str, Any]:
    """Take away what came after step `step`, in the caller's transaction.

    That is later steps, measurements from `number` on with their references, later evaluations (of
    the splits `final` also those at `step`), and requests that nobody took up any more. Counts are
    made anew. Returns what was taken away: `steps`, `measurements` by purpose, `evaluations`,
    `requests`.
    """
    marks = ", ".join("?" * len(final))
    late = f"step > ? OR (step = ? AND split IN ({marks}))"
    values = (step, step, *final)
    columns = ("step", "split", "loss", "accuracy", "n")
    found = connection.execute(f"SELECT {', '.join(columns)} FROM evaluations WHERE {late}", values)
    evaluations = [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
    measured = connection.execute(
        "SELECT purpose, count(*) FROM measurements JOIN kinds USING (kind) "
        f"WHERE {_FROM_ON} GROUP BY purpose",
        (number, number),
    ).fetchall()
    requests = connection.execute("SELECT kind, time FROM control WHERE taken IS NULL").fetchall()
    taken = {
        "steps": connection.execute("DELETE FROM steps WHERE step > ?", (step,)).rowcount,
        "measurements": dict(measured),
        "evaluations": evaluations,
        "requests": [{"kind": kind, "time": at} for kind, at in requests],
    }
    connection.execute(f"DELETE FROM evaluations WHERE {late}", values)
    connection.execute(f"DELETE FROM measurements WHERE {_FROM_ON}", (number, number))
    connection.execute("DELETE FROM checkpoints WHERE step > ?", (step,))
    connection.execute("DELETE FROM control WHERE taken IS NULL")
    connection.execute("DELETE FROM counts")
    connection.execute(
        "INSERT INTO counts SELECT purpose, count(*), count(trace) "
        "FROM measurements JOIN kinds USING (kind) GROUP BY purpose"
    )
    connection.execute(
        "UPDATE run SET heartbeat = ?, summary = '{}'",
        (time.time(),),
    )
    return taken


def take_from_counts(connection: sqlite3.Connection, numbers: list[int]) -> None:
    """Take measurements that are about to be replaced out of the counts."""
    known = connection.execute(
        "SELECT 1 FROM measurements WHERE number >= ? LIMIT 1", (min(numbers, default=0),)
    ).fetchone()
    if known is None:
        return  # as nearly always: numbers go up
    for number in numbers:
        connection.execute(
            "UPDATE counts SET measured = measured - 1, traces = traces - ("
            "SELECT trace IS NOT NULL FROM measurements WHERE number = ?1) "
            "WHERE purpose = (SELECT purpose FROM measurements JOIN kinds USING (kind) "
            "WHERE number = ?1)",
            (number,),
        )
