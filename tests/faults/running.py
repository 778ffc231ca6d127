"""One run on the simulated laboratory with one fault, and what came of it.

The laboratory is in this process and keeps virtual time: what is waited for (time-outs, silences,
ramps) costs bench time and no waiting, so the same fault comes to the same end, second by second.
Where the run cannot make the bench safe, its guard's own routine is let loose on the laboratory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest import mock

import numpy as np
import pyvisa

from magnon_lab.bench import BenchFile, watch
from magnon_lab.cli import work
from magnon_lab.cli.launch import Outcome, Terms, carry_out, prepare
from magnon_lab.runs import Event, RunError, RunFile, RunsFolder, StepRow, provenance
from magnon_lab.simulation import Laboratory
from procedures.base import RingProcedure

from .laboratory import Witness, is_safe

KNOBS = ("drive_power_dbm", "drive_frequency_hz", "attenuation_db")
ROWS = (
    ((-10.0, 4.465e9, 11.0), (-20.0, 4.460e9, 12.5)),
    ((-15.0, 4.470e9, 14.0), (-12.0, 4.475e9, 10.5)),
    ((-25.0, 4.455e9, 13.0), (-5.0, 4.452e9, 12.0)),
)
"""Settings by step: six measurements, numbered from 0."""

STATE = bytes(32768)
"""As large as the state of a small trainer, which goes into the run file with each step."""

OPERATOR_S = 600.0
"""An operator comes to a paused run after so much bench time."""

SETTLED_S = 1.0
"""What was switched off last has settled after this."""


class Steps(RingProcedure):
    """Three steps of two measurements, each recorded."""

    DATA_COLUMNS: ClassVar[list[str]] = ["Step"]
    resumable: ClassVar[bool] = True
    begins: Callable[[str], None]
    """Called when a phase begins that the wires do not show: `start-up` when there is a run,
    `write` when step 2 is to be recorded, `safe state` when all is done."""

    def execute(self) -> None:
        self.switch_on()
        for step, rows in enumerate(ROWS, 1):
            if not self.next_step():
                return
            taken = self.measure(np.array(rows), KNOBS)
            if step == 2:
                self.begins("write")
            row = StepRow(step=step, ring_measurements=self.measured)
            self.run_file.record_step(row, (), self.block(taken), STATE)
            self.emit("results", {"Step": step})
            if not taken.complete:
                return
        self.begins("safe state")


@dataclass
class Found:
    """What came of a run: its outcome, its journal, its data, and the bench by the plant."""

    status: str
    """As the run itself tells it; "" if there was no run."""
    exit_code: int
    message: str
    shown: str = ""
    """The status that the run file shows once the process is gone."""
    events: list[Event] = field(default_factory=list)
    measurements: dict[str, np.ndarray] = field(default_factory=dict)
    pauses: int = 0
    safe_by: str = ""
    """Who made the bench safe: run, guard, or "" if nothing was ever on."""
    safe_after_s: float = 0.0
    """Bench time from the fault, or from the last trace where that was later."""
    happened: list[str] = field(default_factory=list)
    harm: list[str] = field(default_factory=list)
    told_unsafe: bool = False
    """Whether the run says that the bench may still be on."""


class Operator:
    """Who comes to a paused run: resumes it once, and aborts it when it pauses again."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory
        self.run: RunFile | None = None
        self._asked = False
        self.pauses = 0

    def watches(self, percent: float, record: Any, waits: str) -> None:
        """See how the run gets on, as a terminal would show it."""
        if not waits:
            self._asked = False
        elif not self._asked and self.run is not None:
            self._asked = True
            self.pauses += 1
            self._laboratory.clock.sleep(OPERATOR_S)
            self.run.request("resume" if self.pauses == 1 else "abort")


Begins = Callable[[str, Laboratory, RunFile | None], None]
"""Called when a phase begins that the wires do not show."""

Heard = Callable[[Laboratory, str, str], None]
"""Called with role and text of each message, before the instrument acts on it."""


