"""A window in use, for the benchmark of the windows: an event loop that is watched, and a hand."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QEventLoop, QPoint, QPointF, Qt, QTimer
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QWidget

#: How often (ms) the event loop is to come by, and how long it may settle before that counts.
LOOP_MS, SETTLE_S = 4, 3.0


def spin(seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
    """Let the event loop go on for some time, or until something is so."""
    loop, look = QEventLoop(), QTimer()
    look.timeout.connect(lambda: loop.quit() if until() else None)
    look.start(2)
    QTimer.singleShot(int(1e3 * seconds), loop.quit)
    loop.exec()
    return until()


class Gaps:
    """How long the event loop does not come by, in ms, and how long it computed meanwhile."""

    def __init__(self) -> None:
        self.found: list[float] = []
        self.computed: list[float] = []
        self._last = time.perf_counter(), time.thread_time()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(LOOP_MS)

    def _tick(self) -> None:
        now = time.perf_counter(), time.thread_time()
        self.found.append(1e3 * (now[0] - self._last[0]))
        self.computed.append(1e3 * (now[1] - self._last[1]))
        self._last = now

    def over(self) -> dict[str, float]:
        """Return figures; what is longer than it computed, it waited for its turn."""
        self._timer.stop()
        found = sorted(self.found)
        return {
            "p95_ms": found[int(0.95 * (len(found) - 1))],
            "max_ms": found[-1],
            "computed_ms": max(self.computed),
            "n": len(found),
        }


class Hand:
    """Somebody who moves the mouse over curves, zooms, and turns controls."""

    def __init__(self, viewport: QWidget, controls: Callable[[int], None]) -> None:
        self._viewport, self._controls, self._count = viewport, controls, 0
        self._timer = QTimer()
        self._timer.timeout.connect(self._act)
        self._timer.start(50)

    def _act(self) -> None:
        self._count += 1
        width, height = self._viewport.width(), self._viewport.height()
        at = QPoint(80 + 7 * self._count % max(1, width - 100), height // 3)
        QTest.mouseMove(self._viewport, at)
        if self._count % 10 == 0:
            turn = QPoint(0, 120 if self._count % 80 < 40 else -120)
            none = (Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier)
            phase = Qt.ScrollPhase.NoScrollPhase
            event = QWheelEvent(QPointF(at), QPointF(at), QPoint(), turn, *none, phase, False)
            QApplication.sendEvent(self._viewport, event)
        self._controls(self._count)


def memory_mb() -> float:
    """Return the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def follow(viewport: QWidget, controls: Callable[[int], None], minutes: float) -> dict[str, object]:
    """Let a window be used while its run is written; return gaps and memory."""
    memory: list[float] = []
    sampler = QTimer()
    sampler.timeout.connect(lambda: memory.append(memory_mb()))
    hand = Hand(viewport, controls)
    spin(SETTLE_S)
    gaps = Gaps()
    sampler.start(1000)
    spin(60 * minutes)
    part = max(1, len(memory) // 5)
    # Not from the very beginning: each picture takes its memory when it is first looked at.
    ends = [statistics.median(memory[part : 2 * part]), statistics.median(memory[-part:])]
    del hand
    return {**gaps.over(), "memory_mb": ends, "most_mb": max(memory)}
