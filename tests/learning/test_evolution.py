"""CMA-ES over a small network: counting, resume, and that it learns by ranks alone."""

import jax
import numpy as np
import pytest
from analytic import AnalyticReservoir
from trainings import blobs

from magnon_lab.learning.estimators import make_estimator
from magnon_lab.learning.evolution import Evolution
from magnon_lab.learning.loop import evaluate, train
from magnon_lab.learning.network import make_network
from magnon_lab.learning.optimisers import make_optimiser
from magnon_lab.learning.state import state_to_bytes
from magnon_lab.learning.trainer import state_from_bytes

pytestmark = pytest.mark.usefixtures("quick_compile")

RESERVOIR = AnalyticReservoir(noise_db=0.1)
BATCH, SHOTS, BINS, POPULATION = 16, 2, 6, 12


def trainer(kind="dense", *, generations=40, population=POPULATION, size=0.3, **rest):
    task = blobs()
    network = make_network(
        kind,
        inputs=task.inputs,
        classes=3,
        shots=SHOTS,
        knobs=3,
        bins=BINS,
        key=jax.random.key(3),
    )
    return Evolution(
        network=network,
        estimator=make_estimator("input"),
        optimiser=make_optimiser("adam", 0.01),
        task=task,
        reservoir=RESERVOIR,
        shots=SHOTS,
        bins=BINS,
        batch_size=BATCH,
        seed=rest.pop("seed", 3),
        calibration_measurements=16,
        generations=generations,
        population=population,
        size=size,
    )


def test_it_learns_and_counts_every_member():
    learner, reports = trainer(), []
    state = train(learner, RESERVOIR, steps=40, on_step=lambda _, report: reports.append(report))
    assert evaluate(learner, RESERVOIR, state, "test")[1].accuracy >= 0.8
    assert state.measurements["training"] == 40 * POPULATION * BATCH * SHOTS
    assert np.mean([one.loss for one in reports[-5:]]) < 0.7 * reports[0].loss
    assert reports[0].loss_kind == "measured, mean of the population"
    assert learner.done(state)


def test_members_of_a_generation_pass_the_same_samples_next_to_each_other():
    learner = trainer()
    state = train(learner, RESERVOIR, steps=1)
    request = learner.ask(state)
    np.testing.assert_array_equal(request.groups, np.arange(len(request.numbers)) // POPULATION)
    np.testing.assert_array_equal(request.settings[:, 2] % 0.25, 0.0)
    unit = learner.encoding.unit(request.settings).reshape(-1, POPULATION, 3)
    assert 0.0 < np.abs(unit[:, 1:] - unit[:, :1]).mean() < 0.5


def test_a_resumed_one_goes_on_to_the_last_bit():
    learner = trainer("two_pass", generations=6)
    halfway = train(learner, RESERVOIR, steps=2)
    through = state_to_bytes(train(learner, RESERVOIR, steps=2, state=halfway))
    fresh = trainer("two_pass", generations=6)
    resumed = state_from_bytes(fresh, state_to_bytes(halfway))
    assert state_to_bytes(train(fresh, RESERVOIR, steps=2, state=resumed)) == through


def test_the_network_is_the_mean_that_ranks_ask_for():
    learner = trainer(generations=3)
    state = train(learner, RESERVOIR, steps=1)
    members = np.asarray(learner._strategy(state.estimator.losses, 0).ask())
    best = members[np.argsort(state.estimator.losses[0])]
    start = learner._start
    moved = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(state.parameters)]) - start
    # The mean goes towards the members of low loss, by weights that fall with the rank.
    towards = [moved @ (one - start) for one in best]
    assert np.mean(towards[:6]) > 0.0
    assert np.mean(towards[:6]) > np.mean(towards[6:])


def test_another_seed_moves_another_way_and_numpys_own_numbers_are_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # it is what must not be touched
    first, second = (
        trainer(seed=seed)._strategy(np.empty((0, POPULATION)), 0).ask() for seed in (1, 2)
    )
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 2}, "population: 2 members"),
        ({"size": 0.0}, "size: 0.0 is not a positive spread"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        trainer(**settings)
