"""What is to be run next: order, change, retry, and working it off."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QPoint, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from magnon_lab.gui.panels.acts import Act, make_acts, make_bar, make_menu
from magnon_lab.gui.panels.line import Line
from magnon_lab.gui.panels.queue_table import (
    AT_WORK,
    ENTRY,
    FAILED,
    WAITS,
    QueueModel,
)
from magnon_lab.gui.theme import mark
from magnon_lab.runs import RunError
from magnon_lab.runs.queue import POLICIES, Entry, Queue

EMPTY = (
    "<p><b>The queue is empty.</b></p>"
    "<p>Fill in the form on the left and press <i>Queue</i>; what waits here is run one after the "
    "other, also when this window is closed.</p>"
)

#: What the parameters take at first, in pixels, so that the message has room, too.
WIDEST = 260

ACTS = (
    Act("up", "Move &up", "Alt+Up", "Before the entry above (or drag it)", on_bar=True),
    Act("down", "Move &down", "Alt+Down", "After the entry below (or drag it)", on_bar=True),
    Act("edit", "&Edit", "F2", "Change its parameters in the form", on_bar=True),
    Act("duplicate", "Du&plicate", "Ctrl+D", "Add the same at the end", on_bar=True),
    Act("remove", "&Remove", "Delete", "Take it out; its run, if it had one, stays", on_bar=True),
    Act("retry", "Re&try", "Ctrl+Y", "Let it wait again, for a new run", on_bar=True),
    Act("resume", "Re&sume", "Ctrl+Shift+Y", "Let it wait, for its run to go on", on_bar=True),
    Act("", "", "", ""),
    Act("stop", "If it fails, the queue &stops", "", "Whatever is chosen for the queue"),
    Act("go-on", "If it fails, the queue &goes on", "", "Whatever is chosen for the queue"),
    Act("", "", "", ""),
    Act("open", "&Open its run", "Return", "Show the run in the pictures"),
)


class QueuePanel(QWidget):
    """The queue of the folder of runs.

    `started` with the policy to work it off by, `stopped` to end a worker of this window that has
    nothing at work yet, `edited` with an entry whose parameters are to be changed in the form,
    `opened` with the id of a run, `touched` after something was written.
    """

    started = pyqtSignal(str)
    stopped = pyqtSignal()
    edited = pyqtSignal(object)
    opened = pyqtSignal(str)
    touched = pyqtSignal()

    def __init__(self, runs: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs = Path(runs)
        self._working = False
        self._of_selected = False  # whether the line under the table is of the selected entry
        self.model = QueueModel()
        self.model.moved.connect(self._move)
        self._build()
        self._follow()

    def _build(self) -> None:
        self.start = QPushButton("&Work it off", self)
        mark(self.start, kind="primary")
        self.start.clicked.connect(self._start_or_stop)
        self.policy = QComboBox(self)
        self.policy.addItem("stop", POLICIES[0])
        self.policy.addItem("go on", POLICIES[1])
        self.policy.setAccessibleName("After a failure")
        self.policy.setToolTip(
            "What comes after an entry that failed, was aborted or killed: the queue stops, or "
            "goes on with the next. An entry may have a word of its own"
        )
        label = QLabel("After a &failure", self)
        label.setBuddy(self.policy)
        self.table = QTableView(self)
        table = self.table
        table.setModel(self.model)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        table.setDragDropOverwriteMode(False)
        table.setAlternatingRowColors(True)
        table.setWordWrap(False)
        table.setTabKeyNavigation(False)
        table.setAccessibleName("Queue")
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.customContextMenuRequested.connect(self._show_menu)
        down, across = table.verticalHeader(), table.horizontalHeader()
        assert down is not None
        assert across is not None
        down.hide()
        down.setDefaultSectionSize(self.fontMetrics().height() + 8)
        across.setStretchLastSection(True)
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
            "up": partial(self._shift, -1), "down": partial(self._shift, 1), "edit": self._edit,
            "duplicate": partial(self._do, Queue.duplicate),
            "remove": partial(self._do, Queue.remove),
            "retry": partial(self._do, Queue.retry),
            "resume": partial(self._do, lambda queue, number: queue.retry(number, resume=True)),
            "open": self._open,
            **{name: partial(self._set_policy, name) for name in POLICIES},
        }  # fmt: skip
        self.acts = make_acts(table, ACTS, slots)
        bar = QHBoxLayout()
        bar.setSpacing(4)
        bar.addWidget(self.start)
        bar.addWidget(label)
        bar.addWidget(self.policy)
        bar.addSpacing(8)
        bar.addWidget(make_bar(self, ACTS, self.acts), 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(4)
        column.addLayout(bar)
        column.addWidget(self.pages, 1)
        column.addWidget(self.told)
        selection = table.selectionModel()
        assert selection is not None
        selection.selectionChanged.connect(lambda *_: self._follow())
        table.doubleClicked.connect(lambda _: self._edit_or_open())
        self.setFocusProxy(table)

    # What it shows

    def set_entries(self, entries: Sequence[Entry], error: str = "") -> None:
        """Show the queue as it is by now; `error`: why it could not be read."""
        one, first = self.current(), not self.model.entries
        self.model.show(entries)
        if one is not None:
            self.select(one.entry)
        if first and entries:
            self.table.resizeColumnsToContents()
            self.table.setColumnWidth(3, min(self.table.columnWidth(3), WIDEST))
        if error:
            self.tell(error, True)
        self._follow()

    def set_working(self, working: bool, why: str = "") -> None:
        """Tell whether a worker of this window is at it; `why`: how the last one ended."""
        self._working = working
        if why:
            self.tell(why, True)
        self._follow()

    def current(self) -> Entry | None:
        """Return the selected entry."""
        selection = self.table.selectionModel()
        rows = [] if selection is None else selection.selectedRows()
        return rows[0].data(ENTRY) if rows else None

    def select(self, number: int) -> None:
        """Select an entry."""
        at = self.model.row_of(number)
        if at is not None:
            self.table.selectRow(at)

    def _follow(self) -> None:
        one = self.current()
        entries = self.model.entries
        waiting = sum(entry.status == WAITS for entry in entries)
        self.pages.setCurrentWidget(self.table if entries else self.empty)
        status = one.status if one is not None else ""
        ended = bool(status) and status != WAITS and status not in AT_WORK
        at = None if one is None else self.model.row_of(one.entry)
        able = {
            "up": at is not None and at > 0,
            "down": at is not None and at < len(entries) - 1,
            "edit": status == WAITS and one is not None and not one.resume,
            "duplicate": bool(status),
            "remove": bool(status) and status not in AT_WORK,
            "retry": ended,
            "resume": ended and status != "finished" and one is not None and one.run is not None,
            "open": one is not None and one.run is not None,
            **dict.fromkeys(POLICIES, status == WAITS),
        }
        for name, enabled in able.items():
            self.acts[name].setEnabled(enabled)
        self._follow_start(waiting, any(entry.status in AT_WORK for entry in entries))
        if one is not None and one.message:
            self.tell(f"Entry {one.entry}, {one.status}: {one.message}", status in FAILED)
            self._of_selected = True
        elif self._of_selected:
            self.tell("")

    def _follow_start(self, waiting: int, at_work: bool) -> None:
        stops = self._working or at_work
        if stops:
            self.start.setText("&Stop the queue")
            tip = "End the run at work after its step, and begin no other"
        else:
            self.start.setText(f"&Work it off ({waiting})" if waiting else "&Work it off")
            tip = "Run what waits, one after the other, in a process of its own"
        self.start.setEnabled(stops or waiting > 0)
        self.start.setToolTip(tip if stops or waiting else "Nothing waits in the queue")
        self.policy.setEnabled(not stops)

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

    def add(self, procedure: str, values: Mapping[str, Any], bench: Path) -> bool:
        """Add a run at the end; False, with the reason below the table, if it could not be."""
        file, colon, name = procedure.partition(":")
        if file.endswith(".py"):
            procedure = f"{Path(file).resolve()}{colon}{name}"
        added: list[Entry] = []
        if self._change(lambda queue: added.append(queue.add(procedure, values, bench.resolve()))):
            self.tell(f"Entry {added[0].entry} waits in the queue")
        return bool(added)

    def save(self, number: int, values: Mapping[str, Any]) -> bool:
        """Put changed parameters into an entry that waits; False if it could not be."""
        done = self._change(lambda queue: queue.edit(number, values))
        if done:
            self.tell(f"Entry {number} is changed")
        return done

    def _change(self, change: Callable[[Queue], object]) -> bool:
        try:
            with Queue(self._runs) as queue:
                change(queue)
                entries = queue.entries()
        except RunError as error:
            self.tell(str(error), True)
            return False
        self.tell("")
        self.set_entries(entries)
        self.touched.emit()
        return True

    def _do(self, change: Callable[[Queue, int], object]) -> None:
        one = self.current()
        if one is not None:
            self._change(lambda queue: change(queue, one.entry))

    def _move(self, number: int, place: int) -> None:
        if self._change(lambda queue: queue.move(number, place)):
            self.select(number)

    def _shift(self, by: int) -> None:
        one = self.current()
        at = None if one is None else self.model.row_of(one.entry)
        if one is not None and at is not None:
            self._move(one.entry, at + 1 + by)

    def _set_policy(self, policy: str) -> None:
        self._do(lambda queue, number: queue.edit(number, on_failure=policy))

    def _edit(self) -> None:
        one = self.current()
        if one is not None and self.acts["edit"].isEnabled():
            self.edited.emit(one)

    def _open(self) -> None:
        one = self.current()
        if one is not None and one.run is not None:
            self.opened.emit(one.run)

    def _edit_or_open(self) -> None:
        self._edit() if self.acts["edit"].isEnabled() else self._open()

    def _start_or_stop(self) -> None:
        if self._working or any(entry.status in AT_WORK for entry in self.model.entries):
            self._stop()
        else:
            self.started.emit(str(self.policy.currentData()))

    def _stop(self) -> None:
        """Tell the worker, whoever started it, as Ctrl-C would."""
        try:
            with Queue(self._runs) as queue:
                worker = queue.worker()
            if worker is None:
                self.stopped.emit()
            elif worker.host != socket.gethostname():
                raise RunError(f"it is worked off on {worker.host}: end it there")
            else:
                os.kill(worker.pid, signal.SIGINT)
        except (RunError, OSError) as error:
            self.tell(f"The queue could not be stopped: {error}", True)
        else:
            self.tell("The queue ends with the run at work, after its step")

    def retheme(self) -> None:
        """Follow the colours of the theme."""
        viewport = self.table.viewport()
        assert viewport is not None
        viewport.update()
