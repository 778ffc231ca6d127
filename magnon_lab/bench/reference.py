"""Reference measurements: always the same settings, so that drift shows apart from learning."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

import numpy as np

from magnon_lab.bench.errors import InstrumentError
from magnon_lab.bench.measuring import FLAG_OVERLOAD, FLAG_UNLEVELLED, Measurement
from magnon_lab.bench.schema import WarmUp
from magnon_lab.bench.stand import Stand
from magnon_lab.bench.turning import ShouldStop, Turner

NOISE = 1 << 30
"""The noise of the reference before number n is keyed by this plus n, apart from the others."""

STILL = 3
"""So many references in a row must agree before the ring has warmed up."""


class References:
    """Takes the reference measurements of a bench file's `reference` block."""

    def __init__(self, stand: Stand, turner: Turner) -> None:
        self._stand, self._turner = stand, turner
        self.block = stand.model.reference

    def due(self, number: int) -> bool:
        """Return whether a reference comes before the measurement of a number.

        It goes by the number and not by a count, so that a resumed run takes the same ones.
        """
        return self.block is not None and number % self.block.every == 0

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
            last.append(_peak_hz(taken))
            spent_s = self._stand.clock.now() - began_s
            told = f"mode at {last[-1] / 1e9:.6f} GHz after {spent_s:.1f} s"
            if len(last) == STILL and max(last) - min(last) <= warm.hz:
                self._stand.journal("warm-up", "outcome", told, {"mode_hz": last[-1]})
                return True
            self._refuse_too_late(warm, spent_s, told)
            self._stand.clock.sleep(warm.every_s)
        return False

    def _refuse_too_late(self, warm: WarmUp, spent_s: float, told: str) -> None:
        if spent_s > warm.at_most_s:
            raise InstrumentError(
                f"the ring has not warmed up within reference.warm_up.at_most_s, "
                f"{warm.at_most_s:g} s: {told}, still moving by more than {warm.hz:g} Hz"
            )


def _peak_hz(taken: Measurement) -> float:
    """Return where the strongest line is, by the centre of its power over three points."""
    trace = taken.traces_dbm[0].astype(np.float64)
    at = int(np.clip(trace.argmax(), 1, len(trace) - 2))
    near = slice(at - 1, at + 2)
    power = 10 ** (trace[near] / 10)
    return float((power * taken.frequencies_hz[near]).sum() / power.sum())
