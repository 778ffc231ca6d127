"""Quantities as a physicist reads them: name, unit, and the factor from what is stored."""

from __future__ import annotations

from typing import NamedTuple


class Spoken(NamedTuple):
    """A quantity's name and unit on an axis; stored values times `factor` are in that unit."""

    name: str
    unit: str
    factor: float = 1.0

    @property
    def label(self) -> str:
        """Return name and unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def text(self, value: float) -> str:
        """Return a stored value with its unit."""
        return f"{value * self.factor:.6g} {self.unit}".rstrip()


QUANTITIES = {
    "drive_power_dbm": Spoken("Drive power", "dBm"),
    "drive_frequency_hz": Spoken("Drive frequency", "GHz", 1e-9),
    "attenuation_db": Spoken("Loop attenuation", "dB"),
    "field_mt": Spoken("Bias field", "mT"),
    "amplifier_voltage_v": Spoken("Amplifier voltage", "V"),
}

AXES = {
    "step": Spoken("Step", ""),
    "ring_measurements": Spoken("Ring measurements", ""),
    "bench_time_s": Spoken("Bench time", "s"),
}


def spoken(quantity: str) -> Spoken:
    """Return how a quantity is told, also one that is not known here."""
    return QUANTITIES.get(quantity) or Spoken(quantity.replace("_", " "), "")
