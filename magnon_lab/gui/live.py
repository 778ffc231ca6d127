"""The pictures of the runs that are looked at, in docks that can be moved."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtCore import QObject, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import QDockWidget, QMainWindow, QWidget

from magnon_lab.gui.docks.confusion import ConfusionDock
from magnon_lab.gui.docks.dock import Dock
from magnon_lab.gui.docks.gradient import GradientDock
from magnon_lab.gui.docks.knobs import KnobsDock
from magnon_lab.gui.docks.loss import LossDock
from magnon_lab.gui.docks.phases import PhasesDock
from magnon_lab.gui.docks.trace import TraceDock
from magnon_lab.gui.docks.twin import TwinDock
from magnon_lab.gui.docks.waterfall import WaterfallDock
from magnon_lab.gui.model.curve import Axis
from magnon_lab.gui.model.run_view import RunView, Snapshot
from magnon_lab.gui.model.watcher import Watcher

Rows = tuple[tuple[tuple[type[Dock], ...], ...], ...]
"""In each row, what stands side by side; what is in one list lies under one another as tabs."""

LARGE: Rows = (
    ((LossDock,), (TraceDock,)),
    ((WaterfallDock, GradientDock, TwinDock, PhasesDock), (KnobsDock, ConfusionDock)),
)
SMALL: Rows = (
    (
        (LossDock, GradientDock, TwinDock, PhasesDock),
        (TraceDock, WaterfallDock, KnobsDock, ConfusionDock),
    ),
)

SHARES = (0.58, 0.42)
"""Of width and height, for what stands first and second."""

LARGE_PX = 950
"""From this height of the window on there is room for two rows."""


class _Bridge(QObject):
    """Brings the watcher's word from its thread into that of the window."""

    changed = pyqtSignal()


class LiveArea(QMainWindow):
    """Docks that follow one run, with others laid over it.

    `changed` with its newest snapshot, `aside_changed` with that of the run that is watched aside.
    """

    changed = pyqtSignal(object)
    aside_changed = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("live")
        self.setWindowFlags(Qt.WindowType.Widget)
        self.setDockNestingEnabled(True)
        self.setTabPosition(
            Qt.DockWidgetArea.AllDockWidgetAreas, QMainWindow.tabPosition(self, _TOP)
        )
        self.docks: dict[str, tuple[QDockWidget, Dock]] = {}
        self._views: list[RunView] = []
        self._due: list[Dock] = []
        self._turn = QTimer(self)
        self._turn.setSingleShot(True)
        self._turn.timeout.connect(self._draw_next)
        self._to_share: list[list[QDockWidget]] = []
        self._aside: RunView | None = None
        self._bridge = _Bridge(self)
        self._bridge.changed.connect(self._look)  # from another thread Qt queues it by itself
        self._watcher = Watcher(self._bridge.changed.emit)
        for kind in dict.fromkeys(kind for row in LARGE for kinds in row for kind in kinds):
            dock = self._dock(kind)
            self.addDockWidget(_TOP, dock)
            dock.hide()

    def first_layout(self, height_px: int) -> None:
        """Put the docks where they are at first in a window of a height."""
        rows = LARGE if height_px >= LARGE_PX else SMALL
        lines = []
        for area, row in zip((_TOP, _BOTTOM), rows, strict=False):
            stacks = [[self.docks[kind.__name__][0] for kind in kinds] for kinds in row]
            firsts = [stack[0] for stack in stacks]
            self.addDockWidget(area, firsts[0])
            for before, first in itertools.pairwise(firsts):
                self.splitDockWidget(before, first, Qt.Orientation.Horizontal)
            for stack in stacks:
                for before, dock in itertools.pairwise(stack):
                    self.tabifyDockWidget(before, dock)
                for dock in stack:
                    dock.show()
            lines.append(firsts)
        for dock in itertools.chain(*lines):
            dock.show()
            dock.raise_()
        self._to_share = lines
        if self.isVisible():
            self._share_room()

    def _share_room(self) -> None:
        """Give the docks of the first layout their shares of the room, once that is known."""
        lines, self._to_share = self._to_share, []
        across, down = Qt.Orientation.Horizontal, Qt.Orientation.Vertical
        for firsts in lines:
            self.resizeDocks(firsts, [round(part * self.width()) for part in SHARES], across)
        if len(lines) > 1:
            heights = [round(part * self.height()) for part in SHARES]
            self.resizeDocks([firsts[0] for firsts in lines], heights, down)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Share the room out, which Qt heeds only in a window that is shown (Qt's name)."""
        super().showEvent(event)
        QTimer.singleShot(0, self._share_room)

    def _dock(self, kind: type[Dock]) -> QDockWidget:
        picture = kind()
        dock = QDockWidget(picture.title, self)
        dock.setObjectName(kind.__name__)
        dock.setWidget(picture)
        dock.visibilityChanged.connect(lambda shown: self._show(picture) if shown else None)
        picture.zoomed.connect(self._zoom)
        self.docks[kind.__name__] = (dock, picture)
        return dock

    def show_runs(self, folders: Sequence[Path]) -> None:
        """Follow the run in the first of these folders, and lay the others over it."""
        known = {view.folder: view for view in self._views}
        for folder, view in known.items():
            if folder not in folders:
                self._watcher.forget(view)
        self._views = [known.get(folder) or self._watcher.watch(folder) for folder in folders]
        self._look()

    def watch_aside(self, folder: Path | None) -> None:
        """Watch another run without drawing it: the one that has the bench."""
        if self._aside is not None:
            self._watcher.forget(self._aside)
        self._aside = None if folder is None else self._watcher.watch(folder)

    @property
    def snapshots(self) -> list[Snapshot]:
        """What is known of the runs that are shown."""
        return [view.snapshot for view in self._views]

    def focus_first(self) -> None:
        """Put the keyboard's focus into the first picture that is to be seen."""
        for dock, picture in self.docks.values():
            if dock.isVisible():
                picture.setFocus(Qt.FocusReason.ShortcutFocusReason)
                return

    def retheme(self) -> None:
        """Draw everything in the colours of the theme."""
        for _, picture in self.docks.values():
            picture.retheme()
        self._look()

    def close_files(self) -> None:
        """End the watching; runs go on."""
        self._watcher.close()

    def _look(self) -> None:
        changed = self._watcher.take()
        if self._aside in changed:
            self.aside_changed.emit(self._aside.snapshot)
        if changed and not set(changed) & set(self._views):
            return
        visible = [picture for dock, picture in self.docks.values() if dock.isVisible()]
        # What still waits comes first, so that nothing waits for ever.
        self._due = list(dict.fromkeys((*(one for one in self._due if one in visible), *visible)))
        self._draw_next()
        self.changed.emit(self._views[0].snapshot if self._views else None)

    def _draw_next(self) -> None:
        """Draw one picture, the next when keys and mouse have had their turn."""
        if self._due:
            self._show(self._due.pop(0))
        if self._due:
            self._turn.start(0)

    def _zoom(self, axis: Axis, low: float, high: float) -> None:
        for view in self._views:
            view.zoom(axis, low, high)

    def _show(self, picture: Dock) -> None:
        picture.show_runs(self.snapshots)


_TOP = Qt.DockWidgetArea.TopDockWidgetArea
_BOTTOM = Qt.DockWidgetArea.BottomDockWidgetArea
