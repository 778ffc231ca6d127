"""PyQtGraph's plots as all docks use them: quick to paint, plain numbers, colours of the theme.

Translucent lines cost PyQtGraph most of its time (a grid more than the curves over it), so what is
to look faint gets a colour of its own between foreground and background.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyqtgraph as pg
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QPen

from magnon_lab.gui.model.units import grouped
from magnon_lab.gui.theme import colours

DASH, DOT = Qt.PenStyle.DashLine, Qt.PenStyle.DotLine

#: Qt's own name for a size without limit, QWIDGETSIZE_MAX, is not in PyQt.
NO_LIMIT_PX = (1 << 24) - 1

#: Width of the axes on the left, so that panels above one another are in line.
LEFT_PX = 58


def mixed(colour: str, part: float) -> QColor:
    """Return a colour of which `part` (0..1) is left over the plots' background."""
    front, back = QColor(colour), QColor(colours().raised)
    return QColor(
        *(
            round(part * a + (1 - part) * b)
            for a, b in zip(front.getRgb()[:3], back.getRgb()[:3], strict=True)
        )
    )


def pen(
    colour: str | QColor,
    part: float = 1.0,
    width: float = 1.0,
    style: Qt.PenStyle = Qt.PenStyle.SolidLine,
) -> QPen:
    """Return a pen; `part` below 1 makes it fainter."""
    made: QPen = pg.mkPen(
        mixed(colour, part) if isinstance(colour, str) else colour, width=width, style=style
    )
    return made


class PlainAxis(pg.AxisItem):
    """An axis with plain numbers: 1 200 000 and 0.002, not 1.2e+06 and 2m."""

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """Return the texts of ticks (PyQtGraph's name)."""
        if self.logMode:
            return [_power(value) for value in values]
        places = max(0, math.ceil(-math.log10(spacing * scale) - 1e-9)) if spacing > 0 else 0
        if places > 6:
            return [f"{value * scale:.3g}" for value in values]
        return [grouped(value * scale, places) for value in values]


def _power(exponent: float) -> str:
    """Return a tick of a logarithmic axis; of a decade 1, 2 and 5 have room for one."""
    decade = math.floor(exponent + 1e-9)
    digit = round(10 ** (exponent - decade))
    if digit not in (1, 2, 5):
        return ""
    return f"{digit * 10.0**decade:g}" if -5 < decade < 5 else f"{digit}e{decade}"


def add_plot(
    layout: Any,
    row: int,
    column: int,
    x: str = "",
    y: str = "",
    axes: Mapping[str, pg.AxisItem] | None = None,
) -> pg.PlotItem:
    """Add a plot to a graphics layout; `x` and `y` are the axes' labels with their units.

    axes: by side, others than plain ones.
    """
    items = {side: PlainAxis(side) for side in ("left", "bottom")} | dict(axes or {})
    plot = layout.addPlot(row=row, col=column, axisItems=items)
    plot.setMenuEnabled(False, enableViewBoxMenu=True)
    for side, label in (("left", y), ("bottom", x)):
        axis = plot.getAxis(side)
        axis.enableAutoSIPrefix(False)
        axis.setStyle(maxTickLevel=0, tickAlpha=255, tickLength=-4)
        axis.setGrid(255)
        axis.setZValue(-1)  # the grid under the curves
        if label:
            axis.setLabel(label)
    plot.getAxis("left").setWidth(LEFT_PX)
    retheme(plot)
    return plot


def retheme(plot: pg.PlotItem) -> None:
    """Give a plot's axes and grid the colours of the theme."""
    theme = colours()
    for side in ("left", "bottom", "right", "top"):
        axis = plot.getAxis(side)
        axis.setPen(pen(theme.grid))
        axis.setTickPen(pen(theme.grid, 0.3))
        axis.setTextPen(theme.foreground)
        axis.setStyle(tickAlpha=255)
    if plot.titleLabel.text:
        plot.titleLabel.setText(plot.titleLabel.text, color=theme.foreground)


def add_bar(layout: Any, image: pg.ImageItem, label: str, **options: Any) -> pg.ColorBarItem:
    """Add the scale of an image's colours on its right.

    The map is even to the eye, also in grey and to the colour-blind (Nuñez et al., PLoS ONE 13,
    e0199239, 2018).
    """
    bar = pg.ColorBarItem(label=label, width=12, colorMap="cividis", colorMapMenu=False, **options)
    bar.setImageItem(image)
    bar.getAxis("right").setStyle(maxTickLevel=0)
    bar.layout.setContentsMargins(2, 8, 0, 8)
    layout.addItem(bar, row=1, col=1)
    return bar


def retheme_bar(bar: pg.ColorBarItem) -> None:
    """Give a scale the colours of the theme."""
    for side in ("left", "right", "top", "bottom"):
        bar.getAxis(side).setPen(pen(colours().grid))
        bar.getAxis(side).setTickPen(pen(colours().grid))
        bar.getAxis(side).setTextPen(colours().foreground)
