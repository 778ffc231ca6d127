"""A batch of measurements: settings in, traces out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from magnon_lab.bench.errors import BenchError, ConnectionFailed, InstrumentError, OutputLostError
from magnon_lab.bench.stand import Stand
from magnon_lab.bench.turning import ShouldStop, Turner

Array = npt.NDArray[np.float64]

FLAG_OVERLOAD = 1
"""The analyser's input was overdriven: the trace is compressed, or worse."""
FLAG_UNLEVELLED = 2
"""The generator could not make the power that was set."""
FLAG_RETRIED = 4
"""The measurement is not from the first try."""


@dataclass(frozen=True)
class Measurement:
    """What a batch of n settings of K knobs gave, in the order of the settings.

    If it was cut short, n is what was measured: `complete` is False and `stopped` says why,
    "stop" for what `should_stop` asked, "overload" for an overdriven analyser (`overloaded` is
    its row; the bench is in standby), "fault" for an instrument (see `MeasurementFailedError`).
    """

    knobs: tuple[str, ...]
    frequencies_hz: Array
    """(points,)"""
    numbers: npt.NDArray[np.int64]
    """(n,), of which each keys the noise of a simulated laboratory."""
    requested: Array
    """(n, K)"""
    realised: Array
    """(n, K), as read back."""
    traces_dbm: npt.NDArray[np.float32]
    """(n, points)"""
    flags: npt.NDArray[np.uint32]
    """(n,), see the FLAG_ constants."""
    bench_time_s: Array
    """(n,), the bench's clock when each began, which tells in what order they were made."""
    times_s: dict[str, float] = field(default_factory=dict)
    """Bench time asked for settling; wall time spent on sweep and transfer, and in all."""
    stopped: str = ""
    shift_hz: float = 0.0
    """So much more than requested and realised drive frequencies say was on the wires: they are
    meant as detunings from a mode that has moved (see `Track`)."""

    @property
    def complete(self) -> bool:
        """Whether every setting was measured."""
        return not self.stopped

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """(n,), the rows in the order in which they were measured."""
        return np.argsort(self.bench_time_s, kind="stable")

    @property
    def overloaded(self) -> int | None:
        """The row at which the analyser was overdriven, None if it was not."""
        rows = np.flatnonzero(self.flags & FLAG_OVERLOAD)
        return int(rows[-1]) if len(rows) else None


OnMeasurement = Callable[[int, npt.NDArray[np.float32], int], None]
"""Called with the row's index, its trace (points,) in dBm and its flags after each measurement."""

Before = Callable[[int, ShouldStop], bool]
"""Called with the number of the measurement that comes next; returns False if it was to stop."""


class MeasurementFailedError(InstrumentError):
    """A measurement that every try failed at; the bench is in standby, or safe if that failed.

    `taken` is what was measured of the batch before.
    """

    def __init__(self, message: str, taken: Measurement) -> None:
        super().__init__(message)
        self.taken = taken


def asked(
    settings: npt.ArrayLike, knobs: Sequence[str], groups: npt.ArrayLike | None
) -> tuple[tuple[str, ...], Array, npt.NDArray[np.int64] | None]:
    """Return the knobs (K,), settings (n, K) and groups (n,) of a batch as arrays that fit.

    Raises `BenchError` for what does not.
    """
    names = tuple(knobs)
    rows = np.array(settings, dtype=np.float64, ndmin=2)
    if rows.ndim != 2 or rows.shape[1] != len(names) or len(set(names)) != len(names):
        raise BenchError(f"settings of shape {rows.shape} do not fit the knobs {names}")
    together = None if groups is None else np.array(groups, dtype=np.int64, ndmin=1)
    if together is not None and together.shape != (len(rows),):
        raise BenchError(f"{len(rows)} settings need as many groups, not {together.shape}")
    return names, rows, together


def numbered(numbers: npt.ArrayLike | None, count: int, first: int) -> npt.NDArray[np.int64]:
    """Return the numbers (count,) of a batch, counted on from `first` where none are given.

    Raises `BenchError` for too many or too few.
    """
    if numbers is None:
        return first + np.arange(count, dtype=np.int64)
    counted = np.array(numbers, dtype=np.int64, ndmin=1)
    if counted.shape != (count,):
        raise BenchError(f"{count} settings need as many numbers, not {counted.shape}")
    return counted


