"""Quantities as a physicist reads them: name, unit, and the factor from what is stored."""

from __future__ import annotations

from typing import NamedTuple


class Spoken(NamedTuple):
    """A quantity's name and unit on an axis; stored values times `factor` are in that unit.

    decimals: as many as an instrument can tell, None where that is not known.
    """

    name: str
    unit: str
    factor: float = 1.0
    decimals: int | None = None

    @property
    def label(self) -> str:
        """Return name and unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def text(self, value: float) -> str:
        """Return a stored value with its unit."""
        return f"{plain(value * self.factor, self.decimals)} {self.unit}".rstrip()


def plain(value: float, decimals: int | None = None) -> str:
    """Return a number without zeros at its end; six digits of it unless decimals are told."""
    return f"{value:.6g}" if decimals is None else f"{round(value, decimals) + 0.0:.12g}"


def grouped(value: float, places: int = 0) -> str:
    """Return a number with its digits in groups of three."""
    return f"{value:,.{places}f}".replace(",", "\u202f")


QUANTITIES = {
    "drive_power_dbm": Spoken("Drive power", "dBm", decimals=2),
    "drive_frequency_hz": Spoken("Drive frequency", "GHz", 1e-9, decimals=6),
    "attenuation_db": Spoken("Loop attenuation", "dB", decimals=2),
    "field_mt": Spoken("Bias field", "mT", decimals=3),
    "amplifier_voltage_v": Spoken("Amplifier voltage", "V", decimals=3),
}

AXES = {
    "step": Spoken("Step", ""),
    "ring_measurements": Spoken("Ring measurements", ""),
    "bench_time_s": Spoken("Bench time", "s"),
}


def spoken(quantity: str) -> Spoken:
    """Return how a quantity is told, also one that is not known here."""
    return QUANTITIES.get(quantity) or Spoken(quantity.replace("_", " "), "")
