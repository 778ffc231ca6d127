"""One trace of the ring at given settings."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from pymeasure.experiment import IntegerParameter

from procedures.base import RingProcedure
from procedures.estimate import Estimate


class Spectrum(RingProcedure):
    """Set the ring up, sweep, and record the trace; several times for its scatter."""

    repeats = IntegerParameter(
        "Repeats", default=1, minimum=1, maximum=100_000, description="Traces to take."
    )

    DATA_COLUMNS: ClassVar[list[str]] = ["Frequency (Hz)", "Power (dBm)", "Repeat"]
    _mean_dbm: np.ndarray | None = None

    def estimate(self) -> Estimate:
        """Return about what the traces take, before each of which everything is set anew."""
        return self.taking(self.repeats, tuple(self.held()))

    def execute(self) -> None:
        """Start the bench, take the traces, write each as it comes."""
        held = self.held()
        self.switch_on()
        settings = np.array([list(held.values())])
        total_dbm, taken = np.zeros(len(self.bench.frequencies_hz)), 0
        for repeat in range(self.repeats):
            if not self.next_step():
                break
            measurement = self.measure(settings, tuple(held), purpose="spectrum")
            self.run_file.record_measurements(self.block(measurement, "spectrum"))
            if not measurement.complete:
                break
            total_dbm, taken = total_dbm + measurement.traces_dbm[0], taken + 1
            self._mean_dbm = total_dbm / taken
            self.emit(
                "batch results",
                {
                    "Frequency (Hz)": measurement.frequencies_hz.tolist(),
                    "Power (dBm)": measurement.traces_dbm[0].tolist(),
                    "Repeat": [repeat] * len(measurement.frequencies_hz),
                },
            )
            self.emit("progress", 100 * (repeat + 1) / self.repeats)

    def summary(self) -> dict[str, Any]:
        """Return the counts, and the strongest line of the mean trace."""
        result = super().summary()
        if self._mean_dbm is not None:
            peak = int(np.argmax(self._mean_dbm))
            result["peak_frequency_hz"] = float(self.bench.frequencies_hz[peak])
            result["peak_power_dbm"] = float(self._mean_dbm[peak])
        return result
