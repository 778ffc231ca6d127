"""The folder of all runs: making, listing and finding them."""

from __future__ import annotations

import builtins
import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from magnon_lab.runs import database, provenance, schema
from magnon_lab.runs.encoding import encode
from magnon_lab.runs.errors import RunError, told
from magnon_lab.runs.reading import FILE_NAME
from magnon_lab.runs.records import RunSummary
from magnon_lab.runs.runfile import Keep, RunFile


class RunsFolder:
    """A folder that holds runs, each in a folder of its own."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def create(
        self,
        procedure: str,
        configuration: Mapping[str, Any],
        bench_text: str,
        seed: int,
        simulated: bool,
        parent: str | None = None,
        versions: Mapping[str, str] | None = None,
        *,
        keep: Keep = "all",
        checkpoints_kept: int = 3,
    ) -> RunFile:
        """Make the folder and file of a new run, in status queued, opened for writing.

        parent: id of the run that this one goes on from. versions: of packages, by default those
        installed. keep: whose traces are stored: "all", "none", or those of each n-th number;
        settings and counts are stored of all. Raises `RunError`, and leaves nothing behind, if it
        cannot be made.
        """
        if keep not in ("all", "none") and not (isinstance(keep, int) and keep >= 1):
            raise RunError(f"keep must be 'all', 'none' or a number from 1 up, not {keep!r}")
        if checkpoints_kept < 1:
            raise RunError(f"at least 1 checkpoint must be kept, not {checkpoints_kept}")
        now = time.time()
        name = re.sub(r"[^A-Za-z0-9_]+", "_", procedure).strip("_") or "run"
        stamp = time.strftime("%Y-%m-%d-%H%M%S", time.localtime(now))
        run_id = f"{stamp}-{name}-{os.urandom(3).hex()}"
        revision = provenance.revision()
        row = {
            "only": 1,
            "id": run_id,
            "procedure": procedure,
            "status": "queued",
            "message": "",
            "parent": parent,
            "simulated": int(simulated),
            "seed": int(seed),
            "configuration": encode("configuration", dict(configuration)),
            "bench": bench_text,
            "versions": encode(
                "versions", provenance.versions() if versions is None else dict(versions)
            ),
            "revision": revision.revision,
            "modified": None if revision.modified is None else int(revision.modified),
            "identities": "{}",
            "summary": "{}",
            "keep": json.dumps(keep),
            "checkpoints_kept": checkpoints_kept,
            "created": now,
            "process": encode("process", provenance.Process.this()),
            "heartbeat": now,
        }
        folder = self.path / run_id
        making = self.path / f".{run_id}"
        with told(folder):
            try:
                making.mkdir(parents=True)
                _write(making / FILE_NAME, row)
                making.rename(folder)
            except BaseException:
                shutil.rmtree(making, ignore_errors=True)
                raise
        return RunFile.open(folder, write=True)

    def list(self) -> builtins.list[RunSummary]:
        """Return all runs, oldest first; one that cannot be read says so as its message."""
        found = [_summary(folder) for folder in self._folders()]
        return sorted(found, key=lambda summary: (summary.created, summary.id))

    def _folders(self) -> builtins.list[Path]:
        if not self.path.is_dir():
            return []
        with told(self.path):
            return [
                folder
                for folder in self.path.iterdir()
                if not folder.name.startswith(".") and (folder / FILE_NAME).exists()
            ]

    def find(self, which: str | Path, write: bool = False) -> RunFile:
        """Open a run by "latest", its id, a part of the id that only it has, or its path."""
        return RunFile.open(self.path_of(which), write)

    def path_of(self, which: str | Path) -> Path:
        """Return where a run is that `find` would open, also if it cannot be read."""
        if which == "latest":
            readable = [run for run in self.list() if run.status != "unreadable"]
            if not readable:
                raise RunError(f"there are no runs in {self.path} yet")
            return readable[-1].folder
        path = Path(which)
        if (self.path / path.name / FILE_NAME).exists() and path.name == str(which):
            return self.path / path.name
        if path.exists():
            return path
        matches = sorted(folder for folder in self._folders() if str(which) in folder.name)
        if len(matches) == 1:
            return matches[0]
        if not matches:
            raise RunError(
                f"no run {str(which)!r} in {self.path}: 'latest', an id, a unique part of an id "
                "and a path are understood"
            )
        raise RunError(
            f"{str(which)!r} fits {len(matches)} runs, be more precise: "
            f"{', '.join(folder.name for folder in matches[:10])}"
        )


def _write(path: Path, row: Mapping[str, Any]) -> None:
    """Make a run file with its tables and its first row."""
    with closing(database.create(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        schema.RUN.create_tables(connection)
        connection.execute(
            f"INSERT INTO run ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
            tuple(row.values()),
        )
        connection.execute("COMMIT")


def _summary(folder: Path) -> RunSummary:
    try:
        with RunFile.open(folder) as run:
            return run.summary()
    except RunError as error:
        nan = float("nan")
        return RunSummary(
            folder.name, folder, "", "unreadable", False, 0.0, None, 0, 0, nan, nan, str(error)
        )
