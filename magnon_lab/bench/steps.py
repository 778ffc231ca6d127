"""A safe state as a list of steps that do not depend on each other."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType

from magnon_lab.bench.errors import BenchError
from magnon_lab.bench.session import Session
from magnon_lab.bench.stand import Journal


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


def run_steps(kind: str, steps: Sequence[Step], journal: Journal) -> list[StepOutcome]:
    """Try each step in its order, whatever the others did, and tell what came of each."""
    return [_run(kind, step, journal) for step in steps]


def _run(kind: str, step: Step, journal: Journal) -> StepOutcome:
    _tell(journal, kind, "intent", step.name, {})
    try:
        with contextlib.ExitStack() as stack:
            for session in step.sessions:
                stack.enter_context(session.within(step.timeout_s))
            text, readback = _act(step)
        outcome = StepOutcome(step.name, True, text, readback)
    except StepError as error:
        outcome = StepOutcome(step.name, False, str(error), error.readback)
    except Exception as error:  # whatever is wrong with one step, the next must be tried
        outcome = StepOutcome(step.name, False, f"{type(error).__name__}: {error}")
    _tell(
        journal,
        kind,
        "outcome",
        f"{outcome.name}: {'' if outcome.ok else 'FAILED, '}{outcome.text}",
        {"ok": outcome.ok, **outcome.readback},
    )
    return outcome


def _act(step: Step) -> tuple[str, dict[str, float]]:
    try:
        return step.act()
    except BenchError:
        # The session may have been broken for long, and is opened anew by now: once more, in what
        # is left of the step's time.
        return step.act()


def _tell(journal: Journal, kind: str, phase: str, message: str, data: dict[str, object]) -> None:
    # A full disk must not keep the bench from becoming safe.
    with contextlib.suppress(Exception):
        journal(kind, phase, message, data)


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
