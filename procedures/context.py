"""What a procedure is given to work with by whoever starts it."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field
from typing import Literal

from magnon_lab.bench import Bench, BenchFile
from magnon_lab.runs import Request, RunFile, RunsFolder
from procedures.pulse import Pulse


class CutShortError(Exception):
    """The work ends before its time, as asked; what was measured is recorded."""


@dataclass
class Context:
    """The bench file and the runs, later the opened bench and the run file, and what is asked.

    `stop`: end after the current step. `pause`: wait after the current step until it is cleared;
    `waits`: what a run that waits waits for, and how its bench stands. (An abort is PyMeasure's
    `should_stop`.) The procedure beats `pulse` as it gets on. `on_error`: what comes of what cannot
    be measured after every try, or of an overdriven analyser: a pause that waits for an operator,
    or the end of the run. `wishes` are the requests to set something that came and are to be
    followed; None for a procedure that turns no knob on request.
    """

    bench_file: BenchFile
    runs: RunsFolder
    run: RunFile | None = None
    bench: Bench | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    pause: threading.Event = field(default_factory=threading.Event)
    waits: str = ""
    pulse: Pulse = field(default_factory=Pulse)
    on_error: Literal["pause", "fail"] = "pause"
    wishes: queue.SimpleQueue[Request] | None = None


@dataclass(frozen=True)
class Place:
    """Where a run goes on: after step `step`, with the measurement of number `number`.

    Evaluations on the splits `final` at that very step came after it, and are made anew.
    """

    step: int = 0
    number: int = 0
    final: tuple[str, ...] = ()
