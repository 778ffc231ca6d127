"""Runs that trained, written as a run's process writes them, or many steps at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.gui.model.run_view import RunView
from magnon_lab.gui.model.snapshot import Snapshot
from magnon_lab.runs import EvaluationRow, MeasurementBlock, RunFile, RunsFolder, StepRow

BENCH = shipped_path().read_text(encoding="utf-8") + "\nreference: {every: 8}\n"
KNOBS = ("drive_power_dbm", "drive_frequency_hz", "attenuation_db")
LOW, HIGH = np.array([-30.0, 4.45e9, 10.0]), np.array([5.0, 4.48e9, 15.0])
HZ = np.linspace(4.3e9, 4.65e9, 401)
LINES_HZ = (4.40e9, 4.46e9, 4.55e9)


def spectrum(shift_hz: float = 0.0, level_db: float = 0.0) -> NDArray[np.float32]:
    """Return three Lorentzian lines over a floor of -90 dBm."""
    power = np.full(len(HZ), 1e-9)
    for index, line_hz in enumerate(LINES_HZ):
        power += 10 ** (-3 - index) / (1 + ((HZ - line_hz - shift_hz) / 1.2e6) ** 2)
    return (10 * np.log10(power) + level_db).astype(np.float32)


def new_run(
    folder: Path, procedure: str = "train", keep: Any = "all", **parameters: Any
) -> RunFile:
    """Return a run that has begun."""
    seed = int(parameters.get("seed", 0))
    held = {"field_mt": 92.0, "amplifier_voltage_v": 12.0}
    run = RunsFolder(folder).create(
        procedure, held | parameters, BENCH, seed, True, versions={}, keep=keep
    )
    run.set_frequencies(HZ)
    run.start()
    return run


def train(
    run: RunFile,
    steps: Sequence[int],
    batch: int = 4,
    evaluate_every: int = 5,
    flags: int = 0,
    offset: float = 0.0,
) -> None:
    """Record steps with measurements, references and evaluations."""
    for step in steps:
        rng = np.random.default_rng(step)
        first = (step - 1) * batch
        numbers = np.arange(first, first + batch)
        asked = np.clip(rng.normal(0.5, 0.4, (batch, 3)), 0, 1) * (HIGH - LOW) + LOW
        blocks = [
            MeasurementBlock(
                numbers=numbers, purpose="training", knobs=KNOBS, requested=asked, realised=asked,
                traces_dbm=np.stack([spectrum(level_db=0.01 * n) for n in numbers]),
                flags=np.full(batch, flags), bench_time_s=0.5 * numbers,
            )
        ]  # fmt: skip
        if first % 8 == 0:
            blocks.append(reference(first))
        evaluations = []
        if step % evaluate_every == 0:
            counts = np.diag(np.full(10, step)) + np.eye(10, k=1, dtype=int)
            evaluations.append(
                EvaluationRow(
                    step=step, split="validation", loss=2.0 / step, n=int(counts.sum()),
                    accuracy=float(np.trace(counts) / counts.sum()), confusion=counts,
                )
            )  # fmt: skip
        run.record_step(step_row(step, batch, offset), evaluations, blocks)


def step_row(step: int, batch: int = 4, offset: float = 0.0, time: float = 0.0) -> StepRow:
    """Return a step whose figures follow from its number."""
    return StepRow(
        step=step,
        ring_measurements=step * batch,
        loss=loss_at(step) + offset,
        loss_kind="measured unperturbed",
        accuracy=1 - 1 / (1 + step),
        learning_rate=0.01,
        perturbation=0.1,
        gradient_snr=2.0 / step,
        cosine=math.nan,
        bench_time_s=0.5 * step * batch,
        seconds={"ask": 0.1, "settle": 0.2, "sweep": 0.4, "transfer": 0.1, "tell": 0.2},
        time=time or 1e9 + step,
    )


def loss_at(step: int) -> float:
    """Return the loss of a step, with a spike at every hundredth."""
    return 1 + 1 / step + (5.0 if step % 100 == 0 else 0.0)


def reference(number: int) -> MeasurementBlock:
    """Return the reference before a measurement: 10 kHz and 0.01 dB further with each."""
    asked = ((LOW + HIGH) / 2)[None]
    trace = spectrum(shift_hz=1e4 * number, level_db=0.01 * number)
    return MeasurementBlock(
        numbers=[-1 - number], purpose="reference", knobs=KNOBS, requested=asked, realised=asked,
        traces_dbm=trace[None], flags=[0], bench_time_s=[0.5 * number],
    )  # fmt: skip


def on_twin(run: RunFile, skills: Sequence[float | None], anew: int) -> None:
    """Record rounds on a twin, one a skill (None: it was not judged); of round `anew` two."""
    for step, skill in enumerate(skills, start=1):
        inner: dict[str, Any] = {
            "step": step,
            "loss": [2.0 / step, 1.0 / step],
            "validation_loss": [1.0 / step, 0.5 / step],
            "validation_accuracy": [0.5, 0.8],
            "given_up": skill is not None and skill < 0.5,
        }
        if skill is not None:
            inner |= {"loss": 0.6 - 0.1 * (step - 1), "expected": 0.3, "accuracy": 0.7}
            inner |= {"skill": skill, "surprise": 1.1}
        if step == anew:
            run.event("twin", "outcome", "before it was resumed", {**inner, "skill": 0.0})
        run.event("twin", "outcome", f"step {step}: trained on the twin", inner)


def many_steps(run: RunFile, first: int, last: int, batch: int = 4) -> None:
    """Record steps without measurements, all in one transaction."""
    with run._database.transaction() as connection:
        connection.executemany(
            "INSERT INTO steps (step, time, bench_time_s, ring_measurements, loss, loss_kind, "
            "accuracy, measurements) VALUES (?, ?, ?, ?, ?, 'measured', ?, '{}')",
            (
                (step, 1e9 + step, 0.5 * step * batch, step * batch, loss_at(step), 0.5)
                for step in range(first, last + 1)
            ),
        )


def sweep(run: RunFile, values: Sequence[float]) -> None:
    """Record a sweep of the loop attenuation."""
    for number, value in enumerate(values):
        run.record_measurements(
            MeasurementBlock(
                numbers=[number], purpose="gain sweep", knobs=("attenuation_db",),
                requested=[[value]], realised=[[value]], flags=[0], bench_time_s=[0.1 * number],
                traces_dbm=spectrum(level_db=-value)[None],
            )
        )  # fmt: skip


def read(run: RunFile | Path) -> Snapshot:
    """Return all that a window knows of a run once it has read it."""
    view = RunView(run if isinstance(run, Path) else run.folder)
    try:
        return look(view)
    finally:
        view.close()


def look(view: RunView) -> Snapshot:
    """Let a view read on until there is no more."""
    view.look()
    while view.behind:
        view.look()
    return view.snapshot
