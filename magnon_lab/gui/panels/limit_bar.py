"""A bar from one limit to the other, with the knob's range, the set value and the read-back."""

from __future__ import annotations

import math

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QWidget

from magnon_lab.gui.model.gauge import Gauge
from magnon_lab.gui.theme import colours

HEIGHT, TRACK, MARGIN = 16, 6, 5


class LimitBar(QWidget):
    """The filled part ends at the read-back, a triangle stands at the set value.

    A line along the bottom marks how far a network may turn the knob. Near a limit the bar has the
    colour of a warning, beyond one that of an error.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._gauge: Gauge | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return the size that it wants (Qt's name)."""
        return QSize(120, HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """Return the size that it needs (Qt's name)."""
        return QSize(60, HEIGHT)

    def show_gauge(self, gauge: Gauge) -> None:
        """Show another value."""
        if gauge == self._gauge:
            return
        self._gauge = gauge
        self.setAccessibleName(f"{gauge.name} between its limits")
        self.setAccessibleDescription(", ".join(gauge.details()))
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint the bar (Qt's name)."""
        gauge = self._gauge
        if gauge is None:
            return
        theme, width = colours(), self.width() - 2 * MARGIN
        top = (HEIGHT - TRACK) / 2
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.muted), 1))
        painter.setBrush(QColor(theme.field))
        painter.drawRect(QRectF(MARGIN + 0.5, top + 0.5, width - 1, TRACK - 1))
        part = gauge.part(gauge.value)
        if not math.isnan(part):
            tone = {"beyond": theme.error, "at": theme.warning, "near": theme.warning}
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(tone.get(gauge.nearness, theme.accent)))
            painter.drawRect(QRectF(MARGIN + 1, top + 1, max(2.0, (width - 2) * part), TRACK - 2))
        if gauge.knob is not None:
            low, high = gauge.part(gauge.knob.low), gauge.part(gauge.knob.high)
            painter.setPen(QPen(QColor(theme.foreground), 2, cap=Qt.PenCapStyle.FlatCap))
            at = top + TRACK + 2.5
            left, right = MARGIN + low * width, MARGIN + max(high * width, low * width + 2)
            painter.drawLine(QPointF(left, at), QPointF(right, at))
        asked = gauge.part(gauge.asked)
        if not math.isnan(asked):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.foreground))
            at = MARGIN + asked * width
            corners = (at - 4, 0.0), (at + 4, 0.0), (at, top + 1)
            painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in corners]))
        painter.end()