class Batch:
    """Settings (n, K) that have passed the limits, measured one after the other in `order`.

    Each starts with the loop opened, so that the ring remembers nothing of the one before, unless
    the bench file says `reset_ring: false`. `held` are the quantities that no knob turns.
    """

    def __init__(
        self,
        stand: Stand,
        turner: Turner,
        knobs: tuple[str, ...],
        settings: Array,
        held: Mapping[str, float],
        numbers: npt.NDArray[np.int64],
        order: npt.NDArray[np.int64],
        shift_hz: float = 0.0,
    ) -> None:
        count = len(settings)
        self.stand, self.turner = stand, turner
        self.knobs, self.settings, self.held, self.numbers = knobs, settings, held, numbers
        self.order = order.tolist()
        self.shift_hz = shift_hz
        self.todo = list(self.order)
        self.realised = np.empty((count, len(knobs)))
        self.traces = np.empty((count, stand.model.readout.points), dtype=np.float32)
        self.flags = np.zeros(count, dtype=np.uint32)
        self.bench_time_s = np.empty(count)
        self.sweep_s = 0.0
        self._again: set[int] = set()
        self._unsure: list[int] = []  # measured, and no instrument was spoken to since

    def measure(
        self,
        verify: Callable[[], None],
        recover: Callable[[], None],
        before: Before,
        should_stop: ShouldStop,
        on_measurement: OnMeasurement | None,
    ) -> Measurement:
        """Measure what is to do, each row as often as the bench file's `retries` and once more.

        `verify` is called last, since what went off meanwhile spoils what was measured; after a
        fault `recover`, and what failed is tried again, with the row before it if the fault may
        have been there already. An instrument that was found to have restarted makes the whole
        batch doubtful. Raises `MeasurementFailedError` after the last
        try, and at once `OutputLostError`, for an output that went off.
        """
        settled_s, started_s = self.turner.settle_s, time.perf_counter()
        retries, tries = self.stand.model.retries, Counter[int]()
        stopped = ""
        while True:
            try:
                if tries:
                    recover()
                stopped = self._measure(before, should_stop, on_measurement)
                verify()
                self._refuse_restarted()
                break
            except OutputLostError:
                raise
            except (InstrumentError, ConnectionFailed) as error:
                at = self.todo[0] if self.todo else -1
                tries[at] += 1
                number = int(self.numbers[at])
                told = f"try {tries[at]} of {retries + 1} of measurement {number} failed: {error}"
                self.stand.journal("retry", "outcome", told, {"number": number, "try": tries[at]})
                self._doubt()
                if tries[at] > retries:
                    taken = self._taken(settled_s, started_s, "fault")
                    raise MeasurementFailedError(told, taken) from error
            if should_stop():
                stopped = "stop"
                break
        return self._taken(settled_s, started_s, stopped)

    def _measure(
        self, before: Before, should_stop: ShouldStop, on_measurement: OnMeasurement | None
    ) -> str:
        while self.todo:
            index = self.todo[0]
            if should_stop():
                return "stop"
            if not before(int(self.numbers[index]), should_stop):
                return "stop"
            if not self._one(index, should_stop):
                return "stop"
            self._unsure = [self.todo.pop(0)]
            if on_measurement is not None:
                on_measurement(index, self.traces[index], int(self.flags[index]))
            if self.flags[index] & FLAG_OVERLOAD:
                return "overload"
        return ""

    def _one(self, index: int, should_stop: ShouldStop) -> bool:
        stand, turner = self.stand, self.turner
        if stand.laboratory is not None:
            self.bench_time_s[index] = stand.laboratory.begin(int(self.numbers[index]))
        else:
            self.bench_time_s[index] = stand.clock.now()
        if stand.model.reset_ring:
            turner.open_loop()
        row = dict(self.held)
        row.update(zip(self.knobs, self.settings[index].tolist(), strict=True))
        row["drive_frequency_hz"] += self.shift_hz
        if not turner.turn(row, should_stop):
            return False
        self._unsure = []
        before_s = time.perf_counter()
        sweep = stand.analyser.sweep()
        self.sweep_s += time.perf_counter() - before_s
        stand.freshness.require(int(self.numbers[index]), sweep.trace_dbm)
        self.traces[index] = sweep.trace_dbm
        shift = {"drive_frequency_hz": self.shift_hz}
        made = [turner.realised[name] - shift.get(name, 0.0) for name in self.knobs]
        self.realised[index] = made
        self.flags[index] = (
            FLAG_OVERLOAD * sweep.overload
            | FLAG_UNLEVELLED * turner.unlevelled
            | FLAG_RETRIED * (index in self._again)
        )
        return True

    def _doubt(self) -> None:
        """Do again what failed, and what nobody was asked about since it was measured."""
        self._again.update(self.todo[:1], self._unsure)
        self.todo[:0], self._unsure = self._unsure, []

    def _refuse_restarted(self) -> None:
        """Raise `InstrumentError` for an instrument that lost its settings meanwhile."""
        restarted = self.stand.restarted()
        if restarted:
            self.todo, self._unsure = list(self.order), []
            self._again.update(self.order)
            raise InstrumentError(
                f"{', '.join(restarted)} restarted during the batch: it is measured anew"
            )

    def _taken(self, settled_s: float, started_s: float, stopped: str) -> Measurement:
        done = np.sort(np.setdiff1d(np.array(self.order, dtype=np.int64), self.todo))
        if len(done) == len(self.order):
            done = np.arange(len(done))
        return Measurement(
            knobs=self.knobs,
            frequencies_hz=self.stand.bench_file.frequencies_hz,
            numbers=self.numbers[done],
            requested=self.settings[done],
            realised=self.realised[done],
            traces_dbm=self.traces[done],
            flags=self.flags[done],
            bench_time_s=self.bench_time_s[done],
            times_s={
                "settle": self.turner.settle_s - settled_s,
                "sweep": self.sweep_s,
                "total": time.perf_counter() - started_s,
            },
            stopped=stopped,
            shift_hz=self.shift_hz,
        )
