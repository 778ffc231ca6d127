"""Estimators against the gradient that the chain rule gives on a smooth reservoir."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import KNOBS, AnalyticReservoir
from jax.flatten_util import ravel_pytree
from trainings import blobs, small_trainer

from magnon_lab.learning.estimator import Answer, View
from magnon_lab.learning.estimators import make_estimator
from magnon_lab.learning.reservoir import Knob

pytestmark = pytest.mark.usefixtures("quick_compile")

SMOOTH = tuple(Knob(knob.name, knob.low, knob.high) for knob in KNOBS)
SMALL = {"size": 0.02}
ESTIMATORS = {
    "pgt": ("pgt", {**SMALL, "count": 4}),
    "pgt, one-sided": ("pgt", {"size": 0.005, "count": 4, "sides": 1}),
    "pgt, post-layer read again": ("pgt", {**SMALL, "count": 4, "post_count": 16}),
    "pgt_pre": ("pgt_pre", {**SMALL, "count": 4}),
    "input": ("input", SMALL),
    "input, gaussian": ("input", {**SMALL, "directions": "gaussian"}),
    "input, one-sided": ("input", {"size": 0.005, "sides": 1, "count": 2}),
    "trace": ("trace", SMALL),
}


class Setup(NamedTuple):
    """One batch of one training: everything but the estimator's key."""

    problem: object
    network: object
    model: object
    x: jax.Array
    y: jax.Array

    def view(self, key, state=()):
        return View(self.network, state, self.x, self.y, key, jnp.asarray(0), self.model)

    def estimate(self, estimator, key):
        """Ask, measure, tell; returns the flat gradient."""
        view = self.view(key)
        inputs = estimator.ask(self.problem, view, 0)
        numbers = jnp.zeros(len(inputs), jnp.uint32)
        answer = Answer(inputs, self.model(inputs, numbers), numbers)
        _, gradient = estimator.tell(self.problem, view, answer, 0)
        return ravel_pytree(gradient.network)[0]

    def truth(self):
        """The gradient by the chain rule through everything, penalty included."""

        def loss(network):
            raw = jax.vmap(network.blocks[0])(self.x)
            inputs = self.problem.encoding.clip(raw).reshape(-1, self.problem.knobs)
            features = self.model(inputs, jnp.zeros(len(inputs), jnp.uint32))
            logits = jax.vmap(network.blocks[1])(features.reshape(len(self.x), -1))
            each = -jax.nn.log_softmax(logits)[jnp.arange(len(self.y)), self.y]
            beyond = jax.nn.relu(jnp.abs(raw) - 1.0) ** 2
            return jnp.mean(each) + self.problem.penalty * jnp.mean(beyond)

        return ravel_pytree(eqx.filter_jit(eqx.filter_grad(loss))(self.network))[0]


def setup(reservoir, **rest):
    trainer = small_trainer(reservoir, "exact", task=blobs(32), **rest)
    state = trainer.init()
    request = trainer.ask(state)
    measured = reservoir(request.settings, request.numbers)
    state, _ = trainer.tell(state, request, measured)
    view = trainer._view(trainer._moving(state))
    return Setup(trainer.problem, view.network, view.model, view.x, view.y)


@pytest.fixture(scope="module")
def smooth():
    return setup(AnalyticReservoir(SMOOTH))


@pytest.fixture(scope="module")
def truth(smooth):
    return np.asarray(smooth.truth())


def many(setup, estimator, count, seed=0):
    """Return gradients (count, parameters) under as many keys."""
    keys = jax.random.split(jax.random.key(seed), count)
    return np.asarray(jax.jit(jax.vmap(lambda key: setup.estimate(estimator, key)))(keys))


def test_the_exact_gradient_is_that_of_the_chain_rule(smooth, truth):
    estimate = many(smooth, make_estimator("exact"), 1)[0]
    np.testing.assert_allclose(estimate, truth, rtol=1e-3, atol=1e-5 * np.abs(truth).max())


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_an_estimate_is_right_on_average(smooth, truth, name):
    kind, settings = ESTIMATORS[name]
    drawn = many(smooth, make_estimator(kind, **settings), 800)
    mean, error = drawn.mean(axis=0), drawn.std(axis=0) / np.sqrt(len(drawn))
    bias = 0.02 * np.abs(truth).max()  # a finite size bends; the post-layer sees moved features
    assert np.all(np.abs(mean - truth) < 4.5 * error + bias)
    along = drawn @ truth / (truth @ truth)
    assert along.mean() == pytest.approx(1.0, abs=4.0 * along.std() / np.sqrt(len(along)) + 0.02)
    assert np.all(error < 0.5 * np.abs(truth).max())  # else the test could not fail


def test_whole_traces_along_all_orthogonal_directions_give_the_slope_at_once(smooth, truth):
    estimator = make_estimator("trace", count=4, size=0.02)
    drawn = many(smooth, estimator, 20)
    np.testing.assert_allclose(
        drawn, np.broadcast_to(truth, drawn.shape), atol=0.02 * np.abs(truth).max()
    )


def spread(setup, estimator, part=slice(None)):
    return many(setup, estimator, 400)[:, part].var(axis=0).sum()


def test_the_variance_falls_as_one_over_the_number_of_directions(smooth):
    settings = {**SMALL, "directions": "rademacher"}
    pre = slice(0, 18)  # 2 inputs and an offset to 2 x 3 numbers for the ring
    one = spread(smooth, make_estimator("input", **settings, count=1), pre)
    four = spread(smooth, make_estimator("input", **settings, count=4), pre)
    assert one / four == pytest.approx(4.0, rel=0.35)


def test_the_variance_of_pgt_grows_with_the_number_of_parameters(smooth, truth):
    """A Rademacher direction v gives (g v) v: its total variance is (P - 1) |g|^2."""
    total = spread(smooth, make_estimator("pgt", **SMALL))
    assert total / (truth @ truth) == pytest.approx(len(truth) - 1, rel=0.25)


def test_noise_costs_variance_as_one_over_the_size_squared():
    noisy = setup(AnalyticReservoir(SMOOTH, noise_db=3.0))

    def noise(size):
        estimator = make_estimator("trace", count=4, size=size)

        def estimate(number):
            view = noisy.view(jax.random.key(1))
            inputs = estimator.ask(noisy.problem, view, 0)
            numbers = number * 1000 + jnp.arange(len(inputs), dtype=jnp.uint32)
            answer = Answer(inputs, noisy.model(inputs, numbers), numbers)
            return ravel_pytree(estimator.tell(noisy.problem, view, answer, 0)[1].network)[0][:18]

        drawn = jax.jit(jax.vmap(estimate))(jnp.arange(100, dtype=jnp.uint32))
        return np.asarray(drawn).var(axis=0).sum()

    assert noise(0.01) / noise(0.04) == pytest.approx(16.0, rel=0.3)


def test_a_reservoir_with_memory_is_read_as_one_whole(smooth, truth):
    remembering = smooth._replace(
        problem=type(smooth.problem)(**{**smooth.problem.__dict__, "memoryless": False})
    )
    drawn = many(remembering, make_estimator("trace", **SMALL, count=8), 50)
    np.testing.assert_allclose(
        drawn, np.broadcast_to(truth, drawn.shape), atol=0.05 * np.abs(truth).max()
    )
