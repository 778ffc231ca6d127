"""A line of text that takes no more room than one, and unfolds when asked."""

from __future__ import annotations

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QKeyEvent, QMouseEvent, QResizeEvent
from PyQt6.QtWidgets import QLabel, QSizePolicy, QWidget

from magnon_lab.gui.theme import mark


class Line(QLabel):
    """Says something: cut to one line, whole in its tooltip, and unfolded by a click or space."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.message = ""
        self._unfolded = False
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.hide()

    def tell(self, message: str, wrong: bool = False) -> None:
        """Say a message, nothing if it is empty."""
        if message != self.message:
            self.message, self._unfolded = message, False
        self.setAccessibleName(message)
        self._show()
        self.setVisible(bool(message))
        mark(self, kind="wrong" if wrong else "muted")

    def _show(self) -> None:
        shown = self.fontMetrics().elidedText(
            self.message, Qt.TextElideMode.ElideRight, self.width()
        )
        cut = shown != self.message
        self.setWordWrap(self._unfolded)
        self.setText(self.message if self._unfolded else shown)
        self.setToolTip(f"{self.message}\n(click, or press space, to read it whole)" if cut else "")
        # Only what can be unfolded takes the keyboard's focus.
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if cut else Qt.FocusPolicy.NoFocus)

    def _toggle(self) -> None:
        self._unfolded = not self._unfolded and self.text() != self.message
        self._show()

    def minimumSizeHint(self) -> QSize:
        """See Qt."""
        return QSize(0, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """See Qt."""
        super().resizeEvent(event)
        self._show()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """See Qt."""
        self._toggle()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """See Qt."""
        if event is not None and event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Return):
            self._toggle()
        else:
            super().keyPressEvent(event)
