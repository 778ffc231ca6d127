"""Words to stderr that nothing waits for.

A pipe that nobody empties, a terminal held by Ctrl-S or a connection that stalls blocks whoever
writes to it. What switches a bench must not be blocked, so its words go through a thread.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import sys
import threading
from typing import Any, TextIO, cast

KEPT = 1000
"""So many words wait for a stream that takes none; what comes then is dropped."""

DRAIN_S = 1.0
"""At the end of a process they are waited for so long."""


class Unhurried:
    """A text stream whose `write` returns at once; all else is the stream's that it stands for."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._descriptor = stream.fileno()
        # Unlike Queue it may be put to by a signal's handler that interrupts a put.
        self._words: queue.SimpleQueue[bytes | threading.Event] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="stderr", daemon=True).start()

    def write(self, text: str) -> int:
        """Hand `text` on; return its length."""
        data = text.encode(self._stream.encoding, "backslashreplace")
        if self._words.qsize() < KEPT:
            self._words.put(data)
        return len(text)

    def flush(self) -> None:
        """Do nothing: who logs or prints flushes, and would wait. See `drain`."""

    def drain(self, seconds: float = DRAIN_S) -> None:
        """Wait until everything is written, at most so long."""
        done = threading.Event()
        self._words.put(done)
        done.wait(seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _work(self) -> None:
        while True:
            word = self._words.get()
            if isinstance(word, threading.Event):
                word.set()
                continue
            # Not through the stream, whose lock a write that blocks would keep till the very end.
            with contextlib.suppress(OSError):  # the terminal may be gone
                while word:
                    word = word[os.write(self._descriptor, word) :]


def let_nothing_wait_for_stderr() -> None:
    """Make `sys.stderr` of this process one that is not waited for; loggers and consoles follow."""
    if isinstance(sys.stderr, Unhurried):
        return
    try:
        sys.stderr.flush()
        unhurried = Unhurried(sys.stderr)
    except (AttributeError, OSError, ValueError):
        return  # there is none, or it is kept in memory
    sys.stderr = cast(TextIO, unhurried)
    atexit.register(unhurried.drain)


def drain_stderr() -> None:
    """Write what is still to be written, before an end that runs no exit handlers."""
    if isinstance(sys.stderr, Unhurried):
        sys.stderr.drain()
