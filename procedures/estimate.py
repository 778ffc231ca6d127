"""What a run will take, told before it begins: ring measurements, and time of the bench."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magnon_lab.bench import BenchFile
from magnon_lab.bench.planner import plan, settling_s

SIZES = {"digits": (1200, 200, 397), "spirals": (600, 200, 400)}
"""Samples to train on, to validate on and to test on, of the tasks that come with the program."""

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


def split_sizes(task: str) -> tuple[int, int, int]:
    """Return the samples of a task to train, to validate and to test on; of own data about.

    Raises `ValueError` for a task that does not exist or a file that cannot be counted.
    """
    if task in SIZES:
        return SIZES[task]
    path = Path(task)
    if path.suffix.lower() not in (".npz", ".csv"):
        raise ValueError(
            f"task {task!r} is not known; known are {', '.join(SIZES)}, or give a file of your "
            "own, .npz or .csv"
        )
    try:
        samples = _samples(path, path.stat().st_mtime_ns)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"task file {path} cannot be read: {error}") from error
    train, validation, test = (round(part * samples) for part in PARTS)
    return train, validation, test


@functools.lru_cache(maxsize=16)
def _samples(path: Path, changed_ns: int) -> int:
    if path.suffix.lower() == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return len(archive["y"])
    with path.open("rb") as file:
        return max(sum(1 for line in file if line.strip()) - 1, 0)


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
