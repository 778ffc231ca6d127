"""What the ring is built of, what the analyser is set to, and what is imperfect.

Every block is a frozen model whose keys carry their units. A misspelt key or a value out of range
is refused with a message that names the key, the value, its unit and what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

QUANTITIES = (
    "drive_power_dbm",
    "drive_frequency_hz",
    "attenuation_db",
    "field_mt",
    "amplifier_voltage_v",
)
"""The five things that can be turned, in the order of a settings row."""

_UNITS = {
    "dbm_per_hz": "dBm/Hz",
    "ghz_per_t": "GHz/T",
    "pj_per_m": "pJ/m",
    "per_m": "1/m",
    "db_per_v": "dB/V",
    "mhz_per_k": "MHz/K",
    "k_per_sqrt_h": "K/sqrt(h)",
    "db_per_sqrt_h": "dB/sqrt(h)",
    "dbm": "dBm",
    "db": "dB",
    "hz": "Hz",
    "mhz": "MHz",
    "um": "um",
    "mm": "mm",
    "mt": "mT",
    "ns": "ns",
    "rad": "rad",
    "trips": "round trips",
    "v": "V",
    "k": "K",
    "s": "s",
}


def unit_of(key: str) -> str:
    """Return the unit that a key carries in its name, or an empty string."""
    for suffix in sorted(_UNITS, key=len, reverse=True):
        if key == suffix or key.endswith("_" + suffix):
            return _UNITS[suffix]
    return ""


class Block(BaseModel):
    """A group of settings that is checked when it is made and never changes after."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any] | None) -> Self:
        """Make the block from a mapping as read from YAML; what is left out keeps its default.

        Raises ValueError that names each bad key with its value, unit and what is allowed.
        """
        try:
            return cls.model_validate(dict(mapping or {}))
        except ValidationError as error:
            raise ValueError(_explain(cls, error)) from None


def _explain(block: type[Block], error: ValidationError) -> str:
    """Return one line a fault: key, value, unit, what is allowed."""
    lines = []
    for fault in error.errors():
        path = ".".join(str(part) for part in fault["loc"])
        key = str(fault["loc"][-1]) if fault["loc"] else block.__name__
        unit = unit_of(key)
        if fault["type"] == "extra_forbidden":
            owner: Any = block
            for part in fault["loc"][:-1]:
                owner = owner.model_fields[str(part)].annotation
            lines.append(f"{path}: no such key; allowed are {', '.join(owner.model_fields)}")
        else:
            value = f"{fault['input']!r} {unit}".strip()
            where = f"{path} = {value}" if path else block.__name__
            lines.append(f"{where}: {fault['msg'].removeprefix('Value error, ')}")
    return "; ".join(lines)


Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Film(Block):
    """The yttrium iron garnet film; the working point is near 92 mT and 4.465 GHz."""

    wave: Literal["MSSW", "BVMSW", "FVMSW"] = "MSSW"
    thickness_um: Positive = 7.7
    length_mm: Positive = 6.0
    width_mm: Positive = 0.08
    """A narrow waveguide, so that an amplifier of 100 mW drives the film far into nonlinearity."""
    saturation_mt: Positive = 176.0
    gyromagnetic_ghz_per_t: Positive = 28.0
    linewidth_mt: NotNegative = 0.05
    exchange_pj_per_m: NotNegative = 3.6
    nonlinear: bool = True
    nonlinear_damping: NotNegative = 0.1
    """Nonlinear damping as a part of the nonlinear frequency shift, nu/|N| (a modelling choice)."""


class Antennas(Block):
    """The microstrips that excite and receive the wave, with their mismatch to 50 Ohm."""

    width_um: NotNegative = 50.0
    cut_per_m: Annotated[float, Field(ge=2000)] = 3500.0
    """Wavenumber below which the ground plane shorts the antennas. With a lower one the film would
    answer before a block of the round trip is over."""
    input_loss_db: NotNegative = 1.0
    output_loss_db: NotNegative = 14.35


