"""Several ring passes and a transformer: every estimator against the chain rule through all."""

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
from magnon_lab.learning.inputs import cosine_to_exact
from magnon_lab.learning.loop import evaluate, train
from magnon_lab.learning.reservoir import Knob
from magnon_lab.learning.state import state_to_bytes
from magnon_lab.learning.trainer import state_from_bytes

pytestmark = pytest.mark.usefixtures("quick_compile")

SMOOTH = tuple(Knob(knob.name, knob.low, knob.high) for knob in KNOBS[:2])
SMALL = {"size": 0.005}
HIDDEN = {"two_pass": (), "transformer": (8,)}
ESTIMATORS = {
    "pgt": ("pgt", {**SMALL, "count": 4}),
    "pgt, post-layer read again": ("pgt", {**SMALL, "count": 4, "post_count": 16}),
    "pgt_pre": ("pgt_pre", {**SMALL, "count": 4}),
    "input": ("input", {"size": 0.02, "count": 2}),
    "input, one-sided": ("input", {"size": 0.004, "sides": 1, "count": 2}),
    "trace": ("trace", {"size": 0.02}),
}
ONE_PASS = ("pgt", "input", "trace")


class Setup(NamedTuple):
    """One batch of one training: everything but the estimator's key."""

    problem: object
    network: object
    model: object
    x: jax.Array
    y: jax.Array

    def estimate(self, estimator, key):
        """Ask, measure, tell, pass by pass; return the gradient and the view it was made in."""
        state, gradient, asked = estimator.init(self.problem, self.network), None, 0
        while gradient is None:
            view = View(self.network, state, self.x, self.y, key, jnp.asarray(0), self.model)
            stage = estimator.stage(state)
            inputs = estimator.ask(self.problem, view, stage)
            numbers = jnp.zeros(len(inputs), jnp.uint32)
            answer = Answer(inputs, self.model(inputs, numbers), numbers)
            state, gradient = estimator.tell(self.problem, view, answer, stage)
            asked += 1
        assert asked == self.network.passes
        assert state == ()
        return gradient, view

    def truth(self):
        """The gradient by the chain rule through everything, penalty included."""

        def loss(network):
            measured, beyond = [], 0.0
            for index in range(network.passes):
                raw = jax.vmap(network)(self.x, *measured)[index]
                inputs = self.problem.encoding.clip(raw).reshape(-1, self.problem.knobs)
                features = self.model(inputs, jnp.zeros(len(inputs), jnp.uint32))
                measured.append(features.reshape(*raw.shape[:2], -1))
                beyond += jnp.mean(jax.nn.relu(jnp.abs(raw) - 1.0) ** 2)
            logits = jax.vmap(network)(self.x, *measured)[-1]
            each = -jax.nn.log_softmax(logits)[jnp.arange(len(self.y)), self.y]
            return jnp.mean(each) + self.problem.penalty * beyond

        return ravel_pytree(eqx.filter_jit(eqx.filter_grad(loss))(self.network))[0]


@pytest.fixture(scope="module", params=["two_pass", "transformer"])
def setup(request):
    reservoir = AnalyticReservoir(SMOOTH)
    kind = request.param
    trainer = small_trainer(
        reservoir, "exact", task=blobs(24), kind=kind, hidden=HIDDEN[kind], batch_size=12
    )
    state = trainer.init()
    calibration = trainer.ask(state)
    measured = reservoir(calibration.settings, calibration.numbers)
    state, _ = trainer.tell(state, calibration, measured)
    view = trainer._view(trainer._moving(state))
    return Setup(trainer.problem, view.network, view.model, view.x, view.y)


@pytest.fixture(scope="module")
def truth(setup):
    return np.asarray(setup.truth())


