"""How good the gradient is, and how far the ring has drifted meanwhile."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import pyqtgraph as pg

from magnon_lab.gui.docks import plots
from magnon_lab.gui.docks.curves import Crosshair, Items
from magnon_lab.gui.docks.dock import Dock
from magnon_lab.gui.model import comparison
from magnon_lab.gui.model.curve import Axis
from magnon_lab.gui.model.snapshot import Drift, Snapshot
from magnon_lab.gui.model.units import AXES, grouped
from magnon_lab.gui.theme import colours

FIGURES = {
    "gradient_snr": "Gradient SNR",
    "cosine": "Cosine to exact gradient",
    "perturbation": "Perturbation size",
}
DRIFTS = {
    "level_dbm": "Reference level (dBm)",
    "deviation_db": "Reference deviation (dB)",
    "mode_hz": "Reference mode shift (MHz)",
}


class GradientDock(Dock):
    """Quality of the gradient on the left, drift of the reference on the right."""

    title = "Gradient and drift"
    about = (
        "Left: signal-to-noise ratio of the gradient estimate (below 1 it is mostly noise), its "
        "cosine to the exact gradient where that is known, and size of the perturbation in -1..1 "
        "of a knob's range. Right: measurements at settings "
        "that are always the same: mean power of the trace, root mean square deviation over the "
        "band from the first, and how far the strongest mode has moved. Drift there is the ring's "
        "or the bench's, not learning."
    )
    columns = 2

    def build(self) -> None:
        """Add the panels; those without data are hidden."""
        self.axis = self.add_choice(
            "Horizontal axis",
            {"step": "Step", "ring_measurements": "Measurements", "bench_time_s": "Bench time"},
            "What the gradient's quality is drawn against; drift is drawn against bench time",
        )
        self.log = self.add_check("log SNR", "Logarithmic axis of the signal-to-noise ratio")
        self.panels = self._column(FIGURES, 0, "Step")
        self.panels["perturbation"].setLimits(yMin=0)
        self.drifts = self._column(DRIFTS, 1, "Bench time (s)")
        self.items = Items()
        self.crosshair = Crosshair(self.canvas, list(self.panels.values()), self._read)

    def _column(self, figures: dict[str, str], column: int, x: str) -> dict[str, pg.PlotItem]:
        inside = self.grid.addLayout(row=1, col=column)  # so that what is hidden leaves no gap
        inside.layout.setContentsMargins(0, 0, 0, 0)
        inside.layout.setSpacing(0)
        found = {name: plots.add_plot(inside, row, 0, x=x) for row, name in enumerate(figures)}
        for name, plot in found.items():
            plot.getAxis("left").setWidth(46)
            plot.setTitle(figures[name], size="8pt")  # where a word upright would not find room
        return found

    def recolour(self) -> None:
        """Take on the colours of the theme."""
        self.crosshair.recolour()

    @property
    def axis_name(self) -> Axis:
        """What the gradient's quality is drawn against."""
        return cast(Axis, self.axis.currentData())

    def parts(self) -> tuple[object, ...]:
        """Return curves and drift of all runs."""
        found: list[object] = []
        for one in self.snapshots:
            found += [one.drift, one.id, *(one.curves.get(name) for name in FIGURES)]
        return tuple(found)

    def why_empty(self, first: Snapshot) -> str:
        """Return why there is nothing of gradients nor of drift."""
        if first.drift is not None or any(name in first.curves for name in FIGURES):
            return ""
        if first.status in ("queued", "running", "paused") and first.procedure == "train":
            return "No step yet.\nThe gradient's quality appears with the first."
        return (
            "This run estimated no gradient, and measured no reference.\nFor drift, name "
            "`reference: {every: 64}` in the bench file."
        )

    def draw(self) -> None:
        """Draw all panels."""
        axis, several = self.axis_name, len(self.snapshots) > 1
        names = comparison.legends(self.snapshots) if several else [""]
        theme = colours()
        self.panels["gradient_snr"].setLogMode(False, self.log.isChecked())
        for index, (one, name) in enumerate(zip(self.snapshots, names, strict=True)):
            colour = theme.curves[index % len(theme.curves)] if several else theme.train
            for figure, panel in self.panels.items():
                if (curve := one.curves.get(figure)) is not None:
                    x, y = curve.line(axis)
                    self.items.line((one.folder, figure), panel, x, y, plots.pen(colour), name=name)
            if one.drift is not None:
                self._draw_drift(one, one.drift, colour)
        if any("gradient_snr" in one.curves for one in self.snapshots):
            pen = plots.pen(theme.muted, style=plots.DASH)
            self.items.level("one", self.panels["gradient_snr"], 1.0, pen)
        self.legend.setText(self.items.done())
        self._arrange()
        self._read(self.crosshair.x)

    def _draw_drift(self, one: Snapshot, drift: Drift, colour: str) -> None:
        x = drift.bench_time_s
        if not np.isfinite(x).any():
            x = drift.number.astype(np.float64)
        for figure, panel in self.drifts.items():
            values = getattr(drift, figure)
            if figure == "mode_hz":
                known = values[np.isfinite(values)]
                values = (values - (known[0] if len(known) else math.nan)) / 1e6
            self.items.line(
                (one.folder, figure), panel, x, values, plots.pen(colour),
                symbol="o" if len(values) < 60 else None,
            )  # fmt: skip

    def _arrange(self) -> None:
        """Show panels that hold something; only the lowest of each column tells its x axis."""
        known = {name for one in self.snapshots for name in one.curves}
        drift = any(one.drift is not None for one in self.snapshots)
        shown = {name: name in known for name in FIGURES} | dict.fromkeys(DRIFTS, drift)
        for figures, label in (
            (self.panels, AXES[self.axis_name].label),
            (self.drifts, "Bench time (s)"),
        ):
            visible = [name for name in figures if shown[name]]
            _link([figures[name] for name in visible])
            for name, panel in figures.items():
                lowest = bool(visible) and name == visible[-1]
                panel.setVisible(shown[name])
                panel.setMaximumHeight(plots.NO_LIMIT_PX if shown[name] else 0)
                bottom = panel.getAxis("bottom")
                bottom.setStyle(showValues=lowest)
                bottom.showLabel(lowest)
                bottom.setLabel(label if lowest else None)
        for column, figures in enumerate((self.panels, self.drifts)):
            there = any(shown[name] for name in figures)
            self.grid.layout.setColumnStretchFactor(column, int(there))
            self.grid.layout.setColumnMaximumWidth(column, plots.NO_LIMIT_PX if there else 0)

    def _read(self, x: float | None) -> None:
        if not self.snapshots:
            return
        one = self.snapshots[0]
        words: list[str] = []
        for figure in FIGURES:
            if (curve := one.curves.get(figure)) is not None:
                at = curve.x[self.axis_name]
                known = np.isfinite(at)
                index = -1 if x is None or not known.any() else int(np.nanargmin(np.abs(at - x)))
                if not words:
                    words.append(f"step {grouped(curve.x['step'][index])}")
                words.append(f"{FIGURES[figure]} {curve.mean[index]:.3g}")
        if one.drift is not None:
            moved_db = one.drift.level_dbm[-1] - one.drift.level_dbm[0]
            words.append(f"drift since the first reference {moved_db:+.2f} dB")
        self.tell(" · ".join(words))

    def rows(self) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
        """Return a row for each point of each curve."""
        return ("run", "series", *AXES, "low", "mean", "high"), self._rows()

    def _rows(self) -> Iterable[Sequence[object]]:
        for one in self.snapshots:
            for figure in FIGURES:
                if (curve := one.curves.get(figure)) is not None:
                    arrays = (*curve.x.values(), curve.low, curve.mean, curve.high)
                    for row in zip(*(array.tolist() for array in arrays), strict=True):
                        yield (one.id, figure, *row)
            if one.drift is not None:
                for figure in DRIFTS:
                    for number, at, value in zip(
                        one.drift.number.tolist(), one.drift.bench_time_s.tolist(),
                        getattr(one.drift, figure).tolist(), strict=True,
                    ):  # fmt: skip
                        yield (one.id, f"reference {figure}", "", number, at, value, value, value)


def _link(panels: Sequence[pg.PlotItem]) -> None:
    """Let panels follow the x axis of the first of them."""
    for index, panel in enumerate(panels):
        master = panels[0].vb if index else None
        if panel.vb.linkedView(0) is not master:
            panel.setXLink(master)
            panel.enableAutoRange("x", master is None)
