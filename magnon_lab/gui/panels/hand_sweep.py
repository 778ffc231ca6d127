"""The live sweep of hand mode: markers, max hold, and a reference trace to compare with."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QSignalBlocker, Qt
from PyQt6.QtGui import QKeySequence, QShortcut
from PyQt6.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLayout,
    QMenu,
    QToolButton,
    QVBoxLayout,
)

from magnon_lab.gui.docks import plots
from magnon_lab.gui.docks.dock import Dock
from magnon_lab.gui.model.snapshot import Snapshot
from magnon_lab.gui.model.sweep import Reference, Sweep
from magnon_lab.gui.panels.card import Wrapped
from magnon_lab.gui.theme import colours

GHZ = 1e9


class SweepDock(Dock):
    """The newest sweep of a run in hand mode."""

    title: ClassVar[str] = "Live sweep"
    about: ClassVar[str] = (
        "Level in dBm against frequency in GHz, as the analyser swept last. The marker can be "
        "dragged; P puts it on the highest point, D begins to measure a difference, M holds the "
        "maximum."
    )

    def build(self) -> None:
        """Add the curves, the markers and what handles them."""
        self.sweep = Sweep()
        self.plot = plots.add_plot(self.grid, 1, 0, "Frequency (GHz)", "Level (dBm)")
        self.live, self.held, self.kept = (self.plot.plot() for _ in range(3))
        self.mark_line = pg.InfiniteLine(angle=90, movable=True)
        self.from_line = pg.InfiniteLine(angle=90, movable=False)
        self.points = pg.ScatterPlotItem(size=9)
        for item in (self.mark_line, self.from_line, self.points):
            self.plot.addItem(item, ignoreBounds=True)
        self.mark_line.sigDragged.connect(self._dragged)
        self._add_tools()
        self._add_second_row()

    def _add_tools(self) -> None:
        self.peak = self._menu(
            self.tools,
            "Peak",
            "Put the marker on a line of the trace",
            (
                ("&Highest (P)", self.to_peak),
                ("Next &lower", lambda: self._to_next(0)),
                ("Next to the l&eft", lambda: self._to_next(-1)),
                ("Next to the &right", lambda: self._to_next(1)),
                ("&No marker", self._no_marker),
            ),
        )
        self.delta = self.add_button(
            "Delta", "Leave a marker here and read differences from it (D)", checkable=True
        )
        self.delta.toggled.connect(self._set_delta)
        for key, act in (
            ("P", self.to_peak),
            ("D", self.delta.toggle),
            ("M", lambda: self.hold.toggle()),
        ):
            shortcut = QShortcut(QKeySequence(key), self.canvas)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(act)

    def _add_second_row(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(6)
        self.place_box = QDoubleSpinBox()
        self.place_box.setDecimals(6)
        self.place_box.setRange(0.0, 1000.0)
        self.place_box.setSuffix(" GHz")
        self.place_box.setSpecialValueText("no marker")
        self.place_box.setKeyboardTracking(False)
        self.place_box.setAccessibleName("Marker frequency")
        self.place_box.setToolTip("Frequency of the marker in GHz; a step is a point of the trace")
        self.place_box.valueChanged.connect(lambda value: self._place(value * GHZ))
        row.addWidget(self.place_box)
        self.hold = QToolButton()
        self.hold.setText("Max hold")
        self.hold.setCheckable(True)
        self.hold.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.hold.setToolTip("Hold the highest level of each point from now on (M)")
        self.hold.toggled.connect(self._hold_max)
        row.addWidget(self.hold)
        self.reference = self._menu(
            row,
            "Reference",
            "A trace to compare with: keep this one, or load one",
            (
                ("&Keep this trace", self.keep_reference),
                ("&Save …", self._save_reference),
                ("&Load …", self._load_reference),
                ("&Clear", self.clear_reference),
            ),
        )
        row.addStretch(1)
        page = self.layout()
        assert isinstance(page, QVBoxLayout)
        page.insertLayout(1, row)
        self.readout = Wrapped("plain")
        self.readout.setAccessibleName("Marker")
        page.insertWidget(2, self.readout)

    def _menu(
        self,
        row: QLayout,
        text: str,
        tip: str,
        entries: Iterable[tuple[str, Callable[[], None]]],
    ) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setToolTip(tip)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(button)
        for name, act in entries:
            action = menu.addAction(name)
            assert action is not None
            action.triggered.connect(act)
        button.setMenu(menu)
        row.addWidget(button)
        return button

    # What is shown

    def show_runs(self, snapshots: Sequence[Snapshot]) -> None:
        """Show the newest sweep of the first run; max hold goes on while nothing is drawn."""
        if snapshots:
            self.sweep.take(snapshots[0])
        super().show_runs(snapshots)

    def why_empty(self, first: Snapshot) -> str:
        """Return why there is no sweep."""
        if len(self.sweep.level_dbm):
            return ""
        return "No sweep yet.\nThe first comes when field and amplifier are on."

    def parts(self) -> tuple[object, ...]:
        """Return what is drawn."""
        sweep = self.sweep
        markers = f"{sweep.marker_hz} {sweep.delta_hz}"
        return (sweep.level_dbm, sweep.max_hold_dbm, sweep.reference, markers)

    def draw(self) -> None:
        """Draw traces and markers."""
        sweep, x = self.sweep, self.sweep.frequencies_hz / GHZ
        self.live.setData(x, sweep.level_dbm)
        theme = colours()
        shown = [("live", theme.curves[0])]
        if sweep.max_hold_dbm is None:
            self.held.setData([], [])
        else:
            self.held.setData(x, sweep.max_hold_dbm)
            shown.append(("max hold", theme.curves[1]))
        kept = sweep.reference
        if kept is None:
            self.kept.setData([], [])
        else:
            self.kept.setData(kept.frequencies_hz / GHZ, kept.level_dbm)
            shown.append((f"reference: {html.escape(kept.name)}", theme.muted))
        self.legend.setText(
            " &nbsp; ".join(f'<span style="color:{tone}">━</span> {name}' for name, tone in shown)
        )
        self._draw_markers()
        self.readout.setText(sweep.readout())
        self.values.setText(sweep.span())
        self.values.setToolTip(sweep.span())

    def _draw_markers(self) -> None:
        sweep = self.sweep
        here, there = sweep.marker(sweep.marker_hz), sweep.marker(sweep.delta_hz)
        for line, marker in ((self.mark_line, here), (self.from_line, there)):
            line.setVisible(marker is not None)
            if marker is not None:
                line.setValue(marker.frequency_hz / GHZ)
        found = [marker for marker in (here, there) if marker is not None]
        self.points.setData(
            [marker.frequency_hz / GHZ for marker in found], [m.level_dbm for m in found]
        )
        if len(sweep.frequencies_hz) > 1:
            step = float(sweep.frequencies_hz[1] - sweep.frequencies_hz[0]) / GHZ
            self.place_box.setSingleStep(step)
        with QSignalBlocker(self.place_box):
            self.place_box.setValue(0.0 if here is None else here.frequency_hz / GHZ)
        with QSignalBlocker(self.delta):
            self.delta.setChecked(there is not None)

    def recolour(self) -> None:
        """Take on the colours of the theme."""
        theme = colours()
        live, held, kept = theme.curves[0], theme.curves[1], theme.muted
        self.live.setPen(plots.pen(live, width=1.5))
        self.held.setPen(plots.pen(held))
        self.kept.setPen(plots.pen(kept, style=plots.DASH))
        self.mark_line.setPen(plots.pen(theme.foreground, 0.7))
        self.mark_line.setHoverPen(plots.pen(theme.accent, width=3))
        self.from_line.setPen(plots.pen(theme.foreground, 0.5, style=plots.DASH))
        self.points.setPen(plots.pen(theme.foreground))
        self.points.setBrush(pg.mkBrush(theme.raised))

    def rows(self) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
        """Return the traces as columns."""
        sweep = self.sweep
        names = ["frequency_hz", "power_dbm"]
        columns: list[NDArray[Any]] = [sweep.frequencies_hz, sweep.level_dbm]
        if sweep.max_hold_dbm is not None:
            names.append("max_hold_dbm")
            columns.append(sweep.max_hold_dbm)
        if sweep.reference is not None:
            names.append("reference_dbm")
            columns.append(
                np.interp(
                    sweep.frequencies_hz,
                    sweep.reference.frequencies_hz,
                    sweep.reference.level_dbm,
                    left=math.nan,
                    right=math.nan,
                )
            )
        return names, zip(*(column.tolist() for column in columns), strict=True)

    # What is done with it

    def to_peak(self) -> None:
        """Put the marker on the highest point."""
        self.sweep.to_peak()
        self.refresh()

    def _to_next(self, way: int) -> None:
        found = self.sweep.to_next(way)
        self.refresh()
        self.say("" if found else "There is no other line that way.")

    def _no_marker(self) -> None:
        self.sweep.marker_hz = self.sweep.delta_hz = math.nan
        self.refresh()

    def _place(self, frequency_hz: float) -> None:
        if frequency_hz <= 0:
            self._no_marker()
            return
        self.sweep.place(frequency_hz)
        self.refresh()

    def _dragged(self, line: pg.InfiniteLine) -> None:
        self._place(float(line.value()) * GHZ)

    def _set_delta(self, on: bool) -> None:
        self.sweep.set_delta(on)
        self.refresh()

    def _hold_max(self, on: bool) -> None:
        self.sweep.hold_max(on)
        self.refresh()

    def keep_reference(self) -> None:
        """Keep the newest trace to compare with."""
        self.sweep.keep_reference()
        self.refresh()

    def clear_reference(self) -> None:
        """Compare with nothing."""
        self.sweep.reference = None
        self.refresh()

    def load_reference(self, path: Path) -> None:
        """Compare with a trace from a CSV; what is wrong with it is told above the picture."""
        try:
            self.sweep.reference = Reference.load(path)
        except (OSError, ValueError) as error:
            self.say(f"{path} is no reference: {error}")
            return
        self.refresh()

    def save_reference(self, path: Path) -> None:
        """Write the reference as CSV; what is wrong is told above the picture."""
        if self.sweep.reference is None:
            self.sweep.keep_reference()
        if self.sweep.reference is None:
            self.say("There is no trace to save yet.")
            return
        try:
            self.sweep.reference.save(path)
        except OSError as error:
            self.say(f"{path} cannot be written: {error.strerror or error}")
        self.redraw()

    def _load_reference(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load reference", "", "CSV (*.csv)")
        if path:
            self.load_reference(Path(path))

    def _save_reference(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save reference", "reference.csv", "*.csv")
        if path:
            self.save_reference(Path(path))
