"""One knob in hand mode: a box and a slider to ask with, what reads back, what came of it."""

from __future__ import annotations

import math

from PyQt6.QtCore import QSignalBlocker, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QFocusEvent, QWheelEvent
from PyQt6.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QWidget,
)

from magnon_lab.gui.model.hand_view import Note, Row
from magnon_lab.gui.panels.card import Wrapped
from magnon_lab.gui.theme import mark

POSITIONS = 1000
"""Positions of a slider whose instrument turns without steps."""

SETTLED_MS = 300
"""A slider that is moved by keys is asked for once it stands still so long."""

FAR = 1e6
"""The box takes numbers so many times the limits: what is beyond them is refused with a reason,
never turned into another number without a word."""


class Box(QDoubleSpinBox):
    """A number with its unit; its steps stay within the limits, the wheel turns it when focused."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = -math.inf, math.inf
        self.setKeyboardTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def stepBy(self, steps: int) -> None:
        """Step within the limits (Qt's name)."""
        aim = self.value() + steps * self.singleStep()
        self.setValue(min(max(aim, self.low), self.high))
        self.selectAll()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Leave the wheel to the panel, which is scrolled, until the box is chosen (Qt's name)."""
        if event is not None and not self.hasFocus():
            event.ignore()
            return
        super().wheelEvent(event)

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        """Select the number, to be typed over (Qt's name)."""
        super().focusInEvent(event)
        QTimer.singleShot(0, self.selectAll)


class Slider(QSlider):
    """A slider that leaves the wheel to the panel until it is chosen."""

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Turn only when focused (Qt's name)."""
        if event is not None and not self.hasFocus():
            event.ignore()
            return
        super().wheelEvent(event)


class KnobRow(QWidget):
    """Emits `asked` (quantity, value as stored) when Enter, *Set* or the slider says so."""

    asked = pyqtSignal(str, float)

    def __init__(self, row: Row, begin: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        gauge = row.gauge
        self.quantity, self._factor, self._step = gauge.quantity, gauge.factor, row.step
        self._edited, self._note, self._range = False, Note(), gauge.range_text
        self.label = QLabel(f"{gauge.name} ({gauge.unit})")
        self.found = QLabel("–")
        self.found.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.box = Box()
        self.box.low, self.box.high = gauge.low * gauge.factor, gauge.high * gauge.factor
        self.box.setDecimals(row.decimals)
        reach = FAR * max(abs(self.box.low), abs(self.box.high), 1.0)
        self.box.setRange(-reach, reach)
        self.box.setSingleStep(row.step)
        self.box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.box.setMinimumWidth(70)
        self.label.setBuddy(self.box)
        self.button = QPushButton("Set")
        self.button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.slider = Slider(Qt.Orientation.Horizontal)
        # As many positions as the box has steps, if that makes a slider one can still aim with.
        steps = round((self.box.high - self.box.low) / row.step)
        self._positions = steps if 1 < steps <= POSITIONS else POSITIONS
        self.slider.setRange(0, self._positions)
        self.slider.setPageStep(max(1, self._positions // 20))
        self.note = Wrapped("muted")
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLED_MS)
        self._settled.timeout.connect(self.send)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 2, 0, 4)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(1)
        grid.addWidget(self.label, 0, 0)
        grid.addWidget(self.found, 0, 1, 1, 2)
        grid.addWidget(self.box, 1, 0, 1, 2)
        grid.addWidget(self.button, 1, 2)
        grid.addWidget(self.slider, 2, 0, 1, 3)
        grid.addWidget(self.note, 3, 0, 1, 3)
        grid.setColumnStretch(0, 1)
        self._tell(row)
        self._place(begin)
        self.show_row(row)
        self.button.clicked.connect(self.send)
        line = self.box.lineEdit()
        assert line is not None
        line.returnPressed.connect(self.send)
        self.box.valueChanged.connect(self._box_changed)
        self.slider.valueChanged.connect(self._slider_changed)
        self.slider.sliderReleased.connect(self.send)

    def _tell(self, row: Row) -> None:
        gauge = row.gauge
        low, high = gauge.number(gauge.low), gauge.text(gauge.high)
        about = f"{gauge.name} in {gauge.unit}, limits {low} to {high}, steps of {row.step:g}"
        for widget, name, tip in (
            (self.box, gauge.name, f"{about}. Enter asks for it; the run checks every limit."),
            (self.slider, f"{gauge.name} slider", f"{about}. Asked for when it is let go."),
            (self.button, f"Set {gauge.name}", f"Ask the run to set {gauge.name.lower()}"),
            (self.found, f"{gauge.name} read back", "Read back after the newest sweep"),
        ):
            widget.setAccessibleName(name)
            widget.setToolTip(tip)

    def show_row(self, row: Row) -> bool:
        """Show what reads back and what came of the last request; return whether that is new.

        A number that is being edited stays, also when somebody else asks for another one.
        """
        gauge = row.gauge
        self.found.setText(f"reads {gauge.text(gauge.found)}" if gauge.found == gauge.found else "")
        news, self._note = row.note != self._note, row.note
        # What was refused stays in its box as well, to be mended.
        if math.isfinite(gauge.asked) and not self._edited and row.note.sign in ("", "ok"):
            self._place(gauge.asked * self._factor)
        self._look()
        return news

    @property
    def value(self) -> float:
        """The number in the box, as stored."""
        return self.box.value() / self._factor

    def send(self) -> None:
        """Ask for what the box says."""
        self._settled.stop()
        self.box.interpretText()
        self._edited = False
        self._look()
        self.asked.emit(self.quantity, self.value)

    def _place(self, value: float) -> None:
        with QSignalBlocker(self.box), QSignalBlocker(self.slider):
            if self.box.value() != round(value, self.box.decimals()):
                self.box.setValue(value)
            if not self.slider.isSliderDown():
                self.slider.setValue(self._position(value))
        self._look()

    def _position(self, value: float) -> int:
        span = self.box.high - self.box.low
        part = (value - self.box.low) / span if span > 0 else 0.0
        return round(min(1.0, max(0.0, part)) * self._positions)

    def _box_changed(self, value: float) -> None:
        self._edited = True
        with QSignalBlocker(self.slider):
            self.slider.setValue(self._position(value))
        self._look()

    def _slider_changed(self, position: int) -> None:
        self._edited = True
        span = self.box.high - self.box.low
        with QSignalBlocker(self.box):
            self.box.setValue(self.box.low + span * position / self._positions)
        self._look()
        if not self.slider.isSliderDown():
            self._settled.start()

    def _look(self) -> None:
        """Show at the box whether its number is within the limits, and asked for."""
        slack = 10.0 ** -self.box.decimals() / 2
        value = self.box.value()
        outside = not self.box.low - slack <= value <= self.box.high + slack
        state = "true" if outside else "false"
        if self.box.property("wrong") != state:
            mark(self.box, wrong=state)
        note = self._note
        if outside and self._edited:
            note = Note("refused", f"outside its limits, {self._range}")
        if self.note.text() != note.text:
            self.note.setText(note.text)
        mark_once(self.note, "wrong" if note.sign == "refused" else "muted")
        word = "Set *" if self._edited else "Set"
        if self.button.text() != word:
            self.button.setText(word)


def mark_once(label: QLabel, kind: str) -> None:
    """Give a label a kind that the style sheet looks at, if it is another one than before."""
    if label.property("kind") != kind:
        mark(label, kind=kind)
