"""The log: the newest of the selected run's journal, and what the program itself says."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from PyQt6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from magnon_lab.gui.model.log_lines import LogLine, kinds, of_event, of_record
from magnon_lab.gui.theme import colours, mark
from magnon_lab.runs import Event

_Role = Qt.ItemDataRole
_TOP = QModelIndex()

#: Of the program's own messages so many are kept.
KEPT = 500

ANY = "every kind"
RUN, PROGRAM = "run", "program"
EMPTY = {
    RUN: "<p>No run is selected, or its journal is still empty.</p>"
    "<p>Select a run in the table of runs: what was switched, ramped, refused or tried again is "
    "then told here.</p>",
    PROGRAM: "<p>The program has nothing to say.</p>",
}
NOTHING_FOUND = "<p>No line is of this kind and holds all of these words.</p>"
COLUMNS = (
    ("Time", "When it was written, by the clock on the wall"),
    ("Kind", "What it is about"),
    ("Phase", "intent: before it is done, outcome: after; of the program: how grave"),
    ("Message", "What was to be done, or came of it"),
)


class LogModel(QAbstractTableModel):
    """Lines, newest first, of those that a filter lets through."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[LogLine] = []

    def show(self, lines: Sequence[LogLine]) -> None:
        """Take the lines as they are by now, oldest first."""
        new = list(reversed(lines))
        if new == self._lines:
            return
        old = self._lines
        fresh = new.index(old[0]) if old and old[0] in new else len(new)
        stay = len(new) - fresh
        if stay == 0 or new[fresh:] != old[:stay]:
            self.beginResetModel()
            self._lines = new
            self.endResetModel()
            return
        # What stays keeps its place, so that a selection does.
        if stay < len(old):
            self.beginRemoveRows(_TOP, stay, len(old) - 1)
            self._lines = old[:stay]
            self.endRemoveRows()
        if fresh:
            self.beginInsertRows(_TOP, 0, fresh - 1)
            self._lines = new
            self.endInsertRows()

    def rowCount(self, parent: QModelIndex = _TOP) -> int:
        """See Qt."""
        return 0 if parent.isValid() else len(self._lines)

    def columnCount(self, parent: QModelIndex = _TOP) -> int:
        """See Qt."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """See Qt."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(COLUMNS):
            return None
        title, tip = COLUMNS[section]
        return {_Role.DisplayRole: title, _Role.ToolTipRole: tip}.get(_Role(role))

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """See Qt."""
        line = self._lines[index.row()]
        if role == _Role.DisplayRole:
            return (line.when, line.kind, line.phase, line.message)[index.column()]
        if role == _Role.ToolTipRole:
            return line.message
        if role == _Role.ForegroundRole and line.level:
            theme = colours()
            return QColor(theme.error if line.level == "error" else theme.warning)
        return None


class _Told(QObject):
    """Brings what any thread logs into that of the window."""

    line = pyqtSignal(object)


class _Handler(logging.Handler):
    """Hands what the program logs to the panel."""

    def __init__(self, told: _Told) -> None:
        super().__init__(logging.INFO)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        with suppress(RuntimeError):  # the window was closed meanwhile
            self._told.line.emit(of_record(record))


