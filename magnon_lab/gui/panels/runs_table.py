"""The table of runs for Qt: model, search, and the bar of how much is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PyQt6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QSize,
    QSortFilterProxyModel,
    Qt,
    QTimer,
    pyqtSignal,
)
from PyQt6.QtGui import QColor, QFontMetrics, QPainter
from PyQt6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from magnon_lab.gui.model.runs_list import UNREADABLE, RunRow, duration, figure, tags_of
from magnon_lab.gui.model.units import grouped
from magnon_lab.gui.theme import colours

_Role = Qt.ItemDataRole
#: Rows that are inserted in one go: sorting a thousand at once would be felt.
PORTION = 100

SORT = int(_Role.UserRole)
"""Role of what a column is sorted by."""
ROW = SORT + 1
"""Role of the whole row."""


@dataclass(frozen=True)
class Column:
    """One column: how it is headed, what it means, what it shows, by what it is sorted."""

    title: str
    tip: str
    text: Callable[[RunRow], str]
    key: Callable[[RunRow], Any]
    right: bool = False
    edits: bool = False


def _percent(row: RunRow) -> str:
    if row.part_done is None or row.status == UNREADABLE:
        return ""
    return f"{100 * row.part_done:.0f} %"


def _of(row: RunRow) -> str:
    return f" ({row.split})" if row.split else ""


COLUMNS = (
    Column("Status", "What the run does, or how it ended", lambda r: r.status, lambda r: r.status),
    Column(
        "Run",
        "When it was made, and the end of its id (copy the whole id with Ctrl+C)",
        lambda r: f"{r.when}  {r.id[-6:]}" if r.when else r.id,
        lambda r: 0.0 if math.isnan(r.created) else r.created,
    ),
    Column("Procedure", "What was run", lambda r: r.name, lambda r: r.name),
    Column("Task", "What it learns", lambda r: r.task, lambda r: r.task),
    Column(
        "Estimator",
        "How its gradient is estimated",
        lambda r: r.estimator,
        lambda r: r.estimator,
    ),
    Column(
        "Done",
        "Part of its steps, or of its budget of ring measurements, that is done",
        _percent,
        lambda r: -1.0 if r.part_done is None else r.part_done,
    ),
    Column(
        "Loss",
        "Of the split that it was judged by at its end (in brackets), before that of its last "
        "step; cross entropy in nats",
        lambda r: f"{figure(r.loss)}{_of(r) if figure(r.loss) else ''}",
        lambda r: math.inf if math.isnan(r.loss) else r.loss,
        right=True,
    ),
    Column(
        "Accuracy",
        "Of the split that it was judged by at its end (in brackets), before that of its last "
        "step's batch; 1 is all right",
        lambda r: f"{figure(r.accuracy)}{_of(r) if figure(r.accuracy) else ''}",
        lambda r: -1.0 if math.isnan(r.accuracy) else r.accuracy,
        right=True,
    ),
    Column(
        "Measured",
        "Ring measurements made",
        lambda r: grouped(r.ring_measurements) if r.ring_measurements else "",
        lambda r: r.ring_measurements,
        right=True,
    ),
    Column(
        "Duration",
        "From its start to its end, or until now, in h:min:s by the clock on the wall",
        lambda r: duration(r.duration_s),
        lambda r: -1.0 if math.isnan(r.duration_s) else r.duration_s,
        right=True,
    ),
    Column(
        "Tags",
        "Words to find it by, separated by commas (F2 to edit)",
        lambda r: ", ".join(r.tags),
        lambda r: ", ".join(r.tags).lower(),
        edits=True,
    ),
    Column(
        "Note", "What you say of it (F2 to edit)", lambda r: r.note, lambda r: r.note, edits=True
    ),
)
STATUS, RUN, DONE = 0, 1, 5
_TOP = QModelIndex()
TAGS, NOTE = len(COLUMNS) - 2, len(COLUMNS) - 1


class RunsModel(QAbstractTableModel):
    """Rows of runs; `annotated` with folder, tags, note (what is not given: None) when edited."""

    annotated = pyqtSignal(object, object, object)

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[RunRow] = []
        self._left: list[RunRow] = []
        self._go_on = QTimer(self)
        self._go_on.setSingleShot(True)
        self._go_on.timeout.connect(self._insert)

    def show(self, rows: Sequence[RunRow]) -> None:
        """Take the rows as they are by now, moving nothing that stays.

        Of many new ones the last come at once, others a portion at a time while the window lives.
        """
        newest = {row.folder: row for row in rows}
        for at in reversed(range(len(self._rows))):
            if self._rows[at].folder not in newest:
                self.beginRemoveRows(QModelIndex(), at, at)
                del self._rows[at]
                self.endRemoveRows()
        last = len(COLUMNS) - 1
        for at, row in enumerate(self._rows):
            new = newest.pop(row.folder)
            if new is not row and new != row:
                self._rows[at] = new
                self.dataChanged.emit(self.index(at, 0), self.index(at, last))
        self._left = list(newest.values())
        self._insert()

    def _insert(self) -> None:
        portion, self._left = self._left[-PORTION:], self._left[:-PORTION]
        if portion:
            self.beginInsertRows(_TOP, len(self._rows), len(self._rows) + len(portion) - 1)
            self._rows.extend(portion)
            self.endInsertRows()
        if self._left:
            self._go_on.start(0)

    def row_of(self, folder: Path) -> int | None:
        """Return where the run of a folder stands."""
        return next((at for at, row in enumerate(self._rows) if row.folder == folder), None)

    def rowCount(self, parent: QModelIndex = _TOP) -> int:
        """See Qt."""
        return 0 if parent.isValid() else len(self._rows)

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
        row, column = self._rows[index.row()], COLUMNS[index.column()]
        if role in (_Role.DisplayRole, _Role.EditRole):
            return column.text(row)
        if role == SORT:
            return column.key(row)
        if role == ROW:
            return row
        if role == _Role.ForegroundRole and index.column() == STATUS:
            return QColor(colours().of_status(row.status))
        if role == _Role.ToolTipRole:
            return _tip(row, index.column())
        if role == _Role.TextAlignmentRole and column.right:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """See Qt."""
        flags = super().flags(index)
        row = self._rows[index.row()]
        if COLUMNS[index.column()].edits and row.status != UNREADABLE:
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def setData(self, index: QModelIndex, value: Any, role: int = _Role.EditRole) -> bool:
        """See Qt."""
        row = self._rows[index.row()]
        if index.column() == TAGS and (tags := tags_of(str(value))) != row.tags:
            self.annotated.emit(row.folder, tags, None)
        elif index.column() == NOTE and (note := str(value).strip()) != row.note:
            self.annotated.emit(row.folder, None, note)
        return True


def _tip(row: RunRow, column: int) -> str:
    if column == NOTE:
        return row.note
    if column == TAGS:
        return ", ".join(row.tags)
    bench = "simulated bench" if row.simulated else "real bench"
    lines = [row.id, f"{row.status}, {bench}" if row.status != UNREADABLE else row.status]
    return "\n".join([*lines, row.message] if row.message else lines)


class RunsProxy(QSortFilterProxyModel):
    """Sorts by what a column means, and shows the rows that hold every word of a search."""

    def __init__(self, model: RunsModel) -> None:
        super().__init__()
        self._words = ""
        self.setSourceModel(model)
        self.setSortRole(SORT)

    def search(self, words: str) -> None:
        """Show only the rows in which each of the words is found."""
        self._words = words
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, source_parent: QModelIndex) -> bool:
        """See Qt."""
        model = self.sourceModel()
        assert model is not None
        row: RunRow = model.index(source_row, 0).data(ROW)
        return row.matches(self._words)


class DoneDelegate(QStyledItemDelegate):
    """Draws a percentage as a bar with the figure on it."""

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """See Qt."""
        text = str(index.data() or "")
        super().paint(painter, option, index)
        if not text or painter is None:
            return
        row: RunRow = index.data(ROW)
        theme = colours()
        box = option.rect.adjusted(3, 4, -3, -4)
        painter.save()
        painter.fillRect(box, QColor(theme.field))
        done = box.adjusted(0, 0, round(box.width() * ((row.part_done or 0.0) - 1.0)), 0)
        fill = QColor(theme.of_status(row.status))
        fill.setAlpha(90)
        painter.fillRect(done, fill)
        painter.setPen(QColor(theme.border))
        painter.drawRect(box)
        painter.setPen(QColor(theme.foreground))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
        painter.restore()

    def initStyleOption(self, option: QStyleOptionViewItem | None, index: QModelIndex) -> None:
        """Leave the text to the bar."""
        super().initStyleOption(option, index)
        if option is not None:
            option.text = ""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """See Qt."""
        metrics: QFontMetrics = option.fontMetrics
        return QSize(metrics.horizontalAdvance("100 %") + 30, metrics.height() + 6)
