"""Windows without a screen, and away from what the user's own windows remember."""

from __future__ import annotations

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["QT_API"] = "pyqt6"

from collections.abc import Iterator
from pathlib import Path

import pytest
from PyQt6.QtCore import QEvent
from PyQt6.QtWidgets import QApplication


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep settings, presets and locks in the folder of the test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("MAGNON_LAB_LOCKS", str(tmp_path / "locks"))


@pytest.fixture(autouse=True)
def _closed_windows_are_gone() -> Iterator[None]:
    """Delete what a test closed: a theme would be put on all that is still there."""
    yield
    if QApplication.instance() is not None:
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        if application.styleSheet():
            application.setStyleSheet("")  # a theme is the window's, not the next test's
