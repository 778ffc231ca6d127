"""Band powers: what the bands are, and what shift and scale do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from magnon_lab.learning.features import FeatureMap, hann_bands


def test_bands_overlap_by_half_and_weigh_every_inner_point_alike():
    bands = hann_bands(401, 9)
    np.testing.assert_allclose(bands.sum(axis=0), 1.0)
    total = bands.sum(axis=1)
    inner = total[40:361]  # one half band from either end
    np.testing.assert_allclose(inner, inner.mean(), rtol=0.01)
    centres = (np.arange(401)[:, None] * bands).sum(axis=0)
    np.testing.assert_allclose(np.diff(centres), 40.0, atol=0.05)


def test_a_flat_trace_has_its_own_level_in_every_band_however_low():
    for level in (0.0, -65.0, -170.0):
        features = FeatureMap(401, 32).raw(jnp.full((2, 401), level))
        np.testing.assert_allclose(features, level, atol=2e-3)


def test_the_mean_is_of_power():
    trace = np.full(401, -100.0, np.float32)
    trace[200] = -20.0
    bands = hann_bands(401, 7)
    expected = 10.0 * np.log10(bands[200, 3] * 1e-2 + (1.0 - bands[200, 3]) * 1e-10)
    got = FeatureMap(401, 7).raw(jnp.asarray(trace)[None])[0, 3]
    assert float(got) == pytest.approx(expected, abs=1e-3)


def test_a_wandering_line_moves_the_features_smoothly():
    x = np.arange(401)
    places = np.linspace(150.0, 250.0, 401)
    lines = 10.0 * np.log10(np.exp(-(((x - places[:, None]) / 2.0) ** 2)) + 1e-6)
    features = np.asarray(FeatureMap(401, 32).raw(jnp.asarray(lines, jnp.float32)))
    step = np.abs(np.diff(features, axis=0)).max()
    assert step < 0.12 * (features.max() - features.min())


def test_scaled_features_have_unit_mean_square_and_quiet_bands_stay_quiet():
    rng = np.random.default_rng(0)
    traces = rng.normal(-60.0, 0.5, (300, 401)).astype(np.float32)
    traces[:, 180:220] += rng.normal(0.0, 15.0, (300, 1))
    mapping = FeatureMap(401, 16)
    scaled = np.asarray(mapping.scaled(traces, mapping.scale_of(jnp.asarray(traces))))
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-4)
    assert np.mean(scaled**2) == pytest.approx(1.0, rel=1e-3)
    assert scaled[:, 0].std() < 0.1 * scaled.std(axis=0).max()


def test_a_dead_reservoir_gives_finite_features():
    traces = jnp.full((10, 401), -80.0)
    mapping = FeatureMap(401, 16)
    assert np.isfinite(np.asarray(mapping.scaled(traces, mapping.scale_of(traces)))).all()


def test_the_slope_of_the_features_is_that_of_finite_differences():
    mapping = FeatureMap(101, 8)
    trace = jnp.asarray(np.random.default_rng(1).normal(-50.0, 8.0, (1, 101)), jnp.float32)
    way = jnp.asarray(np.random.default_rng(2).normal(0.0, 1.0, (1, 101)), jnp.float32)
    _, slope = jax.jvp(mapping.raw, (trace,), (way,))
    central = (mapping.raw(trace + 0.05 * way) - mapping.raw(trace - 0.05 * way)) / 0.1
    np.testing.assert_allclose(slope, central, rtol=0.02, atol=0.01)


def test_without_bands_a_trace_is_its_own_features():
    mapping = FeatureMap(3, 0)
    traces = jnp.array([[0.1, -0.2, 0.9]])
    np.testing.assert_array_equal(mapping.scaled(traces, mapping.scale_of(traces)), traces)


def test_more_bands_than_the_trace_can_feed_are_refused():
    with pytest.raises(ValueError, match="bins: 300 is outside 1 to 200"):
        FeatureMap(401, 300)
