"""The main window: panels around the live pictures, in docks that are remembered."""

from __future__ import annotations

import itertools
from pathlib import Path

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QAction, QActionGroup, QCloseEvent, QKeySequence, QShortcut, QShowEvent
from PyQt6.QtWidgets import (
    QDockWidget,
    QLabel,
    QMainWindow,
    QMenu,
    QMessageBox,
    QSizePolicy,
    QStackedWidget,
    QToolBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from magnon_lab.bench import BenchFile
from magnon_lab.gui.actions import Actions, shortcuts_page
from magnon_lab.gui.elided import Elided
from magnon_lab.gui.first_start import FirstStart
from magnon_lab.gui.live import LiveArea
from magnon_lab.gui.panels.bench import BenchPanel
from magnon_lab.gui.panels.hand import HandPanel
from magnon_lab.gui.panels.launch import LaunchPanel
from magnon_lab.gui.panels.log import LogPanel
from magnon_lab.gui.panels.queue import QueuePanel
from magnon_lab.gui.panels.runs import RunsPanel
from magnon_lab.gui.processes import Processes
from magnon_lab.gui.settings import Settings
from magnon_lab.gui.steering import Steering
from magnon_lab.gui.theme import THEMES, Theme, mark

_LEFT = Qt.DockWidgetArea.LeftDockWidgetArea
_RIGHT = Qt.DockWidgetArea.RightDockWidgetArea
_BOTTOM = Qt.DockWidgetArea.BottomDockWidgetArea

SIMULATED = "SIMULATED BENCH: nothing here is a real instrument"


class MainWindow(QMainWindow):
    """Launch, watch and steer runs of one folder on one bench.

    It opens no instrument: runs are processes of their own, which go on when it is closed.
    """

    def __init__(self, runs: Path, bench_file: BenchFile, settings: Settings, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("main")
        self.setWindowTitle(f"Magnon Lab: {bench_file.name}")
        self.setDockNestingEnabled(True)
        self._settings, self._theme = settings, theme
        self.bench_file = bench_file
        self.processes = Processes(runs, bench_file.path, self)
        self.launch = LaunchPanel(bench_file, runs, self)
        self.live = LiveArea(self)
        self.bench = BenchPanel(bench_file, self)
        self.hand = HandPanel(bench_file, self)
        self.runs = RunsPanel(runs, self)
        self.queue = QueuePanel(runs, self)
        self.log = LogPanel(self)
        self.first = FirstStart(bench_file, self)
        self.message = QLabel(self)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._centre = QStackedWidget(self)
        self._docks = self._place(bench_file)
        self.actions_ = Actions(self)
        self.steering = Steering(self, runs)
        self._fill_menus()
        self._connect()
        for name, (_, picture) in self.live.docks.items():
            picture.choose(settings.choices(name))
        self._laid_out = self._settings.restore_layout(self, self.live)
        if not self._laid_out:
            for name in ("hand", "entries", "log"):
                self._docks[name].hide()  # until they are tabs: side by side they would be too wide
            self.setMinimumSize(0, 0)  # what Qt noted before
            self.resize(self.sizeHint())
        self.welcome(not settings.greeted and not self.runs.has_runs())

    # Layout

    def sizeHint(self) -> QSize:
        """Return what fits a small notebook's screen."""
        return QSize(1366, 728)

    def _place(self, bench_file: BenchFile) -> dict[str, QDockWidget]:
        banner = QLabel(SIMULATED, self)
        banner.setAlignment(Qt.AlignmentFlag.AlignCenter)
        mark(banner, kind="banner")
        banner.setToolTip(f"{bench_file.path} names the simulated laboratory as its VISA library.")
        banner.setVisible(bench_file.simulated)
        self.banner = banner
        self._centre.addWidget(self.live)
        self._centre.addWidget(self.first)
        whole = QWidget(self)
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(banner)
        column.addWidget(self._centre, 1)
        self.setCentralWidget(whole)
        self.setCorner(Qt.Corner.BottomLeftCorner, _LEFT)
        self.setCorner(Qt.Corner.BottomRightCorner, _RIGHT)
        docks = {
            name: self._dock(name, title, panel, area)
            for name, title, panel, area in (
                ("form", "Procedure", self.launch, _LEFT),
                ("cards", "Bench", self.bench, _RIGHT),
                ("hand", "Hand mode", self.hand, _RIGHT),
                ("table", "Runs", self.runs, _BOTTOM),
                ("entries", "Queue", self.queue, _BOTTOM),
                ("log", "Log", self.log, _BOTTOM),
            )
        }
        bar = self.statusBar()
        assert bar is not None
        bar.addPermanentWidget(self.message)
        return docks

    def _dock(self, name: str, title: str, panel: QWidget, area: Qt.DockWidgetArea) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(name)
        dock.setWidget(panel)
        self.addDockWidget(area, dock)
        return dock

    def _first_layout(self) -> None:
        docks, across, down = self._docks, Qt.Orientation.Horizontal, Qt.Orientation.Vertical
        for tabs in (("cards", "hand"), ("table", "entries", "log")):
            for before, other in itertools.pairwise(tabs):
                self.tabifyDockWidget(docks[before], docks[other])
            for name in tabs:
                docks[name].show()
        self.resizeDocks([docks["form"], docks["cards"]], [300, 280], across)
        self.resizeDocks([docks["table"]], [max(190, round(0.22 * self.height()))], down)
        docks["cards"].raise_()
        docks["table"].raise_()
        self.live.first_layout(self.height())

    def go_to(self, name: str) -> None:
        """Show a panel and put the keyboard's focus into it."""
        if name == "pictures":
            self.live.setFocus(Qt.FocusReason.ShortcutFocusReason)
            self.live.focus_first()
            return
        dock = self._docks[name]
        dock.show()
        dock.raise_()
        panel = dock.widget()
        assert panel is not None
        proxy = panel.focusProxy()
        seen = proxy is not None and proxy.isVisible()
        target = proxy if proxy is not None and seen else _first_that_takes_focus(panel)
        target.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _next_pane(self) -> None:
        order = ("form", "pictures", "cards", "table", "entries", "log")
        focused = self.focusWidget()
        at = -1
        for index, name in enumerate(order):
            place = self.live if name == "pictures" else self._docks[name]
            if focused is not None and place.isAncestorOf(focused):
                at = index
        self.go_to(order[(at + 1) % len(order)])

    def welcome(self, show: bool = True) -> None:
        """Show the page of the first start, or the pictures."""
        self._centre.setCurrentWidget(self.first if show else self.live)
        if show:
            self.first.button.setFocus()
        else:
            self._settings.greeted = True

    # Menus

    def _fill_menus(self) -> None:
        view = self.actions_.menus["&View"]
        view.addSeparator()
        docks = [*self._docks.values(), *(dock for dock, _ in self.live.docks.values())]
        shown, themes = QMenu("&Docks", self), QMenu("&Theme", self)
        view.addMenu(shown)
        view.addMenu(themes)
        for dock in docks:
            shown.addAction(dock.toggleViewAction())
        group = QActionGroup(self)
        for name in THEMES:
            action = QAction(name.capitalize(), self)
            action.setCheckable(True)
            action.setChecked(name == self._theme.name)
            action.triggered.connect(lambda _=False, name=name: self._use_theme(name))
            group.addAction(action)
            themes.addAction(action)
        bar = QToolBar("Run", self)
        bar.setObjectName("run bar")
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        for name in ("pause", "resume", "stop", "abort"):
            bar.addAction(self.actions_[name])
        self.run_line = Elided("")
        self.run_line.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        bar.addSeparator()
        bar.addWidget(self.run_line)
        bar.addAction(self.actions_["safe"])
        safe = bar.widgetForAction(self.actions_["safe"])
        if safe is not None:
            mark(safe, kind="danger")
        for button in bar.findChildren(QToolButton):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.addToolBar(bar)
        QShortcut(QKeySequence("F6"), self, self._next_pane)

    def _use_theme(self, name: str) -> None:
        self._settings.theme = name
        self._theme.set(name)

    def _connect(self) -> None:
        self._theme.changed.connect(self.live.retheme)
        for panel in (self.bench, self.hand, self.runs, self.queue, self.log, self.launch):
            if hasattr(panel, "retheme"):
                self._theme.changed.connect(panel.retheme)
        go = {
            name: (lambda name=name: self.go_to(name))
            for name in ("form", "pictures", "cards", "table", "entries", "log")
        }
        self.actions_.connect(
            **go,
            new=lambda: self.go_to("form"),
            quit=self.close,
            reset=self._first_layout,
            welcome=self.welcome,
            keys=self._tell_keys,
        )
        self.first.closed.connect(lambda: self.welcome(False))
        self.steering.connect()

    def _tell_keys(self) -> None:
        box = QMessageBox(self)
        box.setWindowTitle("Keyboard shortcuts")
        box.setTextFormat(Qt.TextFormat.RichText)
        box.setText(shortcuts_page())
        box.open()

    # Runs

    def say(self, text: str, wrong: bool = False) -> None:
        """Say a line at the bottom."""
        self.message.setText(text)
        mark(self.message, kind="wrong" if wrong else "muted")

    def open_run(self, folder: Path) -> None:
        """Show a run, of whichever folder it is."""
        self.welcome(False)
        self.steering.show_runs([folder])

    def showEvent(self, event: QShowEvent | None) -> None:
        """Give the docks their first sizes, which Qt heeds only in a window that is shown."""
        super().showEvent(event)
        if not self._laid_out:
            self._laid_out = True
            self._first_layout()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Remember the layout; runs go on."""
        for name, (_, picture) in self.live.docks.items():
            self._settings.set_choices(name, picture.choices())
        self._settings.save_layout(self, self.live)
        self.steering.close()
        super().closeEvent(event)


def _first_that_takes_focus(panel: QWidget) -> QWidget:
    for child in panel.findChildren(QWidget):
        able = child.isEnabled() and child.focusProxy() is None
        if able and child.focusPolicy() & Qt.FocusPolicy.TabFocus and child.isVisibleTo(panel):
            return child
    return panel
