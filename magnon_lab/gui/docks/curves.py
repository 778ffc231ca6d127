"""Curves by name in plots that lie under one another, and a line that reads their values."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QObject, Qt
from PyQt6.QtGui import QColor, QKeySequence, QPen, QShortcut

from magnon_lab.gui.docks import plots
from magnon_lab.gui.theme import colours

Array = NDArray[np.float64]

#: By how much of the axis a key moves the crosshair.
KEY_PART = 0.01


#: How a legend draws what marks the points of a curve.
GLYPHS = {"o": "●", "s": "□", "t": "▽", "d": "◆"}


class Items:
    """Curves that stay while they are drawn round after round, and go when they are not."""

    def __init__(self) -> None:
        self._items: dict[Hashable, tuple[pg.PlotItem, Any]] = {}
        self._used: set[Hashable] = set()
        self._names: dict[str, tuple[str, str]] = {}

    def line(
        self,
        key: Hashable,
        plot: pg.PlotItem,
        x: Array,
        y: NDArray[Any],
        pen: QPen | None,
        name: str = "",
        symbol: str | None = None,
        z: float = 0.0,
        joined: bool = True,
    ) -> Any:
        """Draw a curve; `symbol` marks its points in the colour of the pen, `joined` or alone."""
        item = self._item(key, plot, lambda: pg.PlotDataItem(connect="finite"))
        item.setData(x, y, connect="finite")
        colour = None if pen is None else pen.color()
        item.setPen(pen if joined else None)
        item.setSymbol(symbol)
        if symbol is not None:
            item.setSymbolSize(6)
            item.setSymbolPen(colour)
            item.setSymbolBrush(QColor(colours().raised) if symbol in "st" else colour)
        item.setZValue(z)
        if name and colour is not None:
            dashed = pen is not None and pen.style() == Qt.PenStyle.DashLine
            glyph = GLYPHS.get(symbol or "", "┅" if dashed else "━")
            self._names.setdefault(name, (glyph, colour.name()))
        return item

    def level(
        self,
        key: Hashable,
        plot: pg.PlotItem,
        value: float,
        pen: QPen,
        label: str = "",
        place: int = 0,
        above: bool = True,
    ) -> Any:
        """Draw a horizontal line with a word on it, the `place`-th from the left."""
        anchor = (0, 1) if above else (0, 0)
        options = {"position": min(0.95, 0.02 + 0.25 * place), "anchors": [anchor, anchor]}
        item = self._item(
            key, plot, lambda: pg.InfiniteLine(angle=0, label=label or None, labelOpts=options)
        )
        item.setValue(math.log10(value) if plot.getAxis("left").logMode and value > 0 else value)
        item.setPen(pen)
        if label:
            item.label.setFormat(label)
            item.label.setColor(colours().muted)
            item.label.fill = pg.mkBrush(colours().raised)  # to be read over curves
        return item

    def upright(self, key: Hashable, plot: pg.PlotItem, x: float, pen: QPen, label: str) -> Any:
        """Draw a vertical line with a word at its foot."""
        options = {"position": 0.04, "anchors": [(-0.02, 1), (1.02, 1)]}
        item = self._item(
            key, plot, lambda: pg.InfiniteLine(angle=90, label=label, labelOpts=options)
        )
        item.setValue(x)
        item.setPen(pen)
        item.label.setFormat(label)
        item.label.setColor(pen.color())
        item.label.fill = pg.mkBrush(colours().raised)
        return item

    def band(
        self, key: Hashable, plot: pg.PlotItem, x: Array, low: Array, high: Array, brush: QColor
    ) -> None:
        """Fill between two curves."""
        ends = [
            self._item((key, side), plot, lambda: pg.PlotDataItem(connect="finite"))
            for side in ("low", "high")
        ]
        for end, values in zip(ends, (low, high), strict=True):
            end.setData(x, values)
            end.setPen(QPen(Qt.PenStyle.NoPen))  # not None, which would leave it without a path
        item = self._item((key, "fill"), plot, lambda: pg.FillBetweenItem(*ends))
        item.setBrush(brush)
        item.setZValue(-10)

    def _item(self, key: Hashable, plot: pg.PlotItem, make: Callable[[], Any]) -> Any:
        self._used.add(key)
        if key not in self._items:
            item = make()
            plot.addItem(item)
            self._items[key] = (plot, item)
        return self._items[key][1]

    def done(self) -> str:
        """End a round: take away what was not drawn in it; return the legend, as rich text."""
        for key in [key for key in self._items if key not in self._used]:
            plot, item = self._items.pop(key)
            plot.removeItem(item)
        told = [
            f'<span style="color:{colour}"><b>{glyph}</b></span>&nbsp;'
            + html.escape(name).replace(" ", "&nbsp;")
            for name, (glyph, colour) in self._names.items()
        ]
        self._used, self._names = set(), {}
        return " &nbsp; ".join(told)


class Crosshair(QObject):
    """A vertical line through plots with a common x axis; it follows the mouse, or arrow keys.

    `read` is told where it is (in the plots' own coordinates), None where it is not.
    """

    def __init__(
        self,
        canvas: Any,
        panels: Sequence[pg.PlotItem],
        read: Callable[[float | None], None],
    ) -> None:
        super().__init__(canvas)
        self._panels, self._read = panels, read
        self.x: float | None = None
        self._lines = [pg.InfiniteLine(angle=90) for _ in panels]
        for panel, line in zip(panels, self._lines, strict=True):
            line.setZValue(20)
            line.hide()
            panel.addItem(line, ignoreBounds=True)
        self._proxy = pg.SignalProxy(
            canvas.scene().sigMouseMoved,
            rateLimit=30,
            slot=self._moved,
        )
        for key, step in (("Left", -1), ("Right", 1), ("Ctrl+Left", -10), ("Ctrl+Right", 10)):
            shortcut = QShortcut(QKeySequence(key), canvas)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(lambda step=step: self._step(step))
        self.recolour()

    def recolour(self) -> None:
        """Take on the colours of the theme."""
        for line in self._lines:
            line.setPen(plots.pen(colours().muted, style=plots.DOT))

    def _moved(self, position: tuple[Any]) -> None:
        for panel in self._panels:
            if panel.isVisible() and panel.sceneBoundingRect().contains(position[0]):
                self.put(panel.vb.mapSceneToView(position[0]).x())
                return
        self.put(None)

    def _step(self, steps: int) -> None:
        low, high = self._panels[0].vb.viewRange()[0]
        at = (low + high) / 2 if self.x is None else self.x
        self.put(min(high, max(low, at + steps * KEY_PART * (high - low))))

    def put(self, x: float | None) -> None:
        """Put the line somewhere, or nowhere."""
        if x is None and self.x is None:
            return
        self.x = x
        for line in self._lines:
            line.setVisible(x is not None)
            if x is not None:
                line.setValue(x)
        self._read(x)
