"""The traces of a run one above the other, as an image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QRectF
from PyQt6.QtWidgets import QDoubleSpinBox

from magnon_lab.gui.docks import plots
from magnon_lab.gui.docks.curves import Crosshair
from magnon_lab.gui.docks.dock import Dock
from magnon_lab.gui.model.snapshot import Snapshot, Waterfall
from magnon_lab.gui.model.units import spoken

#: How far (dB) the range of colours may be off before it follows the traces.
SLACK_DB = 3.0


class RowAxis(plots.PlainAxis):
    """An axis on which rows of an image stand at 0, 1, 2 … and are told by values of their own."""

    values: Sequence[float] = ()

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """Return the texts of ticks (PyQtGraph's name)."""
        if not len(self.values):
            return super().tickStrings(values, scale, spacing)
        last = len(self.values) - 1
        return [
            f"{self.values[round(value)]:.10g}"
            if 0 <= value <= last and abs(value - round(value)) < 1e-6
            else ""
            for value in values
        ]


class WaterfallDock(Dock):
    """Traces as rows of an image, power as colour."""

    title = "Waterfall"
    about = (
        "Spectra one above the other, in the order in which they were measured or, for a sweep, by "
        "the knob that was swept. Power in dBm as colour, frequency in GHz."
    )
    columns = 2

    def build(self) -> None:
        """Add the image, its colours and its controls."""
        self.which = self.add_choice(
            "Traces shown",
            {"newest": "Newest traces", "all": "Whole run"},
            "The last 256 traces, or 256 spread over the whole run",
        )
        self.automatic = self.add_check("auto range", "Let the colours follow the traces", on=True)
        self.low = self._level("from", "", "Power that the darkest colour stands for, in dBm")
        self.high = self._level("to", " dBm", "Power that the lightest colour stands for, in dBm")
        axis = RowAxis("left")
        self.plot = plots.add_plot(
            self.grid, 1, 0, x="Frequency (GHz)", y="Measurement", axes={"left": axis}
        )
        self.rows_axis = axis
        self.image = pg.ImageItem(axisOrder="row-major")
        self.plot.addItem(self.image)
        self.plot.vb.setDefaultPadding(0)
        self.bar = plots.add_bar(self.grid, self.image, "Power (dBm)", values=(-100.0, 0.0))
        self.bar.sigLevelsChangeFinished.connect(self._dragged)
        self.crosshair = Crosshair(self.canvas, [self.plot], self._read)
        self.plot.scene().sigMouseMoved.connect(self._moved)
        self._y: float | None = None
        self._rect = QRectF()

    def _level(self, word: str, unit: str, tip: str) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        box.setRange(-200, 60)
        box.setDecimals(0)
        box.setPrefix(f"{word} ")
        box.setSuffix(unit)
        box.setToolTip(tip)
        box.setAccessibleName(f"Colours {word}")
        box.setKeyboardTracking(False)
        box.valueChanged.connect(self._chosen)
        self.tools.addWidget(box)
        self.remember(word, box)
        return box

    def choices(self) -> dict[str, Any]:
        """Return how the controls stand; a range that follows the traces is no choice."""
        followed = ("from", "to") if self.automatic.isChecked() else ()
        return {name: one for name, one in super().choices().items() if name not in followed}

    def recolour(self) -> None:
        """Take on the colours of the theme."""
        self.crosshair.recolour()
        plots.retheme_bar(self.bar)

    @property
    def waterfall(self) -> Waterfall | None:
        """The traces that are shown."""
        if not self.snapshots:
            return None
        first = self.snapshots[0]
        return first.overview if self.which.currentData() == "all" else first.waterfall

    def parts(self) -> tuple[object, ...]:
        """Return the traces that are shown."""
        return (self.waterfall,)

    def why_empty(self, first: Snapshot) -> str:
        """Return why there are no traces."""
        if first.waterfall is not None:
            return ""
        if first.info.get("keep") == "none":
            return "This run keeps no traces.\nStart one with “Traces kept” set to all."
        if first.status in ("queued", "running", "paused"):
            return "No trace yet.\nThey appear as they are measured and kept."
        return "This run ended without a trace.\nThe log tells why."

    def draw(self) -> None:
        """Draw the image."""
        found = self.waterfall
        assert found is not None
        label, factor = "Measurement", 1.0
        if found.swept:
            label, factor = spoken(found.swept).label, spoken(found.swept).factor
        image, values = found.image_dbm, found.values * factor
        if len(values) > 1 and values[0] > values[-1]:
            image, values = image[::-1], values[::-1]
        self.plot.getAxis("left").setLabel(label)
        self._set_levels(*found.levels_dbm)
        self.image.setImage(image, autoLevels=False)
        # Evenly spaced values make an axis of their own; others are told row by row.
        steps = np.diff(values)
        even = len(steps) and np.ptp(steps) <= 1e-6 * abs(steps.mean())
        self.rows_axis.values = () if even else values.tolist()
        first, step = (float(values[0]), float(steps.mean())) if even else (0.0, 1.0)
        low, high = found.low_hz / 1e9, found.high_hz / 1e9
        half = (high - low) / max(1, image.shape[1] - 1) / 2
        rect = QRectF(low - half, first - step / 2, high - low + 2 * half, step * len(values))
        if rect != self._rect:
            self._rect = rect
            self.image.setRect(rect)
        self._read(self.crosshair.x)

    # Range of the colours

    def _set_levels(self, low: float, high: float) -> None:
        """Follow the traces, if asked to, and not with every little change."""
        now = self.bar.levels()
        low, high = math.floor(low), math.ceil(high)
        if self.automatic.isChecked() and (
            abs(low - now[0]) > SLACK_DB or abs(high - now[1]) > SLACK_DB
        ):
            self._show_levels(low, high)
        elif (self.low.value(), self.high.value()) != now:
            self._show_levels(*now)

    def _show_levels(self, low: float, high: float) -> None:
        self.bar.setLevels((low, high))
        for box, value in ((self.low, low), (self.high, high)):
            box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(False)

    def _chosen(self) -> None:
        """Take on a range that was typed."""
        low, high = self.low.value(), self.high.value()
        self._show_levels(low, max(high, low + 1))
        self.automatic.setChecked(False)

    def _dragged(self) -> None:
        """Take on a range that was dragged at the bar."""
        self._show_levels(*self.bar.levels())
        self.automatic.setChecked(False)

    # Reading

    def _moved(self, position: object) -> None:
        self._y = self.plot.vb.mapSceneToView(position).y()

    def _read(self, x: float | None) -> None:
        found = self.waterfall
        if found is None:
            return
        image = found.image_dbm
        if x is None or self._y is None or not self._rect.height():
            count, first, last = len(found.numbers), found.numbers[0], found.numbers[-1]
            self.tell(f"{count} traces, measurements {first} to {last}")
            return
        part_x = (x - self._rect.x()) / self._rect.width()
        part_y = (self._y - self._rect.y()) / self._rect.height()
        if not (0 <= part_x < 1 and 0 <= part_y < 1):
            return
        row, column = int(part_y * image.shape[0]), int(part_x * image.shape[1])
        if len(found.values) > 1 and found.values[0] > found.values[-1]:
            row = image.shape[0] - 1 - row
        told = f"measurement {found.numbers[row]}"
        if found.swept:
            told += f", {spoken(found.swept).text(found.values[row])}"
        self.tell(f"{told} · {x:.6f} GHz · {image[row, column]:.2f} dBm")

    def rows(self) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
        """Return a row for each trace, with a column for each frequency."""
        found = self.waterfall
        if found is None:
            return ("measurement",), ()
        hz = np.linspace(found.low_hz, found.high_hz, found.image_dbm.shape[1])
        columns = ("measurement", found.swept or "row", *(f"{one:.0f} Hz (dBm)" for one in hz))
        values = found.values if found.swept else np.arange(len(found.numbers))
        cells = zip(found.numbers.tolist(), values.tolist(), found.image_dbm.tolist(), strict=True)
        return columns, ((number, value, *trace) for number, value, trace in cells)
