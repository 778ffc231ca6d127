"""The twin: a small model of the ring's map from knobs to features, learnt from what was measured.

A Gaussian process over the knobs and the time of a measurement, shared by all shots (Rasmussen and
Williams, Gaussian Processes for Machine Learning, 2006), made sparse by inducing inputs (FITC,
Snelson and Ghahramani, NIPS 18, 2006). It knows how unsure it is; and since time is one of its
inputs, what was measured long ago counts as much as the measured drift lets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.linalg import solve_triangular
from numpy.typing import ArrayLike, NDArray
from scipy.stats import qmc

JITTER = 1e-3
"""Of the inducing inputs' variance: keeps float32 factorisations sound, far below any noise."""

LENGTH, SPREAD = 1.0, 1.5
"""Prior of a knob's length scale on -1..1: its median, and the spread of its logarithm."""

SLOW = 10.0
"""Prior median of the time over which the ring changes, in spans of the twin."""


class TwinState(NamedTuple):
    """What a twin knows; a pytree of arrays.

    lengths (knobs + 1,): logarithms of the length scales of knobs and time. noise, amplitude: of
    the variances. inputs (capacity, knobs) realised on -1..1, features (capacity, bins) scaled,
    times (capacity,) in spans. told: rows so far, the newest in place of the oldest.
    """

    lengths: jax.Array
    noise: jax.Array
    amplitude: jax.Array
    inputs: jax.Array
    features: jax.Array
    times: jax.Array
    told: jax.Array


class Posterior(NamedTuple):
    """What the twin believes at one time; `inducing` (m, knobs + 1) on the kernel's own scale.

    residuals (capacity, bins): of each row as predicted from the others; `known` (capacity,): which
    rows there are.
    """

    lengths: jax.Array
    now: jax.Array
    amplitude: jax.Array
    inducing: jax.Array
    weights: jax.Array
    prior: jax.Array
    factor: jax.Array
    residuals: jax.Array
    known: jax.Array

    def _kernel(self, inputs: jax.Array) -> jax.Array:
        scaled = _scaled(inputs, jnp.broadcast_to(self.now, inputs.shape[:1]), self.lengths)
        return _matern(scaled, self.inducing, self.amplitude)

    def mean(self, inputs: jax.Array) -> jax.Array:
        """Return features (n, bins) of inputs (n, knobs)."""
        return self._kernel(inputs) @ self.weights

    def covariance(self, inputs: jax.Array) -> jax.Array:
        """Return the covariance (n, n) of what the ring would show at inputs, noise apart."""
        scaled = _scaled(inputs, jnp.broadcast_to(self.now, inputs.shape[:1]), self.lengths)
        white = solve_triangular(self.prior, self._kernel(inputs).T, lower=True)
        left = solve_triangular(self.factor, white, lower=True)
        return _matern(scaled, scaled, self.amplitude) - white.T @ white + left.T @ left

    def variance(self, inputs: jax.Array) -> jax.Array:
        """Return the variance (n,) of what the ring would show, noise apart."""
        white = solve_triangular(self.prior, self._kernel(inputs).T, lower=True)
        left = solve_triangular(self.factor, white, lower=True)
        return jnp.exp(self.amplitude) - jnp.sum(jnp.square(white) - jnp.square(left), axis=0)

    @property
    def error(self) -> jax.Array:
        """Root mean square of the residuals, noise included, over rows and bins."""
        total = jnp.sum(jnp.square(self.residuals))
        return jnp.sqrt(total / jnp.maximum(jnp.sum(self.known), 1) / self.residuals.shape[1])


