"""Perturbation of the ring's inputs, and the exact gradient through a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from magnon_lab.learning.adapting import clarity, last_slopes, noise_power
from magnon_lab.learning.directions import draw_each, slopes
from magnon_lab.learning.estimator import (
    Answer,
    Differentiated,
    Gradient,
    Problem,
    View,
    accuracy,
    chain,
    copies_of,
    differentiate,
    losses,
    outputs,
    partners,
)


@dataclass(frozen=True)
class _Moving:
    """What all perturbations of the ring's inputs have in common.

    `size` is half the distance between partners (two-sided) or the whole (one-sided). Slopes are
    those of the realised moves. The state is what was measured so far in the passes of a step.
    """

    directions: str = "rademacher"
    count: int = 1
    sides: int = 2
    size: float = 0.1
    size_decay: float = 0.0

    @property
    def loss_kind(self) -> str:
        """What the loss of a step was measured on."""
        return "measured, mean of perturbed" if self.sides == 2 else "measured at the base"

    @property
    def partners(self) -> int:
        """How many rows are compared with one another."""
        return partners(self.sides, self.count)

    @property
    def _copies(self) -> int:
        return self.sides * self.count if self.sides == 2 else self.count + 1

    def init(self, problem: Problem, network: Any) -> Any:
        """Return the empty state: directions come from the step's key."""
        return ()

    def stage(self, state: Any) -> int:
        """A step takes a request for each ring pass."""
        return len(state)

    def _size(self, view: View) -> jax.Array:
        return self.size * view.factor / (view.step + 1.0) ** self.size_decay

    def _moved(
        self, problem: Problem, view: View, own: jax.Array, signs: jax.Array, stage: int
    ) -> jax.Array:
        """Return the request for copies of own (batch, shots, copies or 1, knobs), neighbours."""
        _, move_key, dither_key = jax.random.split(jax.random.fold_in(view.key, stage), 3)
        moves = problem.encoding.moves(
            self.sides * self._size(view) * signs, move_key, whole=self.directions != "gaussian"
        )
        uniform = jax.random.uniform(dither_key, own[..., 0, :].shape)
        return problem.encoding.around(own, moves, uniform, self.sides).reshape(-1, problem.knobs)

    def _gradient(self, view: View, told: Differentiated, clear: jax.Array) -> Gradient:
        base = slice(None) if self.sides == 2 else slice(0, 1)
        return Gradient(
            told.network,
            jnp.mean(told.each[base]),
            accuracy(told.logits[base], view.y),
            told.snr,
            told.overshoot,
            self._size(view),
            clear,
        )


@dataclass(frozen=True)
class InputPerturbation(_Moving):
    """Moves the ring's inputs, each sample in its own directions, and reads each sample's loss.

    Exact in the digital blocks. The inputs of all ring passes move at once. In a later pass only
    what is put in there counts as its move, not what came through the ring from the pass before.
    """

    def ask(self, problem: Problem, view: View, stage: int) -> jax.Array:
        """Return (batch x shots x copies, knobs); partners are neighbours, a base comes first."""
        passes, shots, knobs = view.network.passes, problem.shots, problem.knobs
        signs = draw_each(
            self.directions, view.key, (len(view.x),), self.count, passes * shots * knobs
        ).reshape(len(view.x), self.count, passes, shots, knobs)
        signs = jnp.swapaxes(signs[:, :, stage], 1, 2)
        own = self._own(problem, view, view.state)[stage]
        return self._moved(problem, view, own, signs, stage)

    def _own(
        self, problem: Problem, view: View, answers: tuple[Answer, ...]
    ) -> tuple[jax.Array, ...]:
        """Return each pass's inputs before they are moved, (batch, shots, copies, knobs)."""
        features = [copies_of(answer.features, len(view.x), problem.shots) for answer in answers]
        raws = outputs(view.network, view.x, features, self._copies)[: view.network.passes]
        return tuple(jnp.moveaxis(problem.encoding.clip(raw), 0, 2) for raw in raws)

    def tell(
        self, problem: Problem, view: View, answer: Answer, stage: int
    ) -> tuple[Any, Gradient | None]:
        """Return the gradient from the realised moves and what they changed."""
        answers = (*view.state, answer)
        if len(answers) < view.network.passes:
            return answers, None
        batch, shots, knobs = len(view.x), problem.shots, problem.knobs
        features = tuple(copies_of(one.features, batch, shots) for one in answers)
        logits = outputs(view.network, view.x, features, self._copies)[-1]
        each = losses(logits, jnp.broadcast_to(view.y, logits.shape[:-1]))
        made = [
            one.inputs.reshape(batch, shots, -1, knobs) - own
            for one, own in zip(answers, self._own(problem, view, answers), strict=True)
        ]
        moves = jnp.concatenate([_differences(one, self.sides, axis=2) for one in made], axis=1)
        together = jnp.swapaxes(moves, 1, 2).reshape(batch, self.count, -1)
        changes = _differences(each.T, self.sides, axis=1)
        by_input = slopes(self.directions, together, changes)
        middle = tuple(jnp.mean(one, axis=0) for one in features)
        noise = jnp.sum(noise_power(view, middle), axis=1)
        by_pass = jnp.moveaxis(by_input.reshape(batch, len(answers), shots, knobs), 1, 0)
        told = differentiate(problem, view, features, tuple(by_pass))
        return (), self._gradient(view, told, clarity(changes, noise))


