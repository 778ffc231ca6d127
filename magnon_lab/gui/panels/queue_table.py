"""The queue for Qt: a table whose rows can be dragged to another place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QAbstractTableModel, QMimeData, QModelIndex, Qt, pyqtSignal
from PyQt6.QtGui import QColor

from magnon_lab.gui.theme import colours
from magnon_lab.runs.queue import Entry

_Role = Qt.ItemDataRole
ENTRY = int(_Role.UserRole)
"""Role of the whole entry."""

MIME = "application/x-magnon-lab-entry"
_TOP = QModelIndex()

WAITS = "queued"
AT_WORK = ("running", "paused")
FAILED = ("failed", "aborted", "interrupted")


@dataclass(frozen=True)
class Column:
    """One column: how it is headed, what it means, what it shows."""

    title: str
    tip: str
    text: Callable[[Entry], str]


def what(entry: Entry) -> str:
    """Return what an entry runs."""
    file, colon, name = entry.procedure.partition(":")
    short = f"{Path(file).name}{colon}{name}"
    return f"resume {short}" if entry.resume else short


def parameters(entry: Entry) -> str:
    """Return the parameters of an entry in a line."""
    return ", ".join(f"{name} = {value}" for name, value in entry.parameters.items())


COLUMNS = (
    Column(
        "Entry", "Its number; entries are worked off from top to bottom", lambda e: str(e.entry)
    ),
    Column("Status", "Whether it waits, what its run does, or how it ended", lambda e: e.status),
    Column("Procedure", "What is to be run", what),
    Column("Parameters", "Those that are not at their default", parameters),
    Column("Bench", "Its bench file", lambda e: Path(e.bench).name),
    Column(
        "After a failure",
        "Whether others come after it if it fails; empty: as chosen for the queue",
        lambda e: e.on_failure or "",
    ),
    Column("Run", "End of the id of the run that it became", lambda e: (e.run or "")[-6:]),
    Column("Message", "Why it failed, or what it waits for", lambda e: e.message),
)
STATUS, PARAMETERS, MESSAGE = 1, 3, len(COLUMNS) - 1


class QueueModel(QAbstractTableModel):
    """Entries in their order; `moved` with an entry's number and its new place, from 1."""

    moved = pyqtSignal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []

    def show(self, entries: Sequence[Entry]) -> None:
        """Take the entries as they are by now."""
        new = list(entries)
        if [one.entry for one in new] == [one.entry for one in self.entries]:
            for at, entry in enumerate(new):
                if entry != self.entries[at]:
                    self.entries[at] = entry
                    last = self.index(at, len(COLUMNS) - 1)
                    self.dataChanged.emit(self.index(at, 0), last)
            return
        self.beginResetModel()
        self.entries = new
        self.endResetModel()

    def row_of(self, number: int) -> int | None:
        """Return where an entry stands."""
        return next((at for at, one in enumerate(self.entries) if one.entry == number), None)

    def rowCount(self, parent: QModelIndex = _TOP) -> int:
        """See Qt."""
        return 0 if parent.isValid() else len(self.entries)

    def columnCount(self, parent: QModelIndex = _TOP) -> int:
        """See Qt."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """See Qt."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(COLUMNS):
            return None
        column = COLUMNS[section]
        return {_Role.DisplayRole: column.title, _Role.ToolTipRole: column.tip}.get(_Role(role))

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """See Qt."""
        entry = self.entries[index.row()]
        if role == _Role.DisplayRole:
            return COLUMNS[index.column()].text(entry)
        if role == ENTRY:
            return entry
        if role == _Role.ForegroundRole and index.column() in (STATUS, MESSAGE):
            failed = entry.status in FAILED
            if index.column() == STATUS or failed:
                return QColor(colours().of_status(entry.status))
        if role == _Role.ToolTipRole:
            texts = {MESSAGE: entry.message, PARAMETERS: parameters(entry).replace(", ", "\n")}
            return texts.get(index.column()) or entry.message or str(entry.run or "")
        return None

    # Dragging

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """See Qt."""
        if not index.isValid():
            return Qt.ItemFlag.ItemIsDropEnabled
        return super().flags(index) | Qt.ItemFlag.ItemIsDragEnabled

    def supportedDropActions(self) -> Qt.DropAction:
        """See Qt."""
        return Qt.DropAction.MoveAction

    def mimeTypes(self) -> list[str]:
        """See Qt."""
        return [MIME]

    def mimeData(self, indexes: Sequence[QModelIndex] | Any) -> QMimeData:
        """See Qt."""
        data = QMimeData()
        number = self.entries[next(iter(indexes)).row()].entry
        data.setData(MIME, str(number).encode())
        return data

    def dropMimeData(
        self,
        data: QMimeData | None,
        action: Qt.DropAction,
        row: int,
        column: int,
        parent: QModelIndex,
    ) -> bool:
        """See Qt; the queue itself moves the entry, so no row is to be taken away here."""
        if data is None or not data.hasFormat(MIME):
            return False
        number = int(bytes(data.data(MIME).data()))
        before = row if row >= 0 else parent.row() if parent.isValid() else len(self.entries)
        at = self.row_of(number)
        if at is not None:
            # Places are counted without the entry that is moved.
            self.moved.emit(number, before + 1 - (at < before))
        return False
