"""What a trained ring has to beat: readouts on a random pre-layer that stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifier

from magnon_lab.learning.estimator import losses
from magnon_lab.learning.loop import pass_through
from magnon_lab.learning.reports import Evaluation
from magnon_lab.learning.reservoir import Measured, Request
from magnon_lab.learning.state import TrainerState
from magnon_lab.learning.tasks import Task
from magnon_lab.learning.trainer import Trainer

Answering: TypeAlias = Callable[[Request], Measured]

STRENGTHS = np.logspace(-3, 4, 15)

LOOKS = 20
"""How often the training of a readout looks at the validation split."""

PURPOSES = {"train": "training", "validation": "validation", "test": "evaluation"}
"""What a readout measures each split for."""


class Seen(NamedTuple):
    """A split x (n, ...), y (n,), and its features (n, shots, bins) behind each ring pass."""

    x: jax.Array
    y: jax.Array
    features: tuple[jax.Array, ...]


def ridge(
    trainer: Trainer, answer: Answering, *, state: TrainerState | None = None
) -> tuple[TrainerState, Evaluation]:
    """Return the closed-form readout's evaluation on the test split, with a pre-layer as it is.

    `answer` measures what a request asks for. The pre-layer is that of `state`, by default the
    random one that training would start from. All three splits are measured once and counted;
    the validation split chooses the strength. After several passes it reads the last.
    """
    state, seen = _look(trainer, answer, state)
    # In float64: bands that never move make the normal equations nearly singular.
    flat = {
        split: np.asarray(one.features[-1], np.float64).reshape(len(one.y), -1)
        for split, one in seen.items()
    }
    task = trainer.task
    readouts = [
        RidgeClassifier(alpha=strength).fit(flat["train"], task.y_train) for strength in STRENGTHS
    ]
    scores = [readout.score(flat["validation"], task.y_validation) for readout in readouts]
    answered = readouts[int(np.argmax(scores))].predict(flat["test"])
    # A ridge readout has no cross entropy: its outputs are not logits.
    return state, _judged(task, answered, float("nan"))


def frozen(
    trainer: Trainer, answer: Answering, *, steps: int, state: TrainerState | None = None
) -> tuple[TrainerState, Evaluation]:
    """Return the state with a trained last block, and its evaluation on the test split.

    All three splits are measured once and counted, with the blocks before as they are; then the
    last block alone makes `steps` of the trainer's optimiser on what was measured, which measures
    nothing. Of `LOOKS` looks at the validation split the best is kept.
    """
    state, seen = _look(trainer, answer, state)
    network = trainer.network(state)
    moving, held = eqx.partition(network.blocks[-1], eqx.is_inexact_array)
    train_on, judge, test = (seen[split] for split in ("train", "validation", "test"))

    def logits(moving: Any, x: jax.Array, features: tuple[jax.Array, ...]) -> jax.Array:
        last = eqx.combine(moving, held)
        whole = eqx.tree_at(lambda net: net.blocks[-1], network, last)
        read: jax.Array = jax.vmap(whole)(x, *features)[-1]
        return read

    def loss(moving: Any, one: Seen) -> jax.Array:
        return jnp.mean(losses(logits(moving, one.x, one.features), one.y))

    @jax.jit
    def several(carry: Any, keys: jax.Array) -> Any:
        def step(carry: Any, key: jax.Array) -> Any:
            moving, memory = carry
            rows = jax.random.choice(key, len(train_on.y), (trainer.batch_size,), replace=False)
            batch = jax.tree.map(lambda array: array[rows], train_on)
            slope = jax.grad(loss)(moving, batch)
            updates, memory = trainer.optimiser.update(slope, memory, moving)
            return (optax.apply_updates(moving, updates), memory), None

        carry, _ = jax.lax.scan(step, carry, keys)
        return carry, loss(carry[0], judge)

    carry = (moving, trainer.optimiser.init(moving))
    best, lowest = moving, float(loss(moving, judge))
    keys = jax.random.split(jax.random.fold_in(jax.random.key(trainer.seed), 4), steps)
    for part in np.array_split(np.arange(steps), min(LOOKS, steps)):
        carry, reached = several(carry, keys[part])
        if float(reached) < lowest:
            best, lowest = carry[0], float(reached)
    last = eqx.combine(best, held)
    whole = eqx.tree_at(lambda net: net.blocks[-1], network, last)
    answered = np.asarray(jnp.argmax(logits(best, test.x, test.features), axis=-1))
    state = state._replace(parameters=eqx.filter(whole, eqx.is_inexact_array))
    return state, _judged(trainer.task, answered, float(loss(best, test)))


def _look(
    trainer: Trainer, answer: Answering, state: TrainerState | None
) -> tuple[TrainerState, dict[str, Seen]]:
    """Return what all three splits look like behind the ring, each measured once."""
    state = trainer.init() if state is None else state
    if not state.calibrated:
        request = trainer.ask(state)
        state, _ = trainer.tell(state, request, answer(request))
    seen: dict[str, Seen] = {}
    for split, purpose in PURPOSES.items():

        def counted(request: Request, purpose: str = purpose) -> Measured:
            return answer(request._replace(purpose=purpose))

        measured = pass_through(trainer, state, split, counted)
        passes = trainer.by_pass(split, measured)
        x, y = getattr(trainer.task, f"x_{split}"), getattr(trainer.task, f"y_{split}")
        features = tuple(
            trainer.features.scaled(traces, state.scale).reshape(len(y), trainer.problem.shots, -1)
            for traces in passes
        )
        seen[split] = Seen(jnp.asarray(x), jnp.asarray(y), features)
        state = state.counted(purpose, sum(len(traces) for traces in passes))
    return state, seen


def _judged(task: Task, answered: NDArray[np.int64], loss: float) -> Evaluation:
    confusion = np.zeros((len(task.classes), len(task.classes)), np.int64)
    np.add.at(confusion, (task.y_test, answered), 1)
    return Evaluation(
        "test", loss, float(np.mean(answered == task.y_test)), confusion, len(answered)
    )
