"""Brings what a thread finds of runs and queue into the window."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal

from magnon_lab.gui.model.lister import LOOK_S, Lister, Listing


class Lists(QObject):
    """Runs and queue of a folder; `changed` with a `Listing` once they are others."""

    changed = pyqtSignal(object)
    _found = pyqtSignal()

    def __init__(self, runs: Path, parent: QObject | None = None, look_s: float = LOOK_S) -> None:
        super().__init__(parent)
        # From another thread Qt queues it by itself.
        self._found.connect(self._tell)
        self._lister = Lister(runs, self._found.emit, look_s)

    @property
    def listing(self) -> Listing:
        """What was found last."""
        return self._lister.listing

    def look_now(self) -> None:
        """Look again at once: something was just changed."""
        self._lister.look_now()

    def close(self) -> None:
        """Look no more."""
        self._lister.close()

    def _tell(self) -> None:
        self.changed.emit(self.listing)
