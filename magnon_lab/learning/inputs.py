"""Perturbation of the ring's inputs, and the exact gradient through a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from magnon_lab.learning.directions import draw_each, slopes
from magnon_lab.learning.estimator import (
    Answer,
    Gradient,
    Problem,
    View,
    accuracy,
    add,
    losses,
    overshoot,
    partners,
    post_gradient,
    pull_back,
)


@dataclass(frozen=True)
class InputPerturbation:
    """Moves the ring's inputs, each sample in its own directions; exact in the digital blocks.

    With `read` "loss" a direction yields one number a sample, the change of its loss. With
    "trace" the change of each whole trace is projected on the post-layer's exact slope, so that in
    a memoryless reservoir each shot yields a number of its own. Slopes are those of the realised
    moves. `size` is half the distance between partners (two-sided) or the whole (one-sided).
    """

    read: str = "loss"
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

    def init(self, problem: Problem, network: Any) -> Any:
        """Return the empty state: directions come from the step's key."""
        return ()

    def stage(self, state: Any) -> int:
        """A step is one request."""
        return 0

    def _size(self, view: View) -> jax.Array:
        return self.size / (view.step + 1.0) ** self.size_decay

    def ask(self, problem: Problem, view: View, stage: int) -> jax.Array:
        """Return (batch x shots x passes, knobs); partners are neighbours, a base comes first."""
        batch, shots, knobs = view.x.shape[0], problem.shots, problem.knobs
        draw_key, move_key, dither_key = jax.random.split(view.key, 3)
        if self.read == "trace" and problem.memoryless:
            signs = draw_each(self.directions, draw_key, (batch, shots), self.count, knobs)
        else:
            signs = draw_each(self.directions, draw_key, (batch,), self.count, shots * knobs)
            signs = jnp.swapaxes(signs.reshape(batch, self.count, shots, knobs), 1, 2)
        inputs = problem.encoding.clip(jax.vmap(view.network.pre)(view.x))
        uniform = jax.random.uniform(dither_key, inputs.shape)
        moves = problem.encoding.moves(
            self.sides * self._size(view) * signs, move_key, whole=self.directions != "gaussian"
        )
        if self.sides == 2:
            plus, minus = problem.encoding.pair(inputs, moves, uniform)
            passes = jnp.stack((plus, minus), axis=-2).reshape(batch, shots, -1, knobs)
        else:
            base, partners = problem.encoding.fan(inputs, moves, uniform)
            passes = jnp.concatenate((base[..., None, :], partners), axis=-2)
        return passes.reshape(-1, knobs)

    def tell(
        self, problem: Problem, view: View, answer: Answer, stage: int
    ) -> tuple[Any, Gradient]:
        """Return the gradient from the realised moves and what they changed."""
        batch, shots, knobs = view.x.shape[0], problem.shots, problem.knobs
        inputs = answer.inputs.reshape(batch, shots, -1, knobs)
        features = answer.features.reshape(batch, shots, -1, problem.bins)
        moves = _differences(inputs, self.sides, axis=2)
        by_pass = jnp.moveaxis(features, 2, 0)
        if self.read == "loss":
            of_post, each, logits = post_gradient(view.network, by_pass, view.y)
            changes = _differences(each.T, self.sides, axis=1)[:, None]
        else:
            middle = jnp.mean(by_pass, axis=0) if self.sides == 2 else by_pass[0]
            of_post, each, logits = post_gradient(view.network, middle[None], view.y)
            downhill = _feature_slopes(view, middle)
            changes = jnp.einsum(
                "bsdf,bsf->bsd", _differences(features, self.sides, axis=2), downhill
            )
            if not problem.memoryless:
                changes = jnp.sum(changes, axis=1, keepdims=True)
        by_input = self._slopes(moves, changes)
        of_pre, snr = pull_back(problem, view.network, view.x, by_input)
        base = slice(None) if self.sides == 2 else slice(0, 1)
        gradient = Gradient(
            add(of_pre, of_post),
            jnp.mean(each[base]),
            accuracy(logits[base], view.y),
            snr,
            overshoot(problem, view.network, view.x),
            self._size(view),
        )
        return view.state, gradient

    def _slopes(self, moves: jax.Array, changes: jax.Array) -> jax.Array:
        """Return slopes (batch, shots, knobs) of moves (batch, shots, directions, knobs).

        changes (batch, shots or 1, directions): 1 where all shots moved one number together.
        """
        if changes.shape[1] == moves.shape[1]:
            return slopes(self.directions, moves, changes)
        batch, shots, count, knobs = moves.shape
        together = jnp.swapaxes(moves, 1, 2).reshape(batch, count, shots * knobs)
        return slopes(self.directions, together, changes[:, 0]).reshape(batch, shots, knobs)


def _differences(passes: jax.Array, sides: int, axis: int) -> jax.Array:
    """Return plus less minus of each direction, or each partner less the base, along `axis`."""
    passes = jnp.moveaxis(passes, axis, 0)
    difference = passes[0::2] - passes[1::2] if sides == 2 else passes[1:] - passes[:1]
    return jnp.moveaxis(difference, 0, axis)


def _feature_slopes(view: View, features: jax.Array) -> jax.Array:
    """Return the slope (batch, shots, bins) of each sample's loss with respect to its features."""

    def loss(one: jax.Array, y: jax.Array) -> jax.Array:
        return losses(view.network.post(one), y)

    each: jax.Array = jax.vmap(jax.grad(loss))(features, view.y)
    return each


@dataclass(frozen=True)
class ExactGradient:
    """Backpropagation through a differentiable model at what was measured: the upper bound."""

    loss_kind: str = "measured unperturbed"
    partners: int = 1

    def init(self, problem: Problem, network: Any) -> Any:
        """Return the empty state."""
        return ()

    def stage(self, state: Any) -> int:
        """A step is one request."""
        return 0

    def ask(self, problem: Problem, view: View, stage: int) -> jax.Array:
        """Return (batch x shots, knobs), stepped knobs dithered."""
        inputs = problem.encoding.clip(jax.vmap(view.network.pre)(view.x))
        uniform = jax.random.uniform(view.key, inputs.shape)
        return problem.encoding.dither(inputs, uniform).reshape(-1, problem.knobs)

    def tell(
        self, problem: Problem, view: View, answer: Answer, stage: int
    ) -> tuple[Any, Gradient]:
        """Return the gradient; the model's slopes are taken at the realised inputs."""
        if view.model is None:
            raise ValueError("the estimator 'exact' needs a differentiable reservoir, in silico")
        batch = view.x.shape[0]
        features = answer.features.reshape(batch, problem.shots, problem.bins)
        of_post, each, logits = post_gradient(view.network, features[None], view.y)
        downhill = _feature_slopes(view, features).reshape(-1, problem.bins)
        model = view.model
        _, backward = jax.vjp(lambda inputs: model(inputs, answer.numbers), answer.inputs)
        (by_input,) = backward(downhill)
        of_pre, snr = pull_back(
            problem, view.network, view.x, by_input.reshape(batch, problem.shots, problem.knobs)
        )
        gradient = Gradient(
            add(of_pre, of_post),
            jnp.mean(each),
            accuracy(logits[0], view.y),
            snr,
            overshoot(problem, view.network, view.x),
            jnp.asarray(jnp.nan),
        )
        return view.state, gradient
