"""The five quantities that can be turned, their units, and how much of each."""

from __future__ import annotations

from dataclasses import dataclass

QUANTITIES = (
    "drive_power_dbm",
    "drive_frequency_hz",
    "attenuation_db",
    "field_mt",
    "amplifier_voltage_v",
)

ROLE_OF = {
    "drive_power_dbm": "generator",
    "drive_frequency_hz": "generator",
    "attenuation_db": "attenuator",
    "field_mt": "field",
    "amplifier_voltage_v": "amplifier",
}
"""The role that makes each quantity."""

_UNITS = {  # longest suffix first, so that field_slew_mt_per_s is not taken for seconds
    "_mt_per_s": "mT/s",
    "mt_per_a": "mT/A",
    "_dbm": "dBm",
    "_db": "dB",
    "_hz": "Hz",
    "_mt": "mT",
    "_v": "V",
    "_a": "A",
    "_s": "s",
}


def unit_of(key: str) -> str:
    """Return the unit that a key carries at the end of its name, "" for none."""
    return next((unit for suffix, unit in _UNITS.items() if key.endswith(suffix)), "")


@dataclass(frozen=True)
class Knob:
    """How far a network may turn a quantity, in its unit.

    `step` is the resolution that the instrument can make, 0 where it is as good as continuous.
    """

    low: float
    high: float
    step: float = 0.0


@dataclass(frozen=True)
class ShownQuantity:
    """One quantity as it stands; `held` and `knob` are None where there is none."""

    quantity: str
    unit: str
    readback: float
    held: float | None
    limits: tuple[float, float]
    knob: Knob | None


def spoken(quantity: str, value: float) -> str:
    """Return `quantity = value unit` for a message, with all digits that matter."""
    return f"{quantity} = {value:.12g} {unit_of(quantity)}".rstrip()
