"""Power at the nodes of the loop: limits that several settings share.

The loop as it is wired: the film's output and the injected tone enter the amplifier, at whose
output the analyser is coupled; then come attenuator, cables and the film again. All figures are
what the experimenter believes (`path` in the bench file), each bound is an upper one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from magnon_lab.bench.schema import BenchModel

Array = npt.NDArray[np.float64]

LINEAR_BELOW_DB = -3.0
"""Loop gain above which sums of linear waves mean nothing and only saturation is a bound."""


@dataclass(frozen=True)
class Node:
    """A place in the loop, the most power that can be there and the most it bears."""

    name: str
    power_dbm: Array  # (n,)
    limit_dbm: float
    limit_key: str


class LinkedLimits:
    """The loop of one bench file."""

    def __init__(self, model: BenchModel) -> None:
        path = model.path
        self.gain_db = float(path.amplifier.gain_db)
        self.saturated_dbm = float(path.amplifier.saturated_dbm)
        self.amplifier_input_max_dbm = float(path.amplifier.input_max_dbm)
        self.attenuator_loss_db = float(path.attenuator.insertion_loss_db)
        self.attenuator_input_max_dbm = float(path.attenuator.input_max_dbm)
        self.film_loss_db = float(path.film_insertion_loss_db)
        self.injection_coupler_db = float(path.injection_coupler_db)
        self.analyser_coupler_db = float(path.analyser_coupler_db)
        self.cables_db = float(path.cables_db)
        self.analyser_input_max_dbm = model.limits.analyser_input_dbm

    def loop_gain_db(self, attenuation_db: Array) -> Array:
        """Return the small-signal gain (dB) of one round trip, (n,)."""
        losses = self.attenuator_loss_db + self.film_loss_db + self.cables_db
        return self.gain_db - losses - attenuation_db

    def nodes(self, drive_power_dbm: Array, attenuation_db: Array) -> Iterator[Node]:
        """Yield each node with the most power it can get, for settings (n,) each.

        A drive that is off has -inf dBm. A wave of amplitude `s` at the amplifier's input grows to
        at most `s / (1 - g)` in a loop of amplitude gain `g < 1`; whatever the gain, what comes
        round is at most the saturated output less the losses on its way.
        """
        loop_gain_db = self.loop_gain_db(attenuation_db)
        tone_dbm = drive_power_dbm - self.injection_coupler_db
        round_dbm = self.saturated_dbm - (self.gain_db - loop_gain_db)
        bound_dbm = _sum_of_amplitudes(tone_dbm, round_dbm)
        gain = 10 ** (np.minimum(loop_gain_db, LINEAR_BELOW_DB) / 20)
        linear_dbm = np.where(
            loop_gain_db < LINEAR_BELOW_DB, tone_dbm - 20 * np.log10(1 - gain), np.inf
        )
        amplifier_in = np.minimum(linear_dbm, bound_dbm)
        attenuator_in = np.minimum(amplifier_in + self.gain_db, self.saturated_dbm)
        analyser_in = attenuator_in - self.analyser_coupler_db
        yield Node(
            "amplifier input",
            amplifier_in,
            self.amplifier_input_max_dbm,
            "path.amplifier.input_max_dbm",
        )
        yield Node(
            "attenuator input",
            attenuator_in,
            self.attenuator_input_max_dbm,
            "path.attenuator.input_max_dbm",
        )
        yield Node(
            "analyser input", analyser_in, self.analyser_input_max_dbm, "limits.analyser_input_dbm"
        )

    def calculation(self, name: str, drive_power_dbm: float, attenuation_db: float) -> str:
        """Return how the power at a node came about, for the message of a refusal."""
        loop_gain_db = float(self.loop_gain_db(np.asarray(attenuation_db)))
        tone = f"drive {drive_power_dbm:g} dBm - injection coupler {self.injection_coupler_db:g} dB"
        if loop_gain_db < LINEAR_BELOW_DB:
            gained = -20 * np.log10(1 - 10 ** (loop_gain_db / 20))
            loop = (
                f"loop gain {loop_gain_db:g} dB raises {tone} by {gained:.2f} dB, at most "
                f"to what saturation at {self.saturated_dbm:g} dBm lets come round"
            )
        else:
            loop = (
                f"loop gain {loop_gain_db:g} dB is above {LINEAR_BELOW_DB:g} dB, so saturation "
                f"alone bounds it: {self.saturated_dbm:g} dBm - "
                f"{self.gain_db - loop_gain_db:g} dB of losses on the way round, plus {tone}"
            )
        if name == "amplifier input":
            return loop
        through = (
            f"{loop}; then + amplifier {self.gain_db:g} dB, at most {self.saturated_dbm:g} dBm"
        )
        if name == "attenuator input":
            return through
        return f"{through}; then - analyser coupler {self.analyser_coupler_db:g} dB"


def _sum_of_amplitudes(first_dbm: Array, second_dbm: Array) -> Array:
    """Return the power of two waves in phase, the worst that can happen."""
    return np.asarray(20 * np.log10(10 ** (first_dbm / 20) + 10 ** (second_dbm / 20)))
