"""What every procedure of the ring has: the held settings, the bench, the run file."""

from __future__ import annotations

import contextlib
import math
import threading
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pymeasure.experiment import FloatParameter, IntegerParameter, Procedure

from magnon_lab.bench import (
    QUANTITIES,
    Bench,
    BenchError,
    BenchFile,
    InstrumentError,
    Measurement,
)
from magnon_lab.runs import MeasurementBlock, RunFile, RunsFolder


class Held(FloatParameter):
    """A quantity held during a procedure; nan leaves it as the bench file holds it.

    Its text keeps all digits: PyMeasure's own `%g` would cut a GHz frequency to 10 kHz in the
    header of the CSV.
    """

    def __init__(self, name: str, units: str, minimum: float, maximum: float, doc: str) -> None:
        super().__init__(
            name,
            units=units,
            minimum=minimum,
            maximum=maximum,
            default=math.nan,
            description=f"{doc} nan: as the bench file holds it",
        )

    def __str__(self) -> str:
        return f"{self._value!r} {self.units}" if self.is_set() else ""


class CutShortError(Exception):
    """A batch ended early because the run was to stop; what was measured is recorded."""


@dataclass
class Context:
    """What a procedure is given to work with, by whoever starts it."""

    bench_file: BenchFile
    runs: RunsFolder
    run: RunFile | None = None
    bench: Bench | None = None
    stop: threading.Event = field(default_factory=threading.Event)  # end after this step


class RingProcedure(Procedure):
    """A procedure on the bench of the ring.

    The bench is opened by whoever starts the procedure (`uses_bench`), handed over in `context`
    with every output still off, and always left in the safe state. PyMeasure's `should_stop` means
    *abort*: end before the next measurement. `context.stop` means: end after the current step.
    """

    drive_power_dbm = Held("Drive power", "dBm", -200, 30, "Power of the injected tone.")
    drive_frequency_hz = Held("Drive frequency", "Hz", 0, 100e9, "Frequency of the injected tone.")
    attenuation_db = Held("Loop attenuation", "dB", 0, 200, "Variable attenuator in the loop.")
    field_mt = Held("Bias field", "mT", -1000, 1000, "Magnetic field at the film.")
    amplifier_voltage_v = Held("Amplifier voltage", "V", 0, 60, "Supply of the loop's amplifier.")
    seed = IntegerParameter(
        "Seed",
        default=0,
        minimum=0,
        maximum=2**31 - 1,
        description="Of parameters, perturbations, order of the data and simulated noise.",
    )

    context: Context
    measured: int = 0
    """Ring measurements made so far."""
    _clock_began_s: float = 0.0
    _bench_time_s: float = math.nan

    @property
    def uses_bench(self) -> bool:
        """Whether instruments are needed."""
        return True

    @property
    def kept(self) -> Literal["all", "none"] | int:
        """Which traces the run file keeps: all, none, or each n-th."""
        return "all"

    @property
    def run_file(self) -> RunFile:
        """The run file of this run."""
        assert self.context.run is not None
        return self.context.run

    @property
    def bench(self) -> Bench:
        """The opened bench."""
        assert self.context.bench is not None
        return self.context.bench

    def held(self) -> dict[str, float]:
        """Return every quantity of the bench: as its file holds it, then as set here.

        What neither says waits where it does least: little power, much attenuation.
        """
        bench_file = self.context.bench_file
        held = {name: bench_file.idle(name) for name in bench_file.quantities}
        held |= bench_file.hold
        for name in QUANTITIES:
            if math.isfinite(value := getattr(self, name)):
                held[name] = value
        return held

    def validate(self) -> None:
        """Refuse, before anything is written or sent, what can be known to be wrong.

        Raises `LimitError` for a held setting outside the bench file's limits.
        """
        held = self.held()
        self.context.bench_file.check_settings(held)
        for name, value in held.items():
            setattr(self, name, value)  # so that the run file tells what was held, by number

    def summary(self) -> dict[str, Any]:
        """Return the figures that sum this run up, for the run file and for `--json`."""
        result: dict[str, Any] = {"ring_measurements": self.measured}
        if math.isfinite(self._bench_time_s):
            result["bench_time_s"] = self._bench_time_s
        return result

    def startup(self) -> None:
        """Note the bench's clock, by which the run's time is told."""
        if self.uses_bench:
            self._clock_began_s = self.bench.clock.now()

    def shutdown(self) -> None:
        """Make the bench safe, whatever happened; raises nothing."""
        if self.uses_bench:
            with contextlib.suppress(BenchError):
                self._bench_time_s = self.bench_time_s()
            outcomes = self.bench.safe()
            if all(outcome.ok for outcome in outcomes):
                self.bench.leave = "unchanged"  # nothing is left to be switched off

    def bench_time_s(self) -> float:
        """Return how long the bench has been used by this run, by its own clock."""
        return self.bench.clock.now() - self._clock_began_s

    def measure(
        self,
        settings: NDArray[np.float64],
        knobs: tuple[str, ...],
        numbers: NDArray[np.int64] | None = None,
    ) -> Measurement:
        """Measure one trace a row of `settings` (n, knobs).

        Without `numbers` (n,) they go on from the last. The result is not `complete` where an
        abort came in between.
        """
        if numbers is None:
            numbers = self.measured + np.arange(len(settings))
        measurement = self.bench.measure(settings, knobs, numbers, should_stop=self.should_stop)
        self.measured += len(measurement.numbers)
        return measurement


def block_of(measurement: Measurement, purpose: str) -> MeasurementBlock:
    """Return a bench's measurement in the form that the run file keeps."""
    return MeasurementBlock(
        numbers=measurement.numbers,
        purpose=purpose,
        knobs=measurement.knobs,
        requested=measurement.requested,
        realised=measurement.realised,
        traces_dbm=measurement.traces_dbm,
        flags=measurement.flags,
        bench_time_s=measurement.bench_time_s,
    )


def refuse_overload(measurement: Measurement) -> None:
    """Raise `InstrumentError` where the analyser was overdriven; the bench is in standby then."""
    if measurement.stopped == "overload":
        settings = dict(zip(measurement.knobs, measurement.requested[-1], strict=True))
        told = ", ".join(f"{name} = {value:.12g}" for name, value in settings.items())
        raise InstrumentError(
            f"the analyser's input was overdriven at {told}: raise readout.input_attenuation_db "
            "or readout.reference_level_dbm in the bench file, or give the loop less gain"
        )