class Amplifier(Block):
    """The loop amplifier: gain `g0 / sqrt(1 + I/I_sat)` at its nominal supply voltage."""

    gain_db: float = 35.0
    saturated_dbm: float = 20.0
    noise_figure_db: NotNegative = 5.0
    nominal_voltage_v: Positive = 12.0
    minimum_voltage_v: NotNegative = 6.0
    gain_slope_db_per_v: NotNegative = 0.4
    off_gain_db: float = -40.0
    saturates: bool = True


class Wiring(Block):
    """What stands between amplifier, attenuator, film, generator and analyser."""

    attenuator_loss_db: NotNegative = 5.0
    injection_coupler_db: NotNegative = 10.0
    analyser_coupler_db: NotNegative = 20.0
    cables_db: NotNegative = 1.0
    """Loss of the loop's cables and of the couplers' through paths, between attenuator and film."""
    analyser_cable_db: NotNegative = 1.0
    delay_ns: NotNegative = 0.5
    phase_rad: float = 0.0


class AnalyserHardware(Block):
    """What the spectrum analyser is, whatever it is set to."""

    floor_dbm_per_hz: float = -148.0
    """Displayed average noise level, no input attenuation."""
    mixer_limit_dbm: float = -7.0
    """Total power after the input attenuator above which the input is overloaded."""


class Numerics(Block):
    """How finely and how long the ring is followed."""

    bandwidth_mhz: Positive = 640.0
    """Width of the simulated band at the reference field."""
    warm_up_trips: Annotated[int, Field(ge=1)] = 80
    record_trips: Annotated[int, Field(ge=8)] = 48
    reference_field_mt: Positive = 92.0
    working_per_m: Positive = 7000.0
    """Wavenumber at which trip time, nonlinear shift and power of the wave are taken."""
    response_tail: Annotated[float, Field(gt=0, le=1e-2)] = 1e-4
    """Part of the film's impulse response, in amplitude, that may be left out."""
    dtype: Literal["complex64", "complex128"] = "complex64"


class RingParameters(Block):
    """The ring: film, antennas, amplifier, wiring, the analyser's hardware, and the numerics."""

    film: Film = Film()
    antennas: Antennas = Antennas()
    amplifier: Amplifier = Amplifier()
    wiring: Wiring = Wiring()
    analyser: AnalyserHardware = AnalyserHardware()
    numerics: Numerics = Numerics()

    def without(self, *, film: bool = False, amplifier: bool = False) -> Self:
        """Return this ring with the nonlinearity of its film or its amplifier switched off.

        With both off it is linear, and has a steady answer only below its threshold.
        """
        changed: dict[str, Block] = {}
        if film:
            changed["film"] = self.film.model_copy(update={"nonlinear": False})
        if amplifier:
            changed["amplifier"] = self.amplifier.model_copy(update={"saturates": False})
        return self.model_copy(update=changed)

    @model_validator(mode="after")
    def _saturated(self) -> Self:
        field = self.numerics.reference_field_mt
        if self.film.wave == "FVMSW" and field <= self.film.saturation_mt:
            raise ValueError(
                f"numerics.reference_field_mt = {field:g} mT: forward volume waves need a field"
                f" above film.saturation_mt = {self.film.saturation_mt:g} mT"
            )
        return self


class Imperfections(Block):
    """What a real bench adds; every one is off by default and driven by a key."""

    amplifier_noise: bool = False
    analyser_noise: bool = False
    film_walk_k_per_sqrt_h: NotNegative = 0.0
    film_daily_k: NotNegative = 0.0
    film_shift_mhz_per_k: float = -3.0
    gain_walk_db_per_sqrt_h: NotNegative = 0.0
    attenuator_error_db: NotNegative = 0.0
    analyser_ripple_db: NotNegative = 0.0


class Readout(Block):
    """What the analyser is set to; only a change of `points` or `detector` compiles anew."""

    start_hz: Positive = 4.3e9
    stop_hz: Positive = 4.65e9
    points: Annotated[int, Field(ge=2)] = 401
    rbw_hz: Positive = 1.0e6
    vbw_hz: Positive = 1.0e6
    detector: Literal["average", "peak", "sample"] = "average"
    input_attenuation_db: NotNegative = 20.0
    reference_level_dbm: float = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.stop_hz <= self.start_hz:
            raise ValueError(
                f"stop_hz = {self.stop_hz:g} Hz must lie above start_hz = {self.start_hz:g} Hz"
            )
        return self
