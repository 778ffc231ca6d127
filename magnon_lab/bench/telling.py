"""Telling a journal that may be slow, without being kept from what is to be done."""

from __future__ import annotations

import logging
import queue
import threading
from types import TracebackType
from typing import Any, Self

from magnon_lab.bench.stand import Journal

log = logging.getLogger(__name__)

PATIENCE_S = 0.5
"""An entry is waited for so long; a commit takes some milliseconds."""

Entry = tuple[str, str, str, dict[str, Any]]


class Teller:
    """A journal that hands its entries on to another, in their order, from a thread of its own.

    A call returns when its entry is recorded, or after `PATIENCE_S`: a run file that another
    process has locked must not keep a bench from becoming safe. While an entry is that late, those
    behind it are not waited for. What the other journal raises is logged, no more.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._entries: queue.SimpleQueue[tuple[Entry, threading.Event] | None] = queue.SimpleQueue()
        self._late = False
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def __call__(self, kind: str, phase: str, message: str, data: dict[str, Any]) -> None:
        """See `Journal`."""
        recorded = threading.Event()
        self._entries.put(((kind, phase, message, data), recorded))
        if not self._late:
            self._late = not recorded.wait(PATIENCE_S)

    def _work(self) -> None:
        while (given := self._entries.get()) is not None:
            entry, recorded = given
            try:
                self._journal(*entry)
            except Exception as error:  # whatever becomes of the record, the bench comes first
                log.debug("not recorded: %s", error)
            recorded.set()
            if self._entries.empty():
                self._late = False

    def end(self, seconds: float = PATIENCE_S) -> None:
        """Wait at most so long for what is still to be recorded; the thread ends when it is."""
        self._entries.put(None)
        self._thread.join(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
