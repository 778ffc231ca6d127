"""All runs of the folder: search, open, compare, steer, tag, export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PyQt6.QtCore import QItemSelectionModel, QPoint, Qt, QUrl, pyqtSignal
from PyQt6.QtGui import QAction, QDesktopServices, QGuiApplication
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from magnon_lab.gui.background import Background
from magnon_lab.gui.model.exporting import FORMATS, export_runs
from magnon_lab.gui.model.runs_list import MAY, UNREADABLE, RunRow
from magnon_lab.gui.panels.acts import Act, make_acts, make_bar, make_menu
from magnon_lab.gui.panels.line import Line
from magnon_lab.gui.panels.runs_table import (
    DONE,
    NOTE,
    ROW,
    RUN,
    TAGS,
    DoneDelegate,
    RunsModel,
    RunsProxy,
)
from magnon_lab.gui.theme import mark
from magnon_lab.runs import RunError, RunFile
from magnon_lab.runs.reading import FILE_NAME

EMPTY = (
    "<p><b>There are no runs in this folder yet.</b></p>"
    "<p>Fill in the form on the left and press <i>Start</i>; each run then has a line here.</p>"
)
NOTHING_FOUND = "<p>No run holds all of these words. Escape clears the search.</p>"

ACTS = (
    Act("open", "&Open", "Return", "Show the run in the pictures", on_bar=True),
    Act("compare", "&Compare", "", "Lay the selected runs over one another", on_bar=True),
    Act("pause", "&Pause", "", "Wait after the current step, bench in standby", on_bar=True),
    Act("resume", "&Resume", "", "Go on with a run that waits or ended early", on_bar=True),
    Act("stop", "S&top", "", "End after the current step and evaluate", on_bar=True),
    Act("abort", "&Abort", "", "End before the next measurement", on_bar=True),
    Act("", "", "", ""),
    Act("duplicate", "&Duplicate into the form", "Ctrl+D", "Fill the form with its parameters"),
    Act("tag", "Edit &tags", "Shift+F2", "Words to find it by, separated by commas"),
    Act("note", "Edit the &note", "F2", "What you say of it"),
    Act("", "", "", ""),
    Act("export", "&Export…", "", "Write the selected runs for other programs"),
    Act("reveal", "Open the &folder", "Ctrl+Shift+O", "Show its files in the desktop's browser"),
    Act("copy", "Copy the &id", "Ctrl+C", "Put the ids of the selected runs on the clipboard"),
)

ASKED = {
    "pause": "is asked to wait after its current step",
    "resume": "is asked to go on",
    "stop": "is asked to end after its current step",
    "abort": "is asked to end before its next measurement",
}


class RunsPanel(QWidget):
    """The table of runs.

    `opened` with a folder, `compared` with several, `resumed` with the id of a run that ended
    before its time, `duplicated` with procedure and values, `exported` with folder and path once
    written. `picked` with the selected row (None for none or several) whenever it or what it says
    changes, `touched` after something was written.
    """

    opened = pyqtSignal(object)
    compared = pyqtSignal(object)
    resumed = pyqtSignal(str)
    duplicated = pyqtSignal(str, object)
    exported = pyqtSignal(object, object)
    picked = pyqtSignal(object)
    touched = pyqtSignal()

    def __init__(self, runs: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder = Path(runs)
        self.model = RunsModel()
        self.proxy = RunsProxy(self.model)
        self._known: dict[Path, RunRow] = {}
        self._awaited: Path | None = None
        self._of_selected = False  # whether the line under the table is of the selected run
        self._exporting = Background((RunError, OSError), self)
        self._exporting.answered.connect(self._tell_exported)
        self._build()
        self.model.annotated.connect(self._annotate)
        self.model.rowsInserted.connect(self._select_awaited)
        self._follow()

    def _build(self) -> None:
        self.search = QLineEdit(self)
        self.search.setPlaceholderText("Search: status, task, tag, parameter=value, note …")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Search runs")
        self.search.setToolTip(
            "Shows the runs that hold every word, in id, status, parameters (name=value), tags, "
            "note or message"
        )
        self.table = QTableView(self)
        table = self.table
        table.setModel(self.proxy)
        table.setSortingEnabled(True)
        table.sortByColumn(RUN, Qt.SortOrder.DescendingOrder)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setAlternatingRowColors(True)
        table.setWordWrap(False)
        table.setTabKeyNavigation(False)
        table.setAccessibleName("Runs")
        table.setItemDelegateForColumn(DONE, DoneDelegate(table))
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.customContextMenuRequested.connect(self._show_menu)
        down, across = table.verticalHeader(), table.horizontalHeader()
        assert down is not None
        assert across is not None
        down.hide()
        down.setDefaultSectionSize(self.fontMetrics().height() + 8)
        across.setStretchLastSection(True)
        across.setResizeContentsPrecision(30)  # of a thousand rows some tell enough
        across.setHighlightSections(False)
        self.empty = QLabel(EMPTY, self)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        mark(self.empty, kind="muted")
        self.pages = QStackedWidget(self)
        self.pages.addWidget(table)
        self.pages.addWidget(self.empty)
        self.told = Line(self)
        slots: dict[str, Callable[[], object]] = {
            "open": self.open, "compare": self.compare, "duplicate": self.duplicate,
            "tag": partial(self.edit, TAGS), "note": partial(self.edit, NOTE),
            "export": self.export, "reveal": self.reveal, "copy": self.copy,
            **{kind: partial(self.ask, kind) for kind in MAY},
        }  # fmt: skip
        self.acts = make_acts(self.table, ACTS, slots)
        bar = QHBoxLayout()
        bar.setSpacing(4)
        self.search.setMinimumWidth(120)
        bar.addWidget(self.search, 1)
        bar.addWidget(make_bar(self, ACTS, self.acts), 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(4)
        column.addLayout(bar)
        column.addWidget(self.pages, 1)
        column.addWidget(self.told)
        self.search.textChanged.connect(self._search)
        table.doubleClicked.connect(lambda _: self.open())
        selection = table.selectionModel()
        assert selection is not None
        selection.selectionChanged.connect(lambda *_: self._follow())
        clear = QAction(self.search)
        clear.setShortcut("Escape")
        clear.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        clear.triggered.connect(self.search.clear)
        self.search.addAction(clear)
        self.setFocusProxy(self.table)

    # What it shows

    def has_runs(self) -> bool:
        """Return whether the folder holds any run."""
        if not self._folder.is_dir():
            return False
        return any((folder / FILE_NAME).exists() for folder in self._folder.iterdir())

    def set_rows(self, rows: Sequence[RunRow], error: str = "") -> None:
        """Show the runs as they are by now; `error`: why they could not be listed."""
        first = not self._known
        self._known = {row.folder: row for row in rows}
        self.model.show(rows)
        if first and rows:
            self.table.resizeColumnsToContents()
        if error:
            self.tell(error, True)
        self._follow()

    def select(self, folder: Path | None) -> None:
        """Make a run the current one, as soon as it is listed."""
        self._awaited = folder
        at = None if folder is None else self.model.row_of(folder)
        if at is None:
            return
        self._awaited = None
        index = self.proxy.mapFromSource(self.model.index(at, RUN))
        selection = self.table.selectionModel()
        if index.isValid() and selection is not None:
            rows = QItemSelectionModel.SelectionFlag.Rows
            selection.setCurrentIndex(
                index, QItemSelectionModel.SelectionFlag.ClearAndSelect | rows
            )
            self.table.scrollTo(index)

    def _select_awaited(self) -> None:
        if self._awaited is not None:
            self.select(self._awaited)

    def selected(self) -> list[RunRow]:
        """Return the selected runs, in the order of the table."""
        selection = self.table.selectionModel()
        if selection is None:
            return []
        found = sorted(selection.selectedRows(RUN), key=lambda index: index.row())
        return [index.data(ROW) for index in found]

    def _search(self, words: str) -> None:
        self.proxy.search(words)
        self._follow()

    def _follow(self) -> None:
        rows = self.selected()
        one = rows[0] if len(rows) == 1 else None
        readable = [row for row in rows if row.status != UNREADABLE]
        able = {
            "open": one is not None,
            "compare": len(readable) > 1,
            "duplicate": one is not None and one.status != UNREADABLE,
            "tag": one is not None and one.status != UNREADABLE,
            "note": one is not None and one.status != UNREADABLE,
            "export": bool(readable) and len(readable) == len(rows),
            "reveal": one is not None,
            "copy": bool(rows),
        }
        able |= {kind: any(row.may(kind) for row in rows) for kind in MAY}
        for name, enabled in able.items():
            self.acts[name].setEnabled(enabled)
        shown = self.proxy.rowCount() > 0
        self.empty.setText(NOTHING_FOUND if self._known else EMPTY)
        self.pages.setCurrentWidget(self.table if shown else self.empty)
        if one is not None and one.message:
            self.tell(f"{one.id[-6:]}, {one.status}: {one.message}", one.status != "paused")
            self._of_selected = True
        elif self._of_selected:
            self.tell("")
        self.picked.emit(one)

    def tell(self, text: str, wrong: bool = False) -> None:
        """Say a line under the table."""
        self._of_selected = False
        self.told.tell(text, wrong)

    def _show_menu(self, at: QPoint) -> None:
        menu = make_menu(self, ACTS, self.acts)
        viewport = self.table.viewport()
        assert viewport is not None
        menu.popup(viewport.mapToGlobal(at))

    # What can be done

    def open(self) -> None:
        """Show the selected run."""
        for row in self.selected()[:1]:
            self.opened.emit(row.folder)

    def compare(self) -> None:
        """Lay the selected runs over one another."""
        folders = [row.folder for row in self.selected() if row.status != UNREADABLE]
        if len(folders) > 1:
            self.compared.emit(folders)
        else:
            self.tell("Select several runs (Ctrl or Shift with a click or an arrow key)", True)

    def ask(self, kind: str) -> None:
        """Ask the selected runs that can to pause, resume, stop or abort."""
        for row in (row for row in self.selected() if row.may(kind)):
            if kind == "resume" and row.status != "paused":
                self.resumed.emit(row.id)
                continue
            try:
                with RunFile.open(row.folder) as run:
                    run.request(kind)
            except RunError as error:
                self.tell(str(error), True)
            else:
                self.tell(f"{row.id} {ASKED[kind]}")
        self.touched.emit()

    def duplicate(self) -> None:
        """Fill the form with the parameters of the selected run."""
        for row in self.selected()[:1]:
            self.duplicated.emit(row.procedure, dict(row.configuration))

    def edit(self, column: int) -> None:
        """Edit tags or note of the selected run, in its place."""
        selection = self.table.selectionModel()
        if selection is not None and (found := selection.selectedRows(RUN)):
            index = found[0].siblingAtColumn(column)
            self.table.setCurrentIndex(index)
            self.table.edit(index)

    def _annotate(self, folder: Path, tags: tuple[str, ...] | None, note: str | None) -> None:
        try:
            with RunFile.open(folder) as run:
                run.annotate(tags=tags, note=note)
        except RunError as error:
            self.tell(str(error), True)
        self.touched.emit()

    def export(self) -> None:
        """Write the selected runs into files for other programs."""
        rows = [row for row in self.selected() if row.status != UNREADABLE]
        if len(rows) == 1:
            path, chosen = QFileDialog.getSaveFileName(
                self, f"Export {rows[0].id}", str(Path.home() / rows[0].id), ";;".join(FORMATS)
            )
        elif rows:
            path = QFileDialog.getExistingDirectory(self, "Folder for the exported runs")
            chosen = next(iter(FORMATS))
        else:
            return
        if path:
            self.export_to(rows, Path(path), chosen)

    def export_to(self, rows: Sequence[RunRow], path: Path, chosen: str) -> None:
        """Write runs in one of `FORMATS`, beside the window."""
        folders = [row.folder for row in rows]
        self.tell(f"Writing {path} …")
        self._exporting.do(lambda: export_runs(folders, path, chosen))

    def _tell_exported(self, result: list[tuple[Path, Path]] | Exception) -> None:
        if isinstance(result, Exception):
            self.tell(f"Not exported: {result}", True)
            return
        for folder, path in result:
            self.exported.emit(folder, path)
        self.tell("Written: " + ", ".join(str(path) for _, path in result))

    def reveal(self) -> None:
        """Open the folder of the selected run."""
        for row in self.selected()[:1]:
            if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(row.folder.resolve()))):
                self.tell(f"No program opens folders here: {row.folder.resolve()}", True)

    def copy(self) -> None:
        """Put the ids of the selected runs on the clipboard."""
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText("\n".join(row.id for row in self.selected()))

    def retheme(self) -> None:
        """Follow the colours of the theme."""
        viewport = self.table.viewport()
        assert viewport is not None
        viewport.update()
