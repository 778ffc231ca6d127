"""The bench: a card a role, *Make safe*, and the ways to ask it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from magnon_lab.bench import BenchFile
from magnon_lab.gui.model.bench_view import BenchView, SafeReport, age
from magnon_lab.gui.model.snapshot import Snapshot
from magnon_lab.gui.panels.card import CardView
from magnon_lab.gui.theme import colours, mark


class BenchPanel(QWidget):
    """What is known of the bench, without a wire to it.

    `safe_asked`, `check_asked` and `hand_asked` are for whoever starts the processes that do it;
    what those print as JSON comes back by `show_safe`, `show_check` and `show_readings`, what runs
    tell by `show_run`. The panel itself never asks, and opens no instrument.
    """

    safe_asked = pyqtSignal()
    check_asked = pyqtSignal()
    hand_asked = pyqtSignal()

    def __init__(self, bench_file: BenchFile, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Bench")
        self.setMinimumWidth(240)
        self.safe_button = QPushButton("Make &safe")
        self.safe_button.setMinimumHeight(44)
        mark(self.safe_button, kind="danger")
        self.safe_button.setToolTip(
            "Switch everything off in the safe order: attenuator to maximum, generator, amplifier, "
            "magnet (Ctrl+Shift+S). A process of its own does it, also while a run hangs; whoever "
            "has the bench is ended first."
        )
        self.safe_button.clicked.connect(self.safe_asked)
        self.report = QLabel()
        self.report.setWordWrap(True)
        self.report.setTextFormat(Qt.TextFormat.RichText)
        self.report.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.report.setAccessibleName("What Make safe did")
        self.report.hide()
        self.headline = QLabel()
        self.headline.setWordWrap(True)
        self.headline.setAccessibleName("Who has the bench")
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        mark(self.message, kind="wrong")
        self.message.hide()
        self.check_button = QPushButton("&Check bench")
        self.check_button.setToolTip(
            "Ask every instrument who it is and how it stands (Ctrl+B); switches nothing. Not "
            "while a run has the bench: it tells as it works."
        )
        self.check_button.clicked.connect(self.check_asked)
        self.hand_button = QPushButton("Han&d mode")
        self.hand_button.setToolTip(
            "Turn knobs by hand and sweep live (Ctrl+H), in a run of its own under all limits"
        )
        self.hand_button.clicked.connect(self.hand_asked)
        buttons = QHBoxLayout()
        buttons.addWidget(self.check_button)
        buttons.addWidget(self.hand_button)
        self._cards = QVBoxLayout()
        self._cards.setContentsMargins(0, 0, 0, 0)
        self._cards.setSpacing(5)
        inside = QWidget()
        inside.setLayout(self._cards)
        inside.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # to be scrolled by keys
        area.setAccessibleName("Cards of the bench")
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 4)
        column.setSpacing(6)
        column.addWidget(self.safe_button)
        column.addWidget(self.report)
        column.addWidget(self.headline)
        column.addWidget(self.message)
        column.addLayout(buttons)
        column.addWidget(area, 1)
        self.cards: dict[str, CardView] = {}
        self._told: SafeReport | None = None
        self.set_bench(bench_file)

    def set_bench(self, bench_file: BenchFile) -> None:
        """Show another bench, of which nothing is known yet."""
        self.view = BenchView(bench_file)
        for card in self.cards.values():
            self._cards.removeWidget(card)
            card.deleteLater()
        while self._cards.count():
            self._cards.takeAt(0)
        self.cards = {card.role: CardView(card) for card in self.view.cards()}
        for card in self.cards.values():
            self._cards.addWidget(card)
        self._cards.addStretch(1)
        self.refresh()

    # What comes in

    def show_run(self, snapshot: Snapshot | None) -> None:
        """Show what a run tells: one that has the bench, or else the one that is looked at."""
        self.view.take_run(snapshot)
        live = self.view.live
        told_at = math.inf if self._told is None else self._told.at
        if live is not None and (live.info.get("started") or 0.0) > told_at:
            self._told = None  # it is on again
        self.refresh()

    def show_busy(self, what: str) -> None:
        """Tell that "safe" or "check" is under way, until its result comes; "" for nothing."""
        self.safe_button.setText("Making safe …" if what == "safe" else "Make &safe")
        self.check_button.setText("Checking …" if what == "check" else "&Check bench")
        self.check_button.setEnabled(not what)

    def show_check(self, result: Mapping[str, Any]) -> None:
        """Show what `bench check --json` printed."""
        self.show_busy("")
        self.view.take_check(result)
        self._say(result)
        self.refresh()

    def show_readings(self, result: Mapping[str, Any]) -> None:
        """Show what `bench show --json` printed."""
        self.show_busy("")
        self.view.take_readings(result)
        self._say(result)
        self.refresh()

    def show_safe(self, result: Mapping[str, Any]) -> None:
        """Show what `bench safe --json` printed, step by step."""
        self.show_busy("")
        self._told = self.view.take_safe(result)
        self._show_report()
        self.refresh()

    def refresh(self) -> None:
        """Show what is known, and how old it is; to be called now and then while nothing comes."""
        self.headline.setText(self.view.headline())
        mark(self.headline, kind="wrong" if self.view.unsure else "muted")
        held = self.view.live is not None
        self.hand_button.setEnabled(not held or self._by_hand())
        for card in self.view.cards():
            self.cards[card.role].show_card(card)
        self._show_report()

    def retheme(self) -> None:
        """Take on the colours of the theme."""
        for card in self.cards.values():
            card.retheme()
        self._show_report()

    def _by_hand(self) -> bool:
        return self.view.live is not None and self.view.live.procedure == "hand"

    def _say(self, result: Mapping[str, Any]) -> None:
        text = str(result.get("message", ""))
        self.message.setText(text)
        self.message.setVisible(bool(text))

    def _show_report(self) -> None:
        report, theme = self._told, colours()
        self.report.setVisible(report is not None)
        if report is None:
            return
        tone, word = (theme.ok, "Safe") if report.ok else (theme.error, "NOT SAFE")
        lines = [f'<b style="color:{tone}">{word}</b>, {age(time.time() - report.at)}']
        for step in report.steps:
            tone = theme.ok if step.ok else theme.error
            sign = "ok" if step.ok else "FAILED"
            lines.append(
                f'<span style="color:{tone}">{sign}</span> {step.name}: {_html(step.text)}'
            )
        if report.message:
            lines.append(_html(report.message))
        if not report.ok:
            lines.append("Go and look at the instruments; Make safe may be pressed again.")
        text = "<br>".join(lines)
        if text != self.report.text():
            self.report.setText(text)


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