class LogPanel(QWidget):
    """Lines of the run that is looked at, or of the program.

    It listens to the logger of `magnon_lab` from when it is made until `close_log`.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = LogModel()
        self._events: tuple[Event, ...] = ()
        self._run: list[LogLine] = []
        self._program: deque[LogLine] = deque(maxlen=KEPT)
        self._build()
        self._told = _Told(self)
        self._told.line.connect(self._take)
        self._handler = _Handler(self._told)
        logging.getLogger("magnon_lab").addHandler(self._handler)
        self._follow()

    def _build(self) -> None:
        self.source = QComboBox(self)
        self.source.addItem("Journal of the run", RUN)
        self.source.addItem("Messages of the program", PROGRAM)
        self.source.setAccessibleName("Whose log")
        self.source.setToolTip(
            "The journal of the run that is looked at (its newest entries), or what this program "
            "itself says"
        )
        self.kind = QComboBox(self)
        self.kind.addItem(ANY, "")
        self.kind.setMinimumContentsLength(10)
        self.kind.setAccessibleName("Kind")
        self.kind.setToolTip("Show only lines of a kind, such as ramp, output, retry or safe")
        self.search = QLineEdit(self)
        self.search.setPlaceholderText("Search the log; error and warning find what is coloured")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Search the log")
        self.search.setToolTip("Show only the lines that hold every word")
        table = self.table = QTableView(self)
        table.setModel(self.model)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setAlternatingRowColors(True)
        table.setWordWrap(False)
        table.setTabKeyNavigation(False)
        table.setAccessibleName("Log")
        down, across = table.verticalHeader(), table.horizontalHeader()
        assert down is not None
        assert across is not None
        down.hide()
        down.setDefaultSectionSize(self.fontMetrics().height() + 6)
        across.setStretchLastSection(True)
        across.setHighlightSections(False)
        digit = self.fontMetrics().horizontalAdvance("0")
        for at, digits in enumerate((24, 11, 10)):
            table.setColumnWidth(at, digits * digit)
        self.empty = QLabel(self)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        mark(self.empty, kind="muted")
        self.pages = QStackedWidget(self)
        self.pages.addWidget(table)
        self.pages.addWidget(self.empty)
        # A long message is read whole here.
        self.whole = QLabel(self)
        self.whole.setWordWrap(True)
        self.whole.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.whole.hide()
        bar = QHBoxLayout()
        bar.setSpacing(4)
        bar.addWidget(self.source)
        bar.addWidget(self.kind)
        bar.addWidget(self.search, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(4)
        column.addLayout(bar)
        column.addWidget(self.pages, 1)
        column.addWidget(self.whole)
        self.source.currentIndexChanged.connect(lambda _: self._follow())
        self.kind.currentIndexChanged.connect(lambda _: self._follow())
        self.search.textChanged.connect(lambda _: self._follow())
        selection = table.selectionModel()
        assert selection is not None
        selection.currentRowChanged.connect(lambda now, _: self._read_whole(now))
        self.setFocusProxy(table)

    def set_events(self, events: Sequence[Event]) -> None:
        """Show the newest of a run's journal, oldest first."""
        if tuple(events) != self._events:
            self._events = tuple(events)
            self._run = [of_event(event) for event in events]
            self._follow()

    def close_log(self) -> None:
        """Listen no more."""
        logging.getLogger("magnon_lab").removeHandler(self._handler)

    def _take(self, line: LogLine) -> None:
        self._program.append(line)
        self._follow()

    def _lines(self) -> list[LogLine]:
        return self._run if self.source.currentData() == RUN else list(self._program)

    def _follow(self) -> None:
        lines = self._lines()
        self._offer_kinds(kinds(lines))
        kind, words = str(self.kind.currentData()), self.search.text()
        shown = [line for line in lines if line.matches(kind, words)]
        self.model.show(shown)
        self.empty.setText(NOTHING_FOUND if lines else EMPTY[str(self.source.currentData())])
        self.pages.setCurrentWidget(self.table if shown else self.empty)
        self._read_whole(self.table.currentIndex())

    def _offer_kinds(self, found: list[str]) -> None:
        chosen = str(self.kind.currentData())
        offered = ["", *sorted({*found, chosen} - {""})]
        if offered == [self.kind.itemData(at) for at in range(self.kind.count())]:
            return
        self.kind.blockSignals(True)
        self.kind.clear()
        for kind in offered:
            self.kind.addItem(kind or ANY, kind)
        self.kind.setCurrentIndex(offered.index(chosen))
        self.kind.blockSignals(False)

    def _read_whole(self, index: QModelIndex) -> None:
        message = str(index.siblingAtColumn(3).data() or "") if index.isValid() else ""
        room = self.table.columnWidth(3)
        long = self.fontMetrics().horizontalAdvance(message) > room
        self.whole.setText(message if long else "")
        self.whole.setVisible(long)

    def retheme(self) -> None:
        """Follow the colours of the theme."""
        viewport = self.table.viewport()
        assert viewport is not None
        viewport.update()
