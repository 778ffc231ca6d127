"""CMA-ES: a population of parameter sets, ranked by their measured losses; no gradient at all."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import cma
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpy.typing import NDArray

from magnon_lab.learning.estimator import Answer, View, copies_of, losses
from magnon_lab.learning.reports import StepReport
from magnon_lab.learning.reservoir import Measured, Request, check_answer
from magnon_lab.learning.state import TrainerState
from magnon_lab.learning.trainer import Trainer

WHOLE_COVARIANCE = 300
"""Most parameters of which the whole covariance is adapted; of more, its diagonal (Ros and Hansen,
A simple modification in CMA-ES achieving linear time and space complexity, PPSN X, 2008)."""


class EvolutionState(NamedTuple):
    """Losses (generations, population) float64 of all that were measured, NaN for those to come.

    answers: what was measured so far in the passes of this generation.
    """

    losses: NDArray[np.float64]
    answers: tuple[Answer, ...]


class _Remembered(NamedTuple):
    """The strategy that has been told these losses: it saves telling them all again each time."""

    told: NDArray[np.float64]
    strategy: Any


class _Normal:
    """Normal numbers from a generator of its own, that a copy of the strategy copies with it."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def __call__(self, *shape: int) -> NDArray[np.float64]:
        return self._generator.standard_normal(shape)


