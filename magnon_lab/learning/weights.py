"""Perturbative gradient training: perturbation of a network's parameters, forward passes only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from magnon_lab.learning.adapting import clarity, noise_power
from magnon_lab.learning.directions import draw
from magnon_lab.learning.estimator import (
    Answer,
    Gradient,
    Problem,
    View,
    accuracy,
    copies_of,
    losses,
    outputs,
    partners,
)
from magnon_lab.learning.network import Network


@dataclass(frozen=True)
class WeightPerturbation:
    """Moves parameters at random and reads the loss (Abbott, Elo, Bozhko, arXiv 2506.04523).

    `what` "all": every parameter, nothing but forward passes. A direction moves all blocks at
    once; with `post_count` the blocks before the last ring pass move by themselves, and what is
    measured is read again with the post-layer, which is digital, moved along `post_count`
    directions of its own: forward passes that cost no measurement. "pre": the parameters before
    the last ring pass; the post-layer gets its exact gradient from the same traces.

    A small move of the parameters moves the ring's inputs by less than an instrument's step. So
    inputs are dithered, with one dither for all copies of a sample: averaged over dithers the
    realised move is the intended one and the estimate is unbiased. In each step the realised moves
    still differ from the intended ones, by the dither and by whatever the instruments did; that
    is taken out to first order with slopes fitted over the batch (`_adjusted`). The state is what
    was measured so far in the passes of a step.
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
        """A step takes a request for each ring pass."""
        return len(state)

    @property
    def _joint(self) -> bool:
        """Whether a direction moves all blocks at once."""
        return self.what == "all" and self.post_count == 0

    def _size(self, view: View) -> jax.Array:
        return self.size * view.factor / (view.step + 1.0) ** self.size_decay

    def _target(self, network: Network) -> Any:
        """Return what a direction moves."""
        return network if self._joint else network.blocks[:-1]

    def _copies(self, view: View) -> tuple[jax.Array, jax.Array, Callable[[jax.Array], Network]]:
        """Return the moved parameters (copies, P), the directions (count, P), and a network's."""
        arrays, rest = eqx.partition(self._target(view.network), eqx.is_inexact_array)
        flat, unravel = ravel_pytree(arrays)
        drawn = draw(self.directions, jax.random.split(view.key, 3)[0], self.count, flat.size)
        step = self._size(view) * drawn
        if self.sides == 2:
            moved = jnp.stack((flat + step, flat - step), axis=1).reshape(-1, flat.size)
        else:
            moved = jnp.concatenate((flat[None], flat + step))

        def network(parameters: jax.Array) -> Network:
            target = eqx.combine(unravel(parameters), rest)
            if self._joint:
                whole: Network = target
                return whole
            return _with_blocks(view.network, (*target, view.network.blocks[-1]))

        return moved, drawn, network

    def _outputs(
        self, view: View, features: list[jax.Array], last: eqx.Module | None = None
    ) -> tuple[jax.Array, ...]:
        """Return what the blocks give for each copy, with the last block in place of theirs."""
        moved, _, network = self._copies(view)

        def copy(parameters: jax.Array, *told: jax.Array) -> tuple[jax.Array, ...]:
            one = network(parameters)
            if last is not None:
                one = _with_blocks(one, (*one.blocks[:-1], last))
            each: tuple[jax.Array, ...] = jax.vmap(one)(view.x, *told)
            return each

        return jax.vmap(copy)(moved, *features)

    def ask(self, problem: Problem, view: View, stage: int) -> jax.Array:
        """Return (batch x shots x copies, knobs); partners are neighbours, a base comes first."""
        features = [copies_of(one.features, len(view.x), problem.shots) for one in view.state]
        inputs = problem.encoding.clip(self._outputs(view, features)[stage])
        key = jax.random.fold_in(jax.random.split(view.key, 3)[1], stage)
        uniform = jax.random.uniform(key, inputs.shape[1:])
        inputs = problem.encoding.dither(inputs, uniform)
        return jnp.moveaxis(inputs, 0, 2).reshape(-1, problem.knobs)

    def tell(
        self, problem: Problem, view: View, answer: Answer, stage: int
    ) -> tuple[Any, Gradient | None]:
        """Return the gradient from the changes of the loss along the directions."""
        answers = (*view.state, answer)
        if len(answers) < view.network.passes:
            return answers, None
        features = [copies_of(one.features, len(view.x), problem.shots) for one in answers]
        *raws, logits = self._outputs(view, features)
        each = losses(logits, jnp.broadcast_to(view.y, logits.shape[:-1]))
        whole = each + problem.penalty * sum(problem.encoding.overshoot(raw) for raw in raws)
        realised: list[jax.Array] = []
        intended: list[jax.Array] = []
        for one, raw in zip(answers, raws, strict=True):
            made = self._changes(copies_of(one.inputs, len(view.x), problem.shots))
            meant = self._changes(problem.encoding.clip(raw))
            # What an earlier pass did to the inputs of a later one is in `meant` already.
            realised.append(made - meant if realised else made)
            intended.append(jnp.zeros_like(meant) if intended else meant)
        changes, spread = self._adjusted(
            self._changes(whole),
            jnp.concatenate(realised, axis=2),
            jnp.concatenate(intended, axis=2),
        )
        _, drawn, _ = self._copies(view)
        along = changes / (self.sides * self._size(view))
        target, unravel = ravel_pytree(eqx.filter(self._target(view.network), eqx.is_inexact_array))
        gradient = unravel(along @ drawn / self.count)
        if not self._joint:
            of_post = self._of_post(view, features)
            zeros = jax.tree.map(jnp.zeros_like, eqx.filter(view.network, eqx.is_inexact_array))
            gradient = _with_blocks(zeros, (*gradient, of_post))
        base = slice(None) if self.sides == 2 else slice(0, 1)
        beyond = outputs(view.network, view.x, features, len(features[0]))[:-1]
        middle = tuple(jnp.mean(one, axis=0) for one in features)
        report = Gradient(
            gradient,
            jnp.mean(each[base]),
            accuracy(logits[base], view.y),
            self._snr(changes, spread, target.size),
            jnp.mean(jnp.stack([problem.encoding.overshoot(raw) for raw in beyond])),
            self._size(view),
            clarity(changes, jnp.sum(noise_power(view, middle)) / len(view.x) ** 2),
        )
        return (), report

    def _of_post(self, view: View, features: list[jax.Array]) -> Any:
        """Return the last block's gradient: exact, or with `what` "all" from forward passes."""

        def read(last: eqx.Module) -> jax.Array:
            logits = self._outputs(view, features, last)[-1]
            return jnp.mean(losses(logits, jnp.broadcast_to(view.y, logits.shape[:-1])))

        last = view.network.blocks[-1]
        if self.what == "pre":
            return eqx.filter_grad(read)(last)
        arrays, rest = eqx.partition(last, eqx.is_inexact_array)
        flat, unravel = ravel_pytree(arrays)
        key = jax.random.split(view.key, 3)[2]
        drawn = draw(self.directions, key, self.post_count, flat.size)

        def change(direction: jax.Array) -> jax.Array:
            step = self._size(view) * direction
            plus, minus = (eqx.combine(unravel(flat + sign * step), rest) for sign in (1, -1))
            return read(plus) - read(minus)

        along = jax.vmap(change)(drawn) / (2.0 * self._size(view))
        return unravel(along @ drawn / self.post_count)

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


def _with_blocks(network: Network, blocks: tuple[Any, ...]) -> Network:
    changed: Network = eqx.tree_at(lambda net: net.blocks, network, blocks)
    return changed