def make_run(
    bench_file: BenchFile,
    folder: Path,
    faults: tuple[str, ...] = (),
    begins: Begins = lambda phase, laboratory, run: None,
    heard: Heard = lambda laboratory, role, text: None,
    over: Callable[[], None] = lambda: None,
) -> Found:
    """Make a run on a laboratory of its own, in which `faults` are armed from the beginning.

    `over` is called when the run has ended, before its file is read.
    """
    manager = pyvisa.ResourceManager(bench_file.visa_library)
    laboratory: Laboratory = manager.visalib.laboratory
    try:
        witness = Witness(laboratory, lambda role, text: heard(laboratory, role, text))
        laboratory.plant.wire = witness
        for text in faults:
            laboratory.faults.add(text)
        operator = Operator(laboratory)
        procedure = Steps()
        procedure.seed = 1
        procedure.begins = lambda phase: begins(phase, laboratory, operator.run)
        with hurried():
            found = _run(procedure, operator, bench_file, folder, over)
        _look_at_the_bench(found, laboratory, witness, bench_file)
        return found
    finally:
        if manager.visalib.resource_manager is manager:
            manager.close()


@contextmanager
def hurried() -> Iterator[None]:
    """Let the run's threads look around more often than a person would need."""
    with (
        mock.patch.object(work, "TURN_S", 0.004),
        mock.patch("magnon_lab.cli.control.LOOK_S", 0.004),
        mock.patch("procedures.base.LOOK_S", 0.004),
        # A step of the safe state takes no time of the wall here, unless the machine is busy.
        mock.patch("magnon_lab.bench.steps.PATIENCE_S", 60.0),
        mock.patch.object(provenance, "revision", return_value=provenance.Revision("", False)),
    ):
        yield


def _run(
    procedure: Steps,
    operator: Operator,
    bench_file: BenchFile,
    folder: Path,
    over: Callable[[], None],
) -> Found:
    """Carry a procedure out as `magnon-lab run` does."""
    runs = RunsFolder(folder)
    prepare(procedure, bench_file, runs)

    def begin() -> RunFile:
        operator.run = runs.create(
            procedure="steps",
            configuration=procedure.parameter_values(),
            bench_text=bench_file.text,
            seed=int(procedure.seed),
            simulated=True,
        )
        operator.run._database.rows("PRAGMA synchronous = OFF")  # nothing here outlives a crash
        procedure.begins("start-up")
        return operator.run

    try:
        outcome = carry_out(procedure, begin, Terms(watch=operator.watches))
    except Exception as error:
        if operator.run is not None:
            raise
        return Found("", 1, f"{type(error).__name__}: {error}")
    finally:
        over()
    return _told(outcome, operator.pauses)


def _told(outcome: Outcome, pauses: int) -> Found:
    found = Found(outcome.status, outcome.exit_code, outcome.message, pauses=pauses)
    found.told_unsafe = "THE BENCH MAY STILL BE ON" in outcome.message
    try:
        with RunFile.open(outcome.run.folder) as run:
            found.events, found.measurements = run.events(), run.measurements()
            found.shown = run.status
    except RunError:
        found.shown = "missing"
    if found.shown in ("running", "paused"):  # this process is alive, but done with it
        found.shown = "interrupted"
    return found


def _look_at_the_bench(
    found: Found, laboratory: Laboratory, witness: Witness, bench_file: BenchFile
) -> None:
    clock = laboratory.clock
    witness.look(clock.now())
    if witness.ever_on:
        found.safe_by = "run"
    if not is_safe(laboratory, clock.now() + SETTLED_S):
        found.safe_by = "guard"
        _guard(found, laboratory, bench_file)
        witness.look(clock.now())
    witness.look(clock.now() + SETTLED_S)
    assert witness.safe_s is not None, "the bench is left on"
    since_s = max(witness.swept_s, witness.first_fault_s())
    found.safe_after_s = max(0.0, witness.safe_s - since_s)
    found.happened = laboratory.faults.happened()
    found.harm = [entry.text for entry in laboratory.plant.harm]


def _guard(found: Found, laboratory: Laboratory, bench_file: BenchFile) -> None:
    """Do what the guard of a run does whose pipe has closed, by the laboratory's clock."""
    clock = laboratory.clock

    def journal(kind: str, phase: str, message: str, data: dict[str, Any]) -> None:
        found.events.append(Event(clock.now(), kind, phase, message, data))

    with mock.patch.object(watch, "time", SimpleNamespace(monotonic=clock.now, sleep=clock.sleep)):
        watch._act(bench_file, journal, "the run ended, or gave up")
