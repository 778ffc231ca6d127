"""What an analyser does with sweeps: bandwidth and time rules, traces, data formats."""

import math
from bisect import bisect
from collections.abc import Sequence

import numpy as np

Array = np.ndarray

_E24 = (1.0, 1.1, 1.2, 1.3, 1.5, 1.6, 1.8, 2.0, 2.2, 2.4, 2.7, 3.0,
        3.3, 3.6, 3.9, 4.3, 4.7, 5.1, 5.6, 6.2, 6.8, 7.5, 8.2, 9.1)  # fmt: skip
RESOLUTION_BANDWIDTHS_HZ = (
    *(m * 10.0**e for e in range(6) for m in _E24),
    *(m * 1e6 for m in (*_E24[:12], 4.0, 5.0, 6.0, 8.0)),
)
"""Resolution bandwidths of the X-series: ten per cent steps to 3 MHz, then 4, 5, 6, 8 MHz."""
VIDEO_BANDWIDTHS_HZ = (*RESOLUTION_BANDWIDTHS_HZ, 50e6)

DETECTORS = {"AVER": "average", "POS": "peak", "NORM": "peak", "SAMP": "sample", "NEG": "sample"}
"""Detectors in the ring model's words; it has no negative peak, and normal is peak for lines."""

EMPTY_DBM = -200.0
"""Level of a trace into which nothing has been swept."""


def nearest(value: float, allowed: Sequence[float]) -> float:
    """Return the value of an ascending sequence that is nearest on a logarithmic scale."""
    place = bisect(allowed, value)
    around = allowed[max(place - 1, 0) : place + 1]
    return min(around, key=lambda candidate: abs(math.log(candidate / value)))


def auto_bandwidth(span_hz: float) -> float:
    """Return the resolution bandwidth that goes with a span (ratio 106, X-series preset)."""
    return nearest(span_hz / 106, RESOLUTION_BANDWIDTHS_HZ) if span_hz > 0 else 3e6


def swept_time(span_hz: float, rbw_hz: float, vbw_hz: float) -> float:
    """Return the shortest calibrated time of a swept sweep in s."""
    return max(1e-3, 2.5 * span_hz / (rbw_hz * min(rbw_hz, vbw_hz)))


def fft_time(span_hz: float, rbw_hz: float, segment_hz: float, overhead_s: float) -> float:
    """Return the time of an FFT sweep in s: 1.5/RBW a segment, and its computation."""
    return max(1, math.ceil(span_hz / segment_hz)) * 1.5 / rbw_hz + overhead_s


def fold(kind: str, average: str, sweeps: Sequence[Array]) -> Array:
    """Return what a trace of a kind (WRIT, AVER, MAXH, MINH) makes of sweeps in dBm.

    `average` is LOG (mean of decibels), RMS (of power) or SCAL (of voltage).
    """
    if kind == "MAXH":
        return np.asarray(np.max(sweeps, axis=0))
    if kind == "MINH":
        return np.asarray(np.min(sweeps, axis=0))
    if kind != "AVER" or len(sweeps) == 1:
        return sweeps[-1]
    if average == "LOG":
        return np.asarray(np.mean(sweeps, axis=0))
    per_decade = 10.0 if average == "RMS" else 20.0
    linear = np.mean(10 ** (np.asarray(sweeps) / per_decade), axis=0)
    return np.asarray(per_decade * np.log10(linear))


def in_unit(trace_dbm: Array, unit: str) -> Array:
    """Return levels in another power unit, at 50 Ohm."""
    match unit:
        case "DBMV":
            return trace_dbm + 10 * math.log10(50) + 30
        case "DBUV":
            return trace_dbm + 10 * math.log10(50) + 90
        case "W":
            return np.asarray(10 ** (trace_dbm / 10) * 1e-3)
        case "V":
            return np.asarray(np.sqrt(10 ** (trace_dbm / 10) * 1e-3 * 50))
        case _:
            return trace_dbm


def encode(values: Array, form: str, length: int, swapped: bool) -> bytes:
    """Return values as an analyser sends them: CSV, or a definite-length block.

    INT,32 counts thousandths of the unit (milli-dBm). What is not a number is 9.91E37 in text and
    the lowest integer, as SCPI-99 (volume 1, 7.2.1.5) has it, and IEEE's own in REAL.
    """
    if form == "ASC":
        values = np.where(np.isnan(values), 9.91e37, values.astype(float))
        return ",".join(f"{v:.12E}" for v in values.tolist()).encode()
    order = "<" if swapped else ">"
    if form == "INT":
        counts = np.where(np.isnan(values), -(2.0**31), np.rint(values * 1000))
        data: bytes = counts.astype(f"{order}i4").tobytes()
    else:
        data = values.astype(f"{order}f{length // 8}").tobytes()
    count = str(len(data)).encode()
    return b"#" + str(len(count)).encode() + count + data


def peaks(trace_dbm: Array, threshold_dbm: float, excursion_db: float) -> list[int]:
    """Return the indices of peaks above a threshold, highest first.

    A peak rises and falls by at least the excursion on either side.
    """
    found = []
    points = trace_dbm.tolist()
    inner = np.flatnonzero(
        (trace_dbm >= np.r_[-np.inf, trace_dbm[:-1]]) & (trace_dbm >= np.r_[trace_dbm[1:], -np.inf])
    )
    for index in inner.tolist():
        top = points[index]
        if top >= threshold_dbm and all(
            _falls(points, index, step, top, excursion_db) for step in (-1, 1)
        ):
            found.append(index)
    return sorted(found, key=lambda i: -points[i])


def _falls(points: list[float], index: int, step: int, top: float, excursion_db: float) -> bool:
    index += step
    while 0 <= index < len(points):
        if points[index] > top:
            return False
        if points[index] <= top - excursion_db:
            return True
        index += step
    return True
