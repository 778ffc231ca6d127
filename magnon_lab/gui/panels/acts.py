"""What can be done with what is selected in a table, as actions of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QKeySequence
from PyQt6.QtWidgets import QMenu, QToolBar, QWidget


@dataclass(frozen=True)
class Act:
    """One action; without a name a line between others. `on_bar`: it has a button, too."""

    name: str
    text: str
    shortcut: str
    tip: str
    on_bar: bool = False


def make_acts(
    widget: QWidget, acts: Sequence[Act], slots: Mapping[str, Callable[[], object]]
) -> dict[str, QAction]:
    """Return the actions by name; their shortcuts work while `widget` has the focus."""
    made = {}
    for act in acts:
        if not act.name:
            continue
        action = QAction(act.text, widget)
        action.setObjectName(act.name)
        keys = f" ({act.shortcut})" if act.shortcut else ""
        action.setToolTip(act.tip + keys)
        if act.shortcut:
            action.setShortcut(QKeySequence(act.shortcut))
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        slot = slots[act.name]
        action.triggered.connect(lambda _=False, slot=slot: slot())
        widget.addAction(action)
        made[act.name] = action
    return made


def make_bar(parent: QWidget, acts: Sequence[Act], made: Mapping[str, QAction]) -> QToolBar:
    """Return a bar of buttons; those that find no room there are behind its arrow."""
    bar = QToolBar(parent)
    bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
    for act in acts:
        if act.on_bar:
            bar.addAction(made[act.name])
            button = bar.widgetForAction(made[act.name])
            assert button is not None
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return bar


def make_menu(parent: QWidget, acts: Sequence[Act], made: Mapping[str, QAction]) -> QMenu:
    """Return a menu of all of them."""
    menu = QMenu(parent)
    menu.setToolTipsVisible(True)
    for act in acts:
        if act.name:
            menu.addAction(made[act.name])
        else:
            menu.addSeparator()
    return menu
