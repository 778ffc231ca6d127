"""What the windows remember between two starts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QByteArray, QSettings
from PyQt6.QtWidgets import QMainWindow

#: Raised when docks come or go, since a layout of others cannot be restored.
LAYOUT = 2


class Settings:
    """Layout, theme and last choices, kept by Qt where the desktop keeps such things."""

    def __init__(self, settings: QSettings | None = None) -> None:
        self._settings = settings or QSettings("Magnon Lab", "magnon-lab")

    @property
    def theme(self) -> str:
        """Return the name of the theme."""
        return str(self._settings.value("theme", "system"))

    @theme.setter
    def theme(self, name: str) -> None:
        self._settings.setValue("theme", name)

    @property
    def greeted(self) -> bool:
        """Whether the first start is over."""
        return str(self._settings.value("greeted", "no")) == "yes"

    @greeted.setter
    def greeted(self, value: bool) -> None:
        self._settings.setValue("greeted", "yes" if value else "no")

    def choices(self, name: str) -> dict[str, Any]:
        """Return how the controls of a picture stood, by their labels."""
        try:
            found = json.loads(str(self._settings.value(f"choices/{name}", "{}")))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def set_choices(self, name: str, choices: Mapping[str, Any]) -> None:
        """Remember how the controls of a picture stand."""
        self._settings.setValue(f"choices/{name}", json.dumps(choices))

    def save_layout(self, window: QMainWindow, inner: QMainWindow) -> None:
        """Remember size, place and docks of a window, and the docks of the one in its middle."""
        self._settings.setValue("geometry", window.saveGeometry())
        self._settings.setValue("layout", window.saveState(LAYOUT))
        self._settings.setValue("inner layout", inner.saveState(LAYOUT))
        self._settings.sync()

    def restore_layout(self, window: QMainWindow, inner: QMainWindow) -> bool:
        """Bring both to how they were left; False if that is not known."""
        names = ("geometry", "layout", "inner layout")
        geometry, layout, pictures = (self._value(name) for name in names)
        if geometry is None or layout is None or pictures is None:
            return False
        window.restoreGeometry(geometry)
        return window.restoreState(layout, LAYOUT) and inner.restoreState(pictures, LAYOUT)

    def _value(self, name: str) -> QByteArray | None:
        value: Any = self._settings.value(name)
        return value if isinstance(value, QByteArray) else None

    def folder(self, name: str, default: Path) -> Path:
        """Return the folder that was last chosen for a purpose."""
        return Path(str(self._settings.value(f"folder/{name}", str(default))))

    def set_folder(self, name: str, path: Path) -> None:
        """Remember the folder that was chosen for a purpose."""
        self._settings.setValue(f"folder/{name}", str(path))
