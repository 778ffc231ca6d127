"""The twin against Gaussian-process algebra, and against a map that it has to learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from magnon_lab.learning.twin import Twin, box, most_unsure

pytestmark = pytest.mark.usefixtures("quick_compile")

ROWS, KNOBS, BINS, NOISE = 60, 2, 3, 0.1


def shape(u):
    """A smooth map of two knobs to three features; the second knob matters little."""
    return np.stack(
        (np.sin(3 * u[:, 0]), np.cos(2 * u[:, 0]) + 0.3 * u[:, 1], u[:, 0] ** 2), axis=1
    )


def measured(n, seed=0, noise=NOISE):
    rng = np.random.default_rng(seed)
    u = rng.uniform(-1.0, 1.0, (n, KNOBS))
    return u.astype(np.float32), (shape(u) + rng.normal(0.0, noise, (n, BINS))).astype(np.float32)


@pytest.fixture(scope="module")
def twin():
    return Twin(KNOBS, BINS, capacity=ROWS, inducing=256, span=1000)


@pytest.fixture(scope="module")
def state(twin):
    u, f = measured(ROWS)
    state = twin.add(twin.init(), u, f, np.arange(ROWS))
    return state._replace(lengths=jnp.log(jnp.array([0.7, 3.0, 10.0])), noise=jnp.log(NOISE**2))


def kernel(first, second, lengths):
    """Matern 5/2 in float64, from its textbook form."""
    far = np.linalg.norm((first[:, None] - second[None]) / lengths, axis=-1)
    return (1 + np.sqrt(5) * far + 5 / 3 * far**2) * np.exp(-np.sqrt(5) * far)


def by_hand(state, u, now, rows=slice(None)):
    """Mean and variance of the whole Gaussian process, without inducing inputs."""
    lengths = np.exp(np.asarray(state.lengths, float))
    x = np.column_stack((state.inputs, state.times)).astype(float)[rows]
    at = np.column_stack((u, np.full(len(u), now)))
    inverse = np.linalg.inv(kernel(x, x, lengths) + np.exp(float(state.noise)) * np.eye(len(x)))
    across = kernel(at, x, lengths)
    mean = across @ inverse @ np.asarray(state.features, float)[rows]
    return mean, 1.0 - np.einsum("ij,jk,ik->i", across, inverse, across)


def test_it_believes_what_the_whole_process_would(twin, state):
    u = measured(200, seed=1)[0]
    belief = twin.posterior(state, ROWS)
    mean, variance = by_hand(state, u, ROWS / 1000)
    np.testing.assert_allclose(belief.mean(u), mean, atol=0.02)
    np.testing.assert_allclose(belief.variance(u), variance, atol=0.003)
    covariance = np.asarray(belief.covariance(u))
    np.testing.assert_allclose(np.diag(covariance), belief.variance(u), atol=1e-4)
    np.testing.assert_allclose(covariance, covariance.T, atol=1e-5)


def test_a_residual_is_that_of_the_twin_without_the_row(twin, state):
    belief = twin.posterior(state, ROWS)
    for row in (0, 17, 41):
        others = np.arange(ROWS) != row
        left_out, _ = by_hand(state, np.asarray(state.inputs[row : row + 1]), row / 1000, others)
        residual = np.asarray(state.features[row]) - left_out[0]
        np.testing.assert_allclose(belief.residuals[row], residual, atol=0.03)


def test_it_finds_length_scales_and_noise_and_knows_how_wrong_it_is(twin):
    u, f = measured(ROWS)
    state = twin.add(twin.init(), u, f, np.arange(ROWS))
    tuned = twin.tuned(state, jax.random.key(0), 60)
    assert np.exp(tuned.noise / 2) == pytest.approx(NOISE, rel=0.3)
    assert tuned.lengths[1] > tuned.lengths[0] + 1.0  # the knob that matters little
    belief = twin.posterior(tuned, ROWS)
    at = measured(500, seed=2)[0]
    wrong = np.asarray(belief.mean(at)) - shape(at)
    assert np.sqrt(np.mean(wrong**2)) < 0.6 * NOISE
    assert np.mean(wrong**2) == pytest.approx(float(jnp.mean(belief.variance(at))), rel=0.6)
    assert float(belief.error) == pytest.approx(NOISE, rel=0.35)


def test_what_was_measured_long_ago_counts_less_where_the_ring_drifts():
    twin = Twin(1, 1, capacity=80, inducing=64, span=40)
    rng = np.random.default_rng(4)
    u = rng.uniform(-1.0, 1.0, (80, 1)).astype(np.float32)
    jump = np.repeat([0.0, 0.5], 40)[:, None].astype(np.float32)
    f = np.sin(3 * u) + jump + rng.normal(0.0, 0.02, (80, 1)).astype(np.float32)
    state = twin.add(twin.init(), u, f, np.arange(80))
    tuned = twin.tuned(state, jax.random.key(1), 80)
    at = np.linspace(-1.0, 1.0, 50)[:, None].astype(np.float32)

    def shift(state, number):
        return float(jnp.mean(twin.posterior(state, number).mean(at) - np.sin(3 * at)))

    assert shift(tuned, 79) == pytest.approx(0.5, abs=0.1)
    assert shift(tuned, 5) == pytest.approx(0.0, abs=0.1)
    never = tuned._replace(lengths=tuned.lengths.at[-1].set(8.0))  # a ring that never changes
    assert shift(never, 79) == pytest.approx(0.25, abs=0.1)


def test_the_newest_rows_take_the_place_of_the_oldest():
    twin = Twin(KNOBS, BINS, capacity=5)
    u, f = measured(12)
    state = twin.add(twin.init(), u[:4], f[:4], np.arange(4))
    state = twin.add(state, u[4:7], f[4:7], np.arange(4, 7), np.array([True, True, False]))
    assert int(state.told) == 6
    np.testing.assert_array_equal(np.sort(state.times * 1000).round(), [1, 2, 3, 4, 5])
    state = twin.add(state, u, f, np.arange(100, 112))
    np.testing.assert_array_equal(np.sort(state.times * 1000).round(), np.arange(107, 112))
    assert int(state.told) == 18


def test_an_empty_twin_believes_its_prior(twin):
    belief = twin.posterior(twin.init(), 0)
    u = measured(20)[0]
    np.testing.assert_array_equal(belief.mean(u), 0.0)
    np.testing.assert_allclose(belief.variance(u), 1.0, atol=1e-3)


def test_a_box_is_covered_edges_included_and_grows_from_its_first_rows():
    rows = box(200, 3)
    assert rows.shape == (200, 3)
    np.testing.assert_array_equal(box(64, 3), rows[:64])
    assert np.abs(rows).max() <= 1.0
    for column in rows.T:
        assert column.min() < -0.995
        assert column.max() > 0.995
        # Spaced by the sine: a third of the rows in the outer 13 % on either side.
        assert np.mean(np.abs(column) > np.cos(np.pi / 6)) == pytest.approx(1 / 3, abs=0.04)


def test_the_most_unsure_points_are_those_that_are_told_least_by_the_others():
    covariance = jnp.array([[1.0, 0.99, 0.0], [0.99, 1.01, 0.0], [0.0, 0.0, 0.5]])
    assert most_unsure(covariance, jnp.asarray(0.01), 3).tolist() == [1, 2, 0]
