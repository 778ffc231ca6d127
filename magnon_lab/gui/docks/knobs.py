"""How the run uses its knobs: what it asked for, against how far it may go."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QTimer

from magnon_lab.gui.docks import plots
from magnon_lab.gui.docks.dock import Dock
from magnon_lab.gui.model.snapshot import KnobUse, Snapshot
from magnon_lab.gui.model.units import spoken
from magnon_lab.gui.theme import colours

#: A knob that spends more than this share at an end has too little room there.
CROWDED = 0.2

#: Width (px) that a histogram needs beside others.
WIDTH_PX = 180


class _Histogram:
    """One knob's plot."""

    def __init__(self, layout: Any, row: int, column: int) -> None:
        self.plot = plots.add_plot(layout, row, column, y="Share (%)")
        self.plot.getAxis("left").setWidth(44)
        self.plot.setMouseEnabled(x=True, y=False)
        self.plot.setLimits(yMin=0)
        self.bars = pg.PlotDataItem(stepMode="center", fillLevel=0)
        self.recent = pg.PlotDataItem(stepMode="center")
        self.plot.addItem(self.bars)
        self.plot.addItem(self.recent)
        self.ends = [pg.InfiniteLine(angle=90) for _ in range(4)]
        for line in self.ends:
            self.plot.addItem(line, ignoreBounds=True)

    def draw(self, use: KnobUse) -> None:
        name, theme = spoken(use.quantity), colours()
        self.plot.getAxis("bottom").setLabel(name.label)
        edges = use.edges * name.factor
        self.bars.setData(edges, 100 * use.counts / max(1, use.counts.sum()))
        self.bars.setPen(plots.pen(theme.train))
        self.bars.setBrush(plots.mixed(theme.train, 0.35))
        self.recent.setData(edges, 100 * use.recent / max(1, use.recent.sum()))
        self.recent.setPen(plots.pen(theme.test, width=2))
        low, high = edges[0], edges[-1]
        margin = 0.04 * (high - low)
        self.plot.setXRange(low - margin, high + margin, padding=0)
        ends = [*(use.knob or ()), *(use.limits or ())]
        pens = [plots.pen(theme.ok, style=plots.DASH, width=2)] * len(use.knob or ())
        pens += [plots.pen(theme.error, width=2)] * len(use.limits or ())
        for index, line in enumerate(self.ends):
            line.setVisible(index < len(ends))
            if index < len(ends):
                line.setValue(ends[index] * name.factor)
                line.setPen(pens[index])
        crowded = max(use.recent_at_low, use.recent_at_high) > CROWDED
        self.plot.setTitle(
            _told(use), size="8.5pt", color=theme.warning if crowded else theme.foreground
        )


def _told(use: KnobUse) -> str:
    if math.isnan(use.at_low):
        return spoken(use.quantity).name
    return f"at the ends {100 * use.at_low:.1f} % | {100 * use.at_high:.1f} %"


class KnobsDock(Dock):
    """A histogram a knob."""

    title = "Knob use"
    about = (
        "Settings asked for, in each knob's range, as a share of all measurements (filled) and of "
        "the newest 1000 (line). Green: ends of the range that the network may use; red: limits "
        "of the bench. What lies at an end was clipped there: the knob has too little room."
    )
    columns = 5

    def build(self) -> None:
        """Plots are made when it is known of how many knobs."""
        self.histograms: list[_Histogram] = []
        self._across = 0

    def recolour(self) -> None:
        """Take on the colours of the theme: the next drawing does."""

    def parts(self) -> tuple[object, ...]:
        """Return the knobs' use, and how many find room beside one another."""
        use = self.snapshots[0].knob_use
        return (*use, self._room(len(use)))

    def _room(self, count: int) -> int:
        return max(1, min(count, self.columns, self.width() // WIDTH_PX))

    def why_empty(self, first: Snapshot) -> str:
        """Return why there is nothing of knobs."""
        if first.knob_use:
            return ""
        if first.status in ("queued", "running", "paused"):
            return "No measurement yet.\nWhat the run asks of its knobs appears with the first."
        return "This run ended without a measurement.\nThe log tells why."

    def draw(self) -> None:
        """Draw all histograms, in as many columns as there is room for."""
        use = self.snapshots[0].knob_use
        self._make(len(use))
        for one, knob in zip(self.histograms, use, strict=False):
            one.draw(knob)
        theme = colours()
        swatch = '<span style="color:{}"><b>{}</b></span>&nbsp;{}'
        self.legend.setText(
            " &nbsp; ".join(
                swatch.format(colour, glyph, text.replace(" ", "&nbsp;"))
                for colour, glyph, text in (
                    (theme.train, "■", "all measurements"),
                    (theme.test, "━", "newest 1000"),
                    (theme.ok, "┇", "range of the knob"),
                    (theme.error, "┃", "limit of the bench"),
                )
            )
        )
        self.tell("  |  ".join(self._words(knob) for knob in use))

    def _make(self, count: int) -> None:
        """Make the plots that are missing, one at a time: it takes as long as to draw them all."""
        across = self._room(count)
        if len(self.histograms) > count or across != self._across:
            self._across = across
            for one in self.histograms:
                self.grid.removeItem(one.plot)
            self.histograms = []
        at = len(self.histograms)
        if at < count:
            self.histograms.append(_Histogram(self.grid, 1 + at // across, at % across))
        if at + 1 < count:
            QTimer.singleShot(0, self.redraw)

    def _words(self, use: KnobUse) -> str:
        name = spoken(use.quantity)
        if use.knob is None:
            return f"{name.name}: no range in the bench file"
        if math.isnan(use.at_low):
            return f"{name.name}: beyond the range of the knob"
        low, high = (name.text(end) for end in use.knob)
        return (
            f"{name.name}: newest {100 * use.recent_at_low:.1f} % at {low}, "
            f"{100 * use.recent_at_high:.1f} % at {high}"
        )

    def resizeEvent(self, event: Any) -> None:
        """Put as many histograms side by side as there is room for (Qt's name)."""
        super().resizeEvent(event)
        self.show_soon()

    def rows(self) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
        """Return a row for each bin of each knob, in the units of the run file."""
        found = self.snapshots[0].knob_use if self.snapshots else ()
        columns = ("knob", "from", "to", "measurements", "of_the_newest")
        return columns, (
            (use.quantity, *row)
            for use in found
            for row in zip(
                *(np.asarray(one).tolist() for one in (
                    use.edges[:-1], use.edges[1:], use.counts, use.recent
                )),
                strict=True,
            )
        )  # fmt: skip
