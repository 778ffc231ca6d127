"""The program of the windows: one application, one main window."""

from __future__ import annotations

import functools
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from types import TracebackType

os.environ.setdefault("QT_API", "pyqt6")  # PyMeasure and pyqtgraph ask for it when imported

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication

from magnon_lab.bench import BenchFile
from magnon_lab.gui.main_window import MainWindow
from magnon_lab.gui.settings import Settings
from magnon_lab.gui.theme import Theme

log = logging.getLogger(__name__)


def main(runs: Path, bench: Path | None, run: Path | None = None) -> int:
    """Show the main window until it is closed, and return the exit code.

    `runs`: folder of the runs. `bench`: bench file, the shipped one by default. `run`: folder of a
    run to open. Raises `BenchFileError` for a bench file that cannot be used.
    """
    bench_file = BenchFile.load(bench)
    application = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(application, QApplication)
    application.setApplicationName("Magnon Lab")
    application.setOrganizationName("Magnon Lab")
    settings = Settings()
    theme = Theme(application, settings.theme)
    window = MainWindow(runs, bench_file, settings, theme)
    if run is not None:
        window.open_run(run)
    window.show()
    settle()
    sys.excepthook = functools.partial(_tell, window)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: window.close())
    # Python looks after signals only when it runs: let it, now and then.
    turn = QTimer()
    turn.start(200)
    turn.timeout.connect(lambda: None)
    return application.exec()


def settle() -> None:
    """Spare what is there by now later collections of garbage: a whole one is seen as a jerk."""
    gc.collect()
    gc.freeze()


def _tell(
    window: MainWindow, kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Tell of a fault of ours, and let the window go on: without this PyQt would end it."""
    log.error("the window has a fault", exc_info=(kind, error, trace))
    window.say(f"the window has a fault, see the log: {kind.__name__}: {error}", wrong=True)
