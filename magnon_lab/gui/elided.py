"""A line of text that never makes its place wider."""

from __future__ import annotations

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QLabel, QSizePolicy

from magnon_lab.gui.theme import mark


class Elided(QLabel):
    """Plain text that ends in … where it has no room; the tooltip has all of it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        mark(self, kind=kind)

    def sizeHint(self) -> QSize:
        """Ask for no width of its own (Qt's name)."""
        return QSize(0, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Need no width (Qt's name)."""
        return self.sizeHint()

    def setText(self, text: str | None) -> None:
        """Show another text (Qt's name)."""
        super().setText(text)
        self.setToolTip(text)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint as much as there is room for (Qt's name)."""
        box = self.contentsRect()
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, box.width())
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(box, self.alignment(), shown)
        painter.end()
