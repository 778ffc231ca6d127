"""A safe state as a list of steps that do not depend on each other."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType

from magnon_lab.bench.errors import BenchError
from magnon_lab.bench.session import Session
from magnon_lab.bench.stand import Journal
from magnon_lab.bench.telling import Teller


class StepError(Exception):
    """A step is not done, but its read-back is known."""

    def __init__(self, text: str, readback: dict[str, float]) -> None:
        super().__init__(text)
        self.readback = readback


@dataclass(frozen=True)
class Step:
    """One step: what to do, which instruments it speaks to, and how long it may take.

    `act` returns one line on what is so now, and the read-back that shows it.
    """

    name: str
    act: Callable[[], tuple[str, dict[str, float]]]
    sessions: Sequence[Session]
    timeout_s: float


@dataclass(frozen=True)
class StepOutcome:
    """What came of a step, with what was read back (quantity with unit -> value)."""

    name: str
    ok: bool
    text: str
    readback: dict[str, float] = field(default_factory=dict)


def failures(outcomes: Iterable[StepOutcome]) -> str:
    """Tell the steps that failed and what came of them, "" where none did."""
    return "; ".join(f"{one.name}: {one.text}" for one in outcomes if not one.ok)


MAY_BE_ON = "THE BENCH MAY STILL BE ON"

PATIENCE_S = 1.0
"""A step of another instrument waits so long for the one before, which is usually done by then."""

LATE_S = 2.0
"""A step that goes so far beyond its time is stuck in a call that heeds no time-out."""


def run_steps(kind: str, steps: Sequence[Step], journal: Journal) -> list[StepOutcome]:
    """Try each step in its order, whatever the others did, and tell what came of each.

    Steps of one instrument (the first of `sessions`) follow one another. An instrument that hangs
    keeps the others waiting for `PATIENCE_S` only; a step that is stuck is left to its thread. A
    journal that is slow, or fails, keeps none waiting for long.
    """
    begun: list[_Begun] = []
    last: dict[str, _Begun] = {}
    with Teller(journal) as tell:
        for step in steps:
            role = step.sessions[0].role if step.sessions else step.name
            begun.append(_Begun(kind, step, tell, last.get(role)))
            last[role] = begun[-1]
            begun[-1].wait(PATIENCE_S)
        return [one.result() for one in begun]


class _Begun:
    """A step under way in a thread of its own."""

    def __init__(self, kind: str, step: Step, journal: Journal, before: _Begun | None) -> None:
        self._kind, self._step, self._journal, self._before = kind, step, journal, before
        self._outcome: StepOutcome | None = None
        self._thread = threading.Thread(target=self._work, name=step.name, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        if self._before is not None and self._before.gave_up():
            text = f"not tried: {self._before._step.name!r} is stuck in its instrument"
            self._outcome = StepOutcome(self._step.name, False, text)
            return
        self._outcome = _run(self._kind, self._step, self._journal)

    def wait(self, seconds: float) -> None:
        self._thread.join(seconds)

    def gave_up(self) -> bool:
        """Wait for the step, and return whether it is stuck."""
        self.result()
        return self._outcome is None

    def result(self) -> StepOutcome:
        """Return the outcome, waiting for it as long as the step may take."""
        before_s = 0.0 if self._before is None else self._before._step.timeout_s + LATE_S
        self._thread.join(before_s + self._step.timeout_s + LATE_S)
        return self._outcome or StepOutcome(
            self._step.name,
            False,
            f"stuck: no end within {self._step.timeout_s:g} s, the call heeds no time-out",
        )


def _run(kind: str, step: Step, journal: Journal) -> StepOutcome:
    journal(kind, "intent", step.name, {})
    try:
        with contextlib.ExitStack() as stack:
            for session in step.sessions:
                stack.enter_context(session.within(step.timeout_s))
            text, readback = _act(step, journal)
        outcome = StepOutcome(step.name, True, text, readback)
    except StepError as error:
        outcome = StepOutcome(step.name, False, str(error), error.readback)
    except Exception as error:  # whatever is wrong with one step, the next must be tried
        outcome = StepOutcome(step.name, False, f"{type(error).__name__}: {error}")
    journal(
        kind,
        "outcome",
        f"{outcome.name}: {'' if outcome.ok else 'FAILED, '}{outcome.text}",
        {"ok": outcome.ok, **outcome.readback},
    )
    return outcome


def _act(step: Step, journal: Journal) -> tuple[str, dict[str, float]]:
    try:
        return step.act()
    except BenchError as error:
        # The session may have been broken for long, and is opened anew by now: once more, in what
        # is left of the step's time.
        journal("retry", "outcome", f"{step.name}: {error}; tried once more", {})
        return step.act()


@contextlib.contextmanager
def signals_deferred() -> Iterator[None]:
    """Let signals that would end the process wait until the bench is safe."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python delivers signals to the main thread only
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP"):
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for arrived in came:
            signal.raise_signal(arrived)
