"""What a run will take, told before it begins: ring measurements, and time of the bench."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magnon_lab.bench import BenchFile
from magnon_lab.bench.planner import plan, settling_s
from magnon_lab.learning.names import parity_bits, ring_passes, rows_a_pass

SIZES = {
    "digits": (1200, 200, 397),
    "digit_rows": (1200, 200, 397),
    "spirals": (600, 200, 400),
    "parity": (600, 200, 400),
    "wine": (115, 27, 36),
    "breast_cancer": (370, 85, 114),
}
"""Samples to train on, to validate on and to test on, of the tasks that come with the program."""

SHAPES = {
    "digits": (64,),
    "digit_rows": (8, 8),
    "spirals": (2,),
    "wine": (13,),
    "breast_cancer": (30,),
}
"""Shapes of their samples: (features,) or (tokens, features); of parity, the bits."""

PARTS = (0.65, 0.15, 0.2)
"""The same as parts of a user's own data."""

HANDLING_S = 0.025
"""What a measurement takes beside settling and sweep: to set, to read back, to fetch the trace."""

PROBE_S = 0.35
"""What a field probe takes to be read."""

RETRACE_S = 0.005

BATCH = 64
"""Measurements at random within the knobs' ranges, from which the settling is told."""


@dataclass(frozen=True)
class Estimate:
    """About how many ring measurements a run makes, and how long (s) it uses the bench.

    `bench_time_s` is 0 for a run without instruments.
    """

    measurements: int
    bench_time_s: float

    def within(self, limit_s: float, after: int) -> Estimate:
        """Return it cut short by a time limit, after which so many measurements still come."""
        each_s = self.bench_time_s / max(1, self.measurements)
        longest_s = limit_s + after * each_s
        if self.bench_time_s <= longest_s:
            return self
        return Estimate(round(longest_s / each_s), longest_s)


def split_sizes(task: str) -> tuple[int, int, int]:
    """Return the samples of a task to train, to validate and to test on; of own data about.

    Raises `ValueError` for a task that does not exist or a file that cannot be counted.
    """
    known = "parity" if parity_bits(task) else task
    if known in SIZES:
        return SIZES[known]
    train, validation, test = (round(part * _own_data(task)[0]) for part in PARTS)
    return train, validation, test


def sample_shape(task: str) -> tuple[int, ...]:
    """Return the shape of a task's samples: (features,) or (tokens, features).

    Raises `ValueError` for a task that does not exist or a file that cannot be counted.
    """
    bits = parity_bits(task)
    return (bits,) if bits else SHAPES.get(task) or _own_data(task)[1]


def measurements_a_sample(network: str, shots: int, task: str) -> int:
    """Return the ring measurements that one sample takes on its way through a network."""
    shape = sample_shape(task) if network == "transformer" else (1,)
    return rows_a_pass(network, shots, shape) * ring_passes(network)


def _own_data(task: str) -> tuple[int, tuple[int, ...]]:
    """Return how many samples a file of the user's holds, and their shape."""
    path = Path(task)
    if path.suffix.lower() not in (".npz", ".csv"):
        raise ValueError(
            f"task {task!r} is not known; known are {', '.join(SIZES)}, or give a file of your "
            "own, .npz or .csv"
        )
    try:
        return _counted(path, path.stat().st_mtime_ns)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"task file {path} cannot be read: {error}") from error


@functools.lru_cache(maxsize=16)
def _counted(path: Path, changed_ns: int) -> tuple[int, tuple[int, ...]]:
    if path.suffix.lower() == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return len(archive["y"]), archive["x"].shape[1:]
    with path.open("rb") as file:
        lines = (line for line in file if line.strip())
        header = next(lines, b"")
        return sum(1 for _ in lines), (header.count(b","),)


def sweep_s(bench_file: BenchFile) -> float:
    """Return about how long one sweep takes, by the usual rule for a calibrated one.

    2.5 span / (RBW x the smaller of RBW and VBW), Keysight Application Note 150; an analyser that
    chooses an FFT by itself may be faster.
    """
    readout = bench_file.readout
    span_hz = readout.stop_hz - readout.start_hz
    return max(1e-3, 2.5 * span_hz / (readout.rbw_hz * min(readout.rbw_hz, readout.vbw_hz)))


def bench_time_s(
    bench_file: BenchFile, held: Mapping[str, float], knobs: tuple[str, ...], measurements: int
) -> float:
    """Return about how long the bench takes: to start at `held`, then to turn `knobs` at random.

    A knob without a range in the bench file is taken to change with each measurement. References
    that the bench file asks for are counted, a warm-up is not.
    """
    model = bench_file.model
    names = tuple(held)
    start = np.array([[held[name] for name in names]])
    start_s = settling_s(model, names, start, {}) if names else 0.0
    if model.limits.field_slew_mt_per_s:
        start_s += abs(held.get("field_mt", 0.0)) / model.limits.field_slew_mt_per_s
    probed_s = PROBE_S if model.roles.probe is not None else 0.0
    each_s = sweep_s(bench_file) + RETRACE_S + HANDLING_S
    reference_s = 0.0
    if model.reference is not None and names:
        reference_s = (settling_s(model, names, start, {}) + probed_s + each_s) / (
            model.reference.every
        )
    settle_s = _settling_s(bench_file, knobs) + probed_s * ("field_mt" in knobs)
    return start_s + measurements * (settle_s + each_s + reference_s)


def _settling_s(bench_file: BenchFile, knobs: tuple[str, ...]) -> float:
    """Return the settling time (s) of one of a batch of measurements."""
    model = bench_file.model
    if not knobs:
        return model.settle.attenuation_s  # the loop is opened and closed again
    if any(knob not in bench_file.knobs for knob in knobs):
        return settling_s(model, knobs, np.zeros((1, len(knobs))), {})
    ranges = [bench_file.knobs[knob] for knob in knobs]
    rows = np.random.default_rng(0).uniform(
        [one.low for one in ranges], [one.high for one in ranges], (BATCH, len(knobs))
    )
    order = plan(model, knobs, rows, {})
    return settling_s(model, knobs, rows[order], {}) / BATCH
