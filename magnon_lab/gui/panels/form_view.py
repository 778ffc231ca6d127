"""The fields of a form under headings that fold, each with room for what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QFrame,
    QGridLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from magnon_lab.gui.model.form import WHOLE, Field, Form
from magnon_lab.gui.panels.inputs import make_input, set_text, text_of
from magnon_lab.gui.theme import mark

LABEL_WIDTH = 98


class Section(QWidget):
    """A heading that folds what is under it."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = title
        self.button = QToolButton(self)
        self.button.setCheckable(True)
        self.button.setChecked(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setAutoRaise(True)
        self.button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.button.setToolTip("Fold or unfold (space)")
        font = self.button.font()
        font.setBold(True)
        self.button.setFont(font)
        self.body = QWidget(self)
        self.grid = QGridLayout(self.body)
        self.grid.setContentsMargins(6, 0, 4, 4)
        self.grid.setHorizontalSpacing(6)
        self.grid.setVerticalSpacing(3)
        self.grid.setColumnStretch(1, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(1)
        column.addWidget(self.button)
        column.addWidget(self.body)
        self.button.toggled.connect(self._fold)
        self.tell(0, 0)
        self._fold(True)

    def _fold(self, opened: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow
        self.button.setArrowType(arrow)
        self.body.setVisible(opened)

    def unfold(self) -> None:
        """Show what is under it."""
        self.button.setChecked(True)

    def tell(self, changed: int, wrong: int) -> None:
        """Say in the heading how many fields are changed, and how many wrong."""
        told = [self.title]
        told += [f"{changed} changed"] if changed and not wrong else []
        told += [f"{wrong} wrong"] if wrong else []
        self.button.setText("  ·  ".join(told))
        mark(self.button, kind="wrong" if wrong else "")


@dataclass
class Row:
    """What belongs to one field."""

    field: Field
    section: Section
    label: QLabel
    input: QWidget
    hint: QLabel
    problem: QLabel

    def show(self, shown: bool) -> None:
        """Show or hide the row."""
        for one in (self.label, self.input, self.hint):
            one.setVisible(shown)
        self.problem.setVisible(shown and bool(self.problem.text()))

    def tell(self, problem: str) -> None:
        """Say what is wrong with the field, nothing if all is well."""
        if problem != self.problem.text():
            self.problem.setText(problem)
            self.problem.setVisible(bool(problem) and self.input.isVisibleTo(self.section.body))
            mark(self.input, wrong="true" if problem else "false")
            self.input.setAccessibleDescription(f"Wrong: {problem}" if problem else self.field.tip)


class FormView(QScrollArea):
    """A form to be filled in; `changed` with each change, `focused` with the field at work."""

    changed = pyqtSignal()
    focused = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.form: Form | None = None
        self.rows: dict[str, Row] = {}
        self._sections: list[Section] = []
        self._filter = ""
        self._silent = False

    def show_form(self, form: Form, texts: Mapping[str, str]) -> None:
        """Show the fields of a procedure."""
        self.form = form
        self.rows = {}
        self._sections = []
        whole = QWidget(self)
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 2, 0)
        column.setSpacing(4)
        for title, fields in form.groups.items():
            section = Section(title, whole)
            for one in fields:
                self.rows[one.name] = self._row(one, section)
            column.addWidget(section)
            self._sections.append(section)
        column.addStretch(1)
        self.setWidget(whole)
        self.set_texts(texts)

    def _row(self, one: Field, section: Section) -> Row:
        at = section.grid.rowCount()
        widget = make_input(one, self._change)
        widget.installEventFilter(self)
        label = QLabel(one.label, section.body)
        label.setBuddy(widget)
        label.setToolTip(one.tip)
        label.setWordWrap(True)
        label.setFixedWidth(LABEL_WIDTH)
        hint = QLabel(" ".join(part for part in (one.range, one.unit) if part), section.body)
        mark(hint, kind="muted")
        font = hint.font()
        font.setPointSizeF(font.pointSizeF() * 0.9)
        hint.setFont(font)
        hint.setToolTip(f"{one.label} takes {one.takes}")
        problem = QLabel("", section.body)
        problem.setWordWrap(True)
        problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        problem.setFont(font)
        mark(problem, kind="wrong")
        problem.hide()
        section.grid.addWidget(label, at, 0)
        if hint.text():
            section.grid.addWidget(widget, at, 1)
            section.grid.addWidget(hint, at, 2)
        else:
            section.grid.addWidget(widget, at, 1, 1, 2)
        section.grid.addWidget(problem, at + 1, 0, 1, 3)
        return Row(one, section, label, widget, hint, problem)

    # Texts

    def texts(self) -> dict[str, str]:
        """Return what stands in the fields."""
        return {name: text_of(row.input) for name, row in self.rows.items()}

    def set_texts(self, texts: Mapping[str, str]) -> None:
        """Fill the fields."""
        self._silent = True
        try:
            for name, text in texts.items():
                if name in self.rows:
                    set_text(self.rows[name].input, self.rows[name].field, text)
        finally:
            self._silent = False
        self._change()

    def _change(self) -> None:
        if not self._silent and self.form is not None:
            self.arrange()
            self.changed.emit()

    # What is shown

    def arrange(self) -> None:
        """Show the fields that belong there, bold what is changed, and what empty ones come to."""
        form = self.form
        if form is None:
            return
        texts = self.texts()
        shown = form.shown(texts)
        for name, row in self.rows.items():
            row.show(name in shown and self._matches(row.field))
            font = row.label.font()
            if font.bold() != (changed := form.is_changed(name, texts[name])):
                font.setBold(changed)
                row.label.setFont(font)
            if isinstance(row.input, QLineEdit):
                hint = form.hint(name, texts)
                row.input.setPlaceholderText(hint.short)
                row.input.setToolTip("\n".join(filter(None, (row.field.tip, hint.long))))
                row.input.setEnabled(hint.of_use)
        for section in self._sections:
            mine = [row for row in self.rows.values() if row.section is section]
            section.setVisible(
                any(row.field.name in shown and self._matches(row.field) for row in mine)
            )

    def filter(self, text: str) -> None:
        """Show only the fields that the words of `text` are found in."""
        self._filter = text.strip().lower()
        if self._filter:
            for section in self._sections:
                section.unfold()
        self.arrange()

    def _matches(self, one: Field) -> bool:
        about = f"{one.name} {one.label} {one.unit} {one.description} {' '.join(one.choices)}"
        return all(word in about.lower() for word in self._filter.split())

    def show_problems(self, problems: Mapping[str, str]) -> None:
        """Say at each field what is wrong with it."""
        form = self.form
        if form is None:
            return
        for name, row in self.rows.items():
            row.tell(problems.get(name, ""))
        texts = self.texts()
        for section in self._sections:
            mine = [row.field.name for row in self.rows.values() if row.section is section]
            section.tell(
                sum(form.is_changed(name, texts[name]) for name in mine),
                sum(name in problems for name in mine),
            )

    def go_to(self, name: str) -> None:
        """Put the focus on a field, and bring it into view."""
        row = self.rows.get(name)
        if name == WHOLE or row is None:
            return
        row.section.unfold()
        row.input.setFocus(Qt.FocusReason.OtherFocusReason)
        self.ensureWidgetVisible(row.problem if row.problem.text() else row.input)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Notice which field has the focus, and keep it in view."""
        if event is not None and event.type() == QEvent.Type.FocusIn:
            row = next((row for row in self.rows.values() if row.input is watched), None)
            if row is not None:
                self.focused.emit(row.field)
                self.ensureWidgetVisible(row.input, 10, 30)
        return super().eventFilter(watched, event)
