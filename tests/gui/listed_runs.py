"""Run files as a table of runs finds them."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

from magnon_lab.runs import RunsFolder, StepRow, provenance
from magnon_lab.runs.database import Database

PARAMETERS = {"task": "spirals", "estimator": "pgt", "steps": 10, "budget": 0, "field_mt": 92.0}
ELSEWHERE = json.dumps(["elsewhere", 1, 1])
"""A process on another machine, which counts as alive while its heartbeat is fresh."""
GONE = json.dumps([socket.gethostname(), 2**22 - 1, 1])


def make_run(
    folder: Path,
    status: str,
    procedure: str = "train",
    steps: int = 4,
    message: str = "",
    summary: dict[str, Any] | None = None,
    checkpoint: bytes | None = b"state",
    **parameters: Any,
) -> Path:
    """Make a run in a status, and return its folder; a live one belongs to another machine."""
    revision = provenance.revision
    provenance.revision = lambda root=None: provenance.Revision("abc", False)
    try:
        run = RunsFolder(folder).create(procedure, PARAMETERS | parameters, "name: x\n", 1, True)
    finally:
        provenance.revision = revision
    run.start()
    for step in range(1, steps + 1):
        run.record_step(
            StepRow(step=step, ring_measurements=50 * step, loss=1 / step, accuracy=step / 10),
            checkpoint=checkpoint,
        )
    if status == "paused":
        run.pause(message)
    elif status not in ("running", "interrupted"):
        run.finish(status, message, summary)
    run.close()
    if status in ("running", "paused"):
        write(run.folder, process=ELSEWHERE)
    elif status == "interrupted":
        write(run.folder, process=GONE)
    return run.folder


def write(folder: Path, **values: Any) -> None:
    """Write into a run's file, as its process would."""
    assigned = ", ".join(f"{name} = ?" for name in values)
    with (
        closing(Database(folder / "run.sqlite", write=True)) as database,
        database.transaction() as connection,
    ):
        connection.execute(f"UPDATE run SET {assigned}", tuple(values.values()))
