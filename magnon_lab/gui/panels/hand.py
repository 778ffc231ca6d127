"""Hand mode: start it, turn knobs, see the sweep. The run turns; this panel only asks."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QSignalBlocker, Qt, QThreadPool, QTimer, pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QFrame,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from magnon_lab.bench import BenchFile
from magnon_lab.gui.model.hand_view import DRIVE, HandView, ask
from magnon_lab.gui.model.snapshot import Snapshot
from magnon_lab.gui.panels.card import Wrapped
from magnon_lab.gui.panels.hand_row import KnobRow, mark_once
from magnon_lab.gui.panels.hand_sweep import SweepDock
from magnon_lab.gui.theme import mark
from magnon_lab.runs import RunError

WIDE_PX = 620
"""From this width on the sweep stands beside the knobs, below it under them."""


class HandPanel(QWidget):
    """Asks a run in hand mode by its file; limits are checked by the run, and shown here.

    `start_asked` (parameters of the procedure `hand`, as texts) and `stop_asked` (folder of the
    run) are for whoever starts and stops runs; `show_run` brings what the run tells.
    """

    start_asked = pyqtSignal(object)
    stop_asked = pyqtSignal(object)
    _written = pyqtSignal(object, object)

    def __init__(self, bench_file: BenchFile, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Hand mode")
        self.setMinimumWidth(240)
        self._other: Snapshot | None = None
        self._writing = QThreadPool(self)
        self._writing.setMaxThreadCount(1)  # one after the other, in the order of asking
        self._written.connect(self._wrote)  # from another thread, so it is queued
        self.headline = Wrapped("muted")
        self.start_button = QPushButton("S&tart hand mode")
        mark(self.start_button, kind="primary")
        self.start_button.clicked.connect(self._start)
        self.stop_button = QPushButton("St&op: make the bench safe")
        self.stop_button.setToolTip("End hand mode: the run makes the bench safe and is finished")
        self.stop_button.clicked.connect(self._stop)
        self.resume_button = QPushButton("Go o&n")
        self.resume_button.setToolTip("End the pause: the bench is started at what was set last")
        self.resume_button.clicked.connect(self._resume)
        self.sweep = SweepDock()
        self._rows = QVBoxLayout()
        self._rows.setContentsMargins(0, 0, 4, 0)
        self._rows.setSpacing(4)
        self._build_controls()
        self.split = QSplitter(Qt.Orientation.Vertical)
        self.split.addWidget(self._scrolled())
        self.split.addWidget(self.sweep)
        self.split.setSizes([320, 260])
        self.split.setChildrenCollapsible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 4)
        column.setSpacing(6)
        column.addWidget(self.headline)
        column.addWidget(self.start_button)
        column.addWidget(self.resume_button)
        column.addWidget(self.stop_button)
        column.addWidget(self.split, 1)
        self.rows: dict[str, KnobRow] = {}
        self.set_bench(bench_file)

    def _build_controls(self) -> None:
        self.terms = QWidget()
        form = QFormLayout(self.terms)
        form.setContentsMargins(0, 0, 0, 0)
        self.interval = _number(0.05, 3600.0, 0.5, " s", "From one sweep to the next, in s")
        self.idle = _number(
            0.1,
            1440.0,
            30.0,
            " min",
            "Without a request for so long hand mode ends by itself and makes the bench safe, in "
            "min: a forgotten one keeps no magnet on for a night",
        )
        self.idle.setDecimals(1)
        form.addRow("&Interval", self.interval)
        form.addRow("Idle ti&me", self.idle)
        self.drive = QCheckBox("Dri&ve on")
        self.drive.setToolTip(
            "Inject the generator's tone. It is switched with the loop open, in some seconds."
        )
        self.drive.clicked.connect(self._drive_clicked)
        self.drive_note = Wrapped("muted")

    def _scrolled(self) -> QScrollArea:
        inside = QWidget()
        inside.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.terms)
        column.addWidget(self.drive)
        column.addWidget(self.drive_note)
        column.addLayout(self._rows)
        column.addStretch(1)
        self._area = area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        area.setMinimumSize(230, 120)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return area

    def set_bench(self, bench_file: BenchFile) -> None:
        """Show the knobs of another bench."""
        self.view = HandView(bench_file)
        for old in self.rows.values():
            self._rows.removeWidget(old)
            old.deleteLater()
        self.rows = {}
        for row in self.view.rows:
            name = row.gauge.quantity
            self.rows[name] = made = KnobRow(row, self.view.begin(name))
            made.asked.connect(lambda quantity, value: self.ask({quantity: value}))
            self._rows.addWidget(made)
        self.refresh()

    # What comes in

    def show_run(self, snapshot: Snapshot | None) -> None:
        """Show a run in hand mode; of another one only whether it has the bench."""
        self._other = snapshot
        self.view.take(snapshot)
        if self.view.run is not None:
            self.sweep.show_runs([self.view.run])
        self.refresh()

    def refresh(self) -> None:
        """Show what is known; to be called now and then while nothing comes."""
        run = self.view.run
        self.headline.setText(self.view.headline(self._other))
        paused = run is not None and run.status == "paused"
        mark_once(self.headline, "wrong" if paused else "muted")
        held = self._other is not None and self._other.status in ("running", "paused")
        self.start_button.setVisible(run is None)
        self.start_button.setEnabled(not held)
        self.start_button.setToolTip(
            "Another run has the bench"
            if held
            else "Start a run that switches the bench on, with the loop wide open, and sweeps"
        )
        self.stop_button.setVisible(run is not None)
        self.resume_button.setVisible(paused)
        self.terms.setVisible(run is None)
        self.sweep.setVisible(run is not None or bool(len(self.sweep.sweep.level_dbm)))
        waiting = self.view.drive_note.sign == "waiting"
        if run is not None and not waiting:
            with QSignalBlocker(self.drive):
                self.drive.setChecked(self.view.drive_on)
        if self.drive_note.text() != self.view.drive_note.text:
            self.drive_note.setText(self.view.drive_note.text)
        mark_once(self.drive_note, "wrong" if self.view.drive_note.sign == "refused" else "muted")
        for row in self.view.rows:
            widget = self.rows[row.gauge.quantity]
            widget.setEnabled(run is not None)
            news = widget.show_row(row)
            if news and row.note.sign == "refused":
                # Once the layout has made room for the reason.
                QTimer.singleShot(0, functools.partial(self._area.ensureWidgetVisible, widget))

    def retheme(self) -> None:
        """Take on the colours of the theme."""
        self.sweep.retheme()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Put the sweep beside the knobs where there is room for both (Qt's name)."""
        super().resizeEvent(event)
        wide = self.width() >= WIDE_PX
        way = Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical
        if self.split.orientation() != way:
            self.split.setOrientation(way)
            self.split.setSizes([280, self.width() - 280] if wide else [320, 260])

    # What is asked

    def ask(self, data: Mapping[str, Any]) -> None:
        """Ask the run to set something; what comes of it is shown at its row."""
        if self.view.run is not None:
            self.view.asking(data)
            self._write(self.view.run.folder, "set", dict(data))
            self.refresh()

    def _resume(self) -> None:
        if self.view.run is not None:
            self._write(self.view.run.folder, "resume", {})

    def _write(self, folder: Path, kind: str, data: dict[str, Any]) -> None:
        def write() -> None:
            # Beside the window: the file may be busy for a moment.
            try:
                result: int | str = ask(folder, kind, data)
            except RunError as error:
                result = str(error)
            with contextlib.suppress(RuntimeError):  # the window was closed meanwhile
                self._written.emit(data, result)

        self._writing.start(write)

    def _wrote(self, data: Mapping[str, Any], result: int | str) -> None:
        if isinstance(result, int):
            self.view.asked(data, result)
        else:
            self.view.failed(data, result)
            self.sweep.say("" if data else result)
        self.refresh()

    def _drive_clicked(self, on: bool) -> None:
        if self.view.run is not None:
            self.ask({DRIVE: on})

    def _start(self) -> None:
        self.start_asked.emit(
            {
                "interval_s": f"{self.interval.value():g}",
                "idle_min": f"{self.idle.value():g}",
                "drive_on": str(self.drive.isChecked()),
            }
        )

    def _stop(self) -> None:
        if self.view.run is not None:
            self.stop_asked.emit(Path(self.view.run.folder))


def _number(low: float, high: float, value: float, suffix: str, tip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setDecimals(2)
    box.setValue(value)
    box.setSuffix(suffix)
    box.setToolTip(tip)
    return box
