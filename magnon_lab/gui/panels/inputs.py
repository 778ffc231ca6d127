"""PyMeasure's input widgets, as a form needs them: every text is kept and can be told wrong.

PyMeasure's spin boxes refuse a key or clip a number without a word, and round to six digits; here
numbers are typed into its line edit, and the form says what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymeasure.display.inputs import BooleanInput, ListInput, StringInput
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QAbstractButton, QComboBox, QCompleter, QLineEdit, QWidget

from magnon_lab.gui.model.form import Field


class TextInput(StringInput):
    """A line for text or a number."""

    def setValue(self, value: Any) -> None:
        """Show a value."""
        self.setText(str(value))


class ChoiceInput(ListInput):
    """A list of choices that turns with the wheel only once it has the focus."""

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Leave the wheel to the form that is scrolled."""
        if self.hasFocus():
            super().wheelEvent(event)
        elif event is not None:
            event.ignore()


def make_input(one: Field, changed: Callable[[], object]) -> QWidget:
    """Return the input of a parameter; `changed` is called with each change of it."""
    parameter = one.parameter
    widget: Any
    if parameter.ui_class is not None:
        widget = parameter.ui_class(parameter)
    elif one.kind == "choice":
        widget = ChoiceInput(parameter)
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        widget.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        widget.setMinimumContentsLength(6)
        for index, choice in enumerate(one.choices):
            meaning = one.meanings.get(choice, "")
            widget.setItemData(index, meaning, Qt.ItemDataRole.ToolTipRole)
    elif one.kind == "yes":
        widget = BooleanInput(parameter)
        widget.setText("")
    else:
        widget = TextInput(parameter)
        widget.setMinimumWidth(60)
        widget.setText(one.default)
        widget.setCursorPosition(0)
        if one.meanings:
            completer = QCompleter(list(one.meanings), widget)
            completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
            widget.setCompleter(completer)
    widget.setAccessibleName(one.label)
    widget.setAccessibleDescription(one.tip)
    widget.setToolTip(one.tip)
    widget.setObjectName(one.name)
    _connect(widget, changed)
    return widget


def _connect(widget: Any, changed: Callable[[], object]) -> None:
    if isinstance(widget, QLineEdit):
        widget.textChanged.connect(lambda _: changed())
    elif isinstance(widget, QComboBox):
        widget.currentIndexChanged.connect(lambda _: changed())
    elif isinstance(widget, QAbstractButton):
        widget.toggled.connect(lambda _: changed())
    else:  # a user's own, made like PyMeasure's
        widget.valueChanged.connect(lambda _: changed())


def text_of(widget: Any) -> str:
    """Return the text that stands in an input."""
    return widget.text() if isinstance(widget, QLineEdit) else str(widget.value())


def set_text(widget: Any, one: Field, text: str) -> None:
    """Put a text into an input; one that a list of choices lacks leaves it as it is."""
    if isinstance(widget, QLineEdit):
        widget.setText(text)
        widget.setCursorPosition(0)
    elif isinstance(widget, QComboBox):
        if text in one.choices:
            widget.setCurrentIndex(one.choices.index(text))
    elif isinstance(widget, QAbstractButton):
        widget.setChecked(text.strip().lower() in ("true", "1"))
    elif text:
        widget.setValue(one.value(text))
