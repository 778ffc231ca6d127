"""What is done with a live trace: max hold, markers, a reference kept for comparison."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from magnon_lab.gui.model.curve import Array
from magnon_lab.gui.model.peaks import peaks
from magnon_lab.gui.model.snapshot import Snapshot

MOST_PEAKS = 64


@dataclass(frozen=True, eq=False)
class Reference:
    """A trace kept for comparison: level_dbm (points,) at frequencies_hz (points,).

    name: short, for a legend; told: where it is from.
    """

    frequencies_hz: Array
    level_dbm: NDArray[np.float32]
    name: str
    told: str
    simulated: bool

    def save(self, path: Path) -> None:
        """Write it as CSV, after lines with # that tell what it is. Raises OSError."""
        with path.open("w", newline="", encoding="utf-8") as file:
            file.write(f"# Magnon Lab: reference trace\n# {self.told}\n")
            if self.simulated:
                file.write("# SIMULATED BENCH\n")
            writer = csv.writer(file)
            writer.writerow(("frequency_hz", "power_dbm"))
            writer.writerows(
                zip(self.frequencies_hz.tolist(), self.level_dbm.tolist(), strict=True)
            )

    @classmethod
    def load(cls, path: Path) -> Reference:
        """Read a CSV with frequency (Hz) and level (dBm) in its first two columns.

        Lines with # and one line of names may come before. Raises OSError, or ValueError that
        names the file and the line.
        """
        points: list[tuple[float, float]] = []
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            if line.startswith("#") or not line.strip():
                continue
            cells = line.split(",")
            try:
                points.append((float(cells[0]), float(cells[1])))
            except (ValueError, IndexError):
                if points:
                    raise ValueError(
                        f"{path}, line {number}: {line!r} is not frequency_hz,power_dbm"
                    ) from None
        if len(points) < 2:
            raise ValueError(f"{path} holds no trace: lines frequency_hz,power_dbm are expected")
        table = np.array(points)
        if not np.isfinite(table).all() or (np.diff(table[:, 0]) <= 0).any():
            raise ValueError(f"{path}: frequencies must rise, and all values be finite")
        simulated = any(line.startswith("# SIMULATED") for line in lines)
        return cls(table[:, 0], table[:, 1].astype(np.float32), path.name, str(path), simulated)


@dataclass(frozen=True)
class Marker:
    """A point of the trace."""

    frequency_hz: float
    level_dbm: float


class Sweep:
    """The newest trace, and what is laid over it.

    max_hold_dbm (points,): the highest of each point since max hold was switched on, None while it
    is off. Markers stand at frequencies, and read the trace wherever it has come to.
    """

    def __init__(self) -> None:
        self.frequencies_hz: Array = np.empty(0)
        self.level_dbm: NDArray[np.float32] = np.empty(0, np.float32)
        self.told = ""
        self.simulated = False
        self.max_hold_dbm: NDArray[np.float32] | None = None
        self.reference: Reference | None = None
        self.marker_hz = math.nan
        self.delta_hz = math.nan
        self._seen: tuple[str, int, float] = ("", -1, 0.0)
        self._holds = False

    # Traces

    def take(self, snapshot: Snapshot) -> bool:
        """Take in the newest trace of a run; return whether it is another one."""
        trace = snapshot.trace
        if trace is None or not len(trace.trace_dbm):
            return False
        seen = (snapshot.id, trace.number, trace.bench_time_s)
        if seen == self._seen:
            return False
        other = seen[0] != self._seen[0] or not np.array_equal(
            trace.frequencies_hz, self.frequencies_hz
        )
        self._seen = seen
        self.frequencies_hz, self.level_dbm = trace.frequencies_hz, trace.trace_dbm
        self.told = f"run {snapshot.id}, measurement {trace.number}"
        self.simulated = snapshot.simulated
        if self._holds:
            before = None if other else self.max_hold_dbm
            self.max_hold_dbm = (
                self.level_dbm if before is None else np.fmax(before, self.level_dbm)
            )
        return True

    def hold_max(self, on: bool) -> None:
        """Switch max hold on, from the newest trace, or off."""
        self._holds = on
        self.max_hold_dbm = self.level_dbm if on and len(self.level_dbm) else None

    def keep_reference(self) -> None:
        """Keep the newest trace for comparison."""
        if len(self.level_dbm):
            self.reference = Reference(
                self.frequencies_hz,
                self.level_dbm,
                f"measurement {self._seen[1]}",
                self.told,
                self.simulated,
            )

    # Markers

    def marker(self, frequency_hz: float) -> Marker | None:
        """Return the point of the trace nearest a frequency; None without trace or frequency."""
        if not len(self.level_dbm) or math.isnan(frequency_hz):
            return None
        at = int(np.argmin(np.abs(self.frequencies_hz - frequency_hz)))
        return Marker(float(self.frequencies_hz[at]), float(self.level_dbm[at]))

    def place(self, frequency_hz: float) -> None:
        """Put the marker on the point nearest a frequency."""
        found = self.marker(frequency_hz)
        self.marker_hz = math.nan if found is None else found.frequency_hz

    def to_peak(self) -> None:
        """Put the marker on the highest point."""
        if len(self.level_dbm):
            self.marker_hz = float(self.frequencies_hz[int(np.argmax(self.level_dbm))])

    def to_next(self, way: int) -> bool:
        """Put the marker on the next line to the left (-1) or right (+1); False if there is none.

        With `way` 0 on the next lower line, wherever that is.
        """
        lines = [
            self.marker(peak.frequency_hz)
            for peak in peaks(self.frequencies_hz, self.level_dbm, MOST_PEAKS)
        ]
        here = self.marker(self.marker_hz)
        if here is None:
            self.to_peak()
            return bool(len(self.level_dbm))
        found = [
            line
            for line in lines
            if line is not None
            and (
                (line.frequency_hz - here.frequency_hz) * way > 0
                if way
                else line.level_dbm < here.level_dbm
            )
        ]
        if not found:
            return False
        if way:
            nearest = min(found, key=lambda line: abs(line.frequency_hz - here.frequency_hz))
        else:
            nearest = max(found, key=lambda line: line.level_dbm)
        self.marker_hz = nearest.frequency_hz
        return True

    def set_delta(self, on: bool) -> None:
        """Leave a second marker where the first one is, to measure from; or take it away."""
        if on and math.isnan(self.marker_hz):
            self.to_peak()
        self.delta_hz = self.marker_hz if on else math.nan

    # What is told

    def readout(self) -> str:
        """Return in one line what the markers read, and the span."""
        here, there = self.marker(self.marker_hz), self.marker(self.delta_hz)
        told = []
        if here is not None:
            told.append(f"Marker {here.frequency_hz / 1e9:.6f} GHz, {here.level_dbm:.2f} dBm")
        if here is not None and there is not None:
            apart_mhz = (here.frequency_hz - there.frequency_hz) / 1e6
            told.append(f"Δ {apart_mhz:+.4g} MHz, {here.level_dbm - there.level_dbm:+.2f} dB")
        return "    ".join(told)

    def span(self) -> str:
        """Return which frequencies the trace covers, and how finely."""
        if len(self.frequencies_hz) < 2:
            return ""
        low, high = float(self.frequencies_hz[0]), float(self.frequencies_hz[-1])
        step_khz = (high - low) / (len(self.frequencies_hz) - 1) / 1e3
        return (
            f"Span {(high - low) / 1e6:.6g} MHz around {(low + high) / 2e9:.6g} GHz, "
            f"{len(self.frequencies_hz)} points {step_khz:.4g} kHz apart"
        )
