"""What a trained ring has to beat: a readout on a frozen random pre-layer, and no ring at all."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifier

from magnon_lab.learning.estimators import make_estimator
from magnon_lab.learning.identity import IdentityReservoir
from magnon_lab.learning.loop import evaluate, pass_through, train
from magnon_lab.learning.network import make_network
from magnon_lab.learning.optimisers import make_optimiser
from magnon_lab.learning.reports import Evaluation
from magnon_lab.learning.reservoir import Knob, Measured, Request
from magnon_lab.learning.state import TrainerState
from magnon_lab.learning.tasks import Task
from magnon_lab.learning.trainer import Trainer

STRENGTHS = np.logspace(-3, 4, 15)


def ridge(
    trainer: Trainer,
    answer: Callable[[Request], Measured],
    *,
    state: TrainerState | None = None,
) -> tuple[TrainerState, Evaluation]:
    """Return the closed-form readout's evaluation on the test split, with a pre-layer as it is.

    `answer` measures what a request asks for. The pre-layer is that of `state`, by default the
    random one that training would start from. All three splits are measured once and counted;
    the validation split chooses the strength.
    """
    state = trainer.init() if state is None else state
    if not state.calibrated:
        request = trainer.ask(state)
        state, _ = trainer.tell(state, request, answer(request))
    features: dict[str, NDArray[np.float64]] = {}
    for split in ("train", "validation", "test"):
        measured = pass_through(trainer, state, split, answer)
        traces = np.asarray(trainer.by_pass(split, measured)[-1])
        scaled = trainer.features.scaled(jnp.asarray(traces), state.scale)
        # In float64: bands that never move make the normal equations nearly singular.
        features[split] = np.asarray(scaled, np.float64).reshape(
            len(traces) // trainer.problem.shots, -1
        )
        state, _ = trainer.evaluate_tell(state, split, measured)
    task = trainer.task
    readouts = [
        RidgeClassifier(alpha=strength).fit(features["train"], task.y_train)
        for strength in STRENGTHS
    ]
    scores = [readout.score(features["validation"], task.y_validation) for readout in readouts]
    answered = readouts[int(np.argmax(scores))].predict(features["test"])
    confusion = np.zeros((len(task.classes), len(task.classes)), np.int64)
    np.add.at(confusion, (task.y_test, answered), 1)
    right = float(np.mean(answered == task.y_test))
    # A ridge readout has no cross entropy: its outputs are not logits.
    return state, Evaluation("test", float("nan"), right, confusion, len(answered))


def no_ring(
    task: Task,
    knobs: tuple[Knob, ...],
    *,
    shots: int,
    steps: int,
    kind: str = "dense",
    hidden: tuple[int, ...] = (),
    post_hidden: tuple[int, ...] = (),
    learning_rate: float = 0.01,
    batch_size: int = 32,
    seed: int = 0,
) -> Evaluation:
    """Return the test evaluation of the same network with the ring taken out; measures nothing.

    The ring's inputs, clipped to -1..1, go straight to the post-layer; trained by backpropagation.
    """
    reservoir = IdentityReservoir(knobs)
    network = make_network(
        kind,
        inputs=task.inputs,
        classes=len(task.classes),
        shots=shots,
        knobs=len(knobs),
        bins=len(knobs),
        key=jax.random.key(seed),
        hidden=hidden,
        post_hidden=post_hidden,
    )
    trainer = Trainer(
        network=network,
        estimator=make_estimator("exact"),
        optimiser=make_optimiser("adam", learning_rate, decay_steps=steps),
        task=task,
        reservoir=reservoir,
        shots=shots,
        bins=0,
        batch_size=batch_size,
        seed=seed,
    )
    state = train(trainer, reservoir, steps=steps)
    return evaluate(trainer, reservoir, state, "test")[1]
