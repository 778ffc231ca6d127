"""PyMeasure's worker on one procedure, while the main thread listens to operators."""

from __future__ import annotations

import contextlib
import logging
import queue
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from pymeasure.experiment import Procedure, Results, Worker

from magnon_lab.bench.telling import Teller
from magnon_lab.cli.control import Control
from magnon_lab.runs import RunError, RunFile
from procedures.context import CutShortError
from procedures.pulse import Pulse

log = logging.getLogger(__name__)

Watch = Callable[[float, Mapping[str, Any], str], None]
"""Called now and then with progress in percent, the latest record, and what the run waits for."""

#: How long (s) the main thread waits for the worker's messages before it looks around.
TURN_S = 0.1


class RunWorker(Worker):  # type: ignore[misc]  # PyMeasure ships no types
    """PyMeasure's worker, which also remembers the last record, and journals what went wrong.

    `pulse`: of a procedure that has none of its own; told when the procedure's shutdown begins.
    """

    def __init__(self, results: Results, run: RunFile, pulse: Pulse | None = None) -> None:
        super().__init__(results, log_level=logging.WARNING)
        self._run_file = run
        self._pulse = pulse
        self.latest: dict[str, Any] = {}
        self.progress = 0.0
        self.error: BaseException | None = None
        self.stuck = False

    def handle_record(self, record: dict[str, Any]) -> None:
        """Hand a record to the CSV and keep it for the progress line."""
        self.latest = record
        super().handle_record(record)

    def handle_error(self) -> None:
        """Remember and journal the error. Work cut short as asked is none."""
        error = sys.exc_info()[1]
        if isinstance(error, CutShortError):
            return
        self.error = error
        # Not for long: it may be the run file that cannot be written, and the bench is on.
        with Teller(self._run_file.event) as tell:
            tell("error", "outcome", f"{type(error).__name__}: {error}", {})
        self.emit("error", repr(error))
        self.update_status(Procedure.FAILED)

    def handle_abort(self) -> None:
        """Remember a KeyboardInterrupt or SystemExit raised inside the procedure."""
        self.error = sys.exc_info()[1]
        self.update_status(Procedure.ABORTED)

    def shutdown(self) -> None:
        """Let the procedure leave its instruments as it wants to."""
        if self._pulse is not None:
            self._pulse.beat("safe")
        super().shutdown()

    def take_messages(self, timeout_s: float) -> None:
        """Take what the procedure told meanwhile, waiting at most `timeout_s` for the first."""
        with contextlib.suppress(queue.Empty):
            message = self.monitor_queue.get(timeout=timeout_s)
            while True:
                if message is not None and message[0] == "progress":
                    self.progress = float(message[1])
                message = self.monitor_queue.get_nowait()


def work(worker: RunWorker, run: RunFile, control: Control, watch: Watch | None) -> None:
    """Let a worker do its procedure, listening to `control`, until it ends or is given up as stuck.

    In the latter case `worker.stuck` is set, and its thread still waits for what never comes.
    """
    worker.start()
    try:
        while worker.is_alive() and not worker.stuck:
            worker.take_messages(TURN_S)
            control.look()
            worker.stuck = worker.is_alive() and control.stuck
            _beat(run)
            if watch is not None and not _shown(watch, worker, control.waits):
                watch = None
    finally:
        if not worker.stuck:
            worker.stop()
            while worker.is_alive():  # not join: PyMeasure's own gives up at once
                time.sleep(TURN_S)
            worker.take_messages(0.0)


def _beat(run: RunFile) -> None:
    try:
        run.heartbeat()
    except RunError as error:  # a full disk is told by whoever has data to record
        log.debug("no heartbeat: %s", error)


def _shown(watch: Watch, worker: RunWorker, waits: str) -> bool:
    """Show how it goes; return False once there is nothing to show it on any more."""
    try:
        watch(worker.progress, worker.latest, waits)
    except OSError:  # the terminal has been closed
        return False
    return True
