"""A thread that looks through a folder of runs and its queue, so that no window waits for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from magnon_lab.gui.model.runs_list import RunRow, RunsList
from magnon_lab.runs import RunError
from magnon_lab.runs.queue import QUEUE_NAME, Entry, Queue

log = logging.getLogger(__name__)

#: How often (s) it looks.
LOOK_S = 1.0


@dataclass(frozen=True)
class Listing:
    """Runs and queue at one time; `error`: why they cannot be read, empty while they can."""

    rows: tuple[RunRow, ...] = ()
    entries: tuple[Entry, ...] = ()
    error: str = ""


class Lister:
    """Reads runs and queue once a second; `notify` is called, from its thread, after a change.

    `listing` is what it found last.
    """

    def __init__(self, folder: Path, notify: Callable[[], None], look_s: float = LOOK_S) -> None:
        self.listing = Listing()
        self._folder = folder
        self._runs = RunsList(folder)
        self._notify, self._look_s = notify, look_s
        self._poked, self._ends = threading.Event(), False
        self._first = True
        self._thread = threading.Thread(target=self._work, name="list of runs", daemon=True)
        self._thread.start()

    def look_now(self) -> None:
        """Look again at once: something was just changed."""
        self._poked.set()

    def close(self) -> None:
        """End the thread."""
        self._ends = True
        self._poked.set()
        self._thread.join(5.0)

    def _work(self) -> None:
        while not self._ends:
            self._poked.clear()
            found = self._read()
            if not self._ends and (found != self.listing or self._first):
                self._first = False
                self.listing = found
                self._notify()
            self._poked.wait(self._look_s)

    def _read(self) -> Listing:
        try:
            rows = self._runs.refresh()
            return Listing(rows, _entries(self._folder))
        except RunError as error:
            return Listing(self.listing.rows, self.listing.entries, str(error))
        except Exception as error:  # a list that ends for good would show the past for ever
            log.exception("the list of runs could not be read")
            told = f"{type(error).__name__}: {error}"
            return Listing(self.listing.rows, self.listing.entries, told)


def _entries(folder: Path) -> tuple[Entry, ...]:
    if not (folder / QUEUE_NAME).exists():  # it is made when the first entry is put into it
        return ()
    with Queue(folder) as queue:
        return tuple(queue.entries())
