"""Readouts on a pre-layer that stays as it is, and a digital network in the ring's place."""

import jax
import numpy as np
import pytest
from analytic import KNOBS, AnalyticReservoir
from trainings import blobs, small_trainer

from magnon_lab.learning.baselines import frozen, ridge
from magnon_lab.learning.identity import IdentityReservoir
from magnon_lab.learning.loop import evaluate, train
from magnon_lab.learning.network import make_network

pytestmark = pytest.mark.usefixtures("quick_compile")

RESERVOIR = AnalyticReservoir(noise_db=0.1)


def answer(request):
    return RESERVOIR(request.settings, request.numbers)


@pytest.mark.parametrize(
    ("readout", "kind"), [("ridge", "dense"), ("frozen", "two_pass"), ("ridge", "transformer")]
)
def test_a_readout_measures_each_sample_once_and_learns(readout, kind):
    trainer = small_trainer(RESERVOIR, kind=kind, shots=3, rate=0.05)
    rows = trainer.problem.shots * (2 if kind == "two_pass" else 1)
    if readout == "ridge":
        state, evaluation = ridge(trainer, answer)
    else:
        state, evaluation = frozen(trainer, answer, steps=300)
    assert state.measurements == {
        "calibration": 16,
        "training": 48 * rows,
        "validation": 24 * rows,
        "evaluation": 24 * rows,
        "reference": 0,
    }
    assert int(state.next_number) == sum(state.measurements.values())
    assert evaluation.n == evaluation.confusion.sum() == 24
    assert evaluation.accuracy >= 0.7


def test_a_frozen_pre_layer_stays_and_the_state_is_what_was_judged():
    trainer = small_trainer(RESERVOIR, shots=3, rate=0.05)
    start = trainer.init()
    state, told = frozen(trainer, answer, state=start, steps=300)
    before, after = trainer.network(start), trainer.network(state)
    first, second = (jax.tree.leaves(one.blocks[0]) for one in (before, after))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    again = evaluate(trainer, RESERVOIR, state, "test")[1]
    assert again.accuracy == pytest.approx(told.accuracy, abs=0.05)
    assert again.loss == pytest.approx(told.loss, rel=0.1)


def test_a_digital_network_in_the_rings_place_is_trained_with_the_rest():
    identity = IdentityReservoir(KNOBS)
    trainer = small_trainer(identity, "exact", stand_in=True, reads=0, rate=0.03)
    network = trainer.network(trainer.init())
    assert network.medium.layers[-1].weight.shape[0] == 6
    state = train(trainer, identity, steps=100)
    learnt = trainer.network(state)
    for one, other in zip(
        jax.tree.leaves(network.medium), jax.tree.leaves(learnt.medium), strict=True
    ):
        assert not np.array_equal(one, other)
    assert evaluate(trainer, identity, state, "test")[1].accuracy >= 0.8


def test_what_stands_in_is_the_same_for_each_shot():
    network = make_network(
        "dense",
        inputs=2,
        classes=2,
        shots=3,
        knobs=2,
        bins=5,
        key=jax.random.key(0),
        stand_in=True,
    )
    settings = np.random.default_rng(0).uniform(-1.0, 1.0, (3, 2)).astype(np.float32)
    alone = jax.vmap(network.medium)(settings)
    np.testing.assert_allclose(
        network(blobs().x_train[0], settings)[-1], network.post(alone), rtol=1e-5
    )
