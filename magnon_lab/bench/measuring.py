"""A batch of measurements: settings in, traces out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

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
    "stop" for what `should_stop` asked, "overload" for an overdriven analyser (the last trace has
    its flag; the bench is in standby).
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
    """(n,), the bench's clock when each began."""
    times_s: dict[str, float] = field(default_factory=dict)
    """Bench time asked for settling; wall time spent on sweep and transfer, and in all."""
    stopped: str = ""

    @property
    def complete(self) -> bool:
        """Whether every setting was measured."""
        return not self.stopped


OnMeasurement = Callable[[int, npt.NDArray[np.float32], int], None]
"""Called with the row's index, its trace (points,) in dBm and its flags after each measurement."""


def measure_rows(
    stand: Stand,
    turner: Turner,
    knobs: tuple[str, ...],
    settings: Array,
    held: Mapping[str, float],
    numbers: npt.NDArray[np.int64],
    should_stop: ShouldStop,
    on_measurement: OnMeasurement | None,
) -> Measurement:
    """Measure `settings` (n, K), which have passed the limits, one after the other.

    Each starts with the loop opened, so that the ring remembers nothing of the one before, unless
    the bench file says `reset_ring: false`.
    """
    count = len(settings)
    realised = np.empty((count, len(knobs)))
    traces = np.empty((count, stand.model.readout.points), dtype=np.float32)
    flags = np.zeros(count, dtype=np.uint32)
    bench_time_s = np.empty(count)
    done, stopped, sweep_s = 0, "", 0.0
    settle_before_s, started_s = turner.settle_s, time.perf_counter()
    reset = stand.model.reset_ring
    for index in range(count):
        if should_stop():
            stopped = "stop"
            break
        if stand.laboratory is not None:
            bench_time_s[index] = stand.laboratory.begin(int(numbers[index]))
        else:
            bench_time_s[index] = stand.clock.now()
        if reset:
            turner.open_loop()
        row = dict(held)
        row.update(zip(knobs, settings[index].tolist(), strict=True))
        if not turner.turn(row, should_stop):
            stopped = "stop"
            break
        before_s = time.perf_counter()
        sweep = stand.analyser.sweep()
        sweep_s += time.perf_counter() - before_s
        traces[index] = sweep.trace_dbm
        realised[index] = [turner.realised[name] for name in knobs]
        flags[index] = FLAG_OVERLOAD * sweep.overload | FLAG_UNLEVELLED * turner.unlevelled
        done = index + 1
        if on_measurement is not None:
            on_measurement(index, traces[index], int(flags[index]))
        if sweep.overload:
            stopped = "overload"
            break
    return Measurement(
        knobs=knobs,
        frequencies_hz=stand.bench_file.frequencies_hz,
        numbers=numbers[:done],
        requested=settings[:done],
        realised=realised[:done],
        traces_dbm=traces[:done],
        flags=flags[:done],
        bench_time_s=bench_time_s[:done],
        times_s={
            "settle": turner.settle_s - settle_before_s,
            "sweep": sweep_s,
            "total": time.perf_counter() - started_s,
        },
        stopped=stopped,
    )
