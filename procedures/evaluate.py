"""Pass a split of the data through a trained network, on the bench."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from pymeasure.experiment import ListParameter, Parameter

from magnon_lab.bench import QUANTITIES
from magnon_lab.learning.names import SPLITS
from magnon_lab.runs import RunError
from procedures.estimate import Estimate, measurements_a_sample, split_sizes
from procedures.network import NetworkProcedure
from procedures.reservoirs import RESERVOIRS, UNMEASURED
from procedures.training import (
    check_knob_box,
    chosen_knobs,
    make_reservoir,
    make_trainer,
    told_of,
)


class Evaluate(NetworkProcedure):
    """Measure how a trained run does on a split, with the settings that it was trained at.

    Held quantities that are not set here are those of the training, then those of the bench file.
    """

    trained = Parameter(
        "Trained run",
        default="latest",
        description="latest, an id, a unique part of it, or a path.",
    )
    split = ListParameter("Split", choices=list(SPLITS), default="test")
    reservoir = ListParameter(
        "Reservoir",
        choices=["as trained", *RESERVOIRS],
        default="as trained",
        description="What stands between the digital blocks.",
    )

    DATA_COLUMNS: ClassVar[list[str]] = ["Step", "Loss", "Accuracy", "Ring measurements"]

    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Evaluation": ("trained", "split", "reservoir"),
        **NetworkProcedure.groups,
    }
    meanings: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "reservoir": {"as trained": "what the network was trained through"} | RESERVOIRS
    }
    reads_runs: ClassVar[bool] = True
    _values: Mapping[str, Any] = MappingProxyType({})  # of the trained run, once it is read
    _checkpoint: bytes

    @property
    def uses_bench(self) -> bool:
        """Whether instruments are needed."""
        return self._kind() == "bench"

    def _kind(self) -> str:
        """Return what stands between the digital blocks."""
        as_trained = self.reservoir == "as trained"
        return str(self._values["reservoir"] if as_trained else self.reservoir)

    def held(self) -> dict[str, float]:
        """Return every quantity: of the bench file, then of the training, then as set here."""
        held = super().held()
        for name in QUANTITIES:
            trained = float(self._values.get(name) or math.nan)
            if math.isfinite(trained) and not math.isfinite(getattr(self, name)):
                held[name] = trained
        return held

    def estimate(self) -> Estimate:
        """Return about what the split takes. Raises `RunError` where no run was trained so."""
        self._values, self._checkpoint, _ = self._read_trained()
        samples = split_sizes(self._values["task"])[SPLITS.index(self.split)]
        values = self._values
        each = measurements_a_sample(
            str(values.get("network", "dense")), int(values["shots"]), str(values["task"])
        )
        measurements = samples * each
        if not self.uses_bench:
            return Estimate(measurements * (self._kind() not in UNMEASURED), 0.0)
        return self.taking(
            measurements, chosen_knobs(self.context.bench_file, self._values["knobs"])
        )

    def validate(self) -> None:
        """Find the trained run and build its network anew; refuse what breaks a limit."""
        from magnon_lab.learning.tasks import make_task
        from magnon_lab.learning.trainer import state_from_bytes

        self._values, self._checkpoint, identity = self._read_trained()
        super().validate()
        trained, kind = str(self._values["reservoir"]), self._kind()
        if kind != trained and {kind, trained} & set(UNMEASURED):
            raise ValueError(
                f"reservoir: {kind!r} does not fit run {identity}, trained through {trained!r}"
            )
        bench_file, held = self.context.bench_file, self.held()
        names = chosen_knobs(bench_file, self._values["knobs"])
        check_knob_box(bench_file, names, held)
        seed = int(self._values["seed"])
        task = make_task(self._values["task"], seed, label=self._values["label"])
        self.through = make_reservoir(
            self._kind(), bench_file, names, held, seed, self.measure_on_bench
        )
        bins = bench_file.readout.bins
        self.trainer = make_trainer(self._values, task, self.through, bins)
        try:
            self._state = state_from_bytes(self.trainer, self._checkpoint)
        except ValueError as error:
            raise ValueError(
                f"trained = {self.trained!r}: run {identity} does not fit this bench file: {error}"
            ) from error

    def _read_trained(self) -> tuple[dict[str, Any], bytes, str]:
        run = self.context.runs.find(self._last_training() or self.trained)
        try:
            info, checkpoint = run.info(), run.last_checkpoint()
            identity = run.id
        finally:
            run.close()
        if info["procedure"] != "train" or checkpoint is None:
            raise RunError(
                f"trained = {self.trained!r}: run {identity} ({info['procedure']}) "
                "holds no trained network"
            )
        return dict(info["configuration"]), checkpoint[1], identity

    def _last_training(self) -> str | None:
        """Return the id of the latest run that trained, where "latest" is asked for."""
        if self.trained != "latest":
            return None
        trainings = [one for one in self.context.runs.list() if one.procedure == "train"]
        if not trainings:
            raise RunError(f"trained = 'latest': {self.context.runs.path} holds no training")
        return str(trainings[-1].folder)

    def execute(self) -> None:
        """Measure the split and record loss, accuracy and confusion."""
        task = self.trainer.task
        self.run_file.event("data", "outcome", f"data of task {task.name}", told_of(task))
        self.compile()
        self.switch_on()
        try:
            state, evaluation = self.score(self._state, self.split)
            self.record_final(state, evaluation)
        finally:
            self.run_file.record_measurements(self.take_blocks())
        self.emit(
            "results",
            {
                "Step": int(state.step),
                "Loss": evaluation.loss,
                "Accuracy": evaluation.accuracy,
                "Ring measurements": self.measured,
            },
        )
        self.emit("progress", 100.0)
