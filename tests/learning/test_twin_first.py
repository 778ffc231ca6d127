"""Twin first on a small reservoir: what it measures, learns, tells, and when it gives up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import AnalyticReservoir
from trainings import blobs

from magnon_lab.learning.estimators import make_estimator
from magnon_lab.learning.loop import evaluate, train
from magnon_lab.learning.network import make_network
from magnon_lab.learning.optimisers import make_optimiser
from magnon_lab.learning.schedule import Schedule
from magnon_lab.learning.state import state_to_bytes
from magnon_lab.learning.trainer import state_from_bytes
from magnon_lab.learning.twin_first import TwinFirst
from magnon_lab.learning.twin_training import Regularisation

pytestmark = pytest.mark.usefixtures("quick_compile")

RESERVOIR = AnalyticReservoir(noise_db=0.1)
BUDGET, SHOTS, BINS = 120, 2, 6


class Shuffled(AnalyticReservoir):
    """Traces that have nothing to do with their settings: no twin can tell them."""

    def __call__(self, settings, numbers):
        order = np.random.default_rng(int(numbers[0])).permutation(len(settings))
        measured = super().__call__(settings, numbers)
        return measured._replace(traces=measured.traces[order])


def trainer(reservoir=RESERVOIR, *, budget=BUDGET, kind="dense", steps=150, **rest):
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
    return TwinFirst(
        network=network,
        estimator=make_estimator("trace", count=4),
        optimiser=make_optimiser("adam", 0.03),
        task=task,
        reservoir=reservoir,
        shots=SHOTS,
        bins=BINS,
        batch_size=16,
        seed=3,
        schedule=rest.pop("schedule", Schedule(budget, steps=steps)),
        added=Regularisation(),
        **rest,
    )


@pytest.fixture(scope="module")
def course():
    """One whole training, with all that was asked and told."""
    learner, asked, reports, states = trainer(), [], [], []
    state = learner.init()
    for _ in learner.counts:
        states.append(state_to_bytes(state))
        query = learner.ask(state)
        asked.append(query)
        state, report = learner.tell(state, query, RESERVOIR(query.settings, query.numbers))
        reports.append(report)
    return learner, asked, reports, states, state


def test_it_spends_its_budget_to_the_last_measurement(course):
    learner, asked, reports, _, state = course
    assert [len(query.numbers) for query in asked] == [48, 12, 12, 12, 36] == list(learner.counts)
    assert state.measurements["training"] == reports[-1].ring_measurements == BUDGET
    numbers = np.concatenate([query.numbers for query in asked])
    np.testing.assert_array_equal(numbers, np.arange(BUDGET))
    assert {query.purpose for query in asked} == {"training"}


def test_it_learns(course):
    learner, _, reports, _, state = course
    assert evaluate(learner, RESERVOIR, state, "test")[1].accuracy >= 0.85
    assert reports[0].loss_kind == "on the twin, validation split"
    assert all(report.loss_kind == "measured unperturbed" for report in reports[1:])
    assert all(report.inner["skill"] > 0.95 for report in reports[1:])
    assert not any(report.inner["given_up"] for report in reports)
    assert reports[0].inner["loss"][0] > reports[0].inner["loss"][-1]


def test_it_asks_for_what_the_instruments_can_make(course):
    _, asked, _, _, _ = course
    for query in asked:
        for column, knob in zip(query.settings.T, RESERVOIR.knobs, strict=True):
            assert knob.low <= column.min() <= column.max() <= knob.high
        np.testing.assert_array_equal(query.settings[:, 2] % 0.25, 0.0)


def test_what_it_says_of_the_network_is_what_whole_samples_showed(course):
    learner, asked, reports, states, _ = course
    before = state_from_bytes(learner, states[2])
    order = jax.random.split(learner._key(before, 0))[0]
    whole = learner._samples(order, 3)  # 12 rows: 6 where it is unsure, 3 samples of 2 shots
    x, y = learner.task.x_train[whole], learner.task.y_train[whole]
    measured = RESERVOIR(asked[2].settings[:6], asked[2].numbers[:6])
    features = learner.features.scaled(jnp.asarray(measured.traces), before.scale)
    network = learner.network(before)
    logits = jax.vmap(network)(x, features.reshape(3, SHOTS, BINS))[-1]
    each = -jax.nn.log_softmax(logits)[jnp.arange(3), y]
    assert reports[2].loss == pytest.approx(float(jnp.mean(each)), rel=1e-4)
    inputs = learner.encoding.clip(jax.vmap(network)(x)[-1]).reshape(6, 3)
    stepped = learner.encoding.unit(asked[2].settings[:6]) - inputs
    assert np.abs(stepped[:, :2]).max() < 1e-5
    assert np.abs(stepped[:, 2]).max() <= 0.1  # one step of the attenuator


def test_in_the_last_round_the_inputs_of_the_ring_stay_what_was_measured(course):
    learner, _, _, states, state = course
    before = state_from_bytes(learner, states[-1])
    pre, post = (
        [net.blocks[place] for net in (before.parameters, state.parameters)] for place in (0, 1)
    )
    for first, second in zip(*map(jax.tree.leaves, pre), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not all(
        np.array_equal(first, second)
        for first, second in zip(*map(jax.tree.leaves, post), strict=True)
    )


def test_a_resumed_training_goes_on_to_the_last_bit(course):
    _, asked, _, states, state = course
    fresh = trainer()
    resumed = state_from_bytes(fresh, states[1])
    for query in asked[1:]:
        again = fresh.ask(resumed)
        np.testing.assert_array_equal(again.settings, query.settings)
        resumed, _ = fresh.tell(resumed, again, RESERVOIR(again.settings, again.numbers))
    assert state_to_bytes(resumed) == state_to_bytes(state)


def test_compiling_trains_nothing_and_asks_the_same(course):
    _, asked, _, states, _ = course
    fresh = trainer()
    fresh.compile()
    assert state_to_bytes(fresh.init()) == states[0]
    np.testing.assert_array_equal(fresh.ask(fresh.init()).settings, asked[0].settings)


def test_it_gives_a_twin_up_that_tells_nothing_and_measures_gradients():
    reservoir = Shuffled(noise_db=0.1)
    learner = trainer(reservoir, steps=20)
    reports = []
    state = train(learner, reservoir, steps=4, on_step=lambda _, report: reports.append(report))
    assert reports[1].inner["given_up"]
    assert reports[1].inner["skill"] < 0.5
    assert reports[2].loss_kind == "measured, mean of perturbed"  # as `trace` tells it
    # 60 left, for ten steps of both sides of four directions: one sample a step, while they last.
    assert state.measurements["training"] == 48 + 12 + 2 * (SHOTS * 2 * 4)
    while not learner.done(state):
        state = train(learner, reservoir, steps=1, state=state)
    assert BUDGET - SHOTS * 2 * 4 < state.measurements["training"] <= BUDGET
    kept = state_from_bytes(learner, state_to_bytes(state))
    assert state_to_bytes(kept) == state_to_bytes(state)


def test_it_trains_through_two_ring_passes():
    learner = trainer(kind="two_pass", steps=100)
    state = train(learner, RESERVOIR, steps=len(learner.counts))
    assert evaluate(learner, RESERVOIR, state, "test")[1].accuracy >= 0.8


def test_a_budget_that_leaves_too_little_for_a_round_is_refused():
    with pytest.raises(ValueError, match=r"budget: 30 ring measurements do not pay .* leave 3"):
        trainer(budget=30)


def test_a_reservoir_that_remembers_is_refused():
    remembering = AnalyticReservoir()
    remembering.memoryless = False
    with pytest.raises(ValueError, match="twin_first needs a reservoir without memory"):
        trainer(remembering)
