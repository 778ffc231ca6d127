"""Train a network with the ring in its middle."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, ClassVar, Literal

from pymeasure.experiment import FloatParameter, IntegerParameter, ListParameter, Parameter

from magnon_lab.learning.names import DIRECTIONS, ESTIMATORS, NETWORKS, OPTIMISERS
from magnon_lab.runs import EvaluationRow, StepRow
from procedures.base import CutShortError
from procedures.network import NetworkProcedure, row_of
from procedures.training import check_knob_box, chosen_knobs, make_reservoir, make_trainer

if TYPE_CHECKING:
    from magnon_lab.learning.reports import Evaluation, StepReport
    from magnon_lab.learning.state import TrainerState


class Train(NetworkProcedure):
    """Train digital pre- and post-layer with the ring between them, by PGT or another estimator.

    Every measurement, step and evaluation is recorded. The test split is looked at once, at the
    end.
    """

    task = Parameter(
        "Task", default="digits", description="digits, spirals, or a path to your .npz or .csv."
    )
    label = Parameter("Label column", default="label", description="Of a CSV of your own.")
    reservoir = ListParameter(
        "Reservoir",
        choices=["bench", "model", "none"],
        default="bench",
        description="bench: the instruments; model: the ring in silico; none: the ring taken out.",
    )
    estimator = ListParameter(
        "Estimator",
        choices=[*ESTIMATORS, "ridge"],
        default="pgt",
        description="How the gradient is estimated; ridge: a readout on a frozen random pre-layer.",
    )
    directions = IntegerParameter(
        "Directions", default=0, minimum=0, description="N a step; 0: the estimator's own."
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
    knobs = Parameter(
        "Knobs",
        default="drive_power_dbm, drive_frequency_hz, attenuation_db",
        description="What the network turns; their ranges stand in the bench file.",
    )
    shots = IntegerParameter(
        "Shots", default=4, minimum=1, maximum=1000, description="Ring measurements a sample."
    )
    network = ListParameter("Network", choices=list(NETWORKS), default="dense")
    hidden = Parameter(
        "Hidden pre-layer", default="", description="Widths as in 64, 32; empty: linear."
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
        default=10_000,
        minimum=0,
        description="Ring measurements for learning, with validation; 0: what the steps need.",
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

    DATA_COLUMNS: ClassVar[list[str]] = [
        "Step",
        "Ring measurements",
        "Loss",
        "Accuracy",
        "Learning rate",
        "Gradient SNR",
        "Clip penalty",
        "Bench time (s)",
    ]

    _planned: int = 0

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

    def validate(self) -> None:
        """Refuse data, parameters and knob ranges that cannot work, before anything is sent."""
        super().validate()
        from magnon_lab.learning.tasks import make_task

        bench_file = self.context.bench_file
        held = self.held()
        names = chosen_knobs(bench_file, self.knobs)
        check_knob_box(bench_file, names, held)
        if self.keep not in ("all", "none") and not (self.keep.isdigit() and int(self.keep) > 0):
            raise ValueError(f"keep: {self.keep!r} is not all, none, or a whole number from 1")
        if not self.steps and not self.budget:
            raise ValueError("steps and budget are both 0: one of them must end the training")
        task = make_task(self.task, self.seed, label=self.label)
        self.through = make_reservoir(
            self.reservoir, bench_file, names, held, self.seed, self.measure_on_bench
        )
        bins = bench_file.readout.bins
        self._planned = self._count_steps(len(task.x_validation) * self.shots)
        values = {
            **self.parameter_values(),
            "decay_steps": self._planned * (self.decay == "cosine"),
        }
        self.trainer = make_trainer(values, task, self.through, bins)

    def measurements_a_step(self) -> int:
        """Return the ring measurements that one step takes."""
        own = ESTIMATORS[self.estimator].defaults if self.estimator in ESTIMATORS else {}
        count = self.directions or int(own.get("count", 0))
        sides = self.sides or int(own.get("sides", 0))
        passes = {0: 1, 1: count + 1, 2: 2 * count}[sides if count else 0]
        return passes * self.batch_size * self.shots

    def _count_steps(self, validation: int) -> int:
        """Return the steps that the budget pays for, at most those asked for."""
        if not self.budget or self.reservoir == "none":
            return int(self.steps or 1)
        looks = 1 / self.validate_every if self.validate_every else 0
        a_step = self.measurements_a_step() + looks * validation
        paid = int((self.budget - self.calibration) // a_step)
        if paid < 1 and self.estimator != "ridge":
            raise ValueError(
                f"budget: {self.budget} ring measurements do not pay for one step of {a_step:.0f} "
                f"after {self.calibration} for calibration"
            )
        return min(self.steps or paid, paid)

    def execute(self) -> None:
        """Train, and evaluate on the test split at the end, also after a stop on request."""
        trainer = self.trainer
        trainer.compile()  # before any output goes on
        if self.uses_bench:
            self.bench.start(self.held())
        state = trainer.init()
        try:
            if self.estimator == "ridge":
                state, evaluation = self._ridge(state)
            else:
                state, evaluation = self.score(self._train(state), "test")
            self.record_final(state, evaluation)
        except CutShortError:
            pass
        finally:
            self.run_file.record_measurements(self.take_blocks())

    def _train(self, state: TrainerState) -> TrainerState:
        trainer = self.trainer
        while int(state.step) < self._planned and not self.context.stop.is_set():
            self._seconds = {"ask": 0.0, "tell": 0.0}
            report = None
            while report is None:
                began = time.perf_counter()
                request = trainer.ask(state)
                asked = time.perf_counter()
                measured = self.answer(request)
                answered = time.perf_counter()
                state, report = trainer.tell(state, request, measured)
                self._seconds["ask"] += asked - began
                self._seconds["tell"] += time.perf_counter() - answered
            evaluations = []
            if self.validate_every and report.step % self.validate_every == 0:
                state, evaluation = self.score(state, "validation")
                evaluations.append(row_of(report.step, evaluation))
            self._record(state, report, evaluations)
        return state

    def _record(
        self, state: TrainerState, report: StepReport, evaluations: list[EvaluationRow]
    ) -> None:
        from magnon_lab.learning.state import state_to_bytes

        figures = report._asdict()
        row = StepRow(
            ring_measurements=self.measured,
            bench_time_s=self.bench_time_s() if self.uses_bench else math.nan,
            seconds=self._seconds,
            **figures,
        )
        self.run_file.record_step(row, evaluations, self.take_blocks(), state_to_bytes(state))
        self.emit(
            "results",
            {
                "Step": row.step,
                "Ring measurements": row.ring_measurements,
                "Loss": row.loss,
                "Accuracy": row.accuracy,
                "Learning rate": row.learning_rate,
                "Gradient SNR": row.gradient_snr,
                "Clip penalty": row.clip_penalty,
                "Bench time (s)": row.bench_time_s,
            },
        )
        self.emit("progress", 100.0 * row.step / self._planned)

    def _ridge(self, state: TrainerState) -> tuple[TrainerState, Evaluation]:
        from magnon_lab.learning.baselines import ridge

        return ridge(self.trainer, self.answer, state=state)
