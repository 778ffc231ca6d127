"""The thread that reads run files, so that the window never waits for one."""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from magnon_lab.gui.model.run_view import RunView


class Watcher:
    """Looks at the runs that are watched, every `period_s`, in a thread of its own.

    `notify` is called from that thread when there is something to `take`, once until it is taken.
    """

    def __init__(self, notify: Callable[[], None], period_s: float = 0.1) -> None:
        self._notify, self._period_s = notify, period_s
        self._lock = threading.Lock()
        self._views: list[RunView] = []
        self._forgotten: list[RunView] = []
        self._changed: dict[RunView, None] = {}
        self._told, self._told_at = False, -math.inf
        self._wake = threading.Event()
        self._over = False
        # A daemon: nothing is lost with it, and a window that dies is not to be held up by it.
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    def watch(self, folder: Path) -> RunView:
        """Watch a run from now on; its first snapshot is empty, the next comes soon."""
        view = RunView(folder, self._wake.set)
        with self._lock:
            self._views.append(view)
        self._wake.set()
        return view

    def forget(self, view: RunView) -> None:
        """Watch a run no more; what was read of it stays in its snapshot."""
        with self._lock:
            if view in self._views:
                self._views.remove(view)
                self._forgotten.append(view)
            self._changed.pop(view, None)
        self._wake.set()

    def take(self) -> list[RunView]:
        """Return the views that have another snapshot than when they were last taken."""
        with self._lock:
            changed, self._changed, self._told = list(self._changed), {}, False
        return changed

    def close(self) -> None:
        """End the thread and close the files."""
        self._over = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over:
            began = time.monotonic()
            self._wake.clear()
            with self._lock:
                views, forgotten, self._forgotten = list(self._views), self._forgotten, []
            for view in forgotten:
                view.close()
            changed = [view for view in views if not self._over and _look(view)]
            behind = any(view.behind for view in views)
            self._tell(changed, at_once=not behind)
            if behind:
                self._wake.wait(0.001)  # a moment for who else wants to run
            else:
                self._wake.wait(max(0.0, began + self._period_s - time.monotonic()))
        for view in (*self._views, *self._forgotten):
            view.close()

    def _tell(self, changed: list[RunView], at_once: bool) -> None:
        """Say that there is something to take; while much is read, once a period."""
        now = time.monotonic()
        with self._lock:
            self._changed |= {view: None for view in changed if view in self._views}
            due = at_once or now - self._told_at >= self._period_s
            if not self._changed or self._told or not due:
                return
            self._told, self._told_at = True, now
        self._notify()


def _look(view: RunView) -> bool:
    try:
        return view.look()
    except Exception as error:  # one file, whatever is in it, must not blind the window for others
        text = f"{view.folder} cannot be shown: {type(error).__name__}: {error}"
        if view.snapshot.error == text:
            return False
        traceback.print_exc()
        view.snapshot = replace(view.snapshot, error=text)
        return True
