"""The newest spectrum of a run, with what it is to be compared with."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF
from PyQt6.QtGui import QPen

from magnon_lab.gui.docks import plots
from magnon_lab.gui.docks.curves import Crosshair, Items
from magnon_lab.gui.docks.dock import Dock
from magnon_lab.gui.model import comparison, units
from magnon_lab.gui.model.snapshot import Snapshot, Trace, Waterfall
from magnon_lab.gui.model.units import grouped
from magnon_lab.gui.theme import colours

#: Room (px) that the label of a mode needs for itself.
LABEL_PX = 62


class TraceDock(Dock):
    """The newest trace kept, power against frequency."""

    title = "Trace"
    about = (
        "Newest spectrum that the run keeps, in dBm at the analyser's input, against frequency in "
        "GHz. Triangles mark modes; dashed: the analyser's reference level, above which it "
        "shows nothing, and the frequency of the drive."
    )

    def build(self) -> None:
        """Add the plot and its controls."""
        self.max_hold = self.add_check("max hold", "The highest power at each frequency so far")
        self.anew = self.add_button("Reset", "Begin max hold anew with the next trace")
        self.anew.setAccessibleName("Reset max hold")
        self.anew.clicked.connect(self._reset_hold)
        self.anew.hide()
        self.max_hold.toggled.connect(self.anew.setVisible)
        self.modes = self.add_check("modes", "Mark lines with their frequency in GHz", on=True)
        self.keep = self.add_button(
            "Keep", "Keep this trace in sight as a reference, to compare with"
        )
        self.keep.setAccessibleName("Keep this trace as reference")
        self.keep.clicked.connect(self._keep_reference)
        self.drop = self.add_button("Drop", "Take the kept trace away")
        self.drop.setAccessibleName("Drop the reference trace")
        self.drop.clicked.connect(self._drop_reference)
        self.drop.hide()
        self.plot = plots.add_plot(self.grid, 1, 0, x="Frequency (GHz)", y="Power (dBm)")
        self.plot.setClipToView(True)
        self.plot.setDownsampling(auto=True, mode="peak")
        self.items = Items()
        self.marks = pg.ScatterPlotItem(symbol="t", size=9)
        self.marks.setZValue(6)
        self.plot.addItem(self.marks, ignoreBounds=True)
        self.labels: list[pg.TextItem] = []
        self.crosshair = Crosshair(self.canvas, [self.plot], self._read)
        self.reference: Trace | None = None
        self._held: NDArray[np.float32] | None = None
        self._held_run, self._held_upto = "", -1
        self.plot.vb.sigResized.connect(self._place_labels)
        self.plot.vb.sigXRangeChanged.connect(self._place_labels)

    def recolour(self) -> None:
        """Take on the colours of the theme."""
        theme = colours()
        self.crosshair.recolour()
        self.marks.setPen(plots.pen(theme.foreground))
        self.marks.setBrush(theme.warning)
        for label in self.labels:
            label.setColor(theme.foreground)

    @property
    def trace(self) -> Trace | None:
        """The trace that is shown."""
        return self.snapshots[0].trace if self.snapshots else None

    def parts(self) -> tuple[object, ...]:
        """Return the newest traces and what they are compared with."""
        first = self.snapshots[0]
        return (first.waterfall, self.reference, first.bench, *(o.trace for o in self.snapshots))

    def why_empty(self, first: Snapshot) -> str:
        """Return why there is no trace."""
        if first.trace is not None:
            return ""
        if first.info.get("keep") == "none":
            return "This run keeps no traces.\nStart one with “Traces kept” set to all."
        if first.status in ("queued", "running", "paused"):
            return "No trace yet.\nThe first appears as soon as it is measured and kept."
        return "This run ended without a trace.\nThe log tells why."

    def draw(self) -> None:
        """Draw the trace and all beside it."""
        trace, first, theme = self.trace, self.snapshots[0], colours()
        assert trace is not None
        ghz = trace.frequencies_hz / 1e9

        def line(key: Hashable, one: Trace, values: NDArray[Any], colour: QPen, name: str) -> None:
            self.items.line(key, self.plot, one.frequencies_hz / 1e9, values, colour, name=name)

        names = comparison.legends(self.snapshots)
        for index, one in enumerate(self.snapshots[1:], start=1):
            if one.trace is not None:
                colour = plots.pen(theme.curves[index % len(theme.curves)], 0.7)
                line(one.folder, one.trace, one.trace.trace_dbm, colour, names[index])
        if (kept := self.reference) is not None:
            told = f"reference: measurement {kept.number}"
            line("reference", kept, kept.trace_dbm, plots.pen(theme.muted), told)
        self._hold(first.id, trace, first.waterfall)
        if self.max_hold.isChecked() and self._held is not None:
            line("hold", trace, self._held, plots.pen(theme.error, 0.8), "max hold")
        told = f"measurement {trace.number}"
        told += f" of {names[0]}" if len(self.snapshots) > 1 else ""
        line("trace", trace, trace.trace_dbm, plots.pen(theme.train), told)
        level = first.bench.reference_level_dbm
        if math.isfinite(level):
            ends = np.array([ghz[0], ghz[-1]])
            self.items.line("level", self.plot, ends, np.array([level, level]),
                            plots.pen(theme.error, style=plots.DASH),
                            name=f"reference level {level:g} dBm")  # fmt: skip
        drive = trace.settings.get("drive_frequency_hz", math.nan) / 1e9
        if ghz[0] <= drive <= ghz[-1]:
            self.items.upright("drive", self.plot, drive, plots.pen(theme.ok, style=plots.DASH),
                               f"drive {drive:.4f} GHz")  # fmt: skip
        self.legend.setText(self.items.done())
        self._mark(trace)
        self._warn(trace)
        self._read(self.crosshair.x)

    # Max hold and reference

    def _hold(self, run: str, trace: Trace, waterfall: Waterfall | None) -> None:
        """Take what was measured since the last time into max hold."""
        points = len(trace.trace_dbm)
        if self._held_run != run or (self._held is not None and len(self._held) != points):
            self._held, self._held_run, self._held_upto = None, run, -1
        new = [trace.trace_dbm]
        if waterfall is not None and waterfall.image_dbm.shape[1] == points:
            new += list(waterfall.image_dbm[waterfall.numbers > self._held_upto])
        if self._held is not None:
            new.append(self._held)
        self._held = np.fmax.reduce(new)
        self._held_upto = trace.number

    def _reset_hold(self) -> None:
        self._held = None
        self.redraw()

    def _keep_reference(self) -> None:
        self.reference = self.trace
        self.drop.setVisible(self.reference is not None)
        self.redraw()

    def _drop_reference(self) -> None:
        self.reference = None
        self.drop.hide()
        self.redraw()

    # Words

    def _mark(self, trace: Trace) -> None:
        found = trace.peaks if self.modes.isChecked() else ()
        self.marks.setData(
            x=[peak.frequency_hz / 1e9 for peak in found],
            y=[peak.power_dbm for peak in found],
        )
        while len(self.labels) < len(found):
            label = pg.TextItem(color=colours().foreground, anchor=(0.5, 1.3))
            label.setZValue(7)
            self.plot.addItem(label, ignoreBounds=True)
            self.labels.append(label)
        for label, peak in zip(self.labels, found, strict=False):
            label.setText(f"{peak.frequency_hz / 1e9:.4f}")
            label.setPos(QPointF(peak.frequency_hz / 1e9, peak.power_dbm))
        self._place_labels()

    def _place_labels(self, *_: object) -> None:
        """Show the labels of the highest modes, and of others where there is room."""
        found = self.trace.peaks if self.trace is not None and self.modes.isChecked() else ()
        width = max(1.0, self.plot.vb.width())
        low, high = self.plot.vb.viewRange()[0]
        taken: list[float] = []
        order = sorted(range(len(found)), key=lambda index: -found[index].power_dbm)
        shown = set()
        for index in order:
            at = (found[index].frequency_hz / 1e9 - low) / (high - low) * width
            if all(abs(at - other) >= LABEL_PX for other in taken):
                taken.append(at)
                shown.add(index)
        for index, label in enumerate(self.labels):
            label.setVisible(index in shown)

    def _warn(self, trace: Trace) -> None:
        words = []
        if trace.overload:
            words.append(
                f"Overload: the analyser's input was overdriven in measurement {trace.number}. "
                "Give it more attenuation or a higher reference level, or the loop less gain."
            )
        if trace.unlevelled:
            words.append("Unlevelled: the generator did not hold the drive power that was set.")
        if trace.retried:
            words.append("This measurement had to be tried again.")
        self.warning = " ".join(words)

    def notice(self) -> str:
        """Return what is wrong with the trace that is shown."""
        return self.warning if self.trace is not None else ""

    def _read(self, x: float | None) -> None:
        trace = self.trace
        if trace is None:
            return
        if x is not None:
            at = int(np.argmin(np.abs(trace.frequencies_hz - x * 1e9)))
            told = f"{trace.frequencies_hz[at] / 1e9:.6f} GHz  {trace.trace_dbm[at]:.2f} dBm"
            if self.reference is not None and len(self.reference.trace_dbm) > at:
                difference = trace.trace_dbm[at] - self.reference.trace_dbm[at]
                told += f"  ({difference:+.2f} dB against the reference)"
            self.tell(told)
            return
        words = [
            trace.purpose,
            *(
                f"{units.spoken(name).name.lower()} {units.spoken(name).text(value)}"
                for name, value in trace.settings.items()
            ),
        ]
        if math.isfinite(trace.bench_time_s):
            words.append(f"bench time {grouped(trace.bench_time_s)} s")
        self.tell(" · ".join(words))

    def rows(self) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
        """Return power against frequency of all traces that are drawn."""
        return ("series", "frequency_hz", "power_dbm"), self._rows()

    def _rows(self) -> Iterable[Sequence[object]]:
        shown = [
            (f"{o.id} measurement {o.trace.number}", o.trace) for o in self.snapshots if o.trace
        ]
        if self.reference is not None:
            shown.append((f"reference: measurement {self.reference.number}", self.reference))
        for name, trace in shown:
            columns = (trace.frequencies_hz.tolist(), trace.trace_dbm.tolist())
            yield from ((name, *row) for row in zip(*columns, strict=True))
        if self.max_hold.isChecked() and self._held is not None and shown:
            columns = (shown[0][1].frequencies_hz.tolist(), self._held.tolist())
            yield from (("max hold", *row) for row in zip(*columns, strict=True))
