"""Where the time of a step goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import pyqtgraph as pg

from magnon_lab.gui.docks import plots
from magnon_lab.gui.docks.curves import Crosshair
from magnon_lab.gui.docks.dock import Dock
from magnon_lab.gui.model.curve import Array, Axis, Curve
from magnon_lab.gui.model.snapshot import Snapshot
from magnon_lab.gui.model.units import AXES, grouped
from magnon_lab.gui.theme import colours
from magnon_lab.runs.schema import PHASES

MEANING = {
    "ask": "what to measure is worked out",
    "settle": "the bench waits for what was turned",
    "sweep": "the analyser sweeps",
    "transfer": "traces are read",
    "tell": "the network learns",
    "write": "the run file is written",
}

#: Most points of an area: fills cost more to paint than lines.
POINTS = 300


class PhasesDock(Dock):
    """Seconds of a step by phase, stacked, and the shares of the whole."""

    title = "Time"
    about = (
        "Seconds that a step takes, by phase, one on top of the other: "
        + "; ".join(f"{phase}: {meaning}" for phase, meaning in MEANING.items())
        + ". On the right the share of each in all time so far."
    )
    columns = 2

    def build(self) -> None:
        """Add the areas and the shares."""
        self.axis = self.add_choice(
            "Horizontal axis",
            {"step": "Step", "ring_measurements": "Measurements", "bench_time_s": "Bench time"},
            "What the time of a step is drawn against",
        )
        self.plot = plots.add_plot(self.grid, 1, 0, x="Step", y="Time of a step (s)")
        self.plot.setLimits(yMin=0)
        # Highest first, so that each covers the part of the one below it.
        self.areas = {phase: pg.PlotDataItem(fillLevel=0.0) for phase in reversed(PHASES)}
        for area in self.areas.values():
            self.plot.addItem(area)
        self.totals = plots.add_plot(self.grid, 1, 1, x="Share of all time (%)")
        left = self.totals.getAxis("left")
        left.setWidth(62)
        left.setGrid(False)
        left.setTicks([[(-index, phase) for index, phase in enumerate(PHASES)]])
        self.totals.setMouseEnabled(x=False, y=False)
        self.totals.hideButtons()
        self.bars = pg.BarGraphItem(x0=0, y=-np.arange(len(PHASES)), height=0.7, width=0)
        self.totals.addItem(self.bars)
        self.words = [pg.TextItem(anchor=(0, 0.5)) for _ in PHASES]
        for word in self.words:
            self.totals.addItem(word, ignoreBounds=True)
        self.grid.layout.setColumnStretchFactor(0, 3)
        self.grid.layout.setColumnStretchFactor(1, 2)
        self.crosshair = Crosshair(self.canvas, [self.plot], self._read)

    def recolour(self) -> None:
        """Take on the colours of the theme."""
        self.crosshair.recolour()

    @property
    def axis_name(self) -> Axis:
        """What the time of a step is drawn against."""
        return cast(Axis, self.axis.currentData())

    def _curves(self) -> dict[str, Curve]:
        found = self.snapshots[0].curves
        return {phase: found[f"seconds_{phase}"] for phase in PHASES if f"seconds_{phase}" in found}

    def parts(self) -> tuple[object, ...]:
        """Return the curves of all phases."""
        return tuple(self._curves().values())

    def why_empty(self, first: Snapshot) -> str:
        """Return why there are no times."""
        if any(name.startswith("seconds_") for name in first.curves):
            return ""
        if first.procedure != "train":
            return f"A run of {first.name} has no steps.\nChoose a run of train."
        if first.status in ("queued", "running", "paused"):
            return "No step yet.\nTimes appear with the first."
        return "This run ended before its first step.\nThe log tells why."

    def _colour(self, phase: str) -> str:
        theme = colours()
        return theme.curves[PHASES.index(phase) % len(theme.curves)]

    def draw(self) -> None:
        """Draw areas and shares."""
        found = self._curves()
        self.plot.getAxis("bottom").setLabel(AXES[self.axis_name].label)
        base: Array | None = None
        for phase in PHASES:
            area = self.areas[phase]
            area.setVisible(phase in found)
            if phase not in found:
                continue
            x, y = _coarse(found[phase], self.axis_name)
            base = y if base is None else base + y
            area.setData(x, base)
            area.setPen(plots.pen(self._colour(phase)))
            area.setFillBrush(plots.mixed(self._colour(phase), 0.75))
        shares = self.shares()
        self.bars.setOpts(
            width=[100 * shares.get(phase, 0.0) for phase in PHASES],
            brushes=[plots.mixed(self._colour(phase), 0.75) for phase in PHASES],
            pens=[plots.pen(self._colour(phase)) for phase in PHASES],
        )
        for index, (word, phase) in enumerate(zip(self.words, PHASES, strict=True)):
            share = 100 * shares.get(phase, 0.0)
            word.setText(f"{share:.1f}" if phase in found else "not known")
            word.setColor(colours().foreground)
            word.setPos(share, -index)
        self.totals.setXRange(0, 145 * max(shares.values(), default=1.0), padding=0)
        self.totals.setYRange(-len(PHASES) + 0.4, 0.6, padding=0)
        swatch = '<span style="color:{}"><b>■</b></span>&nbsp;{}'
        self.legend.setText(
            " &nbsp; ".join(swatch.format(self._colour(phase), phase) for phase in found)
        )
        self._read(self.crosshair.x)

    def seconds(self) -> dict[str, float]:
        """Return the seconds that each phase took in all."""
        return {
            phase: float(np.nansum(curve.mean * curve.count))
            for phase, curve in self._curves().items()
        }

    def shares(self) -> dict[str, float]:
        """Return the share (0..1) of each phase in all time."""
        seconds = self.seconds()
        whole = sum(seconds.values()) or 1.0
        return {phase: one / whole for phase, one in seconds.items()}

    def _read(self, x: float | None) -> None:
        if not self.snapshots:
            return
        found = self._curves()
        if x is None:
            words = [f"{phase} {_spoken(one)}" for phase, one in self.seconds().items()]
            self.tell("in all: " + " · ".join(words))
            return
        words = []
        for phase, curve in found.items():
            at = curve.x[self.axis_name]
            if not np.isfinite(at).any():
                continue
            index = int(np.nanargmin(np.abs(at - x)))
            if not words:
                words.append(f"step {grouped(curve.x['step'][index])}")
            words.append(f"{phase} {1e3 * curve.mean[index]:.3g} ms")
        self.tell(" · ".join(words))

    def rows(self) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
        """Return a row for each bucket of steps, with the mean seconds of each phase."""
        found = self._curves() if self.snapshots else {}
        if not found:
            return ("step",), ()
        first = next(iter(found.values()))
        arrays = [*first.x.values(), first.count, *(curve.mean for curve in found.values())]
        columns = (*first.x, "steps_in_row", *(f"{phase} (s)" for phase in found))
        return columns, zip(*(array.tolist() for array in arrays), strict=True)


def _coarse(curve: Curve, axis: Axis) -> tuple[Array, Array]:
    """Return a curve in at most `POINTS` points, each the mean over its steps."""
    group = -(-len(curve.mean) // POINTS)
    starts = np.arange(0, len(curve.mean), group)
    ends = np.append(starts[1:], len(curve.mean)) - 1
    weight = np.where(np.isfinite(curve.mean), curve.count, 0)
    total = np.add.reduceat(np.nan_to_num(curve.mean) * weight, starts)
    return curve.x[axis][ends], total / np.maximum(1, np.add.reduceat(weight, starts))


def _spoken(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
