"""What procedures that pass data through network and ring share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from magnon_lab.bench import Measurement
from magnon_lab.runs import EvaluationRow, MeasurementBlock
from procedures.base import RingProcedure
from procedures.context import CutShortError

if TYPE_CHECKING:
    from magnon_lab.learning.reports import Evaluation
    from magnon_lab.learning.reservoir import Measured, Request, Reservoir
    from magnon_lab.learning.state import TrainerState
    from magnon_lab.learning.trainer import Trainer


class NetworkProcedure(RingProcedure):
    """A procedure that asks a trainer what to measure and keeps every answer.

    What is measured gathers in `_blocks` until it is written, with the step that it belongs to.
    """

    trainer: Trainer
    through: Reservoir
    """What stands between the digital blocks."""

    _final: Evaluation | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._blocks: list[MeasurementBlock] = []
        self._seconds: dict[str, float] = {}
        self._purpose = "training"

    def take_blocks(self) -> list[MeasurementBlock]:
        """Return what was measured since the last call."""
        blocks, self._blocks = self._blocks, []
        return blocks

    def measure_on_bench(
        self,
        settings: NDArray[np.float64],
        knobs: tuple[str, ...],
        numbers: NDArray[np.int64],
        groups: NDArray[np.int64] | None = None,
    ) -> Measurement:
        """Measure on the bench, and keep it also if an abort cut it short (`CutShortError`)."""
        measurement = self.measure(settings, knobs, numbers, self._purpose, groups)
        self._blocks.append(self.block(measurement, self._purpose))
        for phase in ("settle", "sweep"):
            spent = self._seconds.get(phase, 0.0) + measurement.times_s.get(phase, 0.0)
            self._seconds[phase] = spent
        if not measurement.complete:
            raise CutShortError
        return measurement

    def answer(self, request: Request) -> Measured:
        """Return what the reservoir answers to a trainer's request."""
        from magnon_lab.learning.identity import IdentityReservoir
        from procedures.reservoirs import BenchReservoir

        self._purpose = request.purpose
        if self.should_stop():
            raise CutShortError
        if not self.uses_bench:
            self.context.pulse.beat("tell")  # a model or nothing answers: all of it is computed
        if isinstance(self.through, BenchReservoir):
            return self.through(request.settings, request.numbers, request.groups)
        measured = self.through(request.settings, request.numbers)
        if not isinstance(self.through, IdentityReservoir):
            self.measured += len(measured.traces)
            self._blocks.append(
                MeasurementBlock(
                    numbers=request.numbers,
                    purpose=request.purpose,
                    knobs=tuple(knob.name for knob in self.through.knobs),
                    requested=measured.requested,
                    realised=measured.realised,
                    traces_dbm=measured.traces,
                    flags=measured.flags,
                    bench_time_s=np.full(len(measured.traces), math.nan),
                )
            )
        return measured

    def score(self, state: TrainerState, split: str) -> tuple[TrainerState, Evaluation]:
        """Pass a whole split through, as the network is."""
        from magnon_lab.learning.loop import pass_through

        def answer(request: Request) -> Measured:
            self.wait_while_paused()
            return self.answer(request)

        measured = pass_through(self.trainer, state, split, answer)
        self.context.pulse.beat("tell")
        return self.trainer.evaluate_tell(state, split, measured)

    def compile(self) -> None:
        """Compile what the trainer will call, while every output is still off."""
        self.context.pulse.beat("compile")
        self.trainer.compile()

    def record_final(self, state: TrainerState, evaluation: Evaluation) -> None:
        """Record the evaluation that a run is judged by, with what was measured for it."""
        self._final = evaluation
        self.run_file.record_measurements(self.take_blocks())
        self.run_file.record_evaluation(row_of(int(state.step), evaluation))

    def summary(self) -> dict[str, Any]:
        """Return counts, and accuracy and loss of the final evaluation."""
        result = super().summary()
        if self._final is not None:
            result |= {
                "accuracy": self._final.accuracy,
                "loss": self._final.loss,
                "split": self._final.split,
                "samples": self._final.n,
            }
        return result


def row_of(step: int, evaluation: Evaluation) -> EvaluationRow:
    """Return an evaluation in the form that the run file keeps."""
    return EvaluationRow(
        step=step,
        split=evaluation.split,
        loss=evaluation.loss,
        accuracy=evaluation.accuracy,
        n=evaluation.n,
        confusion=evaluation.confusion,
    )
