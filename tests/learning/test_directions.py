"""Directions and the slopes told from displacements along them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from magnon_lab.learning.directions import draw, draw_each, slopes
from magnon_lab.learning.names import DIRECTIONS

pytestmark = pytest.mark.usefixtures("quick_compile")


@pytest.mark.parametrize("kind", DIRECTIONS)
def test_the_second_moment_of_directions_is_the_identity(kind):
    drawn = np.asarray(draw_each(kind, jax.random.key(0), (4000,), 2, 5)).reshape(-1, 5)
    np.testing.assert_allclose(drawn.T @ drawn / len(drawn), np.eye(5), atol=0.06)
    np.testing.assert_allclose(drawn.mean(axis=0), 0.0, atol=0.04)


@pytest.mark.parametrize(("count", "size"), [(4, 4), (4, 3), (8, 3), (8, 5), (3, 8)])
def test_orthogonal_directions_are_signs_with_orthogonal_rows_or_columns(count, size):
    drawn = np.asarray(draw("orthogonal", jax.random.key(3), count, size))
    assert set(np.unique(drawn)) == {-1.0, 1.0}
    if size <= count:
        np.testing.assert_array_equal(drawn.T @ drawn, count * np.eye(size))
    else:
        np.testing.assert_array_equal(drawn @ drawn.T, size * np.eye(count))


def test_three_orthogonal_directions_tell_all_slopes_of_three_knobs():
    drawn = draw_each("orthogonal", jax.random.key(5), (200,), 3, 3)
    assert float(jnp.min(jnp.abs(jnp.linalg.det(drawn)))) == pytest.approx(4.0, rel=1e-5)


@pytest.mark.parametrize("kind", DIRECTIONS)
@pytest.mark.parametrize("count", [1, 2, 6])
def test_slopes_are_right_on_average_whatever_was_realised(kind, count):
    """Realised displacements differ from the asked ones by a factor of each knob's own."""
    true = jnp.array([0.7, -2.0, 0.1, 1.3])
    asked = 0.1 * draw_each(kind, jax.random.key(1), (20000,), count, 4)
    realised = asked * jnp.array([1.0, 2.5, 0.5, 1.0])
    found = np.asarray(slopes(kind, realised, realised @ true))
    error = found.std(axis=0) / np.sqrt(len(found))
    assert np.all(np.abs(found.mean(axis=0) - true) < 4.5 * error + 2e-3)


def test_the_variance_of_slopes_is_that_of_the_other_inputs():
    true = jnp.array([0.7, -2.0, 0.1, 1.3])
    moves = 0.1 * draw_each("rademacher", jax.random.key(1), (20000,), 2, 4)
    found = np.asarray(slopes("rademacher", moves, moves @ true))
    others = float(true @ true) - np.asarray(true) ** 2
    np.testing.assert_allclose(found.var(axis=0), others / 2, rtol=0.05)


def test_an_input_that_did_not_move_has_no_slope():
    moves = jnp.array([[[0.1, 0.0], [-0.1, 0.0]]])
    for kind in ("rademacher", "orthogonal"):
        found = slopes(kind, moves, jnp.array([[0.3, -0.3]]))
        np.testing.assert_allclose(found, [[3.0, 0.0]], rtol=0.01)


def test_a_kind_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="sideways"):
        draw("sideways", jax.random.key(0), 1, 2)
