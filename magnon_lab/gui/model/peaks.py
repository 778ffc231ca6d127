"""Lines in a trace: which points of a spectrum are modes that ring."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: A line stands so many dB above the median of its trace, and dips so much towards its neighbours.
ABOVE_DB, DIP_DB = 10.0, 6.0


class Peak(NamedTuple):
    """A line of a spectrum."""

    frequency_hz: float
    power_dbm: float


def peaks(
    frequencies_hz: NDArray[np.float64], trace_dbm: NDArray[np.float32], most: int = 6
) -> list[Peak]:
    """Return the strongest lines of a trace (points,), by frequency.

    A line is a local maximum `ABOVE_DB` above the trace's median whose trace falls by `DIP_DB`
    on both sides before it rises above the line (its prominence). Its place and height are those
    of the parabola through its three highest points.
    """
    trace = np.asarray(trace_dbm, dtype=np.float64)
    if len(trace) < 3 or not np.isfinite(trace).all():
        return []
    inner = trace[1:-1]
    high = np.flatnonzero(
        (inner > trace[:-2]) & (inner >= trace[2:]) & (inner > np.median(trace) + ABOVE_DB)
    )
    found: list[Peak] = []
    for at in (high[np.argsort(-inner[high], kind="stable")] + 1).tolist():
        if _prominence(trace, at) >= DIP_DB:
            found.append(_top(frequencies_hz, trace, at))
            if len(found) == most:
                break
    return sorted(found)


def _prominence(trace: NDArray[np.float64], at: int) -> float:
    """Return how far one has to come down from a maximum to reach a higher point (dB)."""
    higher = np.flatnonzero(trace > trace[at])
    left, right = higher[higher < at], higher[higher > at]
    low_left = trace[(left[-1] if len(left) else 0) : at].min()
    low_right = trace[at + 1 : (right[0] + 1 if len(right) else None)].min()
    return float(trace[at] - max(low_left, low_right))


def _top(frequencies_hz: NDArray[np.float64], trace: NDArray[np.float64], at: int) -> Peak:
    before, top, after = trace[at - 1 : at + 2]
    bend = before - 2 * top + after
    shift = 0.0 if bend == 0 else 0.5 * (before - after) / bend
    spacing = (frequencies_hz[at + 1] - frequencies_hz[at - 1]) / 2
    return Peak(
        float(frequencies_hz[at] + shift * spacing), float(top - 0.25 * (before - after) * shift)
    )
