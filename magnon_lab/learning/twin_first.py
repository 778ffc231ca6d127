"""Twin first: learn the ring's map from a few measurements, then train on what was learnt."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from magnon_lab.learning.estimator import losses
from magnon_lab.learning.features import FeatureScale
from magnon_lab.learning.optimisers import learning_rate_of
from magnon_lab.learning.reports import StepReport
from magnon_lab.learning.reservoir import Measured, Request, check_answer
from magnon_lab.learning.schedule import Schedule
from magnon_lab.learning.state import TrainerState
from magnon_lab.learning.trainer import Trainer
from magnon_lab.learning.twin import Twin, TwinState, box, most_unsure
from magnon_lab.learning.twin_training import (
    LOOKS,
    Course,
    Regularisation,
    Split,
    operating_points,
    train_on_twin,
)

CANDIDATES = 512
"""Operating points among which a round chooses where the twin is most unsure."""

TUNING = 40
"""Adam steps on the evidence of the twin at each refit."""

GRADIENT_STEPS = 10
"""Steps with measured gradients that what is left of a budget must pay for, if a twin fails."""


class TwinFirstState(NamedTuple):
    """The twin, the state of the estimator to fall back on, and whether it came to that (0-d)."""

    twin: TwinState
    own: Any
    fallen: Any


class Rows(NamedTuple):
    """What a round measured, in the shape of the largest one: the first rows are `real`.

    inputs (n, knobs) realised on -1..1, features (n, bins) scaled, numbers (n,), real (n,).
    """

    inputs: Any
    features: jax.Array
    numbers: Any
    real: Any


class Judged(NamedTuple):
    """What a round's measurements say of the network and the twin before it.

    loss, accuracy: of whole samples, measured; expected: their loss on the twin. error: root mean
    square of features less the twin's, noise included. skill: the part of the features' variance
    over the box of knobs that the twin told. surprise: mean square of that error over what the
    twin itself expected.
    """

    loss: jax.Array
    accuracy: jax.Array
    expected: jax.Array
    error: jax.Array
    skill: jax.Array
    surprise: jax.Array


class TwinFirst(Trainer):
    """Trains a network on a twin of the ring, in rounds of measuring and training.

    A step is a round. The first measures a design, scales the features by it, and trains the
    network on the twin of it. Each later one measures at the network's own operating points: one
    half whole samples at random, by which network and twin are judged, one half where the twin is
    most unsure. Then twin and network are refitted, in the last round the post-layer alone, so that
    the ring's inputs stay what was measured. Where the twin tells too little it is given up, and
    what is left of the budget goes to `estimator`, whose gradients are measured, in batches small
    enough for `GRADIENT_STEPS` steps.
    """

    def __init__(
        self,
        *,
        schedule: Schedule,
        added: Regularisation,
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        problem, task = self.problem, self.task
        if not problem.memoryless:
            raise ValueError(
                "twin_first needs a reservoir without memory: a trace must depend on its own "
                "settings alone"
            )
        self.schedule = schedule
        self._whole = problem.shots * self._passes
        self.counts = schedule.counts(self._whole)
        shares = [self._shares(count) for count in self.counts[1:]]
        self._most_whole = max(whole for whole, _ in shares)
        self._most_unsure = max(unsure for _, unsure in shares)
        self.twin = Twin(problem.knobs, problem.bins, schedule.budget, span=schedule.budget)
        self._added = added
        self._judges = Split(jnp.asarray(task.x_validation), jnp.asarray(task.y_validation))
        self._choose = jax.jit(self._choose_pure)
        self._judge = jax.jit(self._judge_pure)
        self._refit = jax.jit(self._refit_pure)
        self._learn = jax.jit(self._learn_pure)
        self._features = jax.jit(self.features.scaled)
        self._inner_batch = self.batch_size
        self._fit_batch(schedule.budget - sum(self.counts[:2]))

    def _fit_batch(self, left: int) -> None:
        """Choose the batch of measured gradients so that `left` measurements pay for its steps."""
        asked = jax.eval_shape(
            lambda state: self._ask_pure(state, stage=0), self._moving(super().init())
        )
        a_sample = asked.shape[0] * self._passes // self.batch_size
        self.batch_size = min(max(left // (GRADIENT_STEPS * a_sample), 1), self.batch_size)
        self._gradient_costs = int(a_sample * self.batch_size)

    def done(self, state: TrainerState) -> bool:
        """Return whether the schedule is done, or what is left pays for no measured gradient."""
        if not state.estimator.fallen:
            return int(state.step) >= len(self.counts)
        spent: int = state.measurements["training"]
        return spent + self._gradient_costs > self.schedule.budget

    def _shares(self, count: int) -> tuple[int, int]:
        """Return how many samples of a round are measured whole, and how many rows beside them."""
        whole = (count - min(count // 2, CANDIDATES // 2)) // self._whole
        return whole, count - whole * self._whole

    # -- ask and tell --------------------------------------------------------------------------

    def init(self) -> TrainerState:
        """Return the state before the first measurement."""
        state = super().init()
        own = TwinFirstState(self.twin.init(), state.estimator, np.asarray(False))
        return state._replace(estimator=own)

    def ask(self, state: TrainerState) -> Request:
        """Return what is to be measured next: the design, then round after round."""
        if self._measures_gradients(state):
            return super().ask(state._replace(estimator=state.estimator.own))
        count = self.counts[int(state.step)]
        if int(state.step) == 0:
            return self._request(state, box(count, self.problem.knobs), "training")
        whole, unsure = self._shares(count)
        sampled, unsure_at = self._choose(*self._known(state))
        rows = whole * self._whole
        points = np.concatenate((sampled[:rows], unsure_at[:unsure]))
        return self._request(state, points, "training")

    def tell(
        self, state: TrainerState, request: Request, measured: Measured
    ) -> tuple[TrainerState, StepReport | None]:
        """Return the state after a round, and its report. Raises `ValueError` as a trainer does."""
        own: TwinFirstState = state.estimator
        if self._measures_gradients(state):
            after, report = super().tell(state._replace(estimator=own.own), request, measured)
            return after._replace(estimator=own._replace(own=after.estimator)), report
        check_answer(request, measured, self.points)
        traces = jnp.asarray(measured.traces)
        first, last = int(state.step) == 0, int(state.step) == len(self.counts) - 1
        if first:
            state = state._replace(scale=self._scale_of(traces), calibrated=np.asarray(True))
        rows = self._rows(request, measured, state.scale)
        whole = 0 if first else self._shares(len(request.numbers))[0]
        judged = None if first else self._judge(*self._known(state), rows, np.int32(whole))
        fallen = judged is not None and not float(judged.skill) >= self.schedule.enough
        after = state.counted(request.purpose, len(request.numbers))
        twin = self._refit(own.twin, rows, self._key(state, 1))
        steps = self.schedule.steps if first else self.schedule.steps_again
        parameters, course = self._learn(
            state.parameters,
            twin,
            np.int32(after.next_number),
            self._key(state, 2),
            np.int32(0 if fallen else steps // LOOKS),
            np.asarray(last),
        )
        after = after._replace(
            parameters=parameters,
            estimator=own._replace(twin=twin, fallen=np.asarray(fallen)),
            step=np.asarray(state.step + 1, np.int32),
        )
        return after, self._report(after, jax.device_get((course, judged)))

    def compile(self) -> None:
        """Compile what a run will call; nothing is trained meanwhile."""
        state, zero = self.init(), np.int32(0)
        request = self.ask(state)
        traces = np.zeros((len(request.numbers), self.points), np.float32)
        flags = np.zeros(len(traces), np.uint32)
        measured = Measured(request.settings, request.settings, traces, flags)
        rows = self._rows(request, measured, self._scale_of(jnp.asarray(traces)))
        twin = self._refit(state.estimator.twin, rows, self._key(state, 1))
        self._choose(*self._known(state))
        self._judge(*self._known(state), rows, zero)
        self._learn(state.parameters, twin, zero, self._key(state, 2), zero, np.asarray(False))
        given_up = state.estimator._replace(fallen=np.asarray(True))
        self._rehearse(state._replace(estimator=given_up, calibrated=np.asarray(True)))

    # -- pure functions, compiled --------------------------------------------------------------

    def _choose_pure(
        self, parameters: Any, twin: TwinState, number: jax.Array, key: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Return operating points of samples, and those where the twin is most unsure, in order.

        Each (rows, knobs), as many as the largest round needs.
        """
        posterior, encoding = self.twin.posterior(twin, number), self.problem.encoding
        order_key, dither_key = jax.random.split(key)
        others = -(-max(CANDIDATES, self._most_unsure) // self._whole)
        samples = self._samples(order_key, self._most_whole + others)
        network = self._network(parameters)
        points = operating_points(self.problem, network, self._x[samples], posterior)
        points = points.reshape(-1, self.problem.knobs)
        points = encoding.dither(points, jax.random.uniform(dither_key, points.shape))
        sampled, pool = jnp.split(points, [self._most_whole * self._whole])
        noise = jnp.exp(twin.noise)
        return sampled, pool[most_unsure(posterior.covariance(pool), noise, self._most_unsure)]

    def _judge_pure(
        self,
        parameters: Any,
        twin: TwinState,
        number: jax.Array,
        key: jax.Array,
        rows: Rows,
        whole: jax.Array,
    ) -> Judged:
        """Return what the first `whole` samples of a round say of network and twin."""
        posterior = self.twin.posterior(twin, number)
        samples = self._samples(jax.random.split(key)[0], self._most_whole)
        x, y = self._x[samples], self._y[samples]
        count = len(samples) * self._whole
        inputs, features = rows.inputs[:count], rows.features[:count]
        there = jnp.arange(len(samples)) < whole
        told = posterior.mean(inputs)

        def mean(each: jax.Array) -> jax.Array:
            """Return the mean over those samples, or over their measurements."""
            real = jnp.repeat(there, len(each) // len(there))
            return jnp.sum(jnp.where(real, each, 0.0)) / jnp.sum(real)

        def answered(features: jax.Array) -> jax.Array:
            shape = (len(samples), self._passes, self.problem.shots, self.problem.bins)
            by_pass = jnp.moveaxis(features.reshape(shape), 1, 0)
            logits: jax.Array = jax.vmap(self._network(parameters))(x, *by_pass)[-1]
            return logits

        square = mean(jnp.mean(jnp.square(features - told), axis=1))
        logits = answered(features)
        return Judged(
            mean(losses(logits, y)),
            mean((jnp.argmax(logits, axis=-1) == y).astype(jnp.float32)),
            mean(losses(answered(told), y)),
            jnp.sqrt(square),
            1.0 - square,
            square / (mean(posterior.variance(inputs)) + jnp.exp(twin.noise)),
        )

    def _samples(self, key: jax.Array, count: int) -> jax.Array:
        """Return `count` samples in random order, all of them before any comes again."""
        order = jax.random.permutation(key, len(self._x))
        return order[jnp.arange(count) % len(order)]

    def _refit_pure(self, twin: TwinState, rows: Rows, key: jax.Array) -> TwinState:
        return self.twin.tuned(self.twin.add(twin, *rows), key, TUNING)

    def _learn_pure(
        self,
        parameters: Any,
        twin: TwinState,
        number: jax.Array,
        key: jax.Array,
        steps: jax.Array,
        readout_only: jax.Array,
    ) -> tuple[Any, Course]:
        network, course = train_on_twin(
            self.problem,
            self.optimiser,
            self._network(parameters),
            self.twin.posterior(twin, number),
            Split(self._x, self._y),
            self._judges,
            key,
            steps,
            batch_size=self._inner_batch,
            added=self._added,
            readout_only=readout_only,
        )
        return eqx.filter(network, eqx.is_inexact_array), course

    # -- on the host ---------------------------------------------------------------------------

    def _measures_gradients(self, state: TrainerState) -> bool:
        """Return whether the twin has been given up, or its schedule is done."""
        return bool(state.estimator.fallen) or int(state.step) >= len(self.counts)

    def _key(self, state: TrainerState, purpose: int) -> jax.Array:
        key = jax.random.wrap_key_data(jnp.asarray(state.key))
        key = jax.random.fold_in(jax.random.fold_in(key, 3), int(state.step))
        return jax.random.fold_in(key, purpose)

    def _known(self, state: TrainerState) -> tuple[Any, TwinState, Any, jax.Array]:
        """Return what choosing and judging see: the same at `ask` and at its `tell`."""
        number = np.int32(state.next_number)
        return state.parameters, state.estimator.twin, number, self._key(state, 0)

    def _rows(self, request: Request, measured: Measured, scale: FeatureScale) -> Rows:
        """Return what was measured, filled up to the rows of the largest round."""
        fill = max(self.counts) - len(request.numbers)
        return Rows(
            np.pad(self.encoding.unit(measured.realised), ((0, fill), (0, 0))),
            self._features(np.pad(measured.traces, ((0, fill), (0, 0))), scale),
            np.pad(request.numbers.astype(np.int32), (0, fill)),
            np.arange(max(self.counts)) < len(request.numbers),
        )

    def _report(self, state: TrainerState, told: tuple[Course, Judged | None]) -> StepReport:
        course, judged = told
        twin = state.estimator.twin
        inner: dict[str, Any] = {name: value.tolist() for name, value in course._asdict().items()}
        inner |= {
            "noise": float(np.exp(twin.noise / 2.0)),
            "lengths": np.exp(twin.lengths).tolist(),
            "given_up": bool(state.estimator.fallen),
        }
        if judged is not None:
            inner |= {name: float(value) for name, value in judged._asdict().items()}
        return StepReport(
            step=int(state.step),
            loss=float(course.validation_loss[-1] if judged is None else judged.loss),
            loss_kind="on the twin, validation split" if judged is None else "measured unperturbed",
            accuracy=float(course.validation_accuracy[-1] if judged is None else judged.accuracy),
            learning_rate=learning_rate_of(state.optimiser),
            perturbation=float("nan"),
            gradient_snr=float("nan"),
            clip_penalty=float(course.overshoot[-1]),
            cosine=float("nan"),
            measurements=state.measurements,
            inner=inner,
        )
