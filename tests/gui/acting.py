"""A person at the main window: typing, clicking, keys; and processes to be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PyQt6.QtCore import QSettings, Qt
from PyQt6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from magnon_lab.bench import BenchFile
from magnon_lab.gui.main_window import MainWindow
from magnon_lab.gui.model.runs_list import RunRow
from magnon_lab.gui.settings import Settings
from magnon_lab.gui.theme import Theme
from magnon_lab.runs import RunsFolder, RunSummary

from ..serving import Served

LONG_MS = 60_000

#: A training that goes on until it is told to end.
TRAINING = {
    "task": "spirals",
    "estimator": "input",
    "batch_size": "4",
    "shots": "1",
    "calibration": "8",
    "budget": "2000000",
    "keep": "none",
}

#: A run that is at work sooner, as long as one likes.
WALK = f"{Path(__file__).parent / 'walking.py'}:Walk"
LONG = {"steps": "1000000"}


class Person:
    """Sits at a window of a folder of runs and a bench file."""

    def __init__(self, qtbot: QtBot, folder: Path, served: Served) -> None:
        self._bot, self._folder, self.served = qtbot, folder, served
        self.runs = folder / "runs"
        self.window = self.open_window()

    def open_window(self) -> MainWindow:
        """Open a window, as `magnon-lab gui` does."""
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        kept = QSettings(str(self._folder / "window.ini"), QSettings.Format.IniFormat)
        settings = Settings(kept)
        window = MainWindow(
            self.runs, BenchFile.load(self.served.bench), settings, Theme(application, "light")
        )
        window.resize(1366, 768)
        self._bot.addWidget(window)
        window.show()
        window.activateWindow()
        self._bot.waitExposed(window)
        self.window = window
        return window

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until something is to be seen."""
        self._bot.waitUntil(lambda: bool(holds()), timeout=LONG_MS)

    def press(self, keys: str, widget: QWidget | None = None) -> None:
        """Press keys with modifiers, as in "Ctrl+Return"."""
        self.window.activateWindow()
        (widget or self.window).setFocus()
        *modifiers, key = keys.split("+")
        held = Qt.KeyboardModifier.NoModifier
        for name in modifiers:
            held |= {
                "Ctrl": Qt.KeyboardModifier.ControlModifier,
                "Shift": Qt.KeyboardModifier.ShiftModifier,
                "Alt": Qt.KeyboardModifier.AltModifier,
            }[name]
        self._bot.keyClick(widget or self.window, getattr(Qt.Key, f"Key_{key}"), held)

    def click(self, widget: QWidget) -> None:
        """Click a widget that can be seen."""
        assert widget.isVisible()
        self._bot.mouseClick(widget, Qt.MouseButton.LeftButton)

    def type_into(self, name: str, text: str) -> None:
        """Put a text into a field of the form, in place of what is there."""
        field = self.window.launch.view.rows[name].input
        field.setFocus()
        self.press("Ctrl+A", field)
        self._bot.keyClicks(field, text)

    def fill(self, procedure: str, values: Mapping[str, str]) -> None:
        """Choose a procedure by hand, and fill its form as a preset does."""
        names = self.window.launch.procedure.names
        if self.window.launch.reference != procedure:
            names.setEditText(procedure)
            self.press("Return", names)
        self.window.launch.load(procedure, values)

    def row(self, at: int = -1) -> RunSummary:
        """Return what the folder says of one run."""
        return RunsFolder(self.runs).list()[at]

    def listed(self) -> Sequence[RunRow]:
        """Return the rows of the table of runs."""
        return self.window.steering.lists.listing.rows

    def status(self, at: int = -1) -> str:
        """Return the status of a run, "" before there is one."""
        found = RunsFolder(self.runs).list()
        return found[at].status if found else ""

    def shown(self) -> str:
        """Return the status that the window shows."""
        snapshots = self.window.live.snapshots
        return snapshots[0].status if snapshots else ""

    def abort(self) -> None:
        """Abort the run that is shown, once the window offers it."""
        action = self.window.actions_["abort"]
        self.until(action.isEnabled)
        action.trigger()

    def start(self, procedure: str = WALK, values: Mapping[str, str] = LONG) -> int:
        """Start a run by its key, wait until it works, and return its process."""
        before = len(RunsFolder(self.runs).list())
        self.fill(procedure, values)
        self.until(self.window.launch.start_button.isEnabled)
        self.press("Ctrl+Return")
        self.until(lambda: len(RunsFolder(self.runs).list()) > before and self.row().steps > 1)
        with RunsFolder(self.runs).find("latest") as run:
            return int(run.info()["process"]["pid"])


def window_process(runs: Path, bench: Path, settings: Path) -> subprocess.Popen[bytes]:
    """Open a window in a process of its own."""
    code = f"""
        import os
        os.environ["XDG_CONFIG_HOME"] = {str(settings)!r}
        from pathlib import Path
        from magnon_lab.gui.app import main
        main(Path({str(runs)!r}), Path({str(bench)!r}), None)
    """
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])


def alive(pid: int) -> bool:
    """Return whether a process is at work."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def end(pid: int) -> None:
    """End a run's process as an abort does."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
