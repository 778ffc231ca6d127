"""Gradients with a twin in them: right on average for any twin, and steadier with a good one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import KNOBS, AnalyticReservoir
from jax.flatten_util import ravel_pytree
from trainings import blobs, small_trainer

from magnon_lab.learning.estimator import Answer
from magnon_lab.learning.estimators import make_estimator
from magnon_lab.learning.reservoir import Knob
from magnon_lab.learning.twin_gradients import Online

pytestmark = pytest.mark.usefixtures("quick_compile")

SMOOTH = tuple(Knob(knob.name, knob.low, knob.high) for knob in KNOBS)
CAPACITY = 300
PRE = slice(0, 18)  # 2 inputs and an offset to 2 x 3 numbers for the ring


class Setup:
    """One batch of one training, and what the estimators' gradients of it are."""

    def __init__(self, problem, view):
        self.problem, self.view = problem, view
        self._compiled = {}

    def estimate(self, estimator, key, state):
        view = self.view._replace(key=key, state=state)
        inputs = estimator.ask(self.problem, view, 0)
        numbers = jnp.arange(len(inputs), dtype=jnp.uint32)
        answer = Answer(inputs, view.model(inputs, numbers), numbers)
        _, gradient = estimator.tell(self.problem, view, answer, 0)
        return ravel_pytree(gradient.network)[0]

    def many(self, estimator, state, count=300):
        """Return gradients (count, parameters) under as many keys."""

        def drawn(state, keys):
            return jax.lax.map(
                lambda key: self.estimate(estimator, key, state), keys, batch_size=50
            )

        compiled = self._compiled.setdefault(estimator, jax.jit(drawn))
        return np.asarray(compiled(state, jax.random.split(jax.random.key(5), count)))

    def learnt(self, rows, wrong=False):
        """A twin of `rows` measurements; a wrong one has each answer at another one's inputs."""
        twin = (
            make_estimator("twin_pgt", capacity=CAPACITY).init(self.problem, self.view.network).twin
        )
        rng = np.random.default_rng(2)
        inputs = rng.uniform(-1.0, 1.0, (rows, 3)).astype(np.float32)
        features = self.view.model(jnp.asarray(inputs), jnp.zeros(rows, jnp.uint32))
        features = features[rng.permutation(rows)] if wrong else features
        filled = {"inputs": inputs, "features": features, "times": np.zeros(rows, np.float32)}
        padded = {
            name: jnp.zeros((CAPACITY, *np.shape(value)[1:])).at[:rows].set(value)
            for name, value in filled.items()
        }
        noise = jnp.log(jnp.float32(1e-3))
        return Online(twin._replace(**padded, noise=noise, told=jnp.int32(rows)), ())


@pytest.fixture(scope="module")
def case():
    reservoir = AnalyticReservoir(SMOOTH)
    trainer = small_trainer(reservoir, "exact", task=blobs(32))
    state = trainer.init()
    request = trainer.ask(state)
    measured = reservoir(request.settings, request.numbers)
    state, _ = trainer.tell(state, request, measured)
    view = trainer._view(trainer._moving(state))
    return Setup(trainer.problem, view._replace(step=jnp.asarray(100)))  # well under way


@pytest.fixture(scope="module")
def truth(case):
    return np.asarray(case.estimate(make_estimator("exact"), jax.random.key(0), ()))


@pytest.mark.parametrize("twin", ["good", "wrong", "empty"])
def test_set_right_by_measurements_any_twin_is_right_on_average(case, truth, twin):
    state = case.learnt(0 if twin == "empty" else 200, wrong=twin == "wrong")
    drawn = case.many(make_estimator("twin_pgt", size=0.02, capacity=CAPACITY), state)
    mean, error = drawn.mean(axis=0), drawn.std(axis=0) / np.sqrt(len(drawn))
    bias = 0.02 * np.abs(truth).max()
    assert np.all(np.abs(mean - truth) < 4.5 * error + bias)
    assert np.all(error < 0.5 * np.abs(truth).max())  # else the test could not fail


def test_a_wrong_twin_by_itself_is_wrong(case, truth):
    estimator = make_estimator("twin", capacity=CAPACITY)
    wrong = case.many(estimator, case.learnt(200, wrong=True), count=2).mean(axis=0)
    good = case.many(estimator, case.learnt(200), count=2).mean(axis=0)
    size = np.linalg.norm(truth[PRE])
    assert np.linalg.norm((wrong - truth)[PRE]) > 0.5 * size
    assert np.linalg.norm((good - truth)[PRE]) < 0.2 * size


def test_a_good_twin_takes_the_variance_of_random_directions_away(case):
    def variance(name, state):
        own = {"capacity": CAPACITY} if name == "twin_pgt" else {}
        estimator = make_estimator(name, size=0.02, directions="rademacher", **own)
        drawn = case.many(estimator, state)
        return drawn[:, PRE].var(axis=0).sum()

    trace = variance("trace", ())
    assert variance("twin_pgt", case.learnt(0)) == pytest.approx(trace, rel=1e-3)
    assert variance("twin_pgt", case.learnt(300)) < 0.1 * trace
