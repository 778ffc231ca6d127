"""What is asked of a run while it runs, by signals and by its control table.

Lives in the main thread of the run's process, so that it answers while the worker waits for an
instrument.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType

from magnon_lab.runs import Request, RunError, RunFile
from procedures.context import Context
from procedures.pulse import Pulse

log = logging.getLogger(__name__)

#: How often (s) the control table is read.
LOOK_S = 0.2

#: After an abort, a worker that does nothing for so long (s) is stuck in a call that never returns.
GRACE_S = 4.0

#: The way to the safe state has time-outs of its own, and is not cut short; nor is the shutdown of
#: a procedure that is not ours, except by an abort that is asked for again.
PATIENT = ("safe",)


class Control:
    """Takes up what is asked, and hands it to the procedure's events.

    `abort` is called to end before the next measurement. `context` is the procedure's; one that is
    not ours has none, and cannot pause: a stop lets it end by itself, an abort gives it `GRACE_S`
    for that. `parent` is a process without which this one must not go on. `pulse` tells what a
    procedure without context does.
    """

    def __init__(
        self,
        run: RunFile,
        abort: Callable[[], None],
        context: Context | None = None,
        parent: int | None = None,
        pulse: Pulse | None = None,
    ) -> None:
        self._run = run
        self._abort = abort
        self._context = context
        self._parent = parent
        self._pulse = context.pulse if context is not None else pulse or Pulse()
        self._foreign_stop = self._insisted = False
        self._looked = 0.0
        self._signals: list[signal.Signals] = []
        self.aborted_at: float | None = None
        """When an abort came (`time.monotonic`), None before."""
        self.by_ctrl_c = False
        """Whether it was Ctrl-C that ended the run."""

    @property
    def stopped(self) -> bool:
        """Whether a stop was asked for."""
        return self._foreign_stop if self._context is None else self._context.stop.is_set()

    @property
    def waits(self) -> str:
        """What the run waits for, "" while it gets on."""
        if self._context is not None:
            return self._context.waits
        if self.aborted_at is not None:
            return "aborted; waits for the procedure's own shutdown, which another abort cuts short"
        if self.stopped:
            return "stops when the procedure looks whether it should; an abort does not wait for it"
        return ""

    @property
    def stuck(self) -> bool:
        """Whether an abort was not followed: the worker shows no progress."""
        if self.aborted_at is None:
            return False
        pulse = self._pulse
        silent_s = min(self._since_abort_s, pulse.silent_s())
        return self._insisted or (pulse.last.phase not in PATIENT and silent_s > GRACE_S)

    @property
    def _since_abort_s(self) -> float:
        return 0.0 if self.aborted_at is None else time.monotonic() - self.aborted_at

    def ask(self, kind: str) -> None:
        """Follow a request of a kind: pause, resume, stop, abort."""
        context = self._context
        if kind == "abort":
            # Not one of several that came together, as from a terminal that is closed.
            self._insisted |= context is None and self._since_abort_s > GRACE_S
            self.aborted_at = self.aborted_at or time.monotonic()
            self._abort()
        elif context is None:
            self._ask_foreign(kind)
        elif kind == "stop":
            context.stop.set()
        elif kind == "pause":
            context.pause.set()
        elif kind == "resume":
            context.pause.clear()

    def _ask_foreign(self, kind: str) -> None:
        if kind == "stop":
            self._foreign_stop = True
            self._abort()
        else:
            log.warning("this procedure is not one of ours: it cannot %s", kind)

    def look(self) -> None:
        """Take up what was asked since the last look; cheap, to be called often."""
        self._tell_signals()
        if self._parent is not None and os.getppid() != self._parent:
            self._parent = None
            log.warning("the process that started this run has ended: aborting")
            if self.aborted_at is None:
                self.ask("abort")
        if time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        try:
            for request in self._run.pending_requests():
                if request.kind == "set":
                    self._hand_on(request)
                    continue
                self.ask(request.kind)  # first of all: a full disk must not keep it from acting
                self._run.take_up(request.id)
                self._run.event("request", "outcome", f"{request.kind} taken up")
        except RunError as error:  # tried again at the next look
            log.debug("requests cannot be taken up: %s", error)

    def _hand_on(self, request: Request) -> None:
        """Hand a request to set something to the procedure, if it is one that turns on request."""
        # Taken up first: if it were followed twice, an old value would go over a newer one.
        self._run.take_up(request.id)
        wishes = None if self._context is None else self._context.wishes
        if wishes is not None:
            wishes.put(request)
            return
        why = "this procedure sets nothing on request; magnon-lab run hand does"
        told = {"requests": [request.id], "asked": request.data, "ok": False, "why": why}
        self._run.event("set", "outcome", f"refused: {why}", told)

    def _tell_signals(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            with contextlib.suppress(RunError):
                self._run.event("request", "outcome", f"signal {number.name} taken up")

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Follow signals: the first Ctrl-C is a stop, the second an abort, as are all others."""

        def interrupt(number: int, frame: FrameType | None) -> None:
            self._signals.append(signal.Signals(number))
            self.by_ctrl_c = True
            self.ask("abort" if self.stopped else "stop")

        def abort(number: int, frame: FrameType | None) -> None:
            self._signals.append(signal.Signals(number))
            self.ask("abort")

        handlers = {signal.SIGINT: interrupt, signal.SIGTERM: abort}
        if hasattr(signal, "SIGHUP"):
            handlers[signal.SIGHUP] = abort
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
