"""Training as ask and tell over one explicit state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import ArrayLike, NDArray

from magnon_lab.learning.adapting import adapted
from magnon_lab.learning.encoding import Encoding
from magnon_lab.learning.estimator import (
    Answer,
    Estimator,
    Gradient,
    Model,
    Problem,
    View,
    losses,
)
from magnon_lab.learning.features import FeatureMap, FeatureScale
from magnon_lab.learning.inputs import ExactGradient, cosine_to_exact
from magnon_lab.learning.names import PURPOSES, SPLITS
from magnon_lab.learning.network import Network
from magnon_lab.learning.optimisers import learning_rate_of
from magnon_lab.learning.reports import Evaluation, StepReport
from magnon_lab.learning.reservoir import (
    Differentiable,
    Measured,
    Request,
    Reservoir,
    check_answer,
)
from magnon_lab.learning.state import TrainerState, restore
from magnon_lab.learning.tasks import Task


class _Moving(NamedTuple):
    """What compiled code sees: of the state all but the 64-bit counters, and the training data."""

    parameters: Any
    optimiser: Any
    estimator: Any
    scale: FeatureScale
    factor: jax.Array
    key: jax.Array
    step: jax.Array
    cursor: jax.Array
    x: jax.Array
    y: jax.Array


class Trainer:
    """A network, an estimator and an optimiser on a task; holds no state of the training.

    `reservoir` is only described by it (knobs, frequencies, memoryless, and, for exact gradients,
    its model): the caller measures. `bins` 0 takes traces as they are. `compare_exact` reports the
    cosine to the exact gradient, where the reservoir can be differentiated. `adapt_size` adapts a
    perturbation's size to the noise, which repeated calibrations tell. Everything is a pure
    function of a state and what was measured: the same give the same next state to the last bit.
    """

    def __init__(
        self,
        *,
        network: Network,
        estimator: Estimator,
        optimiser: optax.GradientTransformation,
        task: Task,
        reservoir: Reservoir,
        shots: int,
        bins: int = 32,
        batch_size: int = 32,
        seed: int = 0,
        penalty: float = 3.0,
        calibration_measurements: int = 64,
        compare_exact: bool = False,
        adapt_size: bool = False,
    ) -> None:
        if not 1 <= batch_size <= len(task.x_train):
            raise ValueError(
                f"batch_size: {batch_size} is outside 1 to {len(task.x_train)}, "
                f"the training samples of task {task.name}"
            )
        if calibration_measurements < 2:
            raise ValueError(f"calibration_measurements: {calibration_measurements} is below 2")
        self.task = task
        self.batch_size = batch_size
        self.seed = seed
        self.estimator = estimator
        self.optimiser = optimiser
        self.encoding = Encoding(reservoir.knobs)
        self.features = FeatureMap(len(reservoir.frequencies_hz), bins)
        self.points = len(reservoir.frequencies_hz)
        self.problem = Problem(
            self.encoding, shots, self.features.count, penalty, reservoir.memoryless
        )
        self._calibration = calibration_measurements
        self._compare = compare_exact
        self._adapts = adapt_size
        self._repeats = calibration_measurements // 4 if adapt_size else 0
        self._differentiable = reservoir if isinstance(reservoir, Differentiable) else None
        if self._differentiable is None and (compare_exact or isinstance(estimator, ExactGradient)):
            raise ValueError(
                "the exact gradient needs a differentiable reservoir: train in silico, "
                "or choose another estimator"
            )
        self._passes = network.passes
        self._parameters, self._static = eqx.partition(network, eqx.is_inexact_array)
        self._x, self._y = jnp.asarray(task.x_train), jnp.asarray(task.y_train)
        self._ask = jax.jit(self._ask_pure, static_argnames="stage")
        self._tell = jax.jit(self._tell_pure, static_argnames="stage")
        self._scale_of = jax.jit(self.features.scale_of, static_argnames="repeats")
        self._inputs = jax.jit(self._inputs_pure)
        self._predict = jax.jit(self._last_output)
        network.check(
            self._x[0],
            inputs=(shots, self.problem.knobs),
            features=(shots, self.problem.bins),
            logits=(len(task.classes),),
        )

    # -- training ------------------------------------------------------------------------------

    def init(self) -> TrainerState:
        """Return the state before the first measurement."""
        network = self._network(self._parameters)
        return TrainerState(
            parameters=self._parameters,
            optimiser=self.optimiser.init(self._parameters),
            estimator=self.estimator.init(self.problem, network),
            scale=self.features.unscaled(),
            factor=np.asarray(1.0, np.float32),
            calibrated=np.asarray(self._calibration == 0),
            key=np.asarray(jax.random.key_data(jax.random.key(self.seed))),
            step=np.asarray(0, np.int32),
            cursor=np.zeros(2, np.int32),
            next_number=np.asarray(0, np.int64),
            counts=np.zeros(len(PURPOSES), np.int64),
        )

    def network(self, state: TrainerState) -> Network:
        """Return the network with the state's parameters."""
        return self._network(state.parameters)

    def ask(self, state: TrainerState) -> Request:
        """Return what is to be measured next: first the features' scale, then step after step."""
        if not state.calibrated:
            key = jax.random.fold_in(jax.random.wrap_key_data(jnp.asarray(state.key)), 0)
            inputs = jax.random.uniform(
                key, (self._calibration, self.problem.knobs), minval=-1.0, maxval=1.0
            )
            if self._repeats:
                inputs = inputs.at[-self._repeats :].set(inputs[: self._repeats])
            return self._request(state, inputs, "calibration")
        stage = self.estimator.stage(state.estimator)
        request = self._request(state, self._ask(self._moving(state), stage=stage), "training")
        partners = self.estimator.partners
        together = np.arange(len(request.numbers), dtype=np.int64) // partners
        return request._replace(groups=together if partners > 1 else None)

    def tell(
        self, state: TrainerState, request: Request, measured: Measured
    ) -> tuple[TrainerState, StepReport | None]:
        """Return the next state, and the report when a step is complete.

        Raises `ValueError` where the measured arrays are not those of the request or not finite.
        """
        check_answer(request, measured, self.points)
        after = state.counted(request.purpose, len(request.numbers))
        if request.purpose == "calibration":
            scale = self._scale_of(jnp.asarray(measured.traces), repeats=self._repeats)
            return after._replace(scale=scale, calibrated=np.asarray(True)), None
        stage = self.estimator.stage(state.estimator)
        parameters, optimiser, estimator, factor, gradient, cosine = self._tell(
            self._moving(state),
            self.encoding.unit(measured.realised),
            measured.traces,
            np.asarray(request.numbers, np.uint32),
            stage=stage,
        )
        after = after._replace(parameters=parameters, optimiser=optimiser, estimator=estimator)
        if gradient is None:
            return after, None
        after = after._replace(
            factor=np.asarray(factor, np.float32),
            step=np.asarray(state.step + 1, np.int32),
            cursor=self._next_cursor(state.cursor),
        )
        told = jax.device_get((gradient, cosine))
        report = StepReport(
            step=int(after.step),
            loss=float(told[0]["loss"]),
            loss_kind=self.estimator.loss_kind,
            accuracy=float(told[0]["accuracy"]),
            learning_rate=learning_rate_of(optimiser),
            perturbation=float(told[0]["size"]),
            gradient_snr=float(told[0]["snr"]),
            clip_penalty=float(told[0]["overshoot"]),
            cosine=float(told[1]),
            measurements=after.measurements,
        )
        return after, report

    # -- evaluation ----------------------------------------------------------------------------

    def evaluate_ask(
        self, state: TrainerState, split: str, measured: Sequence[Measured] = (), rows: int = 256
    ) -> Iterator[Request]:
        """Yield requests of at most about `rows` measurements that pass a whole split through.

        They are those of one ring pass. `measured` holds the answers to all requests so far; when
        all passes are made there is nothing more to ask.
        """
        x, _ = self._split(split)
        traces = self.by_pass(split, measured)
        if len(traces) == self._passes:
            return
        inputs = np.asarray(self._inputs(state.parameters, state.scale, jnp.asarray(x), traces))
        inputs = inputs.reshape(-1, self.problem.knobs)
        chunk = max(rows // self.problem.shots, 1) * self.problem.shots
        for first in range(0, len(inputs), chunk):
            yield self._request(
                state,
                inputs[first : first + chunk],
                "validation" if split == "validation" else "evaluation",
                len(traces) * len(inputs) + first,
            )

    def evaluate_tell(
        self, state: TrainerState, split: str, measured: Sequence[Measured]
    ) -> tuple[TrainerState, Evaluation]:
        """Return the state with the measurements counted, and how the network does on the split.

        `measured` holds the answers to all requests of `evaluate_ask`, in order.
        """
        x, y = self._split(split)
        traces = self.by_pass(split, measured)
        if len(traces) != self._passes:
            raise ValueError(
                f"split {split}: {len(traces)} ring passes were measured of {self._passes}"
            )
        logits = self._predict(state.parameters, state.scale, jnp.asarray(x), traces)
        loss = float(jnp.mean(losses(logits, jnp.asarray(y))))
        answered = np.asarray(jnp.argmax(logits, axis=-1))
        classes = len(self.task.classes)
        confusion = np.zeros((classes, classes), np.int64)
        np.add.at(confusion, (y, answered), 1)
        purpose = "validation" if split == "validation" else "evaluation"
        evaluation = Evaluation(split, loss, float(np.mean(answered == y)), confusion, len(y))
        return state.counted(purpose, sum(len(one) for one in traces)), evaluation

    def by_pass(self, split: str, measured: Sequence[Measured]) -> tuple[jax.Array, ...]:
        """Return the traces (n x shots, points) of each ring pass that a split has made."""
        if not measured:
            return ()
        traces = np.concatenate([part.traces for part in measured])
        each = len(self._split(split)[1]) * self.problem.shots
        if len(traces) % each:
            raise ValueError(f"split {split}: {len(traces)} traces, a ring pass has {each}")
        return tuple(jnp.asarray(part) for part in np.split(traces, len(traces) // each))

    def done(self, state: TrainerState) -> bool:
        """Return whether there is nothing more to ask; a plain training ends when it is ended."""
        return False

    def compile(self) -> None:
        """Compile what a run will call, before any output of an instrument goes on."""
        self._rehearse(self.init())

    def _rehearse(self, state: TrainerState) -> None:
        """Make a step with traces that nobody measured, and forget it."""
        report = None
        while report is None:
            request = self.ask(state)
            traces = np.zeros((len(request.numbers), self.points), np.float32)
            flags = np.zeros(len(traces), np.uint32)
            measured = Measured(request.settings, request.settings, traces, flags)
            state, report = self.tell(state, request, measured)

    # -- pure functions, compiled --------------------------------------------------------------

    def _network(self, parameters: Any) -> Network:
        network: Network = eqx.combine(parameters, self._static)
        return network

    def _view(self, state: _Moving) -> View:
        key = jax.random.wrap_key_data(state.key)
        epoch, position = state.cursor[0], state.cursor[1]
        order = jax.random.permutation(
            jax.random.fold_in(jax.random.fold_in(key, 1), epoch), len(state.x)
        )
        batch = jax.lax.dynamic_slice(order, (position,), (self.batch_size,))
        return View(
            self._network(state.parameters),
            state.estimator,
            state.x[batch],
            state.y[batch],
            jax.random.fold_in(jax.random.fold_in(key, 2), state.step),
            state.step,
            self._model(state.scale),
            state.factor,
            state.scale.noise,
        )

    def _model(self, scale: FeatureScale) -> Model | None:
        differentiable = self._differentiable
        if differentiable is None:
            return None

        def model(inputs: jax.Array, numbers: jax.Array) -> jax.Array:
            traces = differentiable.traces_fn(self.encoding.physical(inputs), numbers)
            return self.features.scaled(traces, scale)

        return model

    def _ask_pure(self, state: _Moving, stage: int) -> jax.Array:
        return self.estimator.ask(self.problem, self._view(state), stage)

    def _tell_pure(
        self,
        state: _Moving,
        inputs: jax.Array,
        traces: jax.Array,
        numbers: jax.Array,
        stage: int,
    ) -> tuple[Any, Any, Any, jax.Array, dict[str, jax.Array] | None, jax.Array]:
        view = self._view(state)
        answer = Answer(inputs, self.features.scaled(traces, state.scale), numbers)
        estimator, gradient = self.estimator.tell(self.problem, view, answer, stage)
        nan = jnp.asarray(jnp.nan)
        if gradient is None:
            return state.parameters, state.optimiser, estimator, state.factor, None, nan
        updates, optimiser = self.optimiser.update(
            gradient.network, state.optimiser, state.parameters
        )
        parameters = optax.apply_updates(state.parameters, updates)
        cosine = cosine_to_exact(self.problem, view, gradient, numbers) if self._compare else nan
        told = {name: getattr(gradient, name) for name in Gradient._fields if name != "network"}
        clear = jnp.asarray(gradient.clarity)
        factor = adapted(state.factor, clear) if self._adapts else state.factor
        return parameters, optimiser, estimator, factor, told, cosine

    def _inputs_pure(
        self, parameters: Any, scale: FeatureScale, x: jax.Array, traces: tuple[jax.Array, ...]
    ) -> jax.Array:
        return self.encoding.clip(self._last_output(parameters, scale, x, traces))

    def _last_output(
        self, parameters: Any, scale: FeatureScale, x: jax.Array, traces: tuple[jax.Array, ...]
    ) -> jax.Array:
        shape = (len(x), self.problem.shots, self.problem.bins)
        features = [self.features.scaled(one, scale).reshape(shape) for one in traces]
        given: jax.Array = jax.vmap(self._network(parameters))(x, *features)[-1]
        return given

    # -- on the host ---------------------------------------------------------------------------

    def _moving(self, state: TrainerState) -> _Moving:
        return _Moving(
            state.parameters,
            state.optimiser,
            state.estimator,
            state.scale,
            jnp.asarray(state.factor),
            jnp.asarray(state.key),
            jnp.asarray(state.step),
            jnp.asarray(state.cursor),
            self._x,
            self._y,
        )

    def _request(
        self, state: TrainerState, inputs: ArrayLike, purpose: str, offset: int = 0
    ) -> Request:
        settings = self.encoding.settings(inputs)
        first = int(state.next_number) + offset
        numbers = np.arange(first, first + len(settings), dtype=np.int64)
        return Request(settings, numbers, purpose)

    def _next_cursor(self, cursor: NDArray[np.int32]) -> NDArray[np.int32]:
        epoch, position = int(cursor[0]), int(cursor[1]) + self.batch_size
        if position + self.batch_size > len(self._x):
            epoch, position = epoch + 1, 0
        return np.array([epoch, position], np.int32)

    def _split(self, split: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        if split not in SPLITS:
            raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
        return getattr(self.task, f"x_{split}"), getattr(self.task, f"y_{split}")


def state_from_bytes(trainer: Trainer, data: bytes) -> TrainerState:
    """Return the state that `state_to_bytes` wrote for a trainer like this one."""
    return restore(trainer.init(), data)
