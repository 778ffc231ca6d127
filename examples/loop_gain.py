"""How strong, how repeatable and how bent the ring's answer to drive power is at a loop gain.

Draws three figures against the loop gain, for the ring, the ring with a linear film, and the linear
ring. Sensitivity: change of the features, in dB, for a dB of drive power. Repeatability: spread of
the features over measurements at the same setting, in dB. Capacity: how many polynomials of the
drive power (Legendre's, order 1 to 12, over -30 to 5 dBm) can be read linearly off the features of
one measurement: the sum of the parts of their variance that are told on fresh measurements.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from numpy.polynomial.legendre import Legendre
from numpy.typing import NDArray

from magnon_lab.bench import BenchFile
from magnon_lab.learning.features import FeatureMap
from procedures.training import make_reservoir

MEASUREMENTS, ORDERS, STEP_DB = 300, 12, 1.0
REPEATS = 4
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


def answers(
    kind: str, bench: Path, drive_hz: float, attenuation_db: float
) -> tuple[float, float, float]:
    """Return sensitivity (dB a dB), repeatability (dB) and capacity at one working point."""
    bench_file = BenchFile.load(bench)
    held = {name: bench_file.idle(name) for name in bench_file.quantities} | bench_file.hold
    held |= {"drive_frequency_hz": drive_hz, "attenuation_db": attenuation_db}

    def measure(*_: Any) -> Any:
        raise AssertionError("in silico")

    reservoir = make_reservoir(kind, bench_file, ("drive_power_dbm",), held, 0, measure)
    feature_map = FeatureMap(len(reservoir.frequencies_hz), bench_file.readout.bins)
    knob, number = reservoir.knobs[0], 0

    def features(powers_dbm: NDArray[np.float64]) -> NDArray[np.float64]:
        nonlocal number
        numbers = number + np.arange(len(powers_dbm))
        number += len(powers_dbm)
        traces = reservoir(powers_dbm[:, None], numbers).traces
        return np.asarray(feature_map.raw(jnp.asarray(traces)), np.float64)

    unit = np.random.default_rng(0).uniform(-1.0, 1.0, MEASUREMENTS)
    powers = knob.low + (unit + 1.0) / 2.0 * (knob.high - knob.low)
    repeated = np.stack([features(powers) for _ in range(REPEATS)])
    moved = np.stack([features(powers + sign * STEP_DB / 2.0) for sign in (1.0, -1.0)])
    noise = float(np.mean(repeated.var(axis=0, ddof=1)))
    change = float(np.mean((moved[0] - moved[1]) ** 2)) - 2.0 * noise
    return max(change, 0.0) ** 0.5 / STEP_DB, noise**0.5, capacity(unit, repeated)


def capacity(unit: NDArray[np.float64], repeated: NDArray[np.float64]) -> float:
    """Return the sum over orders of what a linear readout tells, between 0 and `ORDERS`."""
    half = len(unit) // 2
    scaled = repeated - repeated[0, :half].mean(axis=0)
    scaled /= np.sqrt(np.mean(repeated[0, :half].var(axis=0)))
    first = np.c_[scaled[0, :half], np.ones(half)]
    judged, fresh = (np.c_[scaled[0, half:], np.ones(half)], np.c_[scaled[1, half:], np.ones(half)])
    total = 0.0
    for order in range(1, ORDERS + 1):
        wanted = Legendre.basis(order)(unit)
        readouts = [
            np.linalg.solve(
                first.T @ first + ridge * np.eye(first.shape[1]), first.T @ wanted[:half]
            )
            for ridge in RIDGES
        ]
        errors = [np.mean((judged @ one - wanted[half:]) ** 2) for one in readouts]
        best = readouts[int(np.argmin(errors))]
        error = np.mean((fresh @ best - wanted[half:]) ** 2)
        total += max(0.0, 1.0 - float(error / np.var(wanted[half:])))
    return total


def draw(
    path: Path,
    bench: Path,
    drive_hz: float,
    attenuations_db: dict[float, float],
    reservoirs: dict[str, str],
    colours: dict[str, str],
) -> None:
    """Draw all three against the loop gain; `attenuations_db` by loop gain in dB."""
    figure = Figure(figsize=(11, 3.6), dpi=130, layout="constrained")
    panels = figure.subplots(1, 3)
    for kind, label in reservoirs.items():
        gains = [gain for gain in attenuations_db if kind != "linear_ring" or gain < 0.0]
        found = [answers(kind, bench, drive_hz, attenuations_db[gain]) for gain in gains]
        for axes, values in zip(panels, zip(*found, strict=True), strict=True):
            axes.plot(gains, values, "o-", color=colours[label], ms=4, label=label)
    names = ("Sensitivity (dB per dB)", "Repeatability (dB)", "Capacity (polynomials)")
    for axes, name in zip(panels, names, strict=True):
        axes.axvline(0.0, color="0.5", ls=":", lw=1)
        axes.set(xlabel="Loop gain (dB)", ylabel=name)
        axes.grid(alpha=0.3)
    panels[1].set_yscale("log")
    panels[0].legend(fontsize=8)
    figure.savefig(path)
