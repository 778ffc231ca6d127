"""One card of the bench: a role's instrument, what it makes, and how near its limits that is."""

from __future__ import annotations

import math

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QPalette, QResizeEvent
from PyQt6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from magnon_lab.gui.elided import Elided
from magnon_lab.gui.model.bench_view import Card, Link
from magnon_lab.gui.model.gauge import WORDS, Gauge
from magnon_lab.gui.panels.limit_bar import LimitBar
from magnon_lab.gui.theme import colours, mark

_FULL, _EMPTY = "●", "○"


class CardView(QFrame):
    """A card that follows a `Card` of its role."""

    def __init__(self, card: Card, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.AlternateBase)
        self.setObjectName(f"card {card.role}")
        self._title = QLabel(card.title)
        font = self._title.font()
        font.setBold(True)
        self._title.setFont(font)
        self.output = QLabel()
        self.link = QLabel()
        self.link.setAlignment(Qt.AlignmentFlag.AlignRight)
        head = QHBoxLayout()
        head.setSpacing(6)
        head.addWidget(self._title)
        head.addStretch(1)
        head.addWidget(self.output)
        head.addWidget(self.link)
        self.instrument = Elided("muted")
        self.gauges = [GaugeView() for _ in card.gauges]
        self.facts = Wrapped("muted")
        self.wrong = Wrapped("wrong")
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(8, 5, 8, 6)
        self._column.setSpacing(3)
        self._column.addLayout(head)
        self._column.addWidget(self.instrument)
        for gauge in self.gauges:
            self._column.addWidget(gauge)
        self._column.addWidget(self.facts)
        self._column.addWidget(self.wrong)
        self._shown: Card | None = None
        self.show_card(card)

    def show_card(self, card: Card) -> None:
        """Show what is known by now."""
        if card == self._shown:
            return
        self._shown = card
        self.setAccessibleName(card.title)
        self._show_link(card.link)
        output = {True: "on", False: "off", None: ""}[card.output]
        self.output.setText(output)
        self.output.setToolTip("Whether its output is switched on, as far as is known")
        self.instrument.setText(card.instrument)
        self.instrument.setVisible(bool(card.instrument))
        while len(self.gauges) < len(card.gauges):
            self.gauges.append(GaugeView())
            self._column.insertWidget(1 + len(self.gauges), self.gauges[-1])
        for view, gauge in zip(self.gauges, card.gauges, strict=False):
            view.show_gauge(gauge)
        for view in self.gauges[len(card.gauges) :]:
            view.hide()
        self.facts.setText("\n".join(card.facts))
        self.wrong.setText("\n".join(card.wrong))

    def retheme(self) -> None:
        """Take on the colours of the theme."""
        if self._shown is not None:
            self._show_link(self._shown.link)
            for gauge in self.gauges:
                gauge.retheme()

    def _show_link(self, link: Link) -> None:
        theme = colours()
        tone = {"answers": theme.ok, "trouble": theme.error}.get(link.state, theme.muted)
        light = _EMPTY if link.state == "unknown" else _FULL
        self.link.setText(f'<span style="color:{tone}">{light}</span> {link.word}')
        self.link.setToolTip(link.text)
        self.link.setAccessibleName(f"{self._title.text()}: {link.word}")
        self.link.setAccessibleDescription(link.text)


class GaugeView(QWidget):
    """Name and value above a bar, set value and limits below it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name, self.value = QLabel(), QLabel()
        self.value.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.bar = LimitBar()
        self.asked, self.limits = Elided("muted"), QLabel()
        mark(self.limits, kind="muted")
        self.limits.setAlignment(Qt.AlignmentFlag.AlignRight)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 1, 0, 1)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(0)
        grid.addWidget(self.name, 0, 0)
        grid.addWidget(self.value, 0, 1)
        grid.addWidget(self.bar, 1, 0, 1, 2)
        grid.addWidget(self.asked, 2, 0)
        grid.addWidget(self.limits, 2, 1)
        grid.setColumnStretch(0, 1)
        self._shown: Gauge | None = None

    def show_gauge(self, gauge: Gauge) -> None:
        """Show another value."""
        self.show()
        if gauge == self._shown:
            return
        self._shown = gauge
        self.name.setText(gauge.name)
        self.bar.show_gauge(gauge)
        self.limits.setText(gauge.range_text)
        self.setToolTip("\n".join(gauge.details()))
        self.retheme()

    def retheme(self) -> None:
        """Take on the colours of the theme."""
        gauge = self._shown
        if gauge is None:
            return
        theme, nearness = colours(), gauge.nearness
        tone = {"beyond": theme.error, "at": theme.warning, "near": theme.warning}.get(
            nearness, theme.foreground
        )
        bound = "≤ " if gauge.why and math.isfinite(gauge.value) else ""
        known = gauge.text(gauge.found)
        self.value.setText(f'<b style="color:{tone}">{bound}{known}</b>')
        word = "" if nearness in ("inside", "unknown") else f", {WORDS[nearness]}"
        asked = "" if math.isnan(gauge.asked) else f"set {gauge.text(gauge.asked)}"
        self.asked.setText("" if gauge.why else f"{asked}{word}".lstrip(", "))
        self.bar.update()


class Wrapped(QLabel):
    """Lines that are wrapped, and as high as that makes them.

    Layouts inside a scroll area do not ask how high a width makes a text.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        mark(self, kind=kind)
        self.hide()

    def setText(self, text: str | None) -> None:
        """Show another text (Qt's name); without one take no room."""
        super().setText(text)
        self.setVisible(bool(text))
        self._grow()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Follow the width (Qt's name)."""
        super().resizeEvent(event)
        self._grow()

    def _grow(self) -> None:
        self.setMinimumHeight(max(0, self.heightForWidth(self.width())))
