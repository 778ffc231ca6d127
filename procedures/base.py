"""What every procedure of the ring has: the held settings, the bench, the run file."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pymeasure.experiment import FloatParameter, IntegerParameter, Procedure

from magnon_lab.bench import (
    FLAG_UNLEVELLED,
    QUANTITIES,
    Bench,
    BenchError,
    InstrumentError,
    Measurement,
    MeasurementFailedError,
)
from magnon_lab.runs import MeasurementBlock, RunError, RunFile
from procedures.concerns import Concerns
from procedures.context import Context, CutShortError, Place
from procedures.estimate import Estimate, bench_time_s

#: How often (s) a paused run looks whether it is to go on.
LOOK_S = 0.1

#: So many of the newest places of the tracked mode are read to go on from: what a killed run had
#: measured beyond its last checkpoint has fewer references.
MODES = 10_000

#: What a measurement may take beside its settling times and the slowest answer, in s.
SLACK_S = 20.0


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


class RingProcedure(Procedure):
    """A procedure on the bench of the ring.

    The bench is opened by whoever starts the procedure (`uses_bench`), handed over in `context`
    with every output still off, and always left in the safe state. PyMeasure's `should_stop` means
    *abort*: end before the next measurement. What else is asked stands in `context`; it is followed
    between steps, by `next_step`.
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
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Held settings": QUANTITIES,
        "Recording": ("seed",),
    }
    """Parameters by the heading that a form shows them under; what is under none comes first."""
    meanings: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """What the choices of a parameter mean, by parameter and choice."""
    concerns: ClassVar[Concerns] = {}
    """For which values of others a parameter is of use; a form shows it only then."""
    resumable: ClassVar[bool] = False
    """Whether a run that ended before its time can go on, see `resume_from`."""
    reads_runs: ClassVar[bool] = False
    """Whether other runs must be there before this one can be validated."""
    measured: int = 0
    """Ring measurements made so far."""
    ended_early: bool = False
    """Whether a step was left undone because the run was to stop."""
    drives: bool = True
    """Whether the generator is switched on."""
    _began_s: float = 0.0  # by the bench's clock, when this run's time was 0
    _bench_time_s: float = math.nan
    _unlevelled_told: bool = False
    _before_s: float = 0.0  # bench time used before this process

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

    def check(self) -> None:
        """Refuse what parameters and bench file alone show to be wrong; reads no other file.

        Called while somebody types, so it must be quick and do without JAX. Raises `ValueError`
        that names the parameter, or `LimitError`.
        """
        self.context.bench_file.check_settings(self.held())

    def estimate(self) -> Estimate | None:
        """Return about what this run will take, None where it cannot be told; without JAX.

        Raises `ValueError` that names the parameter for what cannot work.
        """
        return None

    def taking(self, measurements: int, knobs: tuple[str, ...]) -> Estimate:
        """Return the estimate for so many measurements, each of which turns `knobs`."""
        held, bench_file = self.held(), self.context.bench_file
        return Estimate(measurements, bench_time_s(bench_file, held, knobs, measurements))

    def validate(self) -> None:
        """Refuse, before anything is written or sent, what can be known to be wrong.

        Raises as `check` does, for a held setting outside the bench file's limits `LimitError`.
        """
        self.check()
        for name, value in self.held().items():
            setattr(self, name, value)  # so that the run file tells what was held, by number

    def summary(self) -> dict[str, Any]:
        """Return the figures that sum this run up, for the run file and for `--json`."""
        result: dict[str, Any] = {"ring_measurements": self.measured}
        if math.isfinite(self._bench_time_s):
            result["bench_time_s"] = self._bench_time_s
        return result

    # Going on with a run that ended before its time

    def resume_from(self, run: RunFile) -> Place:
        """Take up what `run` was, from its last checkpoint; called when all is validated.

        Raises `RunError` where there is nothing that one could go on from.
        """
        raise RunError(
            f"run {run.id} cannot go on: {type(self).__name__} keeps no state between its "
            f"measurements; start it anew with magnon-lab run {run.info()['procedure']}"
        )

    def rows_so_far(self) -> Iterable[dict[str, Any]]:
        """Return the records of the steps that stand in the run file, for PyMeasure's CSV."""
        return ()

    # The bench

    def startup(self) -> None:
        """Note the bench's clock, by which the run's time is told, and where the mode was last."""
        if self.uses_bench:
            self._began_s = self.bench.clock.now() - self._before_s
            self.bench.on_reference = self._record_reference
            for event in self.run_file.events("mode", newest=MODES):
                if event.data["number"] < self.measured:
                    self.bench.references.mode_hz = event.data["mode_hz"]

    def _record_reference(self, measurement: Measurement) -> None:
        # Written at once: it belongs to no step, and its number never to another measurement.
        self.run_file.record_measurements(self.block(measurement, "reference"))

    def shutdown(self) -> None:
        """Make the bench safe, whatever happened; raises nothing."""
        if self.uses_bench:
            with contextlib.suppress(BenchError):  # nobody may listen any more
                self.context.pulse.beat("safe")
            with contextlib.suppress(BenchError):
                self._bench_time_s = self.bench_time_s()
            outcomes = self.bench.safe()
            if all(outcome.ok for outcome in outcomes):
                self.bench.leave = "unchanged"  # nothing is left to be switched off

    def bench_time_s(self) -> float:
        """Return how long the bench has been used by this run, by its own clock."""
        return self.bench.clock.now() - self._began_s

    def switch_on(self) -> None:
        """Start the bench, if one is used, at the held settings. Raises `CutShortError`."""
        if self.should_stop():
            raise CutShortError
        if not self.uses_bench:
            return
        self.context.pulse.beat("start")
        if not self.bench.start(self.held(), drive=self.drives, should_stop=self.must_end):
            raise CutShortError

    def measure(
        self,
        settings: NDArray[np.float64],
        knobs: tuple[str, ...],
        numbers: NDArray[np.int64] | None = None,
        purpose: str = "measurement",
        groups: NDArray[np.int64] | None = None,
    ) -> Measurement:
        """Measure one trace a row of `settings` (n, knobs).

        Without `numbers` (n,) they go on from the last. Rows of one of `groups` (n,) are measured
        next to each other, whatever order saves time. The result is not `complete` where an
        abort came in between. Where the analyser is overdriven, or every try at a measurement
        failed, the run pauses (or fails, as the context's `on_error` says); if it then goes on, the
        batch is measured anew. Raises `CutShortError` if it ends instead.
        """
        if numbers is None:
            numbers = self.measured + np.arange(len(settings))
        while True:
            try:
                measurement = self.bench.measure(
                    settings, knobs, numbers, should_stop=self.must_end, groups=groups
                )
            except MeasurementFailedError as error:
                if self.context.on_error == "fail":
                    raise
                measurement, why = error.taken, str(error)
            else:
                if measurement.stopped != "overload":
                    self.measured += len(measurement.numbers)
                    self._tell_unlevelled(measurement)
                    return measurement
                why = _overload(measurement)
            self.run_file.record_measurements(self.block(measurement, purpose))
            self.pause_on_error(why)

    def _tell_unlevelled(self, measurement: Measurement) -> None:
        """Journal, once, that the generator does not make what is asked of it."""
        rows = np.flatnonzero(measurement.flags & FLAG_UNLEVELLED)
        if len(rows) and not self._unlevelled_told:
            self._unlevelled_told = True
            message = (
                f"the generator was unlevelled in measurement {measurement.numbers[rows[0]]}, at "
                f"{_settings(measurement, rows[0])}: it is flagged, and so are all like it"
            )
            self.run_file.event("unlevelled", "outcome", message)

    def must_end(self) -> bool:
        """Return whether to end before the next measurement; beats, since one was made."""
        self.context.pulse.beat("measure", self._measuring_s())
        return bool(self.should_stop())

    def _measuring_s(self) -> float:
        """Return how long (s) one measurement, or one step of a ramp, may take."""
        stand = self.bench.stand
        slowest_s = max(session.timeout_s for session in stand.sessions.values())
        settle = stand.model.settle
        settling_s = settle.field_s + settle.drive_s + settle.attenuation_s + settle.amplifier_s
        return SLACK_S + 3 * slowest_s + settling_s

    def block(self, measurement: Measurement, purpose: str = "measurement") -> MeasurementBlock:
        """Return a bench's measurement in the form that the run file keeps, in the run's time."""
        return MeasurementBlock(
            numbers=measurement.numbers,
            purpose=purpose,
            knobs=measurement.knobs,
            requested=measurement.requested,
            realised=measurement.realised,
            traces_dbm=measurement.traces_dbm,
            flags=measurement.flags,
            bench_time_s=measurement.bench_time_s - self._began_s,
            place=np.argsort(measurement.order),
        )

    # What is asked meanwhile

    def next_step(self) -> bool:
        """Return whether to make another step; while a pause is asked for, wait here first.

        Raises `CutShortError` if an abort ends a pause.
        """
        self.wait_while_paused()
        self.ended_early = self.context.stop.is_set() or bool(self.should_stop())
        return not self.ended_early

    def wait_while_paused(self) -> None:
        """Wait, with the bench at rest, while a pause is asked for, then start it again.

        Ends at once where none is. A stop ends the pause too, so that what follows a stop can be
        measured. Raises `CutShortError` if an abort ends it.
        """
        context = self.context
        if context.pause.is_set() and not context.stop.is_set() and not self.should_stop():
            self._wait(f"paused on request, {self._rest()}")
            self.switch_on()

    def while_paused(self) -> None:
        """Do what is to be done during a pause; called every `LOOK_S`."""

    def pause_on_error(self, message: str) -> None:
        """Wait for an operator, the bench being at rest after an error that `message` tells.

        Then the bench is started again. Raises `CutShortError` if the run is to end instead: what
        could not be measured once is not tried for a last evaluation. Raises `InstrumentError` if
        the context's `on_error` says that the run is to fail.
        """
        context = self.context
        if context.on_error == "fail":
            raise InstrumentError(message)
        self.run_file.event("pause", "outcome", message)
        if not (context.stop.is_set() or self.should_stop()):
            context.pause.set()
            self._wait("; ".join(filter(None, (message, self.bench.resting))))
        if context.stop.is_set():
            self.ended_early = True
            raise CutShortError
        self.switch_on()

    def _rest(self) -> str:
        if not self.uses_bench:
            return "nothing is on"
        self.context.pulse.beat("safe")
        return self.bench.rest()

    def _wait(self, message: str) -> None:
        context = self.context
        self.run_file.pause(message)
        context.waits = message
        while context.pause.is_set() and not context.stop.is_set() and not self.should_stop():
            context.pulse.beat("pause")
            self.while_paused()
            time.sleep(LOOK_S)
        context.pause.clear()
        context.waits = ""
        self.run_file.resume()


def _overload(measurement: Measurement) -> str:
    assert measurement.overloaded is not None
    return (
        f"the analyser's input was overdriven at {_settings(measurement, measurement.overloaded)}: "
        "raise readout.input_attenuation_db or readout.reference_level_dbm in the bench file, or "
        "give the loop less gain"
    )


def _settings(measurement: Measurement, row: int) -> str:
    settings = zip(measurement.knobs, measurement.requested[row], strict=True)
    return ", ".join(f"{name} = {value:.12g}" for name, value in settings)
