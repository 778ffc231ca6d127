"""Train a network with the ring in its middle."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pymeasure.experiment import (
    BooleanParameter,
    FloatParameter,
    IntegerParameter,
    ListParameter,
    Parameter,
)

from magnon_lab.bench import LimitError
from magnon_lab.learning.names import (
    DIRECTIONS,
    ESTIMATORS,
    NETWORKS,
    OPTIMISERS,
    POPULATIONS,
    READOUTS,
    ROUNDS,
    TASKS,
)
from magnon_lab.runs import EvaluationRow, RunError, RunFile, StepRow
from procedures.concerns import CONCERNS
from procedures.context import Place
from procedures.estimate import Estimate
from procedures.network import NetworkProcedure, row_of
from procedures.reservoirs import RESERVOIRS
from procedures.spending import Spending
from procedures.training import (
    check_knob_box,
    chosen_knobs,
    make_reservoir,
    make_trainer,
    told_of,
    widths,
)

if TYPE_CHECKING:
    from magnon_lab.learning.reports import Evaluation, StepReport
    from magnon_lab.learning.state import TrainerState

FINAL = "test"
"""The split that is looked at once, at the end."""

_COLUMNS = {
    "Step": "step",
    "Ring measurements": "ring_measurements",
    "Loss": "loss",
    "Accuracy": "accuracy",
    "Learning rate": "learning_rate",
    "Gradient SNR": "gradient_snr",
    "Clip penalty": "clip_penalty",
    "Bench time (s)": "bench_time_s",
}
"""Columns of PyMeasure's CSV, and of a step in the run file."""


