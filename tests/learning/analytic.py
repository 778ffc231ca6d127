"""A small analytic reservoir: smooth, differentiable, with optional steps, read-back and noise."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from magnon_lab.learning.reservoir import Knob, Measured

KNOBS = (
    Knob("drive_power_dbm", -30.0, 5.0),
    Knob("drive_frequency_hz", 4.45e9, 4.48e9),
    Knob("attenuation_db", 10.0, 15.0, 0.25),
)


class AnalyticReservoir:
    """A Lorentzian line over a floor: one knob moves it, one lifts it, one widens it.

    `instrument_step`: what the instruments make of each knob, in physical units, whether or not the
    knob says so; what they made is read back.
    """

    memoryless = True

    def __init__(self, knobs=KNOBS, points=101, noise_db=0.0, instrument_step=None):
        self.knobs = knobs
        self.frequencies_hz = np.linspace(4.3e9, 4.65e9, points)
        self.noise_db = noise_db
        self.step = np.array(
            [k.step for k in knobs] if instrument_step is None else instrument_step
        )
        self.low = np.array([k.low for k in knobs])
        self.span = np.array([k.high - k.low for k in knobs])
        self._batch = jax.jit(self.traces_fn)

    def traces_fn(self, settings, numbers):
        unit = 2.0 * (settings - jnp.asarray(self.low)) / jnp.asarray(self.span) - 1.0
        unit = jnp.concatenate([unit, jnp.zeros((len(unit), 3 - unit.shape[1]))], axis=1)
        height, place, width = unit[:, :1], unit[:, 1:2], unit[:, 2:]
        x = jnp.linspace(-2.0, 2.0, len(self.frequencies_hz))
        half = 0.35 * jnp.exp(0.6 * width)
        line = jnp.exp(2.0 * jnp.tanh(height)) / (1.0 + jnp.square((x - 0.8 * place) / half))
        comb = 0.3 * jnp.exp(1.5 * width * height) * jnp.square(jnp.cos(3.0 * x + 2.0 * place))
        traces = -60.0 + 10.0 * jnp.log10(line + comb + 0.05)
        if self.noise_db:
            keys = jax.vmap(lambda n: jax.random.fold_in(jax.random.key(7), n))(
                numbers.astype(jnp.uint32)
            )
            traces = traces + self.noise_db * jax.vmap(
                lambda k: jax.random.normal(k, (traces.shape[1],))
            )(keys)
        return traces

    def realise(self, settings):
        step = np.where(self.step > 0, self.step, 1.0)
        return np.where(self.step > 0, np.round(settings / step) * step, settings)

    def __call__(self, settings, numbers):
        realised = self.realise(settings)
        traces = np.asarray(self._batch(realised, np.asarray(numbers)))
        return Measured(settings, realised, traces, np.zeros(len(settings), np.uint32))
