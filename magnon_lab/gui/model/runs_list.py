"""The table of runs: one row a run, read again only where a file has changed."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from magnon_lab.gui.model.form_text import number_text
from magnon_lab.gui.model.snapshot import name_of
from magnon_lab.runs import RunError, RunFile
from magnon_lab.runs.reading import FILE_NAME

UNREADABLE = "unreadable"

#: States in which a run's process is at work, or may come to be gone without a word in the file.
LIVE = ("queued", "running", "paused")

#: What is read each time: what cannot be read may be mended without being written.
AGAIN = (*LIVE, UNREADABLE)

RESUMABLE = ("interrupted", "stopped", "aborted", "failed")

#: What may be asked of a run, by its status.
MAY = {
    "pause": ("running",),
    "resume": ("paused", *RESUMABLE),
    "stop": ("running", "paused"),
    "abort": ("queued", "running", "paused"),
}


def may(kind: str, status: str, resumable: bool) -> bool:
    """Return whether a request (pause, resume, stop, abort) makes sense of a run in a status.

    One that ended can only go on from a checkpoint.
    """
    return status in MAY[kind] and (resumable or kind != "resume" or status == "paused")


Stamp = tuple[tuple[int, int], ...]
"""Time and size of a run's files: others once anything was written."""


@dataclass(frozen=True)
class RunRow:
    """What the table shows of a run; figures that are not known are NaN.

    loss, accuracy: of `split` where the run was judged at its end, else of the last step.
    message: why it ended so, why it waits, or why it cannot be read. resumable: whether there is a
    checkpoint to go on from.
    """

    folder: Path
    id: str
    status: str
    procedure: str = ""
    simulated: bool = False
    created: float = math.nan
    duration_s: float = math.nan
    part_done: float | None = None
    steps: int = 0
    ring_measurements: int = 0
    loss: float = math.nan
    accuracy: float = math.nan
    split: str = ""
    message: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    resumable: bool = False

    @property
    def name(self) -> str:
        """Name of the procedure; of a script without its folders."""
        return name_of(self.procedure)

    @property
    def task(self) -> str:
        """What it learns."""
        task = str(self.configuration.get("task", ""))
        return Path(task).name if "/" in task else task

    @property
    def estimator(self) -> str:
        """How its gradient is estimated."""
        return str(self.configuration.get("estimator", ""))

    @property
    def when(self) -> str:
        """When it was made, to the minute."""
        if math.isnan(self.created):
            return ""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.created))

    def may(self, kind: str) -> bool:
        """Return whether a request (pause, resume, stop, abort) makes sense now."""
        return may(kind, self.status, self.resumable)

    def matches(self, words: str) -> bool:
        """Return whether each word is found somewhere in what is known of the run."""
        return all(word in self._text for word in words.lower().split())

    @cached_property
    def _text(self) -> str:
        parameters = " ".join(f"{name}={value}" for name, value in self.configuration.items())
        bench = "simulated" if self.simulated else "real"
        about = (self.id, self.when, self.status, self.procedure, bench, self.message, self.note)
        return " ".join((*about, *self.tags, parameters)).lower()


class RunsList:
    """The rows of a folder of runs; `refresh` may be called from any one thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[Path, tuple[Stamp, RunRow]] = {}
        self.read = 0
        """How many run files were opened so far."""

    def refresh(self) -> tuple[RunRow, ...]:
        """Return a row for each run, oldest first; raises nothing for a run that is broken.

        Raises `RunError` for a folder that cannot be listed.
        """
        known, self._known = self._known, {}
        for folder in self._folders():
            stamp = _stamp(folder)
            then = known.get(folder)
            if then is None or then[0] != stamp or then[1].status in AGAIN:
                then = (stamp, self._row(folder))
            self._known[folder] = then
        rows = (row for _, row in self._known.values())
        return tuple(sorted(rows, key=lambda row: (_first(row.created), row.id)))

    def _folders(self) -> list[Path]:
        try:
            return [
                folder
                for folder in self.folder.iterdir()
                if not folder.name.startswith(".") and (folder / FILE_NAME).exists()
            ]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunError(f"{self.folder} cannot be listed: {error.strerror}") from error

    def _row(self, folder: Path) -> RunRow:
        self.read += 1
        try:
            with RunFile.open(folder) as run:
                return _read(run, time.time())
        except RunError as error:
            made = _made(folder)
            return RunRow(folder, folder.name, UNREADABLE, created=made, message=str(error))


def _read(run: RunFile, now: float) -> RunRow:
    shown, info = run.summary(), run.info()
    figures = info["summary"]
    ended = now if shown.status in ("running", "paused") else shown.ended
    if ended is None and shown.status == "interrupted":
        ended = info["heartbeat"]
    began = info["started"] or shown.created
    return RunRow(
        folder=run.folder,
        id=shown.id,
        status=shown.status,
        procedure=shown.procedure,
        simulated=shown.simulated,
        created=shown.created,
        # To the second, so that a row is another only where it looks another.
        duration_s=math.nan if ended is None else float(round(max(ended - began, 0.0))),
        part_done=1.0 if shown.status == "finished" else shown.part_done,
        steps=shown.steps,
        ring_measurements=shown.ring_measurements,
        loss=_number(figures.get("loss"), shown.loss),
        accuracy=_number(figures.get("accuracy"), shown.accuracy),
        split=str(figures.get("split", "")) if figures.get("accuracy") is not None else "",
        message=shown.message,
        tags=shown.annotations.tags,
        note=shown.annotations.note,
        configuration=shown.configuration,
        resumable=shown.resumable,
    )


def _number(value: Any, otherwise: float) -> float:
    return otherwise if value is None else float(value)


def _first(created: float) -> float:
    return -math.inf if math.isnan(created) else created


def _made(folder: Path) -> float:
    try:
        return (folder / FILE_NAME).stat().st_mtime
    except OSError:
        return math.nan


def _stamp(folder: Path) -> Stamp:
    """Return what changes with each commit: of the file, and of its write-ahead log."""
    found = []
    for name in (FILE_NAME, f"{FILE_NAME}-wal"):
        try:
            status = (folder / name).stat()
        except OSError:
            found.append((0, 0))
            continue
        # An empty log is made by whoever reads, and says nothing.
        found.append((status.st_mtime_ns, status.st_size) if status.st_size else (0, 0))
    return tuple(found)


def tags_of(text: str) -> tuple[str, ...]:
    """Return the tags that a text lists, separated by commas."""
    return tuple(dict.fromkeys(tag.strip() for tag in text.split(",") if tag.strip()))


def figure(value: float, digits: int = 4) -> str:
    """Return a figure for the table, nothing for one that is not known."""
    return "" if math.isnan(value) else number_text(float(f"{value:.{digits}g}"))


def duration(seconds: float) -> str:
    """Return a span of time as h:min:s."""
    if math.isnan(seconds):
        return ""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