class Train(NetworkProcedure):
    """Train digital pre- and post-layer with the ring between them, by PGT or another estimator.

    Every measurement, step and evaluation is recorded. The test split is looked at once, at the
    end.
    """

    task = Parameter(
        "Task", default="digits", description="Its name, or a path to your .npz or .csv."
    )
    label = Parameter("Label column", default="label", description="Of a CSV of your own.")
    reservoir = ListParameter(
        "Reservoir",
        choices=list(RESERVOIRS),
        default="bench",
        description="What stands between the digital blocks.",
    )
    estimator = ListParameter(
        "Estimator",
        choices=[*ROUNDS, *ESTIMATORS, *POPULATIONS, *READOUTS],
        default="twin_first",
        description="How the gradient is estimated, or what learns without one.",
    )
    directions = IntegerParameter(
        "Directions",
        default=0,
        minimum=0,
        description="N a step, or members of a population; 0: the estimator's own.",
    )
    sides = ListParameter(
        "Sides", choices=[0, 1, 2], default=0, description="Of a perturbation; 0: estimator's own."
    )
    distribution = ListParameter(
        "Distribution",
        choices=["own", *DIRECTIONS],
        default="own",
        description="Of the perturbations; own: the estimator's own.",
    )
    perturbation = FloatParameter(
        "Perturbation size", default=0.0, minimum=0.0, description="0: the estimator's own."
    )
    adapt = BooleanParameter(
        "Adapt the size",
        default=False,
        description="To the noise that repeated calibrations tell; from the size above on.",
    )
    knobs = Parameter(
        "Knobs",
        default="drive_power_dbm, drive_frequency_hz, attenuation_db",
        description="What the network turns; their ranges stand in the bench file.",
    )
    shots = IntegerParameter(
        "Shots",
        default=4,
        minimum=1,
        maximum=1000,
        description="Ring measurements of a sample in one pass; of each token in a transformer.",
    )
    network = ListParameter("Network", choices=list(NETWORKS), default="dense")
    hidden = Parameter(
        "Hidden pre-layer",
        default="",
        description="Widths as in 64, 32, before each ring pass; empty: linear. The width of a "
        "transformer's tokens.",
    )
    post_hidden = Parameter(
        "Hidden post-layer", default="", description="Widths as in 64, 32; empty: linear."
    )
    penalty = FloatParameter(
        "Clip penalty", default=1.0, minimum=0.0, description="Weight of leaving a knob's range."
    )
    batch_size = IntegerParameter(
        "Batch size", default=32, minimum=1, description="Samples a step."
    )
    optimiser = ListParameter("Optimiser", choices=list(OPTIMISERS), default="adam")
    learning_rate = FloatParameter("Learning rate", default=0.01, minimum=0.0)
    decay = ListParameter(
        "Learning rate decay",
        choices=["none", "cosine"],
        default="cosine",
        description="cosine: to 1 % at the last step.",
    )
    steps = IntegerParameter(
        "Steps", default=0, minimum=0, description="0: as many as the budget pays for."
    )
    budget = IntegerParameter(
        "Measurement budget",
        default=2_000,
        minimum=0,
        description="Ring measurements for learning, with validation; 0: what the steps need.",
    )
    twin_steps = IntegerParameter(
        "Steps on the twin",
        default=1500,
        minimum=10,
        description="Steps of learning on the first twin, by twin_first; they measure nothing.",
    )
    time_limit = FloatParameter(
        "Time limit",
        default=0.0,
        minimum=0.0,
        units="min",
        description="By the bench's clock, in silico by the computer's; 0: none.",
    )
    calibration = IntegerParameter(
        "Calibration", default=64, minimum=2, description="Measurements that scale the features."
    )
    validate_every = IntegerParameter(
        "Validate every", default=0, minimum=0, units="steps", description="0: never."
    )
    keep = Parameter(
        "Traces kept", default="all", description="In the run file: all, none, or each n-th."
    )

    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Task and network": (
            "task", "label", "reservoir", "knobs", "shots", "network", "hidden", "post_hidden",
            "penalty",
        ),
        "Estimator": (
            "estimator", "directions", "sides", "distribution", "perturbation", "adapt",
        ),
        "Training": (
            "budget", "steps", "time_limit", "batch_size", "optimiser", "learning_rate", "decay",
            "twin_steps", "calibration", "validate_every",
        ),
        **NetworkProcedure.groups,
        "Recording": ("keep", "seed"),
    }  # fmt: skip
    concerns = CONCERNS
    meanings: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "reservoir": RESERVOIRS,
        "estimator": {
            name: choice.summary
            for name, choice in (ROUNDS | ESTIMATORS | POPULATIONS | READOUTS).items()
        },
        "optimiser": {name: choice.summary for name, choice in OPTIMISERS.items()},
        "network": {name: choice.summary for name, choice in NETWORKS.items()},
        "task": {name: choice.summary for name, choice in TASKS.items()},
    }
    DATA_COLUMNS: ClassVar[list[str]] = list(_COLUMNS)

    resumable: ClassVar[bool] = True
    _planned: int = 0
    _from: TrainerState | None = None  # where to go on, none: from the beginning
    _data: Mapping[str, Any] = MappingProxyType({})
    _started_s: float = 0.0

    @property
    def uses_bench(self) -> bool:
        """Whether instruments are needed: not in silico, and not with the ring taken out."""
        return bool(self.reservoir == "bench")

    @property
    def kept(self) -> Literal["all", "none"] | int:
        """Which traces the run file keeps."""
        if self.keep == "all":
            return "all"
        return "none" if self.keep == "none" else int(self.keep)

    def check(self) -> None:
        """Refuse knobs without a range, ranges beyond a limit, and what would never end."""
        super().check()
        bench_file = self.context.bench_file
        names = chosen_knobs(bench_file, self.knobs)
        try:
            check_knob_box(bench_file, names, self.held())
        except LimitError as error:
            raise LimitError(f"knobs: {error}") from error
        for name in ("hidden", "post_hidden"):
            widths(name, getattr(self, name))
        if self.keep not in ("all", "none") and not (self.keep.isdigit() and int(self.keep) > 0):
            raise ValueError(f"keep: {self.keep!r} is not all, none, or a whole number from 1")
        if self.reservoir == "mlp" and self.estimator != "exact":
            raise ValueError(
                f"estimator: {self.estimator!r} does not train a digital network in the ring's "
                "place; 'exact' does"
            )
        if not self.steps and not self.budget:
            raise ValueError("steps and budget are both 0: one of them must end the training")
        if self.estimator in ROUNDS:
            if not self.budget:
                raise ValueError(f"budget: 0 leaves {self.estimator!r} nothing to measure with")
            if self.validate_every:
                raise ValueError(
                    f"validate_every: {self.estimator!r} validates on its twin; it must be 0"
                )

    def validate(self) -> None:
        """Refuse data, parameters and knob ranges that cannot work, before anything is sent."""
        super().validate()
        from magnon_lab.learning.tasks import make_task

        bench_file, held = self.context.bench_file, self.held()
        names = chosen_knobs(bench_file, self.knobs)
        path = Path(self.task)
        if path.suffix and path.is_file():
            self.task = str(path.resolve())  # to be found again from any other folder
        task = make_task(self.task, self.seed, label=self.label)
        self._data = told_of(task)
        self.through = make_reservoir(
            self.reservoir, bench_file, names, held, self.seed, self.measure_on_bench
        )
        bins = bench_file.readout.bins
        spending = self.spending()
        if self.estimator in READOUTS:
            paid = spending.samples()
            task = task._replace(x_train=task.x_train[:paid], y_train=task.y_train[:paid])
            self.batch_size = min(self.batch_size, paid)
        self._planned = spending.planned_steps()
        self.trainer = make_trainer(self.parameter_values(), task, self.through, bins)

    def spending(self) -> Spending:
        """Return what this training spends its measurements on."""
        return Spending.of(self.parameter_values())

    def estimate(self) -> Estimate:
        """Return about what learning, validation and the test at the end take."""
        spending = self.spending()
        total, limit_s = spending.total(), 60.0 * self.time_limit
        if not total or not self.uses_bench:
            return Estimate(total, 0.0)
        found = self.taking(total, chosen_knobs(self.context.bench_file, self.knobs))
        return found.within(limit_s, spending.test()) if limit_s else found

    def resume_from(self, run: RunFile) -> Place:
        """Go on from the last checkpoint, or from the beginning where there is none yet.

        Raises `RunError` if the checkpoint does not fit, or if the data are others than then.
        """
        from magnon_lab.learning.trainer import state_from_bytes

        for event in run.events("data"):
            if event.data["sha256"] != self._data["sha256"]:
                raise RunError(
                    f"task = {self.task!r}: these are not the data that run {run.id} learns from "
                    f"(sha256 {self._data['sha256'][:12]} now, {event.data['sha256'][:12]} then)"
                )
        checkpoint = run.last_checkpoint()
        if checkpoint is None:
            return Place(final=(FINAL,))
        try:
            self._from = state = state_from_bytes(self.trainer, checkpoint[1])
        except ValueError as error:
            raise RunError(f"run {run.id} cannot go on: {error}") from error
        self.measured = int(state.next_number)
        used_s = [run.info()["summary"].get("bench_time_s", 0.0)]
        used_s += run.steps(after=int(state.step) - 1)["bench_time_s"].tolist()
        self._before_s = max(value for value in used_s if math.isfinite(value))
        return Place(int(state.step), int(state.next_number), (FINAL,))

    def rows_so_far(self) -> Iterable[dict[str, Any]]:
        """Return a record for each step in the run file."""
        steps = self.run_file.steps()
        columns = [steps[name].tolist() for name in _COLUMNS.values()]
        return (dict(zip(_COLUMNS, row, strict=True)) for row in zip(*columns, strict=True))

    def execute(self) -> None:
        """Train, and evaluate on the test split at the end, also after a stop on request."""
        if self._from is None:
            self.run_file.event("data", "outcome", f"data of task {self.task}", self._data)
        self.compile()
        self.switch_on()
        state = self._from or self.trainer.init()
        try:
            if self.estimator in READOUTS:
                state, evaluation = self._readout(state)
            else:
                state, evaluation = self.score(self._train(state), FINAL)
            self.record_final(state, evaluation)
        finally:
            self.run_file.record_measurements(self.take_blocks())

    def _train(self, state: TrainerState) -> TrainerState:
        trainer, pulse = self.trainer, self.context.pulse
        self._started_s = time.monotonic()
        while self._goes_on(state) and self.next_step():
            self._seconds = {"ask": 0.0, "tell": 0.0}
            report = None
            while report is None:
                began = time.perf_counter()
                pulse.beat("ask")
                request = trainer.ask(state)
                asked = time.perf_counter()
                measured = self.answer(request)
                answered = time.perf_counter()
                pulse.beat("tell")
                state, report = trainer.tell(state, request, measured)
                self._seconds["ask"] += asked - began
                self._seconds["tell"] += time.perf_counter() - answered
            evaluations = []
            if self.validate_every and report.step % self.validate_every == 0:
                state, evaluation = self.score(state, "validation")
                evaluations.append(row_of(report.step, evaluation))
            self._record(state, report, evaluations)
        return state

    def _goes_on(self, state: TrainerState) -> bool:
        """Return whether steps, budget and time leave another step to be made."""
        used_s = self.bench_time_s() if self.uses_bench else time.monotonic() - self._started_s
        if self.time_limit and used_s >= 60.0 * self.time_limit:
            return False
        if self.estimator in ROUNDS:
            steps_left = not self.steps or int(state.step) < self.steps
            return steps_left and not self.trainer.done(state)
        return int(state.step) < self._planned

    def _record(
        self, state: TrainerState, report: StepReport, evaluations: list[EvaluationRow]
    ) -> None:
        from magnon_lab.learning.state import state_to_bytes

        kept = {one.name for one in dataclasses.fields(StepRow)}
        figures = {name: value for name, value in report._asdict().items() if name in kept}
        row = StepRow(
            ring_measurements=self.measured,
            bench_time_s=self.bench_time_s() if self.uses_bench else math.nan,
            seconds=self._seconds,
            **figures,
        )
        self.context.pulse.beat("write")
        self.run_file.record_step(row, evaluations, self.take_blocks(), state_to_bytes(state))
        if report.inner:
            given_up = report.inner.get("given_up")
            told = (
                "the twin was given up: it tells too little" if given_up else "trained on the twin"
            )
            inner = {"step": row.step, **report.inner}
            self.run_file.event("twin", "outcome", f"step {row.step}: {told}", inner)
        record = {column: getattr(row, name) for column, name in _COLUMNS.items()}
        self.emit("results", record)
        self.emit("progress", min(100.0, 100.0 * row.step / self._planned))

    def _readout(self, state: TrainerState) -> tuple[TrainerState, Evaluation]:
        from magnon_lab.learning.baselines import frozen, ridge

        if self.estimator == "ridge":
            return ridge(self.trainer, self.answer, state=state)
        return frozen(self.trainer, self.answer, state=state, steps=self._planned)
