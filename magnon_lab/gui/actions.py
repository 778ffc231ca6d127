"""Everything that can be done, as actions with a name, a shortcut and an explanation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PyQt6.QtGui import QAction, QKeySequence
from PyQt6.QtWidgets import QMainWindow, QMenu


@dataclass(frozen=True)
class What:
    """One action: where it is in the menus, what it is called, and what it does."""

    name: str
    menu: str
    text: str
    shortcut: str
    tip: str


ACTIONS = (
    What("new", "&Run", "&New run", "Ctrl+N", "Go to the form of the procedure"),
    What("start", "&Run", "&Start", "Ctrl+Return", "Start what the form says, now"),
    What("queue", "&Run", "&Queue", "Ctrl+Shift+Return", "Put what the form says into the queue"),
    What("", "&Run", "", "", ""),
    What(
        "pause",
        "&Run",
        "&Pause",
        "Ctrl+P",
        "Let the selected run wait after its current step, with the bench in standby",
    ),
    What("resume", "&Run", "&Resume", "Ctrl+R", "Go on with a run that waits, or that ended early"),
    What(
        "stop",
        "&Run",
        "S&top after this step",
        "Ctrl+T",
        "Let the selected run end after its current step and evaluate; the bench is left safe",
    ),
    What(
        "abort",
        "&Run",
        "&Abort",
        "Ctrl+Shift+A",
        "Let the selected run end before its next measurement; the bench is left safe",
    ),
    What("", "&Run", "", "", ""),
    What("open", "&Run", "&Open a run of another folder…", "Ctrl+O", "Show a run by its folder"),
    What("compare", "&Run", "&Compare selected runs", "Ctrl+L", "Lay the runs over one another"),
    What("export", "&Run", "&Export the run…", "Ctrl+E", "Write the selected run into a file"),
    What("", "&Run", "", "", ""),
    What("quit", "&Run", "&Close the window", "Ctrl+Q", "Close the window; runs go on"),
    What(
        "safe",
        "&Bench",
        "&Make safe",
        "Ctrl+Shift+S",
        "Switch every output off in the safe order, in a process of its own; whoever holds the "
        "bench is ended first",
    ),
    What("check", "&Bench", "&Check", "Ctrl+B", "Ask every instrument who it is; switches nothing"),
    What("hand", "&Bench", "&Hand mode", "Ctrl+H", "Turn knobs by hand, under all limits"),
    What("form", "&View", "&Procedure", "Ctrl+1", "Go to the form of the procedure"),
    What("pictures", "&View", "P&ictures", "Ctrl+2", "Go to the pictures of the run"),
    What("cards", "&View", "&Bench", "Ctrl+3", "Go to the cards of the bench"),
    What("table", "&View", "&Runs", "Ctrl+4", "Go to the table of runs"),
    What("entries", "&View", "&Queue", "Ctrl+5", "Go to the queue"),
    What("log", "&View", "&Log", "Ctrl+6", "Go to the log"),
    What("", "&View", "", "", ""),
    What("reset", "&View", "Reset the &layout", "", "Put every dock back where it was at first"),
    What("welcome", "&Help", "&Welcome", "", "The page of the first start"),
    What("keys", "&Help", "&Keyboard shortcuts", "F1", "Every shortcut on one page"),
)

MENUS = ("&Run", "&Bench", "&View", "&Help")


class Actions:
    """The actions of a window, by name, in its menus and known to its shortcuts."""

    def __init__(self, window: QMainWindow) -> None:
        self._by_name: dict[str, QAction] = {}
        self.menus: dict[str, QMenu] = {}
        bar = window.menuBar()
        assert bar is not None
        for title in MENUS:
            menu = bar.addMenu(title)
            assert menu is not None
            menu.setToolTipsVisible(True)
            self.menus[title] = menu
        for what in ACTIONS:
            menu = self.menus[what.menu]
            if not what.name:
                menu.addSeparator()
                continue
            action = QAction(what.text, window)
            action.setObjectName(what.name)
            action.setShortcut(QKeySequence(what.shortcut))
            keys = f" ({what.shortcut})" if what.shortcut else ""
            action.setToolTip(what.tip + keys)
            action.setStatusTip(what.tip)
            menu.addAction(action)
            self._by_name[what.name] = action

    def __getitem__(self, name: str) -> QAction:
        """Return an action by its name."""
        return self._by_name[name]

    def connect(self, **slots: Callable[[], object]) -> None:
        """Say what each action does, by its name."""
        for name, slot in slots.items():
            self._by_name[name].triggered.connect(lambda _=False, slot=slot: slot())


def shortcuts_page() -> str:
    """Return all shortcuts as HTML."""
    rows = "".join(
        f"<tr><td><b>{what.shortcut}</b></td><td style='padding-left:16px'>"
        f"{what.text.replace('&', '')}</td>"
        f"<td style='padding-left:16px'>{what.tip}</td></tr>"
        for what in ACTIONS
        if what.shortcut
    )
    more = (
        "<tr><td><b>F6</b></td><td style='padding-left:16px'>Next pane</td><td></td></tr>"
        "<tr><td><b>Tab</b></td><td style='padding-left:16px'>Next field</td><td></td></tr>"
    )
    return f"<table cellpadding='3'>{rows}{more}</table>"
