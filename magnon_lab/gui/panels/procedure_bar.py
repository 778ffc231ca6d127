"""Which procedure: one of the list, or a script of the user's own."""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from procedures import PROCEDURES

FIRST = "train"


class ProcedureBar(QWidget):
    """A list that a script's path can be typed over; `entered` with what was chosen or typed.

    `picked` with the path of a script that was chosen anew, to be read anew.
    """

    entered = pyqtSignal(str)
    picked = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.names = QComboBox(self)
        self.names.setEditable(True)
        self.names.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.names.addItems(sorted(PROCEDURES, key=lambda name: name != FIRST))
        self.names.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.names.setMinimumContentsLength(8)
        self.names.setAccessibleName("Procedure")
        self.names.setToolTip(
            "What to run: one of the list, or a script of your own as path/to/file.py:Class "
            "(then Return)"
        )
        self._shown = ""
        label = QLabel("Pr&ocedure", self)
        label.setBuddy(self.names)
        self.script = QPushButton("Scr&ipt…", self)
        self.script.setToolTip("Choose a script of your own that holds a PyMeasure procedure")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(label)
        row.addWidget(self.names, 1)
        row.addWidget(self.script)
        self.names.activated.connect(lambda _: self.entered.emit(self.text))
        typed = self.names.lineEdit()
        assert typed is not None
        typed.editingFinished.connect(lambda: self.entered.emit(self.text))
        self.script.clicked.connect(self._pick)
        self.setFocusProxy(self.names)

    @property
    def text(self) -> str:
        """What is chosen or typed."""
        return self.names.currentText().strip()

    @property
    def is_typed(self) -> bool:
        """Whether a person typed what stands there, rather than a file having named it."""
        return self.text != self._shown

    def show_text(self, reference: str) -> None:
        """Show a procedure, of the list or not."""
        self._shown = reference
        self.names.setCurrentIndex(self.names.findText(reference))
        self.names.setEditText(reference)

    def _pick(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Choose a script with a PyMeasure procedure", "", "Python (*.py)"
        )
        if path:
            self.show_text(path)
            self.picked.emit(path)
