"""Perturbative gradient training: perturbation of a network's parameters, forward passes only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from magnon_lab.learning.directions import draw
from magnon_lab.learning.estimator import (
    Answer,
    Gradient,
    Problem,
    View,
    accuracy,
    losses,
    overshoot,
    partners,
    post_gradient,
)
from magnon_lab.learning.network import Network


@dataclass(frozen=True)
class WeightPerturbation:
    """Moves parameters at random and reads the loss (Abbott, Elo, Bozhko, arXiv 2506.04523).

    `what` "all": every parameter, nothing but forward passes. A direction moves both layers at
    once; with `post_count` the pre-layer moves by itself, and each measured pass is read again
    with the post-layer, which is digital, moved along `post_count` directions of its own: forward
    passes that cost no measurement. "pre": the pre-layer's parameters; the post-layer gets its
    exact gradient from the same traces.

    A small move of the parameters moves the ring's inputs by less than an instrument's step. So
    inputs are dithered, with one dither for all passes of a sample: averaged over dithers the
    realised move is the intended one and the estimate is unbiased. In each step the realised moves
    still differ from the intended ones, by the dither and by whatever the instruments did; that
    is taken out to first order with slopes fitted over the batch (`_adjusted`).
    """

    what: str = "all"
    directions: str = "rademacher"
    count: int = 1
    sides: int = 2
    size: float = 0.05
    size_decay: float = 0.0
    post_count: int = 0

    @property
    def loss_kind(self) -> str:
        """What the loss of a step was measured on."""
        return "measured, mean of perturbed" if self.sides == 2 else "measured unperturbed"

    @property
    def partners(self) -> int:
        """How many rows are compared with one another."""
        return partners(self.sides, self.count)

    def init(self, problem: Problem, network: Network) -> Any:
        """Return the empty state: directions come from the step's key."""
        return ()

    def stage(self, state: Any) -> int:
        """A step is one request."""
        return 0

    @property
    def _joint(self) -> bool:
        """Whether a direction moves both layers at once."""
        return self.what == "all" and self.post_count == 0

    def _size(self, view: View) -> jax.Array:
        return self.size / (view.step + 1.0) ** self.size_decay

    def _passes(self, view: View) -> tuple[Any, jax.Array]:
        """Return the network of each pass, stacked, and the directions (count, parameters)."""
        target = view.network if self._joint else view.network.blocks[0]
        arrays, rest = eqx.partition(target, eqx.is_inexact_array)
        flat, unravel = ravel_pytree(arrays)
        drawn = draw(self.directions, jax.random.split(view.key, 3)[0], self.count, flat.size)
        step = self._size(view) * drawn
        if self.sides == 2:
            moved = jnp.stack((flat + step, flat - step), axis=1).reshape(-1, flat.size)
        else:
            moved = jnp.concatenate((flat[None], flat + step))
        return eqx.combine(jax.vmap(unravel)(moved), rest), drawn

    def _raw(self, view: View, passes: Any) -> jax.Array:
        """Return the pre-layer's numbers (passes, batch, shots, knobs)."""
        pre = passes.blocks[0] if self._joint else passes
        raw: jax.Array = eqx.filter_vmap(lambda one: jax.vmap(one)(view.x))(pre)
        return raw

    def ask(self, problem: Problem, view: View, stage: int) -> jax.Array:
        """Return (batch x shots x passes, knobs); partners are neighbours, a base comes first."""
        passes, _ = self._passes(view)
        inputs = problem.encoding.clip(self._raw(view, passes))
        uniform = jax.random.uniform(jax.random.split(view.key, 3)[1], inputs.shape[1:])
        inputs = problem.encoding.dither(inputs, uniform)
        return jnp.moveaxis(inputs, 0, 2).reshape(-1, problem.knobs)

    def tell(
        self, problem: Problem, view: View, answer: Answer, stage: int
    ) -> tuple[Any, Gradient]:
        """Return the gradient from the changes of the loss along the directions."""
        batch, shots = view.x.shape[0], problem.shots
        passes, drawn = self._passes(view)
        raw = self._raw(view, passes)
        by_pass = answer.features.reshape(batch, shots, -1, problem.bins)
        features = jnp.moveaxis(by_pass, 2, 0)
        realised = jnp.moveaxis(answer.inputs.reshape(batch, shots, -1, problem.knobs), 2, 0)
        of_post: Network | None = None
        if self._joint:
            logits = eqx.filter_vmap(lambda post, one: jax.vmap(post)(one))(
                passes.blocks[-1], features
            )
            each = losses(logits, jnp.broadcast_to(view.y, logits.shape[:-1]))
        elif self.what == "all":
            of_post, each, logits = self._read_again(view, features)
        else:
            of_post, each, logits = post_gradient(view.network, features, view.y)
        whole = each + problem.penalty * problem.encoding.overshoot(raw)
        changes, spread = self._adjusted(
            self._changes(whole),
            self._changes(realised),
            self._changes(problem.encoding.clip(raw)),
        )
        along = changes / (self.sides * self._size(view))
        flat = along @ drawn / self.count
        target = view.network if self._joint else view.network.blocks[0]
        gradient = ravel_pytree(eqx.filter(target, eqx.is_inexact_array))[1](flat)
        if of_post is not None:
            gradient = eqx.tree_at(lambda net: net.blocks[0], of_post, gradient)
        base = slice(None) if self.sides == 2 else slice(0, 1)
        report = Gradient(
            gradient,
            jnp.mean(each[base]),
            accuracy(logits[base], view.y),
            self._snr(changes, spread, flat.size),
            overshoot(problem, view.network, view.x),
            self._size(view),
        )
        return view.state, report

    def _read_again(self, view: View, features: jax.Array) -> tuple[Network, jax.Array, jax.Array]:
        """Return the post-layer's gradient from forward passes alone; see `post_gradient`."""
        post = view.network.blocks[-1]
        arrays, rest = eqx.partition(post, eqx.is_inexact_array)
        flat, unravel = ravel_pytree(arrays)
        key = jax.random.split(view.key, 3)[2]
        drawn = draw(self.directions, key, self.post_count, flat.size)

        def read(parameters: jax.Array) -> tuple[jax.Array, jax.Array]:
            moved = eqx.combine(unravel(parameters), rest)
            logits = jax.vmap(jax.vmap(moved))(features)
            return losses(logits, jnp.broadcast_to(view.y, logits.shape[:-1])), logits

        def change(direction: jax.Array) -> jax.Array:
            step = self._size(view) * direction
            return jnp.mean(read(flat + step)[0] - read(flat - step)[0])

        along = jax.vmap(change)(drawn) / (2.0 * self._size(view))
        zeros = jax.tree.map(jnp.zeros_like, eqx.filter(view.network, eqx.is_inexact_array))
        gradient: Network = eqx.tree_at(
            lambda net: net.blocks[-1], zeros, unravel(along @ drawn / self.post_count)
        )
        return gradient, *read(flat)

    def _changes(self, passes: jax.Array) -> jax.Array:
        """Return plus less minus of each direction, or each partner less the base: (count, ...)."""
        return passes[0::2] - passes[1::2] if self.sides == 2 else passes[1:] - passes[:1]

    @staticmethod
    def _adjusted(
        changes: jax.Array, realised: jax.Array, intended: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Return each direction's mean change (count,) had the intended moves been made.

        changes (count, batch); moves (count, batch, shots, knobs). A regression estimator: slopes
        common to the batch are fitted on the realised moves, and the mean difference between
        realised and intended moves is taken out with them, in so far as the fit explains the
        changes (its adjusted R^2): where samples have slopes of their own that cancel, the dither
        alone keeps the estimate unbiased, and a fit would only add noise. Also returned: the
        variance of that mean over samples (count,).
        """
        count, batch = changes.shape
        moves = realised.reshape(count, batch, -1)
        error = moves - intended.reshape(count, batch, -1)
        inputs = moves.shape[-1]
        centred = (moves - jnp.mean(moves, axis=1, keepdims=True)).reshape(-1, inputs)
        middle = changes - jnp.mean(changes, axis=1, keepdims=True)
        target = middle.reshape(-1)
        gram = centred.T @ centred
        ridge = 1e-4 * jnp.trace(gram) / inputs + 1e-12
        fitted = jnp.linalg.solve(gram + ridge * jnp.eye(inputs), centred.T @ target)
        power = jnp.sum(jnp.square(target))
        explained = 1.0 - jnp.sum(jnp.square(target - centred @ fitted)) / (power + 1e-30)
        free = max(count * (batch - 1) - inputs, 0)
        adjusted = 1.0 - (1.0 - explained) * (count * (batch - 1)) / max(free, 1)
        trust = jnp.where(free > 0, jnp.clip(adjusted, 0.0) / jnp.maximum(explained, 1e-6), 0.0)
        mean = jnp.mean(changes, axis=1) - trust * (jnp.mean(error, axis=1) @ fitted)
        spread = jnp.sum(jnp.square(middle), axis=1) / max(batch - 1, 1) / batch
        return mean, spread

    def _snr(self, changes: jax.Array, spread: jax.Array, parameters: int) -> jax.Array:
        """Return the power of the true gradient over that of the estimate's error, both estimated.

        A direction's slope has the gradient's power plus noise; N directions in P parameters add
        the error (P - 1)/N of that power and P/N of the noise's.
        """
        noise = jnp.mean(spread)
        signal = jnp.mean(jnp.square(changes)) - noise
        error = ((parameters - 1) * jnp.maximum(signal, 0.0) + parameters * noise) / self.count
        return signal / jnp.maximum(error, 1e-30)
