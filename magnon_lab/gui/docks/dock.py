"""What all docks share: a row of tools, a picture, a line of values, a word where there is none."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyqtgraph as pg
import pyqtgraph.exporters
from PyQt6.QtCore import QPoint, QRect, QRectF, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QColor, QKeySequence, QPainter, QPaintEvent, QShortcut
from PyQt6.QtSvg import QSvgGenerator
from PyQt6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QLabel,
    QMenu,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from magnon_lab.gui.docks import controls, plots
from magnon_lab.gui.elided import Elided
from magnon_lab.gui.flow import FlowLayout
from magnon_lab.gui.model.snapshot import Snapshot
from magnon_lab.gui.theme import colours, mark

#: How much finer than on the screen a figure is exported, and the width that it has at least.
SCALE, LEAST_PX = 2, 1200


class Dock(QWidget):
    """A picture of one or several runs.

    `show_runs` may be called as often as one likes: nothing is done while nothing of the dock is to
    be seen, or while everything that it draws is the very same. A dock adds its plots to `grid`
    and its controls to `tools`; it says in `parts` what it draws, in `draw` how, in `why_empty` why
    not, in `rows` what its data are.
    """

    title: ClassVar[str] = ""
    #: What is to be seen, for the tooltip.
    about: ClassVar[str] = ""
    #: Columns of the grid.
    columns: ClassVar[int] = 1

    #: Detail is wanted in a range: axis, low, high.
    zoomed = pyqtSignal(str, float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.snapshots: Sequence[Snapshot] = ()
        self._drawn: tuple[object, ...] = ()
        self._stale = True
        self._controls: dict[str, QWidget] = {}
        self.setAccessibleName(self.title)
        self.setMinimumSize(220, 140)
        self.tools = FlowLayout()
        self.message = _line("wrong")
        self.message.setWordWrap(True)
        self.message.hide()
        self.values = Elided("muted")
        self.legend = QLabel()
        self.legend.setWordWrap(True)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.empty = QLabel()
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.empty.setMargin(12)
        self.empty.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        mark(self.empty, kind="muted")
        self.canvas = pg.GraphicsLayoutWidget()
        self.canvas.setMinimumSize(1, 1)
        self.canvas.setToolTip(self.about)
        self.canvas.setAccessibleName(f"{self.title}: picture")
        self.canvas.setAccessibleDescription(self.about)
        self.grid = self.canvas.ci
        self.grid.layout.setContentsMargins(2, 2, 8, 2)
        self.grid.layout.setSpacing(2)
        self.caption = self.grid.addLabel("", row=0, col=0, colspan=self.columns, size="9pt")
        self._say_caption("")
        self._pages = QStackedWidget()
        self._pages.addWidget(self.empty)
        self._pages.addWidget(self.canvas)
        page = QVBoxLayout(self)
        page.setContentsMargins(4, 3, 4, 2)
        page.setSpacing(2)
        page.addLayout(self.tools)
        page.addWidget(self.message)
        page.addWidget(self.legend)
        page.addWidget(self._pages, 1)
        page.addWidget(self.values)
        self.build()
        self._add_export()
        self.retheme()

    # For each dock to say

    def build(self) -> None:
        """Add plots and controls."""

    def parts(self) -> tuple[object, ...]:
        """Return what is drawn; nothing is, while all of it is the very same as before."""
        raise NotImplementedError

    def why_empty(self, first: Snapshot) -> str:
        """Return why there is nothing to draw of a run that was read, "" where there is."""
        raise NotImplementedError

    def draw(self) -> None:
        """Draw `snapshots`, of which there is at least one."""
        raise NotImplementedError

    def recolour(self) -> None:
        """Take on the colours of the theme; `draw` follows."""

    def notice(self) -> str:
        """Return what is to be said above the picture of what it shows, "" for nothing."""
        return ""

    def rows(self) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
        """Return columns and rows of the data that are drawn."""
        raise NotImplementedError

    # What the window calls

    def show_runs(self, snapshots: Sequence[Snapshot]) -> None:
        """Show the first of these runs, and the others beside it where that makes sense."""
        self.snapshots = snapshots
        self.show_soon()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw what came while nothing of the dock was to be seen (Qt's name)."""
        super().paintEvent(event)
        if self._stale:
            QTimer.singleShot(0, self.refresh)

    def show_soon(self) -> None:
        """Draw now, or when there is somebody to see it: behind another tab Qt says visible too."""
        self._stale = True
        if not self.visibleRegion().isEmpty():
            self.refresh()

    def retheme(self) -> None:
        """Draw in the colours of the theme."""
        self.canvas.setBackground(colours().raised)
        self.caption.setAttr("color", colours().foreground)
        for plot in self._plots():
            plots.retheme(plot)
        self.recolour()
        self._drawn = ()
        self.show_soon()

    def refresh(self) -> None:
        """Draw, if there is something else to be drawn than before."""
        self._stale = False
        text = self._why_empty()
        error = self.snapshots[0].error if self.snapshots else ""
        parts = (text, error, *(self.parts() if not text else ()))
        if len(parts) == len(self._drawn) and all(
            a is b or (isinstance(a, str | int | float | bool) and a == b)
            for a, b in zip(parts, self._drawn, strict=True)
        ):
            return
        self._drawn = parts
        self._pages.setCurrentWidget(self.empty if text else self.canvas)
        self.empty.setText(text)
        if text:
            self.values.clear()
            self.legend.clear()
        else:
            self.draw()
        self.legend.setVisible(bool(self.legend.text()))
        self.say((error or self.notice()) if not text else "")

    def redraw(self) -> None:
        """Draw anew, since a control was turned."""
        self._drawn = ()
        self.refresh()

    def say(self, text: str) -> None:
        """Show what is wrong above the picture, "" for nothing."""
        self.message.setText(text)
        self.message.setVisible(bool(text))

    def tell(self, text: str) -> None:
        """Show values below the picture."""
        self.values.setText(text)

    def _why_empty(self) -> str:
        if not self.snapshots:
            return "No run is chosen.\nStart one, or open one in the list of runs."
        first = self.snapshots[0]
        if first.error and not first.id:
            return first.error
        if not first.id:
            return "Reading the run …"
        return self.why_empty(first)

    # Controls

    def add_choice(self, label: str, choices: Mapping[str, str], tip: str) -> QComboBox:
        """Add a choice of texts by the value that each stands for."""
        box = QComboBox()
        for value, text in choices.items():
            box.addItem(text, value)
        box.setToolTip(tip)
        box.setAccessibleName(label)
        self.tools.addWidget(box)
        box.currentIndexChanged.connect(self.redraw)
        self.remember(label, box)
        return box

    def add_check(self, label: str, tip: str, on: bool = False) -> QCheckBox:
        """Add a box to be ticked."""
        box = QCheckBox(label)
        box.setChecked(on)
        box.setToolTip(tip)
        box.toggled.connect(self.redraw)
        self.tools.addWidget(box)
        self.remember(label, box)
        return box

    def add_button(self, label: str, tip: str, checkable: bool = False) -> QToolButton:
        """Add a button."""
        button = QToolButton()
        button.setText(label)
        button.setToolTip(tip)
        button.setCheckable(checkable)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.tools.addWidget(button)
        return button

    def remember(self, label: str, control: QWidget) -> None:
        """Count a control among the choices that are remembered."""
        self._controls[label] = control

    def choices(self) -> dict[str, Any]:
        """Return how the controls stand, by their labels."""
        return {label: controls.value_of(one) for label, one in self._controls.items()}

    def choose(self, choices: Mapping[str, Any]) -> None:
        """Put the controls as they stood; what is not known any more stays as it is."""
        for label, one in self._controls.items():
            if label in choices:
                controls.put(one, choices[label])

    def _add_export(self) -> None:
        fit = self.add_button("Fit", "Show everything again (Home)")
        fit.clicked.connect(self.fit)
        shortcut = QShortcut(QKeySequence("Home"), self.canvas)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(self.fit)
        button = self.add_button("Export", "Save or copy what is drawn here")
        button.setAccessibleName(f"Export {self.title}")
        menu = QMenu(button)
        for text, act in (
            ("&Figure as PNG …", lambda: self._save("PNG image (*.png)", ".png")),
            ("Figure as &SVG …", lambda: self._save("SVG drawing (*.svg)", ".svg")),
            ("&Data as CSV …", lambda: self._save("CSV table (*.csv)", ".csv")),
            ("&Copy figure", self.copy_figure),
        ):
            action = menu.addAction(text)
            assert action is not None
            action.triggered.connect(act)
        button.setMenu(menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)

    def fit(self) -> None:
        """Show everything again, after a look at a part of it."""
        for plot in self._plots():
            # A panel that follows another's x axis would set that one's range, once and for all.
            plot.enableAutoRange("xy" if plot.vb.linkedView(0) is None else "y")

    def _plots(self) -> list[Any]:
        return [
            item
            for item in self.canvas.scene().items()
            if isinstance(item, pg.PlotItem) and not isinstance(item, pg.ColorBarItem)
        ]

    # Export

    def _save(self, kinds: str, suffix: str) -> None:
        run = self.snapshots[0].id if self.snapshots else "empty"
        name = f"{run}-{self.title.lower().replace(' ', '-')}{suffix}"
        path, _ = QFileDialog.getSaveFileName(self, f"Export {self.title}", name, kinds)
        if path:
            chosen = Path(path)
            chosen = chosen if chosen.suffix else chosen.with_suffix(suffix)
            try:
                (self.export_data if suffix == ".csv" else self.export_figure)(chosen)
            except OSError as error:
                self.say(f"{chosen} cannot be written: {error.strerror or error}")

    def export_figure(self, path: Path) -> None:
        """Write the picture as it is, to PNG or SVG by the name; it tells the run it is of."""
        with self._captioned():
            if path.suffix.lower() == ".svg":
                self._draw_svg(path)
                return
            image = self._image()
        if not image.save(str(path)):
            raise OSError(f"{path} cannot be written as an image")

    def copy_figure(self) -> None:
        """Put the picture into the clipboard."""
        clipboard = QApplication.clipboard()
        assert clipboard is not None
        with self._captioned():
            clipboard.setImage(self._image())

    def _image(self) -> Any:
        exporter = pyqtgraph.exporters.ImageExporter(self.canvas.scene())
        exporter.parameters()["width"] = max(LEAST_PX, SCALE * self.canvas.width())
        return exporter.export(toBytes=True)

    def _draw_svg(self, path: Path) -> None:
        # Qt's generator: PyQtGraph's own stumbles over closed paths, as bands and marks are.
        page = QRect(QPoint(0, 0), self.canvas.size())
        path.write_bytes(b"")  # raises what the generator would keep to itself
        generator = QSvgGenerator()
        generator.setFileName(str(path))
        generator.setTitle(f"{self.title}: {', '.join(self._told())}")
        generator.setResolution(self.canvas.logicalDpiX())
        generator.setSize(page.size())
        generator.setViewBox(page)
        painter = QPainter(generator)
        painter.fillRect(page, QColor(colours().raised))
        exporter = pyqtgraph.exporters.ImageExporter(self.canvas.scene())
        exporter.setExportMode(True, {"antialias": True, "painter": painter})
        try:  # marks as shapes, not as pictures
            self.canvas.scene().render(painter, QRectF(page), self.canvas.viewRect())
        finally:
            exporter.setExportMode(False)
            painter.end()

    def export_data(self, path: Path) -> None:
        """Write what is drawn as CSV, after lines with # that tell what it is of."""
        self.refresh()
        columns, rows = self.rows()
        with path.open("w", newline="", encoding="utf-8") as file:
            for line in (f"Magnon Lab: {self.title}", *self._told()):
                file.write(f"# {line}\n")
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(rows)

    def _told(self) -> list[str]:
        return [
            f"run {one.id}, {one.procedure}, {one.status}"
            + (", SIMULATED BENCH" if one.simulated else "")
            for one in self.snapshots
        ]

    def _captioned(self) -> _Captioned:
        self.refresh()
        return _Captioned(self)

    def _say_caption(self, text: str) -> None:
        self.caption.setText(text)
        self.caption.setVisible(bool(text))
        if text:
            self.caption.item.setTextWidth(self.canvas.width() - 12)
        height = self.caption.itemRect().height() if text else 0
        self.caption.setMinimumHeight(height)
        self.caption.setMaximumHeight(height)


class _Captioned:
    """The picture with a line that tells what it is of, while it is exported."""

    def __init__(self, dock: Dock) -> None:
        self._dock = dock

    def __enter__(self) -> None:
        told = self._dock._told()
        more = f" and {len(told) - 1} more" if len(told) > 1 else ""
        lines = [(told[0] if told else "") + more, self._dock.legend.text()]
        self._dock._say_caption("<br>".join(line for line in lines if line))
        self._settle()

    def __exit__(self, *_: object) -> None:
        self._dock._say_caption("")
        self._settle()

    def _settle(self) -> None:
        self._dock.grid.layout.activate()
        QApplication.sendPostedEvents()  # also the layout's own requests, and the views'
        self._dock.canvas.scene().prepareForPaint()


def _line(kind: str) -> QLabel:
    """Return a line of text that never makes the dock wider."""
    label = QLabel()
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    mark(label, kind=kind)
    return label
