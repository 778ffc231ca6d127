"""Reference measurements: always the same settings, so that drift shows apart from learning."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from magnon_lab.bench.errors import InstrumentError, LimitError
from magnon_lab.bench.measuring import FLAG_OVERLOAD, FLAG_UNLEVELLED, Measurement
from magnon_lab.bench.schema import WarmUp
from magnon_lab.bench.stand import Stand
from magnon_lab.bench.turning import ShouldStop, Turner

Array = npt.NDArray[np.float64]
Trace = npt.NDArray[np.float32]

NOISE = 1 << 30
"""The noise of the reference before number n is keyed by this plus n, apart from the others."""

STILL = 3
"""So many references in a row must agree before the ring has warmed up."""

DRIVE_BANDWIDTHS = 3.0
"""The drive's own line is this many resolution bandwidths wide, to each side."""

STANDS_OUT_DB = 6.0
"""A mode that is tracked is so much above the median of where it is looked for."""

PIECE_S = 1.0
"""A pause is made of pieces of this length."""

FREQUENCY = "drive_frequency_hz"


class References:
    """Takes the reference measurements of a bench file's `reference` block.

    `mode_hz` is where the mode that is tracked was found last, None if it never was; a run that
    goes on sets it to where that run had found it.
    """

    def __init__(self, stand: Stand, turner: Turner) -> None:
        self._stand, self._turner = stand, turner
        self.block = stand.model.reference
        self.track = None if self.block is None else self.block.track
        self.mode_hz: float | None = None
        self._found_for = -1  # the number of the first measurement after a start

    def due(self, number: int) -> bool:
        """Return whether a reference comes before the measurement of a number.

        It goes by the number and not by a count, so that a resumed run takes the same ones.
        """
        if self.block is None or number == self._found_for:
            return False
        return number % self.block.every == 0

    def begin(self) -> None:
        """Look for the mode anew before the next measurement: much may have passed."""
        self._found_for = -1

    def find(
        self, number: int, held: Mapping[str, float], should_stop: ShouldStop
    ) -> Measurement | None:
        """Find the mode, if it is not known since the start, before the batch from `number` on.

        Returns the reference that it took for it: the last one before that number, so that it is
        the mode that the batch would have had if nothing had interrupted.
        """
        if self.block is None or self.track is None or self._found_for >= 0:
            return None
        last = max(number - 1, 0) // self.block.every * self.block.every
        taken = self.take(last, held, should_stop)
        if taken.complete:
            self._found_for = last
        return taken

    def shift_hz(self, names: tuple[str, ...], rows: Array, held: Mapping[str, float]) -> float:
        """Return how far drive frequencies go with the mode, for `rows` (n, K) of `names`.

        Raises `LimitError` if that brings one of them out of its limits.
        """
        if self.track is None or self.mode_hz is None:
            return 0.0
        shift_hz = self.mode_hz - self.track.mode_hz
        given = rows[:, [names.index(FREQUENCY)]] if FREQUENCY in names else [[held[FREQUENCY]]]
        try:
            self._stand.limits.check_rows((FREQUENCY,), np.asarray(given) + shift_hz, {}, False)
        except LimitError as error:
            raise LimitError(
                f"{error}; it goes with the tracked mode, which is {shift_hz:.0f} Hz from "
                "reference.track.mode_hz"
            ) from error
        return shift_hz

    def settings(self, held: Mapping[str, float]) -> dict[str, float]:
        """Return what a reference is measured at: what the block names, else what is held."""
        own = {} if self.block is None else self.block.settings()
        return {**held, **own}

    def take(self, number: int, held: Mapping[str, float], should_stop: ShouldStop) -> Measurement:
        """Measure the reference before a number; it has the number -1 - n of its own."""
        stand, turner = self._stand, self._turner
        settings = self.settings(held)
        began_s = stand.clock.now()
        if stand.laboratory is not None:
            began_s = stand.laboratory.begin(NOISE + number)
        turner.open_loop()
        turner.read_anew(settings)  # so that it tells what it was measured at
        done = turner.turn(settings, should_stop)
        names = tuple(settings)
        rows = int(done)
        trace = np.empty((rows, stand.model.readout.points), dtype=np.float32)
        flags = np.zeros(rows, dtype=np.uint32)
        if done:
            sweep = stand.analyser.sweep()
            trace[0] = sweep.trace_dbm
            flags[0] = FLAG_OVERLOAD * sweep.overload | FLAG_UNLEVELLED * turner.unlevelled
            if self.track is not None:
                self._follow(trace[0], settings, number)
        return Measurement(
            knobs=names,
            frequencies_hz=stand.bench_file.frequencies_hz,
            numbers=np.full(rows, -1 - number, dtype=np.int64),
            requested=np.array([[settings[name] for name in names]])[:rows],
            realised=np.array([[turner.realised.get(name, math.nan) for name in names]])[:rows],
            traces_dbm=trace,
            flags=flags,
            bench_time_s=np.full(rows, began_s),
            stopped="" if done else "stop",
        )

    def _follow(self, trace_dbm: Trace, settings: Mapping[str, float], number: int) -> None:
        """Find the tracked mode near where it was. Raises `InstrumentError` if it is not there."""
        assert self.track is not None
        frequencies_hz = self._stand.bench_file.frequencies_hz
        last_hz = self.track.mode_hz if self.mode_hz is None else self.mode_hz
        near = np.abs(frequencies_hz - last_hz) <= self.track.within_hz
        looked = near & self._free_of_drive(settings)
        levels = np.where(looked, trace_dbm, -np.inf)
        at = int(levels.argmax())
        inside = 0 < at < len(levels) - 1 and near[at - 1] and near[at + 1]
        if not (inside and levels[at] - np.median(trace_dbm[near]) >= STANDS_OUT_DB):
            raise InstrumentError(
                "the tracked mode does not stand out within reference.track.within_hz, "
                f"{self.track.within_hz:g} Hz, of where it was last, {last_hz / 1e9:.6f} GHz: is "
                "the reference a little above threshold, is reference.track.mode_hz right?"
            )
        self.mode_hz = _peak_hz(frequencies_hz, trace_dbm, at)
        moved_hz = self.mode_hz - self.track.mode_hz
        self._stand.journal(
            "mode",
            "outcome",
            f"tracked mode at {self.mode_hz / 1e9:.6f} GHz, moved by {moved_hz:.0f} Hz",
            {"mode_hz": self.mode_hz, "moved_hz": moved_hz, "number": number},
        )

    def _free_of_drive(self, settings: Mapping[str, float]) -> npt.NDArray[np.bool_]:
        """Return which points (points,) do not show the drive's own line."""
        stand = self._stand
        frequencies_hz = stand.bench_file.frequencies_hz
        if settings["drive_power_dbm"] <= stand.limits.ranges["drive_power_dbm"][0]:
            return np.ones(len(frequencies_hz), dtype=bool)
        spacing_hz = frequencies_hz[1] - frequencies_hz[0]
        width_hz = DRIVE_BANDWIDTHS * stand.model.readout.rbw_hz + spacing_hz
        return np.asarray(np.abs(frequencies_hz - settings[FREQUENCY]) > width_hz)

    def warm_up(self, held: Mapping[str, float], should_stop: ShouldStop) -> bool:
        """Wait until the reference's strongest mode stands still; False if `should_stop` ended it.

        Returns at once where the bench file asks for none. Raises `InstrumentError` if it has not
        come to stand within the time that the bench file gives.
        """
        warm = None if self.block is None else self.block.warm_up
        if warm is None:
            return True
        began_s, last = self._stand.clock.now(), deque[float](maxlen=STILL)
        self._stand.journal("warm-up", "intent", f"until the mode stays within {warm.hz:g} Hz", {})
        for count in range(1 << 20):
            taken = self.take(count, held, should_stop)
            if not taken.complete or should_stop():
                return False
            last.append(self._strongest_hz(taken))
            spent_s = self._stand.clock.now() - began_s
            told = f"mode at {last[-1] / 1e9:.6f} GHz after {spent_s:.1f} s"
            if len(last) == STILL and max(last) - min(last) <= warm.hz:
                self._stand.journal("warm-up", "outcome", told, {"mode_hz": last[-1]})
                return True
            self._refuse_too_late(warm, spent_s, told)
            if not self._wait(warm.every_s, should_stop):
                return False
        return False

    def _wait(self, seconds: float, should_stop: ShouldStop) -> bool:
        """Let `seconds` pass, in pieces that tell of progress; False if `should_stop` ended it."""
        while seconds > 0:
            self._stand.clock.sleep(min(seconds, PIECE_S))
            seconds -= PIECE_S
            if should_stop():
                return False
        return True

    def _strongest_hz(self, taken: Measurement) -> float:
        """Return where the strongest line of a reference is that is not the drive's own."""
        settings = dict(zip(taken.knobs, taken.requested[0].tolist(), strict=True))
        levels = np.where(self._free_of_drive(settings), taken.traces_dbm[0], -np.inf)
        at = int(np.clip(levels.argmax(), 1, len(levels) - 2))
        return _peak_hz(taken.frequencies_hz, taken.traces_dbm[0], at)

    def _refuse_too_late(self, warm: WarmUp, spent_s: float, told: str) -> None:
        if spent_s > warm.at_most_s:
            raise InstrumentError(
                f"the ring has not warmed up within reference.warm_up.at_most_s, "
                f"{warm.at_most_s:g} s: {told}, still moving by more than {warm.hz:g} Hz; or "
                "does no mode stand out?"
            )


def _peak_hz(frequencies_hz: Array, trace_dbm: Trace, at: int) -> float:
    """Return where the line is whose highest point is `at`, by a parabola through three points.

    Exact for a line much narrower than a Gaussian resolution filter.
    """
    before, middle, after = trace_dbm[at - 1 : at + 2].astype(np.float64)
    bend = before - 2 * middle + after
    part = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(frequencies_hz[at] + part * (frequencies_hz[1] - frequencies_hz[0]))
