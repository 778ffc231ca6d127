"""Names open without JAX, and each leads to something that works."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from magnon_lab.learning.names import ESTIMATORS, NETWORKS, OPTIMISERS, TASKS
from magnon_lab.learning.network import make_network
from magnon_lab.learning.optimisers import learning_rate_of, make_optimiser
from magnon_lab.learning.tasks import make_task


def test_names_and_the_reservoir_seam_open_without_jax():
    code = (
        "import sys, magnon_lab.learning.names, magnon_lab.learning.reservoir, "
        "procedures.reservoirs; sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_choice_tells_what_it_is():
    for choices in (ESTIMATORS, OPTIMISERS, TASKS, NETWORKS):
        assert all(len(choice.summary) > 3 for choice in choices.values())


@pytest.mark.parametrize("name", list(TASKS))
def test_every_named_task_is_there(name):
    assert make_task(name).name == name


@pytest.mark.parametrize("name", list(OPTIMISERS))
def test_every_named_optimiser_goes_downhill_and_tells_its_rate(name):
    optimiser = make_optimiser(name, 0.05)
    x = jnp.array([1.0, -2.0])
    state = optimiser.init(x)
    for _ in range(100):
        updates, state = optimiser.update(2.0 * x, state, x)
        x = optax.apply_updates(x, updates)
    assert float(jnp.linalg.norm(x)) < 0.3
    assert 0.0 < learning_rate_of(state) <= 0.05 * (1.0 + 1e-6)


def test_a_rate_that_decays_ends_at_one_percent():
    optimiser = make_optimiser("adam", 0.1, decay_steps=50)
    state = optimiser.init(jnp.zeros(1))
    for _ in range(51):
        _, state = optimiser.update(jnp.ones(1), state, jnp.zeros(1))
    assert learning_rate_of(state) == pytest.approx(0.001, rel=1e-4)


def test_spalls_gains_fall_as_his_exponent_says():
    optimiser = make_optimiser("spall", 0.5, stability=9.0)
    state = optimiser.init(jnp.zeros(1))
    for _ in range(11):
        _, state = optimiser.update(jnp.ones(1), state, jnp.zeros(1))
    assert learning_rate_of(state) == pytest.approx(0.5 * (10.0 / 20.0) ** 0.602, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "rate", "settings", "message"),
    [
        ("lion", 0.1, {}, "optimiser 'lion' is not known"),
        ("adam", -1.0, {}, "learning_rate: -1.0"),
        ("sgd", 0.1, {"b1": 0.9}, "takes no setting 'b1'; it takes momentum"),
        ("adam", 0.1, {"decay_steps": -3}, "decay_steps: -3"),
    ],
)
def test_an_optimiser_that_cannot_be_is_named(name, rate, settings, message):
    with pytest.raises(ValueError, match=message):
        make_optimiser(name, rate, **settings)


def test_a_dense_network_has_the_shapes_and_the_spread_that_were_asked_for():
    network = make_network(
        "dense",
        inputs=50,
        classes=4,
        shots=300,
        knobs=3,
        bins=5,
        key=jax.random.key(0),
        hidden=(100,),
    )
    x = np.random.default_rng(0).normal(size=50).astype(np.float32)
    assert network.pre(x).shape == (300, 3)
    assert network.post(jnp.ones((300, 5))).shape == (4,)
    first, last = network.blocks[0].layers
    assert float(jnp.std(first.weight)) == pytest.approx(1.0 / np.sqrt(50), rel=0.05)
    assert float(jnp.std(last.weight)) == pytest.approx(0.5 / np.sqrt(100), rel=0.05)
    with pytest.raises(ValueError, match="network 'sparse' is not known"):
        make_network("sparse", inputs=1, classes=2, shots=1, knobs=1, bins=1, key=jax.random.key(0))
