"""Presets of the form: choose, keep, take away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from magnon_lab.gui.model.presets import Preset, PresetError, Presets, read

Filled = Callable[[], tuple[str, Mapping[str, Any]]]
"""Returns the procedure and the values of the form. Raises `ValueError` for a wrong text."""


class PresetsBar(QWidget):
    """Names of presets; a new name is typed over them, and kept with Save.

    `chosen` with procedure and values of one, `reset` for the defaults, `said` with a line on what
    was done, and whether it failed.
    """

    chosen = pyqtSignal(str, object)
    reset = pyqtSignal()
    said = pyqtSignal(str, bool)

    def __init__(self, presets: Presets, filled: Filled, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._presets, self._filled = presets, filled
        self.names = QComboBox(self)
        self.names.setEditable(True)
        self.names.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.names.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.names.setMinimumContentsLength(8)
        self.names.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.names.setAccessibleName("Preset")
        self.names.setToolTip(
            "Parameters kept under a name. Choose one to fill the form; type a new name and press "
            "Save to keep what the form says."
        )
        line = self.names.lineEdit()
        assert isinstance(line, QLineEdit)
        line.setPlaceholderText("choose …")
        line.returnPressed.connect(self._choose_typed)
        line.textChanged.connect(lambda _: self._follow())
        label = QLabel("Pr&eset", self)
        label.setBuddy(self.names)
        self.save = QPushButton("S&ave", self)
        self.save.setToolTip("Keep what the form says under the name to the left")
        self.save.clicked.connect(self._save)
        self.more = QToolButton(self)
        self.more.setText("More")
        self.more.setAccessibleName("More about presets")
        self.more.setToolTip("Delete a preset, open a file of parameters, or go back to defaults")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        menu = QMenu(self.more)
        menu.setToolTipsVisible(True)
        self.defaults = menu.addAction("All &defaults", self.reset.emit)
        self.delete = menu.addAction("De&lete this preset", self._delete)
        self.open = menu.addAction("&Open a file…", self._open)
        for action, tip in (
            (self.defaults, "Put every parameter back to its default"),
            (self.delete, "Take the preset away; shipped ones stay"),
            (self.open, "Fill the form from a YAML file, as `magnon-lab run --config` reads it"),
        ):
            if action is not None:
                action.setToolTip(tip)
        self.more.setMenu(menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(label)
        row.addWidget(self.names, 1)
        row.addWidget(self.save)
        row.addWidget(self.more)
        self.names.activated.connect(lambda _: self._choose(self.names.currentText()))
        self.fill()

    def fill(self) -> None:
        """List the presets that there are."""
        text = self.names.currentText()
        self.names.clear()
        for one in self._presets.list():
            self.names.addItem(one.name)
            tip = "Comes with the program" if one.shipped else str(one.path)
            self.names.setItemData(self.names.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.names.setCurrentIndex(-1)
        self.names.setEditText(text)
        self._follow()

    def clear(self) -> None:
        """Choose none."""
        self.names.setCurrentIndex(-1)
        self.names.setEditText("")

    def _now(self) -> Preset | None:
        return self._presets.find(self.names.currentText().strip())

    def _follow(self) -> None:
        name, there = self.names.currentText().strip(), self._now()
        self.save.setEnabled(bool(name) and not (there is not None and there.shipped))
        if self.delete is not None:
            self.delete.setEnabled(there is not None and not there.shipped)

    def _choose_typed(self) -> None:
        name = self.names.currentText().strip()
        if self._now() is not None:
            self._choose(name)
        elif name:
            self._save()

    def _choose(self, name: str) -> None:
        preset = self._presets.find(name)
        if preset is None:
            self.said.emit(f"There is no preset {name!r}", True)
        else:
            self._read(preset.path, f"Filled from preset {name}")

    def _read(self, path: Path, told: str) -> None:
        try:
            procedure, values = read(path)
        except PresetError as error:
            self.said.emit(str(error), True)
            return
        self.said.emit(told, False)
        self.chosen.emit(procedure, values)

    def _save(self) -> None:
        try:
            procedure, values = self._filled()
            kept = self._presets.save(self.names.currentText(), procedure, values)
        except ValueError as error:
            self.said.emit(f"Not kept: {error}", True)
            return
        self.fill()
        self.said.emit(f"Kept as preset {kept.name}", False)

    def _delete(self) -> None:
        preset = self._now()
        if preset is None:
            return
        try:
            self._presets.delete(preset)
        except PresetError as error:
            self.said.emit(str(error), True)
            return
        self.fill()
        # The name stays, so that Save puts back what was taken away by mistake.
        self.said.emit(f"Preset {preset.name} is deleted; Save keeps the form under it anew", False)

    def _open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Open a file of parameters", "", "Parameters (*.yaml *.yml);;All files (*)"
        )
        if path:
            self._read(Path(path), f"Filled from {Path(path).name}")
