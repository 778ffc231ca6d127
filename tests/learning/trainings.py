"""Small trainings for tests."""

from __future__ import annotations

import jax
import numpy as np

from magnon_lab.learning.estimators import make_estimator
from magnon_lab.learning.names import rows_a_pass
from magnon_lab.learning.network import make_network
from magnon_lab.learning.optimisers import make_optimiser
from magnon_lab.learning.tasks import Task
from magnon_lab.learning.trainer import Trainer


def blobs(n=96, seed=0):
    """Three overlapping clouds in the plane, told apart with some error."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 3).astype(np.int32)
    centre = np.array([[1.0, 0.0], [-0.6, 0.9], [-0.6, -0.9]])[y]
    x = (centre + rng.normal(0.0, 0.4, centre.shape)).astype(np.float32)
    half, most = n // 2, 3 * n // 4
    return Task(
        "blobs", x[:half], y[:half], x[half:most], y[half:most], x[most:], y[most:], ("a", "b", "c")
    )


def small_trainer(reservoir, estimator="input", *, task=None, shots=2, bins=6, rate=0.02, **rest):
    """A linear network on few bins; estimator by name, by (name, settings) or as an object."""
    task = task or blobs()
    seed = rest.pop("seed", 3)
    if isinstance(estimator, str):
        estimator = make_estimator(estimator)
    elif isinstance(estimator, tuple):
        estimator = make_estimator(estimator[0], **estimator[1])
    kind = rest.pop("kind", "dense")
    network = make_network(
        kind,
        inputs=task.inputs,
        classes=len(task.classes),
        shots=shots,
        knobs=len(reservoir.knobs),
        bins=bins,
        key=jax.random.key(seed),
        hidden=rest.pop("hidden", ()),
        stand_in=rest.pop("stand_in", False),
    )
    return Trainer(
        network=network,
        estimator=estimator,
        optimiser=rest.pop("optimiser", make_optimiser("adam", rate)),
        task=task,
        reservoir=reservoir,
        shots=rows_a_pass(kind, shots, (task.inputs,)),
        bins=rest.pop("reads", bins),
        batch_size=rest.pop("batch_size", 16),
        seed=seed,
        calibration_measurements=rest.pop("calibration", 16),
        **rest,
    )