def test_the_exact_gradient_is_that_of_the_chain_rule(setup):
    larger = jax.tree.map(
        lambda leaf: 2.0 * leaf if eqx.is_inexact_array(leaf) else leaf, setup.network
    )
    setup = setup._replace(network=larger)  # so that numbers leave -1..1 before every pass
    truth = np.asarray(setup.truth())

    @jax.jit
    def estimated(key):
        gradient, view = setup.estimate(make_estimator("exact"), key)
        cosine = cosine_to_exact(setup.problem, view, gradient, jnp.zeros(1000, jnp.uint32))
        return ravel_pytree(gradient.network)[0], gradient.overshoot, cosine

    estimate, overshoot, cosine = estimated(jax.random.key(0))
    assert overshoot > 1e-3
    assert cosine > 0.9999
    np.testing.assert_allclose(estimate, truth, rtol=2e-3, atol=1e-4 * np.abs(truth).max())


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_an_estimate_is_right_on_average(setup, truth, name):
    if setup.network.passes == 1 and name not in ONE_PASS:
        pytest.skip("one pass of tokens is like one pass of shots")
    kind, settings = ESTIMATORS[name]
    estimator = make_estimator(kind, **settings)

    def one(key):
        return ravel_pytree(setup.estimate(estimator, key)[0].network)[0]

    keys = jax.random.split(jax.random.key(1), 600)
    drawn = np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=50))(keys))
    # A projection on few directions, as there are many parameters: on the truth, and at random.
    rng = np.random.default_rng(0)
    axes = np.stack([truth, *rng.normal(size=(40, len(truth))) * np.abs(truth).mean()])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    found, wanted = drawn @ axes.T, axes @ truth
    error = found.std(axis=0) / np.sqrt(len(found))
    assert np.all(np.abs(found.mean(axis=0) - wanted) < 4.5 * error + 0.03 * wanted[0])
    assert error[0] < 0.25 * wanted[0]  # else the test could not fail


def test_whole_traces_along_all_orthogonal_directions_give_the_slope_at_once(setup, truth):
    estimator = make_estimator("trace", count=2, size=0.02)
    estimated = jax.jit(lambda key: ravel_pytree(setup.estimate(estimator, key)[0].network)[0])
    found = estimated(jax.random.key(3))
    assert found @ truth / np.linalg.norm(found) / np.linalg.norm(truth) > 0.999


@pytest.mark.parametrize(
    ("kind", "name"),
    [("two_pass", "pgt"), ("transformer", "exact")],
)
def test_passes_are_counted_and_a_resumed_training_goes_on_to_the_last_bit(kind, name):
    reservoir = AnalyticReservoir(noise_db=0.1)
    trainer = small_trainer(reservoir, name, kind=kind, hidden=HIDDEN[kind])
    rows = 2 * trainer.task.inputs if kind == "transformer" else 2
    passes = 2 if kind == "two_pass" else 1
    state = train(trainer, reservoir, steps=2)
    copies = 1 if name == "exact" else 2
    assert state.measurements["training"] == 2 * 16 * rows * passes * copies
    again = state_from_bytes(trainer, state_to_bytes(state))
    first = state_to_bytes(train(trainer, reservoir, steps=1, state=state))
    assert state_to_bytes(train(trainer, reservoir, steps=1, state=again)) == first
    state, evaluation = evaluate(trainer, reservoir, state, "test")
    assert evaluation.n == 24
    assert state.measurements["evaluation"] == 24 * rows * passes
    assert int(state.next_number) == sum(state.measurements.values())


def test_two_passes_learn():
    reservoir = AnalyticReservoir(noise_db=0.1)
    trainer = small_trainer(reservoir, "trace", kind="two_pass", rate=0.05)
    state = train(trainer, reservoir, steps=60)
    assert evaluate(trainer, reservoir, state, "test")[1].accuracy >= 0.8


def test_a_split_that_did_not_make_all_passes_is_refused():
    reservoir = AnalyticReservoir()
    trainer = small_trainer(reservoir, kind="two_pass")
    state = trainer.init()
    first = [reservoir(r.settings, r.numbers) for r in trainer.evaluate_ask(state, "test")]
    with pytest.raises(ValueError, match="split test: 1 ring passes were measured of 2"):
        trainer.evaluate_tell(state, "test", first)
    with pytest.raises(ValueError, match="47 traces, a ring pass has 48"):
        trainer.evaluate_tell(state, "test", [first[0]._replace(traces=first[0].traces[1:])])


def test_a_width_that_is_none_of_a_transformer_is_refused():
    with pytest.raises(ValueError, match="hidden: 30 is not the width of a transformer's tokens"):
        small_trainer(AnalyticReservoir(), kind="transformer", hidden=(30,))
