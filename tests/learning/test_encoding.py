"""Between numbers on -1..1 and settings: units, grids, dither, moves that instruments can make."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnon_lab.learning.encoding import Encoding
from magnon_lab.learning.reservoir import Knob

POWER = Knob("drive_power_dbm", -30.0, 5.0)
FREQUENCY = Knob("drive_frequency_hz", 4.45e9, 4.48e9)
ATTENUATION = Knob("attenuation_db", 10.0, 15.0, 0.25)
OFF_GRID = Knob("attenuation_db", 10.1, 14.9, 0.25)
ENCODING = Encoding((POWER, FREQUENCY, ATTENUATION))


def test_the_ends_and_the_middle_are_the_knobs_own():
    unit = np.array([[-1.0, -1.0, -1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    physical = ENCODING.settings(unit)
    np.testing.assert_allclose(
        physical, [[-30.0, 4.45e9, 10.0], [-12.5, 4.465e9, 12.5], [5.0, 4.48e9, 15.0]], rtol=1e-12
    )
    np.testing.assert_allclose(ENCODING.unit(physical), unit, atol=1e-6)


@given(st.lists(st.floats(-5.0, 5.0), min_size=3, max_size=3))
@settings(deadline=None, max_examples=50)
def test_settings_never_leave_the_knobs_and_stand_on_the_grid(numbers):
    for encoding in (ENCODING, Encoding((POWER, FREQUENCY, OFF_GRID))):
        physical = encoding.settings(np.array([numbers]))[0]
        for value, knob in zip(physical, encoding.knobs, strict=True):
            assert knob.low <= value <= knob.high
        assert physical[2] / 0.25 == round(physical[2] / 0.25)


def test_a_grid_is_whole_multiples_of_the_step_within_the_range():
    assert len(ATTENUATION.grid()) == 21
    grid = OFF_GRID.grid()
    assert (grid[0], grid[-1]) == (10.25, 14.75)
    assert len(Knob("attenuation_db", 0.1, 0.3, 0.1).grid()) == 3


def test_the_dither_keeps_the_mean_and_the_distance_of_partners():
    unit = jnp.array([0.3, -0.2, 0.034])
    uniform = (jnp.arange(4000)[:, None] + 0.5) / 4000 * jnp.ones(3)
    dithered = jax.vmap(lambda one: ENCODING.dither(unit, one))(uniform)
    np.testing.assert_allclose(dithered[:, :2], jnp.broadcast_to(unit[:2], (4000, 2)))
    assert len(np.unique(np.round(np.asarray(dithered[:, 2]), 5))) == 2
    assert float(jnp.mean(dithered[:, 2])) == pytest.approx(0.034, abs=2e-4)
    partner = jax.vmap(lambda one: ENCODING.dither(unit + 0.3, one))(uniform)
    np.testing.assert_allclose(partner[:, 2] - dithered[:, 2], 0.3, atol=1e-5)


def test_a_number_on_the_grid_stays_there_under_any_dither():
    grid = jnp.asarray(ENCODING.unit(np.tile(ATTENUATION.grid()[:, None], (1, 3))))
    for uniform in (0.0, 0.5, 0.999999):
        dithered = ENCODING.dither(grid, jnp.full(3, uniform))
        np.testing.assert_allclose(dithered[:, 2], grid[:, 2], atol=1e-6)


@pytest.mark.parametrize("sides", [2, 1])
@pytest.mark.parametrize("whole", [True, False])
def test_moves_are_never_cut_and_are_whole_steps_on_stepped_knobs(sides, whole):
    key = jax.random.key(0)
    unit = jax.random.uniform(key, (500, 3), minval=-1.0, maxval=1.0)
    unit = unit.at[:100].set(jnp.sign(unit[:100]))  # many at the very edge
    wanted = 0.13 * jax.random.rademacher(jax.random.key(1), (500, 2, 3), jnp.float32)
    moves = ENCODING.moves(wanted, jax.random.key(2), whole=whole)
    uniform = jax.random.uniform(jax.random.key(3), unit.shape)
    copies = ENCODING.around(unit[:, None], moves, uniform, sides)
    made = copies[:, 0::2] - copies[:, 1::2] if sides == 2 else copies[:, 1:] - copies[:, :1]
    np.testing.assert_allclose(made, moves, atol=2e-6)
    assert float(jnp.max(jnp.abs(copies))) <= 1.0 + 1e-6
    np.testing.assert_allclose(moves[..., :2], wanted[..., :2], atol=1e-7)
    steps = np.asarray(moves[..., 2]) / 0.1
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)
    if whole:
        np.testing.assert_allclose(np.abs(steps), 1.0, atol=1e-4)
    else:
        assert set(np.unique(np.abs(np.round(steps)))) == {1.0, 2.0}
        assert np.mean(np.abs(steps)) == pytest.approx(1.3, abs=0.05)


def test_a_wish_below_the_step_becomes_a_whole_step_since_less_is_no_step():
    moves = ENCODING.moves(jnp.full((1, 3), 0.01), jax.random.key(0), whole=True)
    np.testing.assert_allclose(moves, [[0.01, 0.01, 0.1]], atol=1e-6)


def test_clipping_is_told_and_lets_the_gradient_through():
    raw = jnp.array([[-1.5, 0.2, 1.2]])
    np.testing.assert_allclose(ENCODING.clip(raw), [[-1.0, 0.2, 1.0]])
    np.testing.assert_allclose(jax.grad(lambda one: ENCODING.clip(one).sum())(raw), 1.0)
    assert float(ENCODING.overshoot(raw)) == pytest.approx((0.25 + 0.04) / 3.0)


@pytest.mark.parametrize(
    ("low", "high", "step", "message"),
    [
        (5.0, -30.0, 0.0, "low < high"),
        (np.nan, 5.0, 0.0, "finite"),
        (0.0, 1.0, -0.1, "negative"),
        (10.0, 10.2, 0.25, "fewer than two settings"),
    ],
)
def test_a_knob_that_cannot_be_turned_is_refused(low, high, step, message):
    with pytest.raises(ValueError, match=message):
        Knob("attenuation_db", low, high, step)
