"""From a procedure's parameters to what learns: the task, the reservoir and the trainer.

Shared by `train`, which starts from parameters, and `evaluate`, which reads them from a run file.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from magnon_lab.bench import BenchFile
from magnon_lab.learning.names import (
    POPULATIONS,
    READOUTS,
    ROUNDS,
    SPLITS,
    rows_a_pass,
)
from procedures.spending import Spending

if TYPE_CHECKING:
    from magnon_lab.learning.reservoir import Reservoir
    from magnon_lab.learning.tasks import Task
    from magnon_lab.learning.trainer import Trainer
    from procedures.reservoirs import Measure


FALLBACK = "twin_pgt"
"""What measures gradients where a twin is given up."""


def chosen_knobs(bench_file: BenchFile, text: str) -> tuple[str, ...]:
    """Return the knobs that `text` names, separated by commas.

    Raises `ValueError` for a knob without a range in the bench file.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in bench_file.knobs:
            raise ValueError(
                f"knobs: {name!r} has no range under `knobs` in bench file {bench_file.path} "
                f"(it has {', '.join(bench_file.knobs) or 'none'})"
            )
    if not names or len(set(names)) != len(names):
        raise ValueError(f"knobs: {text!r} must name at least one knob, none twice")
    return names


def check_knob_box(
    bench_file: BenchFile, names: tuple[str, ...], held: Mapping[str, float]
) -> None:
    """Refuse a box of knobs of which a corner breaks a limit. Raises `LimitError`."""
    ends = [(bench_file.knobs[name].low, bench_file.knobs[name].high) for name in names]
    for corner in itertools.product(*ends):
        bench_file.check_settings({**held, **dict(zip(names, corner, strict=True))})


def make_reservoir(
    kind: str,
    bench_file: BenchFile,
    names: tuple[str, ...],
    held: Mapping[str, float],
    seed: int,
    measure: Measure,
) -> Reservoir:
    """Return what stands between the digital blocks, by its name in `RESERVOIRS`.

    Raises `ValueError` for a linear ring that would oscillate.
    """
    from magnon_lab.learning.identity import IdentityReservoir
    from magnon_lab.learning.reservoir import Knob
    from procedures.reservoirs import UNMEASURED, BenchReservoir, RingReservoir
    from procedures.ring_model import check_below_threshold, load_ring

    knobs: tuple[Knob, ...] = tuple(
        Knob(name, bench_file.knobs[name].low, bench_file.knobs[name].high, bench_file.step(name))
        for name in names
    )
    if kind in UNMEASURED:
        return IdentityReservoir(knobs)
    if kind == "bench":
        return BenchReservoir(measure, knobs, bench_file.frequencies_hz)
    model, readout = load_ring(bench_file, seed, kind)
    if kind == "linear_ring":
        check_below_threshold(model, knobs, held)
    rest = {name: value for name, value in held.items() if name not in names}
    steps = {name: bench_file.step(name) for name in held}
    return RingReservoir(model, readout, knobs, rest, steps)


def make_trainer(values: Mapping[str, Any], task: Task, reservoir: Reservoir, bins: int) -> Trainer:
    """Return the trainer that `values`, the parameters of `train`, describe.

    Raises `ValueError` that names the parameter, its value and what is allowed.
    """
    import jax

    from magnon_lab.learning.estimators import make_estimator
    from magnon_lab.learning.evolution import Evolution
    from magnon_lab.learning.identity import IdentityReservoir
    from magnon_lab.learning.names import ESTIMATORS
    from magnon_lab.learning.network import make_network
    from magnon_lab.learning.optimisers import make_optimiser
    from magnon_lab.learning.schedule import Schedule
    from magnon_lab.learning.trainer import Trainer
    from magnon_lab.learning.twin_first import TwinFirst
    from magnon_lab.learning.twin_training import Regularisation

    taken_out = isinstance(reservoir, IdentityReservoir)
    stand_in = values["reservoir"] == "mlp"
    seed, shots, kind = int(values["seed"]), int(values["shots"]), str(values["network"])
    name = str(values["estimator"])
    in_rounds, population = name in ROUNDS, POPULATIONS.get(name)
    if in_rounds:
        name = FALLBACK
    if population or name in READOUTS:
        name = "input"  # never asked: only the trainer's forward pass is used
    own = ESTIMATORS[name].defaults
    given = {
        "count": values["directions"],
        "sides": values["sides"],
        "directions": values["distribution"],
        "size": values["perturbation"],
    }
    settings = {
        key: value for key, value in given.items() if key in own and value not in (0, "own")
    }
    if in_rounds:  # it never has more to remember
        settings["capacity"] = min(int(own["capacity"]), int(values["budget"]))
    network = make_network(
        kind,
        inputs=task.shape,
        classes=len(task.classes),
        shots=shots,
        knobs=len(reservoir.knobs),
        bins=len(reservoir.knobs) if taken_out and not stand_in else bins,
        key=jax.random.key(seed),
        hidden=widths("hidden", values["hidden"]),
        post_hidden=widths("post_hidden", values["post_hidden"]),
        stand_in=stand_in,
    )
    planned = Spending.of(values).planned_steps()
    rows = rows_a_pass(kind, shots, task.shape)
    common: dict[str, Any] = {
        "network": network,
        "estimator": make_estimator(name, **settings),
        "optimiser": make_optimiser(
            str(values["optimiser"]),
            float(values["learning_rate"]),
            decay_steps=0 if in_rounds or values["decay"] == "none" else planned,
        ),
        "task": task,
        "reservoir": reservoir,
        "shots": rows,
        "bins": 0 if taken_out else bins,
        "batch_size": int(values["batch_size"]),
        "seed": seed,
        "penalty": float(values["penalty"]),
        "calibration_measurements": int(values["calibration"]),
        "adapt_size": bool(values["adapt"]),
    }
    if population:
        members = int(values["directions"] or population.defaults["count"])
        size = float(values["perturbation"] or population.defaults["size"])
        return Evolution(generations=planned, population=members, size=size, **common)
    if not in_rounds:
        return Trainer(**common)
    budget, steps = int(values["budget"]), int(values["twin_steps"])
    return TwinFirst(schedule=Schedule(budget, steps=steps), added=Regularisation(), **common)


def widths(name: str, text: str) -> tuple[int, ...]:
    """Return the widths of hidden layers that `text` lists, as in "64, 32". Raises `ValueError`."""
    try:
        found = tuple(int(part) for part in str(text).split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"{name}: {text!r} is not a list of whole numbers") from error
    if any(width < 1 for width in found):
        raise ValueError(f"{name}: {text!r} holds a width below 1")
    return found


def told_of(task: Task) -> dict[str, Any]:
    """Return what a journal tells of a task's data: their fingerprint, and the classes' names."""
    return {"sha256": fingerprint(task), "classes": list(task.classes)}


def fingerprint(task: Task) -> str:
    """Return a SHA-256 of all data of a task, by which other data are told from these."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for name in (f"x_{split}", f"y_{split}"):
            array = np.ascontiguousarray(getattr(task, name))
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()
