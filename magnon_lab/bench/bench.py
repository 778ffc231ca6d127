"""The bench: instruments, limits, measurements, and a safe end whatever happens."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from magnon_lab.bench.benchfile import BenchFile
from magnon_lab.bench.clock import Clock
from magnon_lab.bench.custody import Custody
from magnon_lab.bench.errors import (
    BenchError,
    ConnectionFailed,
    CustodyError,
    InstrumentError,
    LimitError,
)
from magnon_lab.bench.guard import COMMAND
from magnon_lab.bench.measuring import (
    Array,
    Batch,
    Measurement,
    MeasurementFailedError,
    OnMeasurement,
    asked,
    numbered,
)
from magnon_lab.bench.planner import plan
from magnon_lab.bench.quantities import ShownQuantity
from magnon_lab.bench.reference import References
from magnon_lab.bench.stand import CheckLine, Journal, Stand, no_journal
from magnon_lab.bench.steps import MAY_BE_ON, StepOutcome, failures
from magnon_lab.bench.switching import Switching
from magnon_lab.bench.turning import ShouldStop, Turner

log = logging.getLogger(__name__)

Leave = Literal["safe", "standby", "unchanged"]
IN_STANDBY = "bench in standby"


def never() -> bool:
    """Say that nothing should stop."""
    return False


class Bench:
    """The bench of one bench file, as a context.

    Entering opens a session to every instrument and asks who it is and how it stands; nothing is
    switched. Leaving makes the bench safe, also after an error, unless `leave` says "standby" (the
    magnet keeps its field; safe all the same after an error) or "unchanged" (for who only looked).

    `journal` is called before and after outputs are switched, ramps, and changes of state. `seed`
    keys the noise of a simulated laboratory; without it the laboratory keeps its own.

    Instruments that outlive this process are locked meanwhile, in the name of `what`, and nothing
    is switched on before a guard stands, which `guard_command` starts (see `Guard`). None is for
    work by hand, which leaves on what it switched on.
    """

    def __init__(
        self,
        bench_file: BenchFile,
        journal: Journal = no_journal,
        seed: int | None = None,
        leave: Leave = "safe",
        what: str = "a script",
        guard_command: Sequence[str] | None = COMMAND,
    ) -> None:
        self.bench_file = bench_file
        self.journal = journal
        self.seed = seed
        self.leave: Leave = leave
        self.custody = Custody(bench_file, journal, what, guard_command)
        self.started = False
        self.outcomes: list[StepOutcome] = []
        self.resting = ""
        self._all_off = False
        self.stand = Stand(bench_file, journal)
        self._turner = Turner(self.stand)
        self._switching = Switching(self.stand, self._turner)
        self.references = References(self.stand, self._turner)
        self.on_reference: Callable[[Measurement], None] | None = None
        """Called with each reference measurement (one row, numbered -1 - n before number n)."""
        self._held: dict[str, float] = {}
        self._number = 0

    def __enter__(self) -> Self:
        try:
            self.custody.take()
            self.stand.connect()
            if self.stand.laboratory is not None and self.seed is not None:
                self.stand.laboratory.seed_with(self.seed)
            self._switching.drive_on = self.stand.generator.is_on()
        except BaseException:
            # Nothing was switched by us; what was on before stays as it was found.
            self._let_go(True)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            unsure = error is not None and not isinstance(error, LimitError)
            if self.leave == "safe" or (self.leave == "standby" and unsure):
                self.safe()
            elif self.leave == "standby":
                self.standby()
        finally:
            # Nothing is on any more, so a simulated laboratory of this process may end with it.
            self._let_go(self._all_off or self.leave != "safe", library=self._all_off)

    def _let_go(self, done: bool, library: bool = False) -> None:
        self.stand.close(library=library)
        self.custody.give_back(done)

    @property
    def guarded(self) -> bool:
        """Whether another process makes the bench safe if this one ends."""
        return self.custody.guard is not None

    def beat(self, phase: str, deadline_s: float) -> None:
        """Tell the guard, if there is one, that work gets on and when the next beat is due.

        Raises `GuardLostError` when there should be a guard and none can be had.
        """
        self.custody.beat(phase, deadline_s)

    def report_to(self, place: Path, what: str) -> None:
        """Name the record of who uses the bench, for the guard, and for others who want it."""
        self.custody.report_to(place, what)

    @property
    def simulated(self) -> bool:
        """Whether the instruments are simulated."""
        return self.bench_file.simulated

    @property
    def clock(self) -> Clock:
        """The bench's clock: the wall's, or the simulated laboratory's."""
        return self.stand.clock

    @property
    def frequencies_hz(self) -> Array:
        """Frequencies of a trace's points, (points,)."""
        return self.bench_file.frequencies_hz

    @property
    def held(self) -> dict[str, float]:
        """What quantities have that a measurement does not turn."""
        return dict(self._held)

    def identities(self) -> dict[str, str]:
        """Return role -> identity as the instrument told it."""
        return {role: found.identity for role, found in self.stand.found.items()}

    def check(self) -> list[CheckLine]:
        """Ask every instrument who it is and how it stands; switches nothing."""
        return self.stand.check()

    def readback(self) -> dict[str, float]:
        """Ask the instruments what they make now; return quantity -> value."""
        return self._turner.read()

    def harm(self) -> tuple[str, ...]:
        """Return what was damaged in a simulated laboratory so far; empty on a real bench."""
        return self.stand.laboratory.harm() if self.stand.laboratory is not None else ()

    def start(
        self,
        hold: Mapping[str, float] | None = None,
        drive: bool = True,
        should_stop: ShouldStop = never,
    ) -> bool:
        """Switch the bench on at `hold`, in the mirror order of the safe state.

        `hold` goes over what the bench file holds; what neither names waits where it does least
        (see `BenchFile.idle`). With `drive` False the generator stays off. The attenuator is at
        its maximum till last. Returns False, with the bench safe, if `should_stop` ended it.

        Raises `LimitError` before anything is sent; after any other error the bench is safe.
        """
        held = self.complete(hold or {})
        self._check(held, drive)
        self.custody.require_guard()
        self._all_off = False
        self.started = False
        self._held = held
        self.references.begin()
        try:
            self.started = self._switching.start(
                held, drive, should_stop
            ) and self.references.warm_up(held, should_stop)
        finally:
            if not self.started:
                self.safe()
        return self.started

    def hold(self, hold: Mapping[str, float], drive: bool) -> None:
        """Hold `hold` from the next measurement on; what it does not name stays as it is held.

        `drive`: whether the generator is on then. Raises `LimitError`; then nothing has changed.
        """
        held = self.complete({**self._held, **hold})
        self._check(held, drive)
        self._held = held

    def complete(self, hold: Mapping[str, float]) -> dict[str, float]:
        """Return a value for every quantity: `hold`, else the bench file's, else where it idles."""
        for name in hold:
            if name not in self.bench_file.quantities:
                known = ", ".join(self.bench_file.quantities)
                raise BenchError(f"{name!r} cannot be held: this bench has {known}")
        base = {name: self.bench_file.idle(name) for name in self.bench_file.quantities}
        return base | self.bench_file.hold | {name: float(value) for name, value in hold.items()}

    def measure(
        self,
        settings: npt.ArrayLike,
        knobs: Sequence[str] | None = None,
        numbers: npt.ArrayLike | None = None,
        should_stop: ShouldStop = never,
        on_measurement: OnMeasurement | None = None,
        groups: npt.ArrayLike | None = None,
    ) -> Measurement:
        """Measure one trace for each row of `settings` (n, K).

        `knobs` (K,) name the columns, by default those of the bench file; other quantities stay as
        they are held. `numbers` (n,) key the noise of a simulated laboratory, by default counted
        on. All rows are checked before anything is sent: raises `LimitError` that names quantity,
        value, unit and limit.

        The rows are measured in the order that settles least (see `planner`); those of one of
        `groups` (n,) stay together. After a fault a measurement is tried again, as often as the
        bench file's `retries` says; then the bench goes to standby (safe, if that cannot be
        confirmed) and `MeasurementFailedError` is raised. After any other `InstrumentError`, such
        as for an output that went off, the bench is safe.
        """
        turned = tuple(self.bench_file.knobs) if knobs is None else knobs
        names, rows, together = asked(settings, turned, groups)
        if not self.started:
            raise BenchError("the bench is not started: call start() first")
        if "drive_power_dbm" in names and not self._switching.drive_on:
            raise BenchError("drive_power_dbm is to be turned but the bench was started without")
        counted = numbered(numbers, len(rows), self._number)
        if len(counted):
            self._number = int(counted.max()) + 1
        self.stand.limits.check_rows(names, rows, self._held, self._switching.drive_on)
        held = {name: value for name, value in self._held.items() if name not in names}
        # Ordered and read back as if nothing were known of before, so that what a batch realises
        # follows from the batch alone: a resumed run is the same to the last bit.
        order = plan(self.stand.model, names, rows, {}, together)
        self._turner.read_anew(names)

        def ends() -> bool:
            self.custody.require_guard()
            return should_stop()

        def recover() -> None:
            self._switching.recover()
            self.stand.limits.check_rows(names, rows, self._held, self._switching.drive_on)

        try:
            self.custody.require_guard()
            if len(counted):
                self._tell_reference(self.references.find(int(counted.min()), self._held, ends))
            shift_hz = self.references.shift_hz(names, rows, self._held)
            batch = Batch(self.stand, self._turner, names, rows, held, counted, order, shift_hz)
            taken = batch.measure(
                self._switching.verify, recover, self._before, ends, on_measurement
            )
        except MeasurementFailedError as error:
            self.rest()
            log.error("%s", error)
            raise
        except (InstrumentError, ConnectionFailed, CustodyError) as error:
            self.safe()
            log.error("%s", error)
            raise
        if taken.stopped == "overload":
            self.rest()
        return taken

    def set(self, quantity: str, value: float, should_stop: ShouldStop = never) -> float:
        """Set one quantity by hand under all limits, and return what is read back.

        An output that is off and without which it would do nothing is switched on first: the
        magnet's supply, the amplifier's bias, the drive. Raises `LimitError` before anything is
        sent, and `InstrumentError` for a bench that must not be started (see `check`); after any
        other error the bench is safe.
        """
        value = float(value)
        others = {name: now for name, now in self._now().items() if name != quantity}
        limits = self.stand.limits
        will_drive = self._switching.drive_on or quantity == "drive_power_dbm"
        limits.check_rows((quantity,), np.array([[value]]), others, will_drive)
        if quantity == "drive_power_dbm" and not self._switching.drive_on:
            # A drive is not switched on wherever its frequency was found.
            limits.check({"drive_frequency_hz": others["drive_frequency_hz"]})
        if quantity != "attenuation_db":
            self.stand.refuse_hazards()
        self.custody.require_guard()
        self._all_off = False
        try:
            self._switching.make_ready(quantity, value)
            done = self._turner.turn({quantity: value}, should_stop)
            if quantity == "drive_power_dbm" and value > limits.ranges[quantity][0]:
                self._switching.switch_drive_on()
        except (InstrumentError, ConnectionFailed):
            self.safe()
            raise
        if not done:
            return self.readback()[quantity]
        self._held[quantity] = value
        return self._turner.realised[quantity]

    def trace(self) -> tuple[Array, npt.NDArray[np.float32]]:
        """Take one sweep at the settings as they are; return frequencies (Hz) and levels (dBm)."""
        self.stand.analyser.configure(self.bench_file.readout)
        sweep = self.stand.analyser.sweep()
        if sweep.overload:
            log.warning("the analyser is overdriven: this trace is compressed, or worse")
        return self.frequencies_hz, sweep.trace_dbm

    def standby(self) -> list[StepOutcome]:
        """Open the loop and switch the drive off; field and bias stay. `start` ends it."""
        self.started = False
        self.outcomes = self._switching.standby()
        self._log()
        return self.outcomes

    def rest(self) -> str:
        """Go to standby, or to safe where that cannot be confirmed; tell, and keep, which it is."""
        failed = failures(self.standby())
        unsure = failures(self.safe()) if failed else ""
        safe = f"bench safe, for standby failed: {failed}"
        self.resting = f"{MAY_BE_ON} ({unsure})" if unsure else safe if failed else IN_STANDBY
        return self.resting

    def safe(self) -> list[StepOutcome]:
        """Switch everything off, and tell what came of each step with its read-back.

        Raises nothing: what failed is in the outcomes, in the journal and in the log. May be
        called any number of times.
        """
        self.started = False
        self._held = {}
        self.outcomes = self._switching.safe()
        self._all_off = all(outcome.ok for outcome in self.outcomes)
        self._log()
        return self.outcomes

    def safe_within_s(self) -> float:
        """Return how long the safe state may take with every instrument at its slowest, in s."""
        return self._switching.safe_within_s()

    def show(self) -> list[ShownQuantity]:
        """Return every quantity of this bench with its limits, knob range and read-back."""
        return self.stand.show(self.readback(), self._held)

    def _check(self, held: Mapping[str, float], drive: bool) -> None:
        """Refuse what may not be held, or would make a reference that may not be."""
        self.stand.limits.check(held, drive)
        self.stand.limits.check(self.references.settings(held), drive)

    def _before(self, number: int, should_stop: ShouldStop) -> bool:
        """Take the reference that is due before the measurement of a number; False if stopped."""
        if not self.references.due(number):
            return True
        taken = self.references.take(number, self._held, should_stop)
        self._tell_reference(taken)
        return taken.complete

    def _tell_reference(self, taken: Measurement | None) -> None:
        if taken is not None and taken.complete and self.on_reference is not None:
            self.on_reference(taken)

    def _now(self) -> dict[str, float]:
        """Return what the instruments make now; a drive that is off has no power."""
        unknown = [name for name in self.bench_file.quantities if name not in self._turner.realised]
        if unknown:
            self._turner.read()
        return dict(self._turner.realised)

    def _log(self) -> None:
        for outcome in self.outcomes:
            if not outcome.ok:
                log.critical("bench NOT safe: %s: %s", outcome.name, outcome.text)
