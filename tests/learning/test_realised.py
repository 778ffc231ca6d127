"""What the instruments realised counts, not what was asked for: a quarter decibel is a step."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from analytic import AnalyticReservoir
from trainings import blobs, small_trainer

from magnon_lab.learning.reservoir import Knob
from magnon_lab.learning.weights import WeightPerturbation

pytestmark = pytest.mark.usefixtures("quick_compile")

CONTINUOUS = (Knob("attenuation_db", 10.0, 15.0),)
QUARTERS = (Knob("attenuation_db", 10.0, 15.0, 0.25),)


class Ramp(AnalyticReservoir):
    """Answers every decibel alike, so that a finite displacement tells the slope without bias."""

    def traces_fn(self, settings, numbers):
        x = jnp.linspace(0.0, 3.0, len(self.frequencies_hz))
        return -60.0 + 2.0 * (settings[:, :1] - 12.5) * jnp.cos(x)


def as_read_back(measured):
    """What the instruments told."""
    return measured


def pre_gradients(reservoir, estimator, steps, samples=64, readings=(as_read_back,)):
    """Return the pre-layer's gradient, averaged over the directions and dithers of many steps.

    One for each of `readings`, which stand between what was measured and what the trainer is told.
    """
    trainer = small_trainer(
        reservoir,
        estimator,
        task=blobs(samples),
        shots=1,
        batch_size=samples // 2,
        optimiser=optax.sgd(1.0),
    )
    start = trainer.init()
    request = trainer.ask(start)
    start, _ = trainer.tell(start, request, reservoir(request.settings, request.numbers))
    before = trainer.network(start).blocks[0].layers[-1]
    total = np.zeros((len(readings), before.weight.size + 1))
    for step in range(steps):
        state = start._replace(step=np.asarray(step, np.int32))
        request = trainer.ask(state)
        measured = reservoir(request.settings, request.numbers)
        for row, reading in zip(total, readings, strict=True):
            told, _ = trainer.tell(state, request, reading(measured))
            after = trainer.network(told).blocks[0].layers[-1]
            row += np.append(before.weight - after.weight, before.bias - after.bias)
    return total / steps


@pytest.fixture(scope="module")
def true():
    """The gradient on continuous knobs."""
    return pre_gradients(Ramp(CONTINUOUS), "exact", 1)[0]


@pytest.fixture(scope="module")
def true_of_few():
    """The same for a batch of three samples."""
    return pre_gradients(Ramp(CONTINUOUS), "exact", 1, samples=6)[0]


def far(found, true):
    """Return the relative error of a gradient."""
    return np.linalg.norm(found - true) / np.linalg.norm(true)


@pytest.mark.parametrize("name", ["input", "trace"])
def test_the_wished_displacement_would_give_a_wrong_gradient(name, true):
    """A wish of 0.1 dB between partners, of which the attenuator makes 0.25 dB."""

    def as_wished(measured):
        pairs = measured.realised.reshape(-1, 2, 1)
        middle = pairs.mean(axis=1, keepdims=True)
        wished = middle + np.sign(pairs - middle) * 0.05
        return measured._replace(realised=wished.reshape(-1, 1))

    estimator = (name, {"size": 0.02, "count": 1})
    right, wrong = pre_gradients(Ramp(QUARTERS), estimator, 30, readings=(as_read_back, as_wished))
    assert far(right, true) < 0.06
    np.testing.assert_allclose(wrong, 2.5 * true, rtol=0.15, atol=0.1 * np.abs(true).max())


def test_the_requested_displacement_would_give_a_wrong_gradient(true_of_few):
    """An attenuator of whole decibels where the bench file says quarters; its read-back tells.

    Partners 1.5 dB apart become 1 or 2 dB apart, each sample for itself.
    """

    def as_requested(measured):
        return measured._replace(realised=measured.requested)

    right, wrong = pre_gradients(
        Ramp(QUARTERS, instrument_step=[1.0]),
        ("input", {"size": 0.3, "count": 1}),
        30,
        samples=6,
        readings=(as_read_back, as_requested),
    )
    assert far(right, true_of_few) < 0.1
    assert far(wrong, true_of_few) > 2.0 * far(right, true_of_few)
    assert far(wrong, true_of_few) > 0.15


@pytest.mark.parametrize("name", ["pgt", "pgt_pre"])
def test_moves_of_parameters_far_below_the_step_are_right_by_the_dither(name, true):
    """Ring inputs move by some 0.02 dB; without the dither most samples would not move at all."""
    dithered = pre_gradients(Ramp(QUARTERS), (name, {"size": 0.01, "count": 4}), 400)[0]
    assert far(dithered, true) < 0.25


def test_without_a_dither_a_small_move_of_a_parameter_is_no_move_or_a_jump(true_of_few):
    """The same on a knob that is believed to be continuous: it stands still, or it jumps."""
    silent = Ramp(CONTINUOUS, instrument_step=[1.0])
    found = pre_gradients(silent, ("pgt_pre", {"size": 0.01, "count": 4}), 50, samples=6)[0]
    assert far(found, true_of_few) > 0.9


def test_changes_are_adjusted_from_realised_to_intended_moves():
    """Where samples answer alike, an instrument's error is taken out whole."""
    rng = np.random.default_rng(0)
    intended = rng.normal(0.0, 0.01, (3, 40, 2, 2)) + 0.02
    realised = intended * np.array([1.0, 1.7]) + rng.choice([0.0, 0.1], (3, 40, 2, 2))
    slope = np.array([[0.3, -1.0], [0.8, 0.2]])
    changes = (realised * slope).sum(axis=(2, 3))
    wanted = (intended * slope).sum(axis=(2, 3)).mean(axis=1)
    adjusted, _ = WeightPerturbation._adjusted(*map(jnp.asarray, (changes, realised, intended)))
    np.testing.assert_allclose(adjusted, wanted, atol=2e-4)
    assert np.abs(changes.mean(axis=1) - wanted).min() > 0.004


def test_nothing_is_adjusted_where_samples_answer_in_ways_of_their_own():
    key = jax.random.key(0)
    intended = jnp.full((1, 64, 2, 1), 0.01)
    realised = 0.1 * jax.random.bernoulli(key, 0.1, intended.shape)
    changes = jax.random.normal(jax.random.key(1), (1, 64))
    adjusted, spread = WeightPerturbation._adjusted(changes, realised, intended)
    np.testing.assert_allclose(adjusted, changes.mean(axis=1), atol=0.2 * float(spread[0]) ** 0.5)
