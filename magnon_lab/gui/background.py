"""Work that takes a while, done beside the window."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from PyQt6.QtCore import QObject, QThreadPool, pyqtSignal

log = logging.getLogger(__name__)


class Background(QObject):
    """Does one thing at a time elsewhere and hands over what came of the newest call.

    `answered` carries what the work returned, or the exception that it raised; one that is not of
    `expected` is logged, too.
    """

    answered = pyqtSignal(object)
    _done = pyqtSignal(int, object)

    def __init__(self, expected: tuple[type[Exception], ...], parent: QObject) -> None:
        super().__init__(parent)
        self._expected = expected
        self._newest = 0
        self._done.connect(self._take)  # from another thread Qt queues it by itself

    def do(self, work: Callable[[], Any]) -> None:
        """Begin; what an earlier call is still at will not be heard of."""
        self._newest += 1
        number = self._newest

        def run() -> None:
            try:
                result = work()
            except Exception as error:  # one that leaves this thread would end the program
                if not isinstance(error, self._expected):
                    log.exception("what was done beside the window failed")
                result = error
            with suppress(RuntimeError):  # the window was closed meanwhile
                self._done.emit(number, result)

        pool = QThreadPool.globalInstance()
        assert pool is not None
        pool.start(run)

    def forget(self) -> None:
        """Hear no more of what is being done."""
        self._newest += 1

    def _take(self, number: int, result: object) -> None:
        if number == self._newest:
            self.answered.emit(result)
