"""Loss and accuracy of a run, of others beside it, and the spread of repeats."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import ClassVar, cast

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QLabel, QSlider

from magnon_lab.gui.docks import plots
from magnon_lab.gui.docks.curves import Crosshair, Items
from magnon_lab.gui.docks.dock import Dock
from magnon_lab.gui.model import comparison
from magnon_lab.gui.model.curve import Axis, Curve
from magnon_lab.gui.model.snapshot import Snapshot
from magnon_lab.gui.model.units import AXES, grouped
from magnon_lab.gui.theme import colours

FIGURES = {"loss": "Loss", "accuracy": "Accuracy"}

#: Up to so many steps, each is a point of its own.
FEW = 12
#: How long (ms) a view stands still before detail is asked for.
STILL_MS = 120
#: Bench time from which on it is told in hours, in s.
LONG_S = 3 * 3600.0

#: By notch of the slider, what a step keeps of the average before it: none, then 1 - 10^(-k / 20).
NOTCHES = 80

SYMBOLS = {"validation": "o", "test": "s", "training": "t", "train": "t"}


class LossDock(Dock):
    """Loss above accuracy, against what they cost."""

    title = "Loss and accuracy"
    about = (
        "Loss and accuracy of every step; evaluations as marks. Where there are more steps than "
        "columns the line goes through the lowest and the highest of each column, so that no spike "
        "is lost. Drag and wheel zoom, arrow keys move the reading line, Home shows all."
    )

    _axis: ClassVar[Axis] = "ring_measurements"

    def build(self) -> None:
        """Add both panels and their controls."""
        self.axis = self.add_choice(
            "Horizontal axis",
            {"step": "Step", "ring_measurements": "Measurements", "bench_time_s": "Bench time"},
            "What the curves are drawn against: training steps, measurements of the ring, or the "
            "bench's own time in seconds",
        )
        self.axis.setCurrentIndex(list(AXES).index("ring_measurements"))
        self.log_x = self.add_check("log x", "Logarithmic x axis")
        self.log_y = self.add_check("log y", "Logarithmic axis of the loss")
        name = QLabel("smooth")
        self.smooth = QSlider(Qt.Orientation.Horizontal)
        self.smooth.setRange(0, NOTCHES)
        self.smooth.setPageStep(10)
        self.smooth.setFixedWidth(80)
        self.smooth.setAccessibleName("Smoothing")
        self.smooth.setToolTip(
            "Exponential moving average over steps: what each step keeps of the average before it "
            "(0: none); the curve as it is stays in sight, faint"
        )
        name.setBuddy(self.smooth)
        self.weight_told = QLabel("0")
        self.weight_told.setMinimumWidth(self.fontMetrics().horizontalAdvance("0.9999"))
        self.smooth.valueChanged.connect(self.redraw)
        self.remember("Smoothing", self.smooth)
        for widget in (name, self.smooth, self.weight_told):
            self.tools.addWidget(widget)
        self.bands = self.add_check(
            "band",
            "Mean and standard deviation over runs that differ in their seed alone",
            on=True,
        )
        self.bands.hide()  # until there are several runs
        self.panels: dict[str, pg.PlotItem] = {}
        for row, (figure, label) in enumerate(FIGURES.items()):
            self.panels[figure] = plots.add_plot(self.grid, 1 + row, 0, y=label)
        upper, lower = self.panels.values()
        lower.setXLink(upper)
        lower.enableAutoRange("x", False)
        self.grid.layout.setRowStretchFactor(1, 3)
        self.grid.layout.setRowStretchFactor(2, 2)
        self.panels["accuracy"].setLimits(yMin=-0.1, yMax=1.1)
        self.items = Items()
        self.crosshair = Crosshair(self.canvas, list(self.panels.values()), self._read)
        self._factor = 1.0
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(STILL_MS)
        self._pause.timeout.connect(self._ask)
        self._asked = (-math.inf, math.inf)
        upper.vb.sigXRangeChanged.connect(lambda *_: self._pause.start())

    def recolour(self) -> None:
        """Take on the colours of the theme."""
        self.crosshair.recolour()

    # What is drawn

    def show_runs(self, snapshots: Sequence[Snapshot]) -> None:
        """Show the first of these runs, and the others laid over it."""
        self.bands.setVisible(len(snapshots) > 1)
        super().show_runs(snapshots)

    @property
    def axis_name(self) -> Axis:
        """What the curves are drawn against."""
        return cast(Axis, self.axis.currentData())

    @property
    def weight(self) -> float:
        """What a step keeps of the average before it, 0..1."""
        notch = self.smooth.value()
        return 0.0 if notch == 0 else 1 - 10 ** (-notch / 20)

    def parts(self) -> tuple[object, ...]:
        """Return curves, evaluations and baselines of all runs."""
        found: list[object] = []
        for one in self.snapshots:
            found += [one.curves.get(figure) for figure in FIGURES]
            found += [one.evaluations, one.info.get("summary"), one.loss_kind, one.id]
        return tuple(found)

    def why_empty(self, first: Snapshot) -> str:
        """Return why there are no curves."""
        known = any(one.curves.keys() & FIGURES or one.evaluations for one in self.snapshots)
        if known:
            return ""
        if first.procedure not in ("train", "evaluate"):
            return (
                f"A run of {first.name} has no steps.\nSee Trace and Waterfall, or choose a "
                "run of train."
            )
        if first.status in ("queued", "running", "paused"):
            return "No step yet.\nThe first appears as soon as it is recorded."
        return "This run ended before its first step.\nThe log tells why; resume it or start anew."

    def draw(self) -> None:
        """Draw all curves."""
        several = len(self.snapshots) > 1
        self.weight_told.setText(f"{self.weight:.4f}".rstrip("0").rstrip(".") or "0")
        self._scale_axis()
        lower, upper = self.panels["accuracy"], self.panels["loss"]
        for panel, log_y in ((upper, self.log_y.isChecked()), (lower, False)):
            panel.setLogMode(self.log_x.isChecked(), log_y)
        names = comparison.legends(self.snapshots) if several else [""]
        groups = comparison.repeats(self.snapshots) if several and self.bands.isChecked() else []
        spread = [group for group in groups if len(group) > 1]
        ids = [id(one) for one in self.snapshots]
        heads = {id(one): ids.index(id(group[0])) for group in spread for one in group}
        for index, (one, name) in enumerate(zip(self.snapshots, names, strict=True)):
            colour = self._colour(heads.get(id(one), index))
            self._draw_run(one, colour, name, banded=id(one) in heads)
        common = comparison.legends(self.snapshots, seeds=False)
        for group in spread:
            index = heads[id(group[0])]
            self._draw_band(group, self._colour(index), common[index])
        self.legend.setText(self.items.done())
        self._read(self.crosshair.x)

    def _colour(self, index: int) -> str:
        theme = colours()
        return theme.train if len(self.snapshots) == 1 else theme.curves[index % len(theme.curves)]

    def _scale_axis(self) -> None:
        spoken, axis = AXES[self.axis_name], self.axis_name
        label, self._factor = spoken.label, spoken.factor
        if axis == "bench_time_s" and max(one.bench_time_s for one in self.snapshots) > LONG_S:
            label, self._factor = "Bench time (h)", 1 / 3600
        if axis == "bench_time_s" and not any(self._placed(one) for one in self.snapshots):
            label += ": not known, this run used no bench"
        # Only the lowest panel tells what both are drawn against.
        upper, lower = (panel.getAxis("bottom") for panel in self.panels.values())
        there = any("accuracy" in one.curves or one.evaluations for one in self.snapshots)
        self.panels["accuracy"].setVisible(there)
        self.panels["accuracy"].setMaximumHeight(plots.NO_LIMIT_PX if there else 0)
        upper.setStyle(showValues=not there)
        upper.setHeight(6 if there else None)
        lower.setLabel(label)
        upper.setLabel(None if there else label)

    def _placed(self, one: Snapshot) -> bool:
        curve = one.curves.get("loss")
        return curve is None or bool(np.isfinite(curve.x[self.axis_name]).any())

    def _draw_run(self, one: Snapshot, colour: str, name: str, banded: bool) -> None:
        axis, weight, several = self.axis_name, self.weight, len(self.snapshots) > 1
        for figure, panel in self.panels.items():
            key = (one.folder, figure)
            curve = one.curves.get(figure)
            if curve is not None and not banded:
                x, y = curve.line(axis)
                dim = 0.35 if weight else 1.0
                told = name or (f"of each step ({one.loss_kind})" if one.loss_kind else "each step")
                smooth = weight > 0
                self.items.line(
                    (key, "raw"), panel, x * self._factor, y, plots.pen(colour, dim),
                    name="" if smooth else told, symbol="o" if len(x) <= FEW else None,
                )  # fmt: skip
                if smooth:
                    self.items.line(
                        (key, "smooth"), panel, curve.x[axis] * self._factor,
                        curve.smoothed(weight), plots.pen(colour, width=2), name=told, z=2,
                    )  # fmt: skip
            for split, scores in one.evaluations.items():
                own = getattr(colours(), split, colours().error)
                self.items.line(
                    (key, split), panel, scores.x[axis] * self._factor, getattr(scores, figure),
                    plots.pen(colour if several else own), symbol=SYMBOLS.get(split, "d"), z=3,
                    joined=not banded,
                    name=f"{name}: {split}" if several and curve is None else
                    "" if several else split,
                )  # fmt: skip
            if one is self.snapshots[0]:
                self._draw_baselines(one, figure, panel)

    def _draw_baselines(self, one: Snapshot, figure: str, panel: pg.PlotItem) -> None:
        for place, (name, found) in enumerate(sorted(one.baselines.items())):
            if (value := found.get(figure)) is not None and math.isfinite(value):
                pen = plots.pen(colours().muted, style=plots.DASH)
                key = (one.folder, figure, name)
                text = f"{name} {value:.3g}"
                self.items.level(key, panel, value, pen, text, place, above=figure == "loss")

    def _draw_band(self, group: Sequence[Snapshot], colour: str, name: str) -> None:
        for figure, panel in self.panels.items():
            curves = [one.curves[figure] for one in group if figure in one.curves]
            found = comparison.band(curves, self.axis_name, self.weight)
            if found is None:
                continue
            key, x = (group[0].folder, figure, "band"), found.x * self._factor
            low, high = found.mean - found.deviation, found.mean + found.deviation
            if panel.getAxis("left").logMode:
                low = np.maximum(low, found.mean * 1e-3)  # a band that reaches 0 has no end there
            fill = QColor(colour)
            fill.setAlpha(2 * colours().band_alpha)
            self.items.band(key, panel, x, low, high, fill)
            self.items.line(
                (key, "mean"), panel, x, found.mean, plots.pen(colour, width=2), z=4,
                name=f"{name or 'runs'}: mean ± standard deviation of {found.runs}",
            )  # fmt: skip

    # Reading and zooming

    def _unlogged(self, x: float) -> float:
        # A view may be wider than numbers go.
        return (10 ** min(x, 300.0) if self.log_x.isChecked() else x) / self._factor

    def _ask(self) -> None:
        """Ask for detail where only a part is in view."""
        box = self.panels["loss"].vb
        if box.autoRangeEnabled()[0]:
            wanted = (-math.inf, math.inf)
        else:
            low, high = box.viewRange()[0]
            wanted = (self._unlogged(low), self._unlogged(high))
        if wanted != self._asked:
            self._asked = wanted
            self.zoomed.emit(self.axis_name, *wanted)

    def _read(self, x: float | None) -> None:
        """Tell the values under the crosshair, else those of the newest step."""
        if not self.snapshots:
            return
        at = None if x is None else self._unlogged(x)
        if len(self.snapshots) == 1:
            self.tell(self._told_of(self.snapshots[0], at))
            return
        told = [
            f"{comparison.short(one.id)}: {text}"
            for one in self.snapshots
            if (text := self._told_of(one, at, briefly=True))
        ]
        self.tell("  |  ".join(told))

    def _told_of(self, one: Snapshot, at: float | None, briefly: bool = False) -> str:
        loss = one.curves.get("loss")
        if loss is None:
            return ""
        x = loss.x[self.axis_name]
        if not np.isfinite(x).any():
            return ""
        index = len(x) - 1 if at is None else int(np.nanargmin(np.abs(x - at)))
        words = [
            f"{figure} {_value(one.curves[figure], index, briefly)}"
            for figure in FIGURES
            if figure in one.curves
        ]
        if briefly:
            return ", ".join(words)
        for split, scores in one.evaluations.items():
            before = np.flatnonzero(scores.x["step"] <= loss.x["step"][index])
            if len(before):
                words.append(f"{split} {scores.accuracy[before[-1]]:.4f}")
        words.append(f"step {grouped(loss.x['step'][index])}")
        words.append(f"{grouped(loss.x['ring_measurements'][index])} measurements")
        if math.isfinite(time_s := loss.x["bench_time_s"][index]):
            words.append(f"{grouped(time_s)} s of bench time")
        return " · ".join(words)

    def rows(self) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
        """Return a row for each bucket of each curve, and for each evaluation."""
        columns = ("run", "series", "step", "ring_measurements", "bench_time_s",
                   "steps_in_row", "low", "mean", "high")  # fmt: skip
        return columns, self._rows()

    def _rows(self) -> Iterable[Sequence[object]]:
        for one in self.snapshots:
            for figure in FIGURES:
                if (curve := one.curves.get(figure)) is not None:
                    arrays = (*curve.x.values(), curve.count, curve.low, curve.mean, curve.high)
                    for row in zip(*(array.tolist() for array in arrays), strict=True):
                        yield (one.id, figure, int(row[0]), *row[1:])
                for split, scores in one.evaluations.items():
                    values = getattr(scores, figure).tolist()
                    places = zip(*(array.tolist() for array in scores.x.values()), strict=True)
                    for place, value in zip(places, values, strict=True):
                        yield (
                            one.id, f"{split} {figure}", int(place[0]), *place[1:],
                            "", value, value, value,
                        )  # fmt: skip


def _value(curve: Curve, index: int, briefly: bool) -> str:
    mean, count = curve.mean[index], int(curve.count[index])
    if briefly or count == 1 or curve.low[index] == curve.high[index]:
        return f"{mean:.4g}"
    return f"{mean:.4g} ({curve.low[index]:.4g} to {curve.high[index]:.4g} in {count} steps)"