@dataclass(frozen=True)
class Twin:
    """Learns features of `bins` from `knobs`; keeps the newest `capacity` rows.

    `inducing` inputs carry what it knows; `span` is the number of measurements that count as one
    unit of time; a twin that does not `forget` knows of no time.
    """

    knobs: int
    bins: int
    capacity: int
    inducing: int = 256
    span: int = 1000
    forget: bool = True

    def init(self) -> TwinState:
        """Return a twin that has seen nothing."""
        return TwinState(
            lengths=jnp.log(jnp.array([LENGTH] * self.knobs + [SLOW], jnp.float32)),
            noise=jnp.log(jnp.float32(0.03)),
            amplitude=jnp.zeros(()),
            inputs=jnp.zeros((self.capacity, self.knobs)),
            features=jnp.zeros((self.capacity, self.bins)),
            times=jnp.zeros(self.capacity),
            told=jnp.zeros((), jnp.int32),
        )

    def add(
        self,
        state: TwinState,
        inputs: ArrayLike,
        features: ArrayLike,
        numbers: ArrayLike,
        real: ArrayLike = True,
    ) -> TwinState:
        """Return the twin with rows more: inputs (n, knobs), features (n, bins), numbers (n,).

        Rows that are not `real` (n,) only fill up a shape, and are left out.
        """
        inputs, features = jnp.asarray(inputs), jnp.asarray(features)
        real = jnp.broadcast_to(jnp.asarray(real, bool), inputs.shape[:1])
        before = jnp.cumsum(real) - real
        # Where more rows come than there is room for, the first of them are left out.
        fits = real & (before >= jnp.sum(real) - self.capacity)
        place = jnp.where(fits, (state.told + before) % self.capacity, self.capacity)
        times = self._time(numbers)
        return state._replace(
            inputs=state.inputs.at[place].set(inputs, mode="drop"),
            features=state.features.at[place].set(features, mode="drop"),
            times=state.times.at[place].set(times, mode="drop"),
            told=state.told + jnp.sum(real),
        )

    def tuned(
        self, state: TwinState, key: jax.Array, steps: int | jax.Array, rows: int = 256
    ) -> TwinState:
        """Return the twin with length scales, noise and amplitude of higher evidence.

        Adam for `steps` steps on the evidence of at most `rows` rows drawn at random.
        """
        rows = min(rows, self.capacity)
        known = self._known(state)
        drawn = jax.random.uniform(key, (self.capacity,)) + known
        _, place = jax.lax.top_k(drawn, rows)
        inputs, times, there = state.inputs[place], state.times[place], known[place]
        features = state.features[place] * there[:, None]
        optimiser = optax.adam(0.1)

        def doubt(log: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
            lengths, noise, amplitude = log
            scaled = _scaled(inputs, times, lengths)
            # A row that is not there is a number by itself, of variance 1 and value 0.
            both = there[:, None] * there[None]
            covariance = both * _matern(scaled, scaled, amplitude)
            covariance += jnp.diag(there * (jnp.exp(noise) + 1e-5) + 1.0 - there)
            factor = jnp.linalg.cholesky(covariance)
            white = solve_triangular(factor, features, lower=True)
            fit = 0.5 * jnp.sum(jnp.square(white)) / self.bins + jnp.sum(jnp.log(jnp.diag(factor)))
            middle = jnp.log(jnp.array([LENGTH] * self.knobs + [SLOW]))
            return fit + jnp.sum(jnp.square((lengths - middle) / SPREAD)) / 2.0

        def step(_: int, carry: tuple[object, object]) -> tuple[object, object]:
            log, memory = carry
            updates, memory = optimiser.update(jax.grad(doubt)(log), memory)
            return optax.apply_updates(log, updates), memory

        log = (state.lengths, state.noise, state.amplitude)
        log, _ = jax.lax.fori_loop(0, steps, step, (log, optimiser.init(log)))
        return state._replace(lengths=log[0], noise=log[1], amplitude=log[2])

    def posterior(self, state: TwinState, number: jax.Array) -> Posterior:
        """Return what the twin believes at the time of measurement `number`."""
        now = self._time(number)
        grid = jnp.asarray(box(self.inducing, self.knobs))
        inducing = _scaled(grid, jnp.broadcast_to(now, grid.shape[:1]), state.lengths)
        rows = _scaled(state.inputs, state.times, state.lengths)
        variance = jnp.exp(state.amplitude)
        own = _matern(inducing, inducing, state.amplitude)
        prior = jnp.linalg.cholesky(own + JITTER * variance * jnp.eye(len(inducing)))
        white = solve_triangular(prior, _matern(inducing, rows, state.amplitude), lower=True)
        lost = jnp.maximum(variance - jnp.sum(jnp.square(white), axis=0), 0.0)
        known = self._known(state)
        trust = known / (jnp.exp(state.noise) + lost)
        weighted = white * trust
        factor = jnp.linalg.cholesky(jnp.eye(len(inducing)) + weighted @ white.T)
        projected = solve_triangular(factor, weighted @ state.features, lower=True)
        middle = solve_triangular(factor, projected, lower=True, trans=1)
        fitted = white.T @ middle
        leverage = jnp.sum(jnp.square(solve_triangular(factor, white, lower=True)), axis=0) * trust
        spare = jnp.maximum(1.0 - leverage, 0.05)
        residuals = known[:, None] * (state.features - fitted) / spare[:, None]
        return Posterior(
            state.lengths,
            now,
            state.amplitude,
            inducing,
            solve_triangular(prior, middle, lower=True, trans=1),
            prior,
            factor,
            residuals,
            known,
        )

    def _time(self, number: ArrayLike) -> jax.Array:
        return jnp.asarray(number, jnp.float32) * (self.forget / self.span)

    def _known(self, state: TwinState) -> jax.Array:
        return (jnp.arange(self.capacity) < state.told).astype(jnp.float32)


def box(count: int, knobs: int) -> NDArray[np.float32]:
    """Return `count` inputs (count, knobs) that cover the box of knobs -1..1, edges included.

    A scrambled Sobol sequence, spaced by the sine so that it is denser towards the edges, as the
    nodes of a Chebyshev interpolation are. The first rows of a longer one are the shorter one.
    """
    sobol = qmc.Sobol(knobs, rng=np.random.default_rng(2506))
    drawn = sobol.random_base2((max(count, 2) - 1).bit_length())[:count]
    spaced: NDArray[np.float32] = np.sin(np.pi * (drawn - 0.5)).astype(np.float32)
    return spaced


def most_unsure(covariance: jax.Array, noise: jax.Array, count: int) -> jax.Array:
    """Return which `count` of n points are most worth measuring, one after the other.

    covariance (n, n) of what is not known, `noise` the variance of a measurement. Each is the point
    of the largest variance once all before it are measured.
    """

    def pick(index: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        left, chosen = carry
        place = jnp.argmax(jnp.diag(left).at[chosen].set(-1.0, mode="drop"))
        column = left[:, place]
        left = left - jnp.outer(column, column) / (column[place] + noise)
        return left, chosen.at[index].set(place)

    nobody = jnp.full(count, len(covariance))
    places: jax.Array = jax.lax.fori_loop(0, count, pick, (covariance, nobody))[1]
    return places


def _scaled(inputs: jax.Array, times: jax.Array, lengths: jax.Array) -> jax.Array:
    return jnp.concatenate((inputs, times[:, None]), axis=1) / jnp.exp(lengths)


def _matern(first: jax.Array, second: jax.Array, amplitude: jax.Array) -> jax.Array:
    """Matern kernel of order 5/2: twice differentiable, as rough as the ring's own map."""
    square = (
        jnp.sum(jnp.square(first), axis=1)[:, None]
        + jnp.sum(jnp.square(second), axis=1)[None]
        - 2.0 * first @ second.T
    )
    far = jnp.sqrt(5.0 * jnp.maximum(square, 1e-10))
    value: jax.Array = jnp.exp(amplitude - far) * (1.0 + far + jnp.square(far) / 3.0)
    return value
