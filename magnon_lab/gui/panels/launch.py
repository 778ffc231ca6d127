"""What to run next: procedure, parameters, presets, what it will take, Start and Queue."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PyQt6.QtCore import Qt, QTimer, pyqtSignal
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from magnon_lab.bench import BenchFile
from magnon_lab.gui.background import Background
from magnon_lab.gui.model.form import REFUSALS, WHOLE, Field, Form
from magnon_lab.gui.model.presets import Presets
from magnon_lab.gui.panels.form_view import FormView
from magnon_lab.gui.panels.presets_bar import PresetsBar
from magnon_lab.gui.panels.procedure_bar import FIRST, ProcedureBar
from magnon_lab.gui.theme import mark
from magnon_lab.runs.queue import Entry
from procedures import ProcedureNotFoundError

#: How long (ms) after the last key the estimate is made.
STILL_MS = 150

UNGUARDED = (
    "This procedure opens its instruments by itself: no limit of the bench file is checked, and no "
    "safe state is ensured."
)


class LaunchPanel(QWidget):
    """A procedure's form, with Start and Queue.

    `start` and `queue` carry procedure and the values that differ from its defaults; `saved` those
    of the entry of the queue that is edited (its number, values).
    """

    start = pyqtSignal(str, object)
    queue = pyqtSignal(str, object)
    saved = pyqtSignal(int, object)

    def __init__(
        self,
        bench_file: BenchFile | None,
        runs: Path,
        parent: QWidget | None = None,
        presets: Presets | None = None,
    ) -> None:
        super().__init__(parent)
        self._bench_file, self._runs = bench_file, runs
        self._entry: Entry | None = None
        self._blocked = ""
        self._problems: dict[str, str] = {}
        self._refusals: dict[str, tuple[str, str]] = {}  # by field: the text then, and the message
        self._no_form = ""
        self._estimated: str | Exception | None = None
        self._build(presets or Presets())
        self._estimating = Background(REFUSALS, self)
        self._estimating.answered.connect(self._take_estimate)
        self._still = QTimer(self)
        self._still.setSingleShot(True)
        self._still.setInterval(STILL_MS)
        self._still.timeout.connect(self._estimate)
        self.choose(FIRST)

    def _build(self, presets: Presets) -> None:
        self.setMinimumWidth(290)
        self.procedure = ProcedureBar(self)
        self.summary = QLabel(self)
        self.summary.setWordWrap(True)
        mark(self.summary, kind="muted")
        self.presets = PresetsBar(presets, self._filled, self)
        self.search = QLineEdit(self)
        self.search.setClearButtonEnabled(True)
        self.search.setPlaceholderText("Find a parameter")
        self.search.setAccessibleName("Find a parameter")
        self.search.setToolTip("Show only the parameters that these words are found in")
        self.view = FormView(self)
        self.help = QLabel(self)
        self.help.setWordWrap(True)
        self.help.setMinimumHeight(2 * self.fontMetrics().lineSpacing())
        self.help.setAlignment(Qt.AlignmentFlag.AlignTop)
        mark(self.help, kind="muted")
        self.told = QLabel(self)
        self.told.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.wrong = QLabel(self)
        self.wrong.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.LinksAccessibleByMouse
            | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        mark(self.wrong, kind="wrong")
        for line in (self.told, self.wrong):
            line.setWordWrap(True)
            line.hide()
        self.estimate = QLabel(self)
        self.estimate.setWordWrap(True)
        self.estimate.setToolTip(
            "From the parameters, and the settle and sweep times of the bench file. Bench time is "
            "what the instruments take; a simulated bench is quicker by the clock on the wall."
        )
        self.start_button = QPushButton("Start", self)
        mark(self.start_button, kind="primary")
        self.queue_button = QPushButton("Queue", self)
        self.cancel_button = QPushButton("Do not save", self)
        self.cancel_button.setToolTip("Leave the entry of the queue as it is")
        self.cancel_button.hide()
        self._lay_out()
        self.procedure.entered.connect(self._entered)
        self.procedure.picked.connect(lambda path: self.choose(path, anew=True, by_hand=True))
        self.presets.chosen.connect(self._load_preset)
        self.presets.reset.connect(self._reset)
        self.presets.said.connect(self.tell)
        self.search.textChanged.connect(self.view.filter)
        self.view.changed.connect(self._changed)
        self.view.focused.connect(self._explain)
        self.wrong.linkActivated.connect(self.view.go_to)
        self.start_button.clicked.connect(self.press_start)
        self.queue_button.clicked.connect(self.press_queue)
        self.cancel_button.clicked.connect(self._leave_entry)
        self.setFocusProxy(self.procedure)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.cancel_button)
        buttons.addStretch(1)
        buttons.addWidget(self.queue_button)
        buttons.addWidget(self.start_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(5)
        column.addWidget(self.procedure)
        column.addWidget(self.summary)
        column.addWidget(self.presets)
        column.addWidget(self.search)
        column.addWidget(self.view, 1)
        for widget in (self.help, self.told, self.wrong, self.estimate):
            column.addWidget(widget)
        column.addLayout(buttons)

    # Which procedure

    @property
    def reference(self) -> str:
        """The procedure that the form is of; empty if it could not be read."""
        return self.view.form.reference if self.view.form is not None else ""

    def choose(self, reference: str, anew: bool = False, by_hand: bool = False) -> bool:
        """Show the form of a procedure, if it can be read, filled with its defaults.

        One that is shown already stays as it is filled, unless `anew`. `by_hand`: a person typed
        or picked it, so a script may be executed.
        """
        reference = reference.strip()
        if reference == self.reference and not anew:
            if self._no_form:
                self._no_form = ""
                self._follow()
            return True
        try:
            form = Form(reference, self._bench_file, self._runs, by_hand)
        except ProcedureNotFoundError as error:
            self._no_form = str(error)
            self._follow()
            return False
        self._show(form, form.defaults())
        self.presets.clear()
        return True

    def _entered(self, reference: str) -> None:
        self.choose(reference, by_hand=self.procedure.is_typed)

    def _show(self, form: Form, texts: Mapping[str, str]) -> None:
        self._no_form, self._refusals = "", {}
        self.procedure.show_text(form.reference)
        self.summary.setText(form.summary if form.guarded else f"{form.summary} {UNGUARDED}")
        mark(self.summary, kind="muted" if form.guarded else "wrong")
        self.help.setText("The field that has the focus is explained here.")
        self.tell("")
        self.view.show_form(form, texts)

    def set_bench(self, bench_file: BenchFile | None) -> None:
        """Take another bench file; what stands in the fields stays."""
        self._bench_file = bench_file
        if self.reference:
            texts = self.view.texts()
            self._show(Form(self.reference, bench_file, self._runs), texts)

    # What stands in it

    def load(self, procedure: str, values: Mapping[str, Any], told: str = "") -> None:
        """Fill the form with the values of a preset or a past run, and say `told`."""
        if not self.choose(procedure):
            self.procedure.show_text(procedure)
            return
        form = self.view.form
        assert form is not None
        texts, unknown = form.texts(values)
        self._refusals = {}
        self.view.set_texts(texts)
        if unknown:
            left_out = f"{procedure} has no {', '.join(unknown)}: left out"
            told = f"{told}; {left_out}" if told else left_out
        self.tell(told, bool(unknown))

    def _load_preset(self, procedure: str, values: Mapping[str, Any]) -> None:
        name = self.presets.names.currentText()
        self.load(procedure, values, f"Filled from {name}" if name else "Filled from the file")
        self.presets.names.setEditText(name)

    def _reset(self) -> None:
        if self.view.form is not None:
            self.view.set_texts(self.view.form.defaults())
            self.presets.clear()
            self.tell("Every parameter is at its default")

    def _filled(self) -> tuple[str, Mapping[str, Any]]:
        form = self.view.form
        if form is None:
            raise ValueError(self._no_form)
        return form.reference, form.values(self.view.texts())

    def edit_entry(self, entry: Entry) -> None:
        """Fill the form with an entry of the queue, to be saved there instead of being started."""
        self._entry = None
        self.load(entry.procedure, entry.parameters, f"Entry {entry.entry} of the queue")
        self._entry = entry
        self._follow()

    def _leave_entry(self) -> None:
        self._entry = None
        self.tell("")
        self._follow()

    # What is wrong with it

    def _changed(self) -> None:
        form = self.view.form
        assert form is not None
        texts = self.view.texts()
        self.tell("")
        self._problems = form.check(texts)
        self._refusals = {
            name: (then, told)
            for name, (then, told) in self._refusals.items()
            if name != WHOLE and texts.get(name) == then
        }
        self._estimated = None
        self._estimating.forget()
        self._still.start()
        self._follow()

    def _estimate(self) -> None:
        form = self.view.form
        if form is None or self._problems:
            self._follow()
            return
        texts = self.view.texts()
        self._estimating.do(lambda: form.estimate(texts))

    def _take_estimate(self, result: str | Exception) -> None:
        self._estimated = result
        self._follow()

    def show_refusal(self, message: str) -> None:
        """Show, at the field that it is about, what a run's process refused."""
        form = self.view.form
        if form is None:
            return
        texts = self.view.texts()
        name = form.field_of(message, texts)
        self._refusals[name] = (texts.get(name, ""), message)
        self._follow()
        self.view.go_to(name)

    def set_blocked(self, reason: str) -> None:
        """Let nothing be started for a reason, until it is empty; the queue still takes it."""
        self._blocked = reason
        self._follow()

    def tell(self, text: str, wrong: bool = False) -> None:
        """Say a line above the buttons."""
        self.told.setText(text)
        self.told.setVisible(bool(text))
        mark(self.told, kind="wrong" if wrong else "muted")

    def _follow(self) -> None:
        """Bring buttons, estimate and messages in line with what is known."""
        problems = dict(self._problems)
        form = self.view.form
        if isinstance(self._estimated, Exception) and form is not None:
            told = str(self._estimated)
            problems.setdefault(form.field_of(told, self.view.texts()), told)
        refused = {name: told for name, (_, told) in self._refusals.items()}
        self.view.show_problems(refused | problems)
        reason = self._no_form or next(iter(problems.values()), "")
        where = next(iter(problems), WHOLE)
        if where != WHOLE and not self._no_form and form is not None:
            shown = f"{form.fields[where].label} is wrong: <a href='{where}'>go to it</a>"
        else:
            shown = self._no_form or reason or refused.get(WHOLE, "")
        self.wrong.setText(shown)
        self.wrong.setVisible(bool(shown))
        self.estimate.setText(self._estimated if isinstance(self._estimated, str) else "…")
        self.estimate.setVisible(not reason)
        self._follow_buttons(reason)

    def _follow_buttons(self, reason: str) -> None:
        entry = self._entry
        self.start_button.setText("Start" if entry is None else f"Save entry {entry.entry}")
        self.queue_button.setVisible(entry is None)
        self.cancel_button.setVisible(entry is not None)
        self.procedure.setEnabled(entry is None)
        stopped = reason or ("" if entry is not None else self._blocked)
        self.start_button.setEnabled(not stopped)
        self.queue_button.setEnabled(not reason)
        what = "Run it now (Ctrl+Return)" if entry is None else "Save it in the queue (Ctrl+Return)"
        self.start_button.setToolTip(f"Cannot be started: {stopped}" if stopped else what)
        self.queue_button.setToolTip(
            f"Cannot be queued: {reason}"
            if reason
            else "Put it at the end of the queue (Ctrl+Shift+Return)"
        )

    def _explain(self, one: Field) -> None:
        self.help.setText(f"<b>{one.label}</b>: {one.description or one.takes}")
        self.help.setToolTip(one.tip)

    # Acting

    def press_start(self) -> None:
        """Start what the form says, or save the entry of the queue that is edited."""
        if self._ready() and self.start_button.isEnabled():
            values = self._values()
            if self._entry is not None:
                number = self._entry.entry
                self._leave_entry()
                self.saved.emit(number, values)
            else:
                self.start.emit(self.reference, values)

    def press_queue(self) -> None:
        """Put what the form says into the queue."""
        if self._ready() and self._entry is None and self.queue_button.isEnabled():
            self.queue.emit(self.reference, self._values())

    def _ready(self) -> bool:
        """Take a procedure that is typed but not entered yet; False if it cannot be read."""
        return self.choose(self.procedure.text, by_hand=self.procedure.is_typed)

    def _values(self) -> dict[str, str]:
        assert self.view.form is not None
        self._refusals.clear()
        self._follow()
        return self.view.form.changed(self.view.texts())

    def retheme(self) -> None:
        """Follow the colours of the theme."""
        self._follow()