@dataclass(frozen=True)
class TracePerturbation(_Moving):
    """Moves the ring's inputs and reads whole traces; exact in the digital blocks.

    The change of each trace is projected on the exact slope of what follows it, so that in a
    memoryless reservoir each shot yields a number of its own. Each ring pass has its slopes
    measured about its own base.
    """

    def ask(self, problem: Problem, view: View, stage: int) -> jax.Array:
        """Return (batch x shots x copies, knobs); partners are neighbours, a base comes first."""
        batch, shots, knobs = len(view.x), problem.shots, problem.knobs
        key = jax.random.split(jax.random.fold_in(view.key, stage), 3)[0]
        if problem.memoryless:
            signs = draw_each(self.directions, key, (batch, shots), self.count, knobs)
        else:
            signs = draw_each(self.directions, key, (batch,), self.count, shots * knobs)
            signs = jnp.swapaxes(signs.reshape(batch, self.count, shots, knobs), 1, 2)
        bases = [self._base(problem, view, one) for one in view.state]
        own = problem.encoding.clip(jax.vmap(view.network)(view.x, *bases)[stage])
        return self._moved(problem, view, own[:, :, None], signs, stage)

    def _base(self, problem: Problem, view: View, answer: Answer) -> jax.Array:
        """Return the features (batch, shots, bins) that a pass hands on."""
        features = copies_of(answer.features, len(view.x), problem.shots)
        return jnp.mean(features, axis=0) if self.sides == 2 else features[0]

    def tell(
        self, problem: Problem, view: View, answer: Answer, stage: int
    ) -> tuple[Any, Gradient | None]:
        """Return the gradient from the realised moves and what they changed."""
        answers = (*view.state, answer)
        if len(answers) < view.network.passes:
            return answers, None
        return (), self.combined(problem, view, answers)

    def combined(
        self,
        problem: Problem,
        view: View,
        answers: tuple[Answer, ...],
        beside: Callable[[jax.Array], jax.Array] | None = None,
    ) -> Gradient:
        """Return the gradient from the answers of all passes.

        `beside` takes inputs (n, knobs) to features (n, bins), a model of the ring: its own slopes
        are used, and what was measured only tells how far they are wrong.
        """
        batch, shots = len(view.x), problem.shots

        def backward(index: int, downhill: jax.Array) -> jax.Array:
            one = answers[index]
            inputs = one.inputs.reshape(batch, shots, -1, problem.knobs)
            features = one.features.reshape(batch, shots, -1, problem.bins)
            if beside is not None:
                features = features - beside(one.inputs).reshape(features.shape)
                found = measured(inputs, features, downhill)
                base = jnp.mean(inputs, axis=2) if self.sides == 2 else inputs[:, :, 0]
                return found + slopes_of(beside, base, downhill)
            return measured(inputs, features, downhill)

        def measured(inputs: jax.Array, features: jax.Array, downhill: jax.Array) -> jax.Array:
            moves = _differences(inputs, self.sides, axis=2)
            changes = jnp.einsum(
                "bsdf,bsf->bsd", _differences(features, self.sides, axis=2), downhill
            )
            if problem.memoryless:
                return slopes(self.directions, moves, changes)
            # All shots moved together, and what each trace tells is of all of them.
            together = jnp.swapaxes(moves, 1, 2).reshape(batch, self.count, -1)
            found = slopes(self.directions, together, jnp.sum(changes, axis=1))
            return found.reshape(batch, shots, problem.knobs)

        bases = tuple(self._base(problem, view, one) for one in answers)
        by_pass = chain(problem, view, bases, backward)
        told = differentiate(problem, view, tuple(one[None] for one in bases), by_pass)
        return self._gradient(view, told, self._clarity(problem, view, answers[-1], bases))

    def _clarity(
        self, problem: Problem, view: View, answer: Answer, bases: tuple[jax.Array, ...]
    ) -> jax.Array:
        """Return how far the changes of the last pass's traces stand out of their noise.

        They are read along each sample's slope, shot by shot, as the gradient reads them.
        """
        downhill = last_slopes(view, bases)
        rows = answer.features.reshape(len(view.x), problem.shots, -1, problem.bins)
        apart = _differences(rows, self.sides, axis=2)
        changes = jnp.einsum("bsdf,bsf->bsd", apart, downhill)
        return clarity(changes, noise_power(view, bases))


