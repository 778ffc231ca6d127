"""Light and dark: Qt's Fusion style with our palette, and the same colours for all plots."""

from __future__ import annotations

import pyqtgraph as pg
from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QGuiApplication, QPalette
from PyQt6.QtWidgets import QApplication, QWidget

from magnon_lab.gui.colours import DARK, LIGHT, Colours

THEMES = ("system", "light", "dark")

_active = LIGHT


def colours() -> Colours:
    """Return the colours in use."""
    return _active


class Theme(QObject):
    """The theme of the application; `changed` when plots are to be drawn anew."""

    changed = pyqtSignal()

    def __init__(self, application: QApplication, name: str = "system") -> None:
        super().__init__(application)
        self._application = application
        self.name = name
        application.setStyle("Fusion")
        hints = QGuiApplication.styleHints()
        if hints is not None:
            hints.colorSchemeChanged.connect(self._system_changed)
        self.set(name)

    def set(self, name: str) -> None:
        """Use a theme of `THEMES`; "system" follows the desktop."""
        global _active
        self.name = name
        _active = {"light": LIGHT, "dark": DARK}.get(name) or _of_desktop()
        self._application.setPalette(_palette(_active))
        self._application.setStyleSheet(_style(_active))
        pg.setConfigOptions(
            background=_active.raised, foreground=_active.foreground, antialias=False
        )
        self.changed.emit()

    def _system_changed(self) -> None:
        if self.name == "system":
            self.set("system")


def _of_desktop() -> Colours:
    hints = QGuiApplication.styleHints()
    dark = hints is not None and hints.colorScheme() == Qt.ColorScheme.Dark
    return DARK if dark else LIGHT


def _palette(theme: Colours) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for where, colour in {
        role.Window: theme.background,
        role.WindowText: theme.foreground,
        role.Base: theme.field,
        role.AlternateBase: theme.raised,
        role.Text: theme.foreground,
        role.Button: theme.raised,
        role.ButtonText: theme.foreground,
        role.ToolTipBase: theme.raised,
        role.ToolTipText: theme.foreground,
        role.PlaceholderText: theme.muted,
        role.Highlight: theme.accent,
        role.HighlightedText: theme.on_accent,
        role.Link: theme.accent,
        role.Mid: theme.border,
        role.Dark: theme.border,
        role.Light: theme.border,
        role.Midlight: theme.border,
        role.Shadow: theme.border,
    }.items():
        palette.setColor(where, QColor(colour))
    faint = QColor(theme.muted)
    faint.setAlpha(150)
    for where in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, where, faint)
    return palette


def _style(theme: Colours) -> str:
    """What a palette cannot say."""
    return f"""
    QToolTip {{ color: {theme.foreground}; background: {theme.raised};
               border: 1px solid {theme.border}; padding: 3px; }}
    QDockWidget::title {{ background: {theme.background}; padding: 4px 6px; }}
    *[kind="muted"] {{ color: {theme.muted}; }}
    *[kind="wrong"] {{ color: {theme.error}; }}
    *[wrong="true"] {{ border: 2px solid {theme.error}; }}
    QPushButton[kind="primary"] {{ background: {theme.accent}; color: {theme.on_accent};
        border: 1px solid {theme.accent}; border-radius: 3px; padding: 5px 12px;
        font-weight: bold; }}
    QPushButton[kind="primary"]:disabled {{ background: {theme.border}; color: {theme.muted};
        border-color: {theme.border}; }}
    QPushButton[kind="danger"] {{ background: {theme.error}; color: {theme.on_error};
        border: 1px solid {theme.error}; border-radius: 3px; padding: 6px 12px;
        font-weight: bold; }}
    QPushButton[kind="primary"]:focus, QPushButton[kind="danger"]:focus {{
        border: 2px solid {theme.foreground}; }}
    QToolButton[kind="danger"] {{ color: {theme.error}; border: 1px solid {theme.error};
        border-radius: 3px; padding: 3px 10px; font-weight: bold; }}
    QToolButton[kind="danger"]:hover {{ background: {theme.error}; color: {theme.on_error}; }}
    QLabel[kind="banner"] {{ background: {theme.warning}; color: {theme.on_warning};
        padding: 3px 10px; font-weight: bold; }}
    """


def mark(widget: QWidget, **properties: object) -> None:
    """Set properties that the style sheet looks at, and let the widget follow them."""
    for name, value in properties.items():
        widget.setProperty(name, value)
    style = widget.style()
    if style is not None:
        style.unpolish(widget)
        style.polish(widget)
