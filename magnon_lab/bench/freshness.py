"""Is a trace new? Noise makes every sweep another, so one that equals the last was not measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from magnon_lab.bench.errors import InstrumentError

Trace = npt.NDArray[np.float32]


class Freshness:
    """Tells a trace that the analyser does not renew: held, viewed, or frozen with its display.

    A simulated ring may be made without noise, and then equal traces mean nothing: whether there is
    noise is learnt from two sweeps at the same settings. A real bench always has it (`noisy`).
    """

    def __init__(self, noisy: bool) -> None:
        self._noisy: bool | None = True if noisy else None
        self._before: tuple[int, Trace] | None = None

    def learn(self, first: Trace, second: Trace) -> None:
        """Take two sweeps at the same settings. Raises `InstrumentError` if there was noise before.

        Both are (points,) in dBm.
        """
        equal = np.array_equal(first, second)
        if self._noisy and equal:
            raise InstrumentError(
                "two sweeps gave the same trace to the last bit: the analyser does not renew it"
            )
        self._noisy = not equal

    def require(self, number: int, trace: Trace) -> None:
        """Raise `InstrumentError` for a trace (points,) that is that of another measurement.

        The same measurement made anew may give the same: a simulated laboratory's noise goes by
        its number.
        """
        before = self._before
        if self._noisy and before and before[0] != number and np.array_equal(before[1], trace):
            raise InstrumentError(
                f"the trace of measurement {number} is that of {before[0]} to the last bit: the "
                "analyser does not renew it (is the trace on view or hold?)"
            )
        self._before = number, trace