def slopes_of(
    model: Callable[[jax.Array], jax.Array], inputs: jax.Array, downhill: jax.Array
) -> jax.Array:
    """Return the slopes (batch, shots, knobs) that a model of the ring gives at inputs.

    inputs (batch, shots, knobs); downhill (batch, shots, bins), the slope of each sample's loss
    with respect to its features.
    """
    _, pull = jax.vjp(model, inputs.reshape(-1, inputs.shape[-1]))
    (found,) = pull(downhill.reshape(-1, downhill.shape[-1]))
    by_input: jax.Array = found.reshape(inputs.shape)
    return by_input


def _differences(copies: jax.Array, sides: int, axis: int) -> jax.Array:
    """Return plus less minus of each direction, or each partner less the base, along `axis`."""
    copies = jnp.moveaxis(copies, axis, 0)
    difference = copies[0::2] - copies[1::2] if sides == 2 else copies[1:] - copies[:1]
    return jnp.moveaxis(difference, 0, axis)


@dataclass(frozen=True)
class ExactGradient:
    """Backpropagation through a differentiable model at what was measured: the upper bound.

    The state is what was measured so far in the passes of a step.
    """

    loss_kind: str = "measured unperturbed"
    partners: int = 1

    def init(self, problem: Problem, network: Any) -> Any:
        """Return the empty state."""
        return ()

    def stage(self, state: Any) -> int:
        """A step takes a request for each ring pass."""
        return len(state)

    def ask(self, problem: Problem, view: View, stage: int) -> jax.Array:
        """Return (batch x shots, knobs), stepped knobs dithered."""
        return unperturbed(problem, view, view.state)

    def tell(
        self, problem: Problem, view: View, answer: Answer, stage: int
    ) -> tuple[Any, Gradient | None]:
        """Return the gradient; the model's slopes are taken at the realised inputs."""
        answers = (*view.state, answer)
        if len(answers) < view.network.passes:
            return answers, None
        if view.model is None:
            raise ValueError("the estimator 'exact' needs a differentiable reservoir, in silico")
        model = view.model
        return (), through_model(
            problem, view, answers, lambda inputs, one: model(inputs, one.numbers)
        )


def through_model(
    problem: Problem,
    view: View,
    answers: tuple[Answer, ...],
    model: Callable[[jax.Array, Answer], jax.Array],
) -> Gradient:
    """Return the gradient with features as measured and slopes of a model, at the realised inputs.

    `model` takes inputs (n, knobs), and the answer that they belong to, to features (n, bins).
    """
    batch, shots = len(view.x), problem.shots

    def backward(index: int, downhill: jax.Array) -> jax.Array:
        one = answers[index]
        inputs = one.inputs.reshape(batch, shots, problem.knobs)
        return slopes_of(lambda rows: model(rows, one), inputs, downhill)

    features = tuple(one.features.reshape(batch, shots, -1) for one in answers)
    by_pass = chain(problem, view, features, backward)
    told = differentiate(problem, view, tuple(one[None] for one in features), by_pass)
    return Gradient(
        told.network,
        jnp.mean(told.each),
        accuracy(told.logits, view.y),
        told.snr,
        told.overshoot,
        jnp.asarray(jnp.nan),
    )


def unperturbed(problem: Problem, view: View, answers: tuple[Answer, ...]) -> jax.Array:
    """Return the inputs (batch x shots, knobs) of the pass after `answers`, nothing moved.

    Stepped knobs are dithered, each pass by a key of its own.
    """
    features = [one.features.reshape(len(view.x), problem.shots, -1) for one in answers]
    raw = jax.vmap(view.network)(view.x, *features)[len(answers)]
    inputs = problem.encoding.clip(raw)
    uniform = jax.random.uniform(jax.random.fold_in(view.key, len(answers)), inputs.shape)
    return problem.encoding.dither(inputs, uniform).reshape(-1, problem.knobs)


def cosine_to_exact(
    problem: Problem, view: View, gradient: Gradient, numbers: jax.Array
) -> jax.Array:
    """Return the cosine between a gradient and the exact one, before the last ring pass.

    `numbers` key the noise of the passes that the exact one is taken at, in the model.
    """
    exact, truth = ExactGradient(), None
    view = view._replace(state=())
    model = view.model
    assert model is not None
    while truth is None:
        inputs = unperturbed(problem, view, view.state)
        number = numbers[: len(inputs)]
        answer = Answer(inputs, model(inputs, number), number)
        state, truth = exact.tell(problem, view, answer, len(view.state))
        view = view._replace(state=state)
    first, second = (
        jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(one.network.blocks[:-1])])
        for one in (gradient, truth)
    )
    norms = jnp.linalg.norm(first) * jnp.linalg.norm(second)
    return first @ second / jnp.maximum(norms, 1e-30)
