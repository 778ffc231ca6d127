"""Traces against loop attenuation: where the ring begins to ring."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from pymeasure.experiment import BooleanParameter, FloatParameter

from magnon_lab.bench import LimitError
from procedures.base import RingProcedure
from procedures.estimate import Estimate


class GainSweep(RingProcedure):
    """Lower the attenuation step by step, and record a trace at each.

    The loop gain rises as the attenuation falls. Below threshold there are only the noise humps of
    the modes (and the tone, when it is on); above it lines stand.
    """

    attenuation_from_db = FloatParameter(
        "From", units="dB", default=20.0, minimum=0, maximum=200, description="First attenuation."
    )
    attenuation_to_db = FloatParameter(
        "To", units="dB", default=5.0, minimum=0, maximum=200, description="Last attenuation."
    )
    attenuation_step_db = FloatParameter(
        "Step", units="dB", default=0.25, minimum=0.01, maximum=50, description="Size of a step."
    )
    drive_on = BooleanParameter(
        "Drive on", default=False, description="Inject the tone while sweeping the gain."
    )

    DATA_COLUMNS: ClassVar[list[str]] = [
        "Attenuation (dB)",
        "Peak power (dBm)",
        "Peak frequency (Hz)",
        "Total power (dBm)",
    ]
    _rows: list[tuple[float, float]]

    def attenuations_db(self) -> np.ndarray:
        """Return the attenuations of the sweep in its order, (n,)."""
        first, last = self.attenuation_from_db, self.attenuation_to_db
        count = int(abs(last - first) / self.attenuation_step_db + 1e-9) + 1
        sign = 1.0 if last >= first else -1.0
        return np.asarray(first + sign * self.attenuation_step_db * np.arange(count))

    def estimate(self) -> Estimate:
        """Return about what the sweep takes."""
        return self.taking(len(self.attenuations_db()), ("attenuation_db",))

    def check(self) -> None:
        """Refuse a sweep that leaves the limits of the bench file."""
        super().check()
        for name in ("attenuation_from_db", "attenuation_to_db"):
            settings = self.held() | {"attenuation_db": getattr(self, name)}
            try:
                self.context.bench_file.check_settings(settings)
            except LimitError as error:
                raise LimitError(f"{name}: {error}") from error

    def execute(self) -> None:
        """Start the bench and sweep, from little loop gain to much or as asked."""
        self._rows = []
        self.drives = self.drive_on
        self.switch_on()
        attenuations = self.attenuations_db()
        for index, attenuation_db in enumerate(attenuations):
            if not self.next_step():
                break
            setting = np.array([[attenuation_db]])
            measurement = self.measure(setting, ("attenuation_db",), purpose="gain sweep")
            self.run_file.record_measurements(self.block(measurement, "gain sweep"))
            if not measurement.complete:
                break
            trace = measurement.traces_dbm[0]
            peak = int(np.argmax(trace))
            realised = float(measurement.realised[0, 0])
            self._rows.append((realised, float(trace[peak])))
            self.emit(
                "results",
                {
                    "Attenuation (dB)": realised,
                    "Peak power (dBm)": float(trace[peak]),
                    "Peak frequency (Hz)": float(measurement.frequencies_hz[peak]),
                    "Total power (dBm)": float(10 * np.log10(np.sum(10 ** (trace / 10)))),
                },
            )
            self.emit("progress", 100 * (index + 1) / len(attenuations))

    def summary(self) -> dict[str, Any]:
        """Return the counts and the threshold found."""
        result = super().summary()
        rows = getattr(self, "_rows", [])
        if len(rows) > 2 and not self.drive_on:
            threshold = threshold_db(*map(np.array, zip(*sorted(rows), strict=True)))
            result["threshold_attenuation_db"] = threshold
        return result


def threshold_db(attenuation_db: np.ndarray, peak_dbm: np.ndarray) -> float | None:
    """Return the attenuation (dB) at which self-oscillation sets in, or None without a clear one.

    Below threshold the peak of the noise hump rises slowly, above it the line stands tens of dB
    higher: the threshold is taken midway across the steepest rise of the peak power, which must be
    at least 6 dB a step of the sweep and lead at least 15 dB above the quiet side's median.

    `attenuation_db` (n,) ascending, `peak_dbm` (n,).
    """
    drop = peak_dbm[:-1] - peak_dbm[1:]
    steepest = int(np.argmax(drop))
    quiet = float(np.median(peak_dbm[steepest + 1 :]))
    if drop[steepest] < 6.0 or peak_dbm[steepest] - quiet < 15.0:
        return None
    return float((attenuation_db[steepest] + attenuation_db[steepest + 1]) / 2)