class Evolution(Trainer):
    """Trains by CMA-ES (Hansen, The CMA evolution strategy: a tutorial, arXiv 1604.00772).

    A step is a generation: every member passes the same samples through the ring, next to each
    other. The strategy itself is a function of the losses so far and the seed, and is made anew
    from them, so that the state is arrays alone. `size` is the first spread of the parameters. The
    network is the distribution's mean.
    """

    def __init__(self, *, generations: int, population: int, size: float, **rest: Any) -> None:
        super().__init__(**rest)
        flat, self._unravel = ravel_pytree(self._parameters)
        self._start = np.asarray(flat, np.float64)
        self.population = population
        if self.population < 3:
            raise ValueError(f"population: {self.population} members; it needs at least 3")
        if not 0.0 < size < float("inf"):
            raise ValueError(f"size: {size} is not a positive spread of the parameters")
        self._generations, self._size = max(generations, 1), size
        self._remembered = 0, self._begun()
        self._inputs_of = jax.jit(self._inputs_of_pure)
        self._judge = jax.jit(self._judge_pure)
        self._features = jax.jit(self.features.scaled)

    def init(self) -> TrainerState:
        """Return the state before the first measurement."""
        unknown = np.full((self._generations, self.population), np.nan)
        return super().init()._replace(estimator=EvolutionState(unknown, ()))

    def done(self, state: TrainerState) -> bool:
        """Return whether there is no room for another generation."""
        return int(state.step) >= self._generations

    def ask(self, state: TrainerState) -> Request:
        """Return what is to be measured next: first the features' scale, then each generation."""
        if not state.calibrated:
            return super().ask(state)
        inputs = self._inputs_of(self._moving(state), self._members(state))
        request = self._request(state, np.asarray(inputs), "training")
        together = np.arange(len(request.numbers), dtype=np.int64) // self.population
        return request._replace(groups=together)

    def tell(
        self, state: TrainerState, request: Request, measured: Measured
    ) -> tuple[TrainerState, StepReport | None]:
        """Return the next state, and the report when all passes of a generation are measured."""
        if request.purpose == "calibration":
            return super().tell(state, request, measured)
        check_answer(request, measured, self.points)
        own: EvolutionState = state.estimator
        answer = Answer(
            jnp.asarray(self.encoding.unit(measured.realised)),
            self._features(jnp.asarray(measured.traces), state.scale),
            jnp.asarray(request.numbers, jnp.uint32),
        )
        state = state._replace(estimator=own._replace(answers=(*own.answers, answer)))
        after = state.counted(request.purpose, len(request.numbers))
        if len(state.estimator.answers) < self._passes:
            return after, None
        members = self._members(state)
        each, right, beyond = jax.device_get(self._judge(self._moving(state), members))
        told = own.losses.copy()
        told[int(state.step)] = np.asarray(each + self.problem.penalty * beyond, np.float64)
        strategy = self._strategy(told, int(state.step) + 1)
        mean = np.asarray(strategy.mean, np.float32)
        after = after._replace(
            parameters=self._unravel(jnp.asarray(mean)),
            estimator=EvolutionState(told, ()),
            step=np.asarray(state.step + 1, np.int32),
            cursor=self._next_cursor(state.cursor),
        )
        nan = float("nan")
        return after, StepReport(
            step=int(after.step),
            loss=float(np.mean(each)),
            loss_kind="measured, mean of the population",
            accuracy=float(np.mean(right)),
            learning_rate=nan,
            perturbation=float(strategy.sigma),
            gradient_snr=nan,
            clip_penalty=float(np.mean(beyond)),
            cosine=nan,
            measurements=after.measurements,
        )

    def _members(self, state: TrainerState) -> jax.Array:
        """Return the parameters (population, P) of this generation."""
        strategy = self._strategy(state.estimator.losses, int(state.step))
        return jnp.asarray(np.asarray(strategy.ask()), jnp.float32)

    def _strategy(self, told: NDArray[np.float64], generations: int) -> Any:
        """Return the strategy that has been told so many generations."""
        known, remembered = self._remembered
        if known > generations or not np.array_equal(remembered.told, told[:known], equal_nan=True):
            known, remembered = 0, self._begun()
        for each in told[known:generations]:
            remembered.strategy.tell(remembered.strategy.ask(), each.tolist())
        self._remembered = generations, remembered._replace(told=told[:generations].copy())
        return copy.deepcopy(remembered.strategy)

    def _begun(self) -> _Remembered:
        options = {
            "popsize": self.population,
            "randn": _Normal(self.seed),
            "seed": np.nan,  # NumPy's own generator is left alone
            "CMA_diagonal": len(self._start) > WHOLE_COVARIANCE,
            "verbose": -9,
        }
        strategy = cma.CMAEvolutionStrategy(self._start, self._size, options)
        return _Remembered(np.empty((0, self.population)), strategy)

    # -- pure functions, compiled --------------------------------------------------------------

    def _outputs(self, state: Any, members: jax.Array) -> tuple[View, tuple[jax.Array, ...]]:
        """Return what each member gives for the batch (population, batch, ...), pass by pass."""
        view = self._view(state)
        own: EvolutionState = view.state
        told = [copies_of(one.features, len(view.x), self.problem.shots) for one in own.answers]

        def member(flat: jax.Array, *features: jax.Array) -> tuple[jax.Array, ...]:
            network = eqx.combine(self._unravel(flat), self._static)
            given: tuple[jax.Array, ...] = jax.vmap(network)(view.x, *features)
            return given

        return view, jax.vmap(member)(members, *told)

    def _inputs_of_pure(self, state: Any, members: jax.Array) -> jax.Array:
        """Return (batch x shots x population, knobs), dithered alike."""
        view, given = self._outputs(state, members)
        inputs = self.problem.encoding.clip(given[-1])
        key = jax.random.fold_in(view.key, len(given))
        inputs = self.problem.encoding.dither(inputs, jax.random.uniform(key, inputs.shape[1:]))
        return jnp.moveaxis(inputs, 0, 2).reshape(-1, self.problem.knobs)

    def _judge_pure(self, state: Any, members: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return loss, accuracy and overshoot (population,) of each member."""
        view, (*raws, logits) = self._outputs(state, members)
        each = losses(logits, jnp.broadcast_to(view.y, logits.shape[:-1]))
        right = jnp.argmax(logits, axis=-1) == view.y
        beyond = sum(jnp.mean(self.problem.encoding.overshoot(raw), axis=-1) for raw in raws)
        return jnp.mean(each, axis=-1), jnp.mean(right, axis=-1), jnp.asarray(beyond)
