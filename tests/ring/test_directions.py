"""The directions that no closed form of sizes would notice, and smoothness over the knobs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from magnon_lab.ring import QUANTITIES, Readout, RingModel, RingParameters, closed_forms, waves

FLAT = Readout(points=41, rbw_hz=8e6, vbw_hz=8e6, detector="peak")
"""So wide a filter that the highest point is a line's power wherever the line lies."""
WEAK = RingParameters.from_mapping(
    {"film": {"nonlinear": False}, "amplifier": {"saturates": False}}
)
BOX_LOW = np.array([-30.0, 4.45e9, 10.0, 92.0, 12.0])
BOX_HIGH = np.array([5.0, 4.48e9, 15.0, 92.0, 12.0])


def peaks_hz(model: RingModel, field_mt: float, near_hz: np.ndarray) -> np.ndarray:
    """Where a driven ring answers most, by a parabola through the best of fine steps."""
    steps = np.arange(-40, 41) * 2e4
    found = []
    for near in near_hz:
        settings = np.tile([-40.0, near, 10.0, field_mt, 12.0], (len(steps), 1))
        settings[:, 1] += steps
        power = model.traces(settings, FLAT, np.arange(len(steps))).max(axis=1)
        best = int(np.argmax(power))
        assert 0 < best < len(steps) - 1
        left, top, right = power[best - 1 : best + 2]
        shift = (left - right) / (2 * (left - 2 * top + right))
        found.append(near + steps[best] + shift * 2e4)
    return np.array(found)


def test_driven_peaks_lie_where_the_phase_closes() -> None:
    model = RingModel(WEAK)
    modes = model.mode_frequencies_hz(92.0)
    modes = modes[(modes > 4.45e9) & (modes < 4.53e9)]
    assert len(modes) >= 7
    np.testing.assert_allclose(peaks_hz(model, 92.0, modes), modes, atol=1e5)


def test_a_mode_rises_with_the_field() -> None:
    """+31.6 MHz/mT near 92 mT: that of the dispersion, by the film's part of the trip."""
    model = RingModel(WEAK)
    modes = model.mode_frequencies_hz(92.0)
    mode = modes[np.argmin(np.abs(modes - 4.465e9))]
    p = model.parameters
    k = waves.wavenumber_per_m(p.film, mode - waves.edge_hz(p.film, 92.0, np), 92.0, np)
    delay = waves.delay_s(p.film, k, 92.0, np)
    of_film = 28.0 * waves.field_slope(p.film, k, 92.0, np)
    of_mode = of_film * delay / (delay + p.wiring.delay_ns * 1e-9)
    low, high = (
        peaks_hz(model, field, np.array([mode + of_mode * 1e6 * (field - 92.0)]))[0]
        for field in (91.9, 92.1)
    )
    assert (high - low) / 0.2e6 == pytest.approx(of_mode, abs=0.1)
    assert of_film == pytest.approx(31.6, abs=0.05)
    assert of_mode == pytest.approx(31.6, abs=0.3)


def test_a_stronger_drive_finds_its_resonance_lower() -> None:
    """MSSW: the line moves down, so a drive below the mode goes round more than one above."""
    model = RingModel()
    modes = model.mode_frequencies_hz(92.0)
    mode = modes[np.argmin(np.abs(modes - 4.467e9))]
    rows = np.tile([-22.0, mode, 9.3, 92.0, 12.0], (2, 1))
    rows[:, 1] += [-1e5, 1e5]
    below, above = model.traces(rows, FLAT, [0, 1]).max(axis=1)
    assert below > above + 0.3
    weak = RingModel(WEAK).traces(rows, FLAT, [0, 1]).max(axis=1)
    assert abs(weak[0] - weak[1]) < 0.2


@pytest.mark.parametrize("knob", ["drive_power_dbm", "drive_frequency_hz", "attenuation_db"])
def test_traces_are_continuous_over_the_knobs(knob) -> None:
    """No step of 1/1000 of a knob's range makes more than its neighbours do."""
    model, readout, column = RingModel(), Readout(), QUANTITIES.index(knob)
    random = np.random.default_rng(1)
    for start in random.uniform(size=(3, 5)):
        rows = np.tile(BOX_LOW + start * (BOX_HIGH - BOX_LOW), (1001, 1))
        rows[:, 2] = np.minimum(rows[:, 2], 11.0)
        rows[:, column] = np.linspace(BOX_LOW[column], BOX_HIGH[column], 1001)
        traces = model.traces(rows, readout, np.arange(1001)).astype(float)
        # A line that moves 30 kHz under a 1 MHz filter changes its skirts by 1.4 dB, evenly.
        assert np.abs(np.diff(traces, axis=0)).max() < 1.6
        assert np.abs(np.diff(traces, n=2, axis=0)).max() < 0.3


def test_gradient_is_that_of_central_differences() -> None:
    with jax.enable_x64(True):
        model = RingModel(RingParameters.from_mapping({"numerics": {"dtype": "complex128"}}))
        readout = Readout()
        base = jnp.array([[-15.0, 4.4655e9, 10.2, 92.0, 12.0], [-3.0, 4.472e9, 13.0, 92.01, 11.0]])
        weights = jnp.asarray(np.random.default_rng(0).normal(size=(2, readout.points)))

        def loss(settings):
            return jnp.sum(weights * model.traces_fn(settings, readout, jnp.arange(2)))

        value = jax.jit(loss)
        exact = np.asarray(jax.jit(jax.grad(loss))(base))
        for column, step in enumerate([1e-4, 20.0, 1e-4, 1e-6, 1e-4]):
            for row in range(2):
                up, down = (base.at[row, column].add(sign * step) for sign in (1, -1))
                slope = float(value(up) - value(down)) / (2 * step)
                assert exact[row, column] == pytest.approx(slope, rel=2e-4, abs=1e-9)


def test_traces_fn_is_what_traces_gives() -> None:
    model, readout = RingModel(), Readout()
    rows = np.random.default_rng(2).uniform(BOX_LOW, BOX_HIGH, (4, 5))
    pure = jax.jit(lambda x: model.traces_fn(x, readout, jnp.arange(4), one_field=True))
    # A single-precision frequency near 4.5 GHz is rounded to 512 Hz, a line's skirt to 0.05 dB.
    np.testing.assert_allclose(
        pure(rows.astype(np.float32)), model.traces(rows, readout, np.arange(4)), atol=0.05
    )


def test_threshold_moves_with_field_and_supply() -> None:
    model = RingModel()
    assert model.threshold_attenuation_db(100.0) < model.threshold_attenuation_db(92.0)
    p = model.parameters
    lower = closed_forms.threshold_attenuation_db(p, 92.0, 11.0)
    drop = p.amplifier.gain_slope_db_per_v
    assert lower == pytest.approx(model.threshold_attenuation_db(92.0, 12.0) - drop)
    assert closed_forms.threshold_attenuation_db(p, 92.0, 3.0) < -50
