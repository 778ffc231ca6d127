"""Gradients that a twin takes part in, step by step: its own, and its own set right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from magnon_lab.learning.estimator import Answer, Gradient, Problem, View
from magnon_lab.learning.inputs import TracePerturbation, through_model, unperturbed
from magnon_lab.learning.twin import Twin, TwinState

EARLY, LATE = 30, 3
"""Adam steps on the twin's evidence after each of the first steps, and after each later one."""

FIRST_STEPS = 5

EVIDENCE_ROWS = 128
"""Rows that the evidence is told by."""


class Online(NamedTuple):
    """The twin, and what was measured so far in the passes of a step."""

    twin: TwinState
    answers: tuple[Answer, ...]


def _twin(problem: Problem, capacity: int) -> Twin:
    return Twin(problem.knobs, problem.bins, capacity, span=capacity)


def _learnt(twin: Twin, view: View, answers: tuple[Answer, ...]) -> TwinState:
    """Return the twin with all that was measured in this step."""
    state = view.state.twin
    for one in answers:
        state = twin.add(state, one.inputs, one.features, one.numbers)
    steps = jnp.where(view.step < FIRST_STEPS, EARLY, LATE)
    return twin.tuned(state, jax.random.fold_in(view.key, 1000), steps, EVIDENCE_ROWS)


@dataclass(frozen=True)
class TwinGradient:
    """Forward through the ring, backward through a twin fitted to all that was measured so far.

    Physics-aware training (Wright et al., Deep physical neural networks trained with
    backpropagation, Nature 601, 549 (2022)) with a twin that is learnt on the way. Its slopes are
    taken at what was measured; they are wrong where the twin is. It keeps the newest `capacity`
    measurements.
    """

    capacity: int = 2048
    loss_kind: str = "measured unperturbed"
    partners: int = 1

    def init(self, problem: Problem, network: Any) -> Online:
        """Return a twin that has seen nothing."""
        return Online(_twin(problem, self.capacity).init(), ())

    def stage(self, state: Online) -> int:
        """A step takes a request for each ring pass."""
        return len(state.answers)

    def ask(self, problem: Problem, view: View, stage: int) -> jax.Array:
        """Return (batch x shots, knobs), stepped knobs dithered."""
        return unperturbed(problem, view, view.state.answers)

    def tell(
        self, problem: Problem, view: View, answer: Answer, stage: int
    ) -> tuple[Online, Gradient | None]:
        """Return the gradient through the twin that has learnt this step's answers."""
        answers = (*view.state.answers, answer)
        if len(answers) < view.network.passes:
            return view.state._replace(answers=answers), None
        learner = _twin(problem, self.capacity)
        twin = _learnt(learner, view, answers)
        posterior = learner.posterior(twin, answer.numbers[-1])
        gradient = through_model(problem, view, answers, lambda rows, _: posterior.mean(rows))
        return Online(twin, ()), gradient


@dataclass(frozen=True)
class TwinSetRight(TracePerturbation):
    """The twin's gradient plus the measured estimate of what it is wrong by: a control variate.

    Unbiased for any twin, to the order of the size squared: the twin that is used knows nothing of
    this step's measurements, so their noise is not in its slopes. A good twin leaves little to be
    estimated, and takes the variance of the random directions away. It keeps the newest `capacity`
    measurements.
    """

    capacity: int = 2048

    def init(self, problem: Problem, network: Any) -> Online:
        """Return a twin that has seen nothing."""
        return Online(_twin(problem, self.capacity).init(), ())

    def stage(self, state: Online) -> int:
        """A step takes a request for each ring pass."""
        return len(state.answers)

    def ask(self, problem: Problem, view: View, stage: int) -> jax.Array:
        """Return (batch x shots x copies, knobs); partners are neighbours, a base comes first."""
        return super().ask(problem, view._replace(state=view.state.answers), stage)

    def tell(
        self, problem: Problem, view: View, answer: Answer, stage: int
    ) -> tuple[Online, Gradient | None]:
        """Return the gradient, and the twin that has learnt this step's answers."""
        answers = (*view.state.answers, answer)
        if len(answers) < view.network.passes:
            return view.state._replace(answers=answers), None
        learner = _twin(problem, self.capacity)
        posterior = learner.posterior(view.state.twin, answer.numbers[0])
        gradient = self.combined(problem, view, answers, posterior.mean)
        return Online(_learnt(learner, view, answers), ()), gradient
