"""Rings in double precision, started in one mode, for experiments with closed forms."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from magnon_lab.ring import (
    RingModel,
    RingParameters,
    RingState,
    Waveform,
    closed_forms,
    film,
    loop,
    waves,
)

FIELD_MT = 92.0
VOLTAGE_V = 12.0
LINEAR = {"film": {"nonlinear": False}, "amplifier": {"saturates": False}}


class Experiment:
    """A ring in double precision, and what an experimenter does with it."""

    def __init__(self, field_mt: float = FIELD_MT, **blocks: Any) -> None:
        numerics = {"dtype": "complex128", **blocks.pop("numerics", {})}
        self.parameters = RingParameters.from_mapping({**blocks, "numerics": numerics})
        self.model = RingModel(self.parameters)
        self.field_mt = field_mt

    def modes_hz(self) -> np.ndarray:
        return self.model.mode_frequencies_hz(self.field_mt)

    def mode_near(self, frequency_hz: float) -> float:
        modes = self.modes_hz()
        return float(modes[np.argmin(np.abs(modes - frequency_hz))])

    def attenuation_for(self, gain_db: float, frequency_hz: float) -> float:
        """The attenuator's setting for a loop gain at one frequency."""
        p = self.parameters
        lost = float(closed_forms.film_loss_db(p, frequency_hz, self.field_mt))
        passive = lost + p.wiring.attenuator_loss_db + p.wiring.cables_db
        return p.amplifier.gain_db - passive - gain_db

    def trip_s(self, frequency_hz: float) -> float:
        """The group delay of a whole trip at a frequency, by differences of its phase."""
        edge = waves.edge_hz(self.parameters.film, self.field_mt, np)
        offsets = frequency_hz - edge + np.array([-1e3, 1e3])
        low, high = film.phase_rad(self.parameters, offsets, self.field_mt, np)
        return float((high - low) / (2 * np.pi * 2e3))

    def follow(
        self,
        attenuation_db: float,
        state: RingState | None = None,
        drive_dbm: float = -np.inf,
        drive_hz: float = 4.465e9,
    ) -> tuple[Waveform, RingState]:
        setting = np.array([drive_dbm, drive_hz, attenuation_db, self.field_mt, VOLTAGE_V])
        return self.model.waveform(setting, state=state)

    def one_mode(
        self, frequency_hz: float, launched_mw: float, growth_per_s: float = 0.0
    ) -> RingState:
        """A ring in which a tone runs since ever, `launched_mw` strong at the film's cable now."""
        wave, _ = self.follow(60.0)
        g = loop.geometry(self.parameters)
        time = (np.arange(g.history) - g.history) / wave.sample_hz
        rate = 2j * np.pi * (frequency_hz - wave.middle_hz) + growth_per_s
        tone = np.sqrt(launched_mw) * np.exp(rate * time)
        with jax.enable_x64(True):
            return RingState(jnp.asarray(np.stack([tone.real, tone.imag])), jnp.zeros(()))


def line(wave: Waveform) -> tuple[float, float, float]:
    """Frequency in Hz, growth of the amplitude in dB/s, mean power in mW of one line."""
    phase = np.unwrap(np.angle(wave.envelope))
    time = np.arange(len(phase)) / wave.sample_hz
    turning = np.polyfit(time, phase, 1)[0] / (2 * np.pi)
    growth = np.polyfit(time, 20 * np.log10(np.abs(wave.envelope)), 1)[0]
    return wave.middle_hz + turning, growth, float(np.mean(np.abs(wave.envelope) ** 2))


@pytest.fixture(name="line")
def line_fixture() -> Callable[[Waveform], tuple[float, float, float]]:
    return line


@pytest.fixture
def experiment() -> Callable[..., Experiment]:
    return Experiment


@pytest.fixture
def linear() -> Experiment:
    return Experiment(**LINEAR)
