"""How the controls of a picture stand: read, to be remembered, and put back."""

from __future__ import annotations

from typing import Any

from PyQt6.QtWidgets import QAbstractButton, QAbstractSlider, QComboBox, QDoubleSpinBox, QWidget


def value_of(control: QWidget) -> Any:
    """Return a number, whether it is ticked, or what the chosen entry stands for."""
    if isinstance(control, QComboBox):
        return control.currentData()
    if isinstance(control, QAbstractButton):
        return control.isChecked()
    assert isinstance(control, QAbstractSlider | QDoubleSpinBox)
    return control.value()


def put(control: QWidget, value: Any) -> None:
    """Put a control back; a value that it cannot take leaves it as it is."""
    if isinstance(control, QComboBox):
        at = control.findData(value)
        if at >= 0:
            control.setCurrentIndex(at)
    elif isinstance(control, QAbstractButton):
        control.setChecked(value is True)
    elif isinstance(control, QAbstractSlider) and isinstance(value, int):
        control.setValue(value)
    elif isinstance(control, QDoubleSpinBox) and isinstance(value, int | float):
        control.setValue(float(value))
