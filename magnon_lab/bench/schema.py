"""What a bench file may say: one model a block, unknown keys refused."""

from __future__ import annotations

import datetime
import difflib
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0)]
NotNegative = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0)]
Count = Annotated[int, Field(strict=True)]


def _rising(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise PydanticCustomError("range", "two numbers, the lower first")
    return value


Range = Annotated[tuple[Number, Number], AfterValidator(_rising)]


class Strict(BaseModel):
    """A block whose keys are all known; a wrong one is answered with the nearest right one."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True
    )

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            for key in data:
                if key not in known and key not in cls.model_fields:
                    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
                    raise PydanticCustomError(
                        "unknown_key",
                        "{meant}known keys: {known}",
                        {
                            "key": str(key),
                            "meant": f"did you mean {near[0]!r}? " if near else "",
                            "known": ", ".join(known),
                        },
                    )
        return data


class Calibrated(Strict):
    """A figure measured at this bench: a bare number, or value with date and method."""

    value: Number
    date: datetime.date | None = Field(None, description="when it was measured")
    method: str = Field("", description="how it was measured")

    def __float__(self) -> float:
        return self.value

    @model_validator(mode="before")
    @classmethod
    def _bare_number(cls, data: Any) -> Any:
        return data if isinstance(data, dict | cls) else {"value": data}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "number"}, handler(schema)]}


class Role(Strict):
    """One instrument: the PyMeasure driver that speaks to it and where it is."""

    driver: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="module:Class, a PyMeasure instrument from drivers or pymeasure.instruments",
    )
    resource: str = Field(min_length=1, description="VISA resource name")
    identity: str = Field("", description="text that the instrument's identity must contain")
    timeout_s: Positive = Field(3.0, description="longest wait for an answer")
    read_termination: str | None = Field(None, description="end of an answer, if not the usual")
    write_termination: str | None = Field(None, description="end of a message, if not the usual")


class GeneratorRole(Role):
    """The microwave source of the injected tone."""

    require_preset_at_power_on: bool = Field(
        True, description="refuse to start if the source may wake with RF on (SYST:PON:TYPE)"
    )


class AttenuatorRole(Role):
    """The programmable attenuator inside the loop."""

    step_db: NotNegative | None = Field(None, description="resolution, if the driver has none")
    require_safe_start_up: bool = Field(
        True, description="refuse to start if it may wake with little attenuation"
    )


class FieldRole(Role):
    """The magnet and its bipolar current supply."""

    mt_per_a: Number = Field(description="field at the film for each ampere, not 0")
    compliance_v: Positive = Field(20.0, description="highest voltage across the coil")
    max_current_a: Positive | None = Field(None, description="if below what the supply can make")
    near_zero_a: Positive = Field(0.05, description="the output may be switched off below this")
    agree_a: Positive = Field(0.05, description="furthest read-back from the set current")
    approach_mt: NotNegative = Field(
        2.0, description="a target is always approached from this far below, for hysteresis"
    )
    ramp_step_s: Annotated[float, Field(strict=True, ge=0.025, allow_inf_nan=False)] = Field(
        0.05, description="time between the small steps of a ramp; BIT 4886 needs 25 ms"
    )
    read_back_s: Annotated[float, Field(strict=True, ge=0.0, allow_inf_nan=False)] = Field(
        0.35, description="wait before a read-back is believed; BIT 4886 averages 320 ms"
    )

    @model_validator(mode="after")
    def _not_zero(self) -> FieldRole:
        if self.mt_per_a == 0:
            raise PydanticCustomError(
                "at_key", "any number but 0", {"key": "mt_per_a", "value": self.mt_per_a}
            )
        return self


class ProbeRole(Role):
    """The gaussmeter at the film."""

    tolerance_mt: Positive = Field(5.0, description="furthest reading from the field set")


class SupplyChannel(Strict):
    """One output of the amplifier's supply."""

    channel: Annotated[int, Field(strict=True, ge=1)]
    voltage_v: NotNegative
    current_limit_a: Positive


class AmplifierRole(Role):
    """The bias supply of the loop's amplifier."""

    channel: Annotated[int, Field(strict=True, ge=1)]
    voltage_v: NotNegative = Field(description="nominal supply voltage")
    current_limit_a: Positive
    expected_current_a: Range = Field(description="what it draws at voltage_v, else it goes off")
    gate: SupplyChannel | None = Field(None, description="gate bias: on first, off last")


class Roles(Strict):
    """The instruments."""

    analyser: Role
    generator: GeneratorRole
    attenuator: AttenuatorRole
    field: FieldRole | None = None
    probe: ProbeRole | None = None
    amplifier: AmplifierRole | None = None
    laboratory: Role | None = Field(None, description="only a simulated laboratory has one")

    def present(self) -> dict[str, Role]:
        """Return the roles that the file names."""
        found = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: role for name, role in found if role is not None}


class PathAmplifier(Strict):
    """The loop's amplifier, at its nominal supply voltage."""

    gain_db: Calibrated
    saturated_dbm: Calibrated = Field(description="most that it puts out")
    input_max_dbm: Calibrated = Field(description="absolute maximum at its input")


class PathAttenuator(Strict):
    """The loop's attenuator when set to 0 dB."""

    insertion_loss_db: Calibrated
    input_max_dbm: Calibrated = Field(description="absolute maximum at its input")


class SignalPath(Strict):
    """What stands between the instruments."""

    amplifier: PathAmplifier
    attenuator: PathAttenuator
    film_insertion_loss_db: Calibrated
    injection_coupler_db: Calibrated
    analyser_coupler_db: Calibrated
    cables_db: Calibrated = Field(description="all cables of the loop together")


class Limits(Strict):
    """What must never be exceeded; a quantity whose role is present needs its limits."""

    drive_power_dbm: Range
    drive_frequency_hz: Range
    attenuation_db: Range
    field_mt: Range | None = None
    field_slew_mt_per_s: Positive | None = None
    amplifier_voltage_v: Range | None = None
    analyser_input_dbm: Number = Field(description="absolute maximum at the connector")


class Settle(Strict):
    """How long the bench waits after each kind of change."""

    field_s: NotNegative = 0.5
    drive_s: NotNegative = 0.012
    attenuation_s: NotNegative = 0.01
    amplifier_s: NotNegative = 0.2


class KnobRange(Strict):
    """How far a network may turn a quantity."""

    low: Number = Field(alias="from")
    high: Number = Field(alias="to")


class Knobs(Strict):
    """What a network may turn."""

    drive_power_dbm: KnobRange | None = None
    drive_frequency_hz: KnobRange | None = None
    attenuation_db: KnobRange | None = None
    field_mt: KnobRange | None = None
    amplifier_voltage_v: KnobRange | None = None


class Hold(Strict):
    """What stays where it is while other knobs turn."""

    drive_power_dbm: Number | None = None
    drive_frequency_hz: Number | None = None
    attenuation_db: Number | None = None
    field_mt: Number | None = None
    amplifier_voltage_v: Number | None = None


class Readout(Strict):
    """How the analyser looks; never automatic, since range changes are steps in the features."""

    start_hz: Positive
    stop_hz: Positive
    points: Annotated[int, Field(strict=True, ge=2, le=100_001)]
    rbw_hz: Positive
    vbw_hz: Positive
    detector: Literal["average", "peak", "sample"] = "average"
    input_attenuation_db: NotNegative
    reference_level_dbm: Number
    bins: Annotated[int, Field(strict=True, ge=1)] = Field(32, description="features of a trace")


class Safe(Strict):
    """How the safe state is reached."""

    step_timeout_s: Positive = Field(
        default=10.0, description="for each step, beside a ramp's own time"
    )


class Tolerance(Strict):
    """How far a read-back may be from what was set; without one, the instrument's resolution.

    The field has `agree_a` of its supply and `tolerance_mt` of its probe.
    """

    drive_power_dbm: NotNegative | None = None
    drive_frequency_hz: NotNegative | None = None
    attenuation_db: NotNegative | None = None
    amplifier_voltage_v: NotNegative | None = None


class WarmUp(Strict):
    """A start that ends when the reference's strongest mode stands still."""

    hz: Positive = Field(description="three references in a row agree within this")
    every_s: Positive = Field(30.0, description="time from one to the next")
    at_most_s: Positive = Field(3600.0, description="a ring that moves on beyond this is refused")


class Track(Strict):
    """A mode of the reference that drive frequencies go with, so that they are detunings from it.

    The reference must show it as a line: the loop a little above its threshold, no drive near it.
    """

    mode_hz: Positive = Field(description="where it stood when knobs and held values were chosen")
    within_hz: Positive = Field(
        description="it is looked for so far from where it was last: below half the mode spacing"
    )


class Reference(Hold):
    """A measurement at settings that are always the same, before every so many others.

    Quantities that it does not name are as they are held.
    """

    every: Annotated[int, Field(strict=True, ge=1)] = Field(description="measurements between two")
    warm_up: WarmUp | None = None
    track: Track | None = None

    def settings(self) -> dict[str, float]:
        """Return the quantities that it names."""
        values = {name: getattr(self, name) for name in Hold.model_fields}
        return {name: value for name, value in values.items() if value is not None}


class GuardBlock(Strict):
    """How the process that makes the bench safe when the run cannot goes about it."""

    timeout_s: Positive = Field(10.0, description="a run so much late with its sign of life hangs")
    give_up_s: Positive | None = Field(
        None, description="how long it tries to reach instruments: a day, simulated ones a minute"
    )
    longest_pause_s: Positive = Field(30.0, description="longest wait between two tries")

    def give_up_for(self, simulated: bool) -> float:
        """Return how long to try; a simulated laboratory that is gone has nothing on."""
        return self.give_up_s or (60.0 if simulated else 86_400.0)


class BenchModel(Strict):
    """A bench file."""

    name: str
    visa_library: str = Field(description="PyVISA library: '@py', '@ivi', file.yaml@magnon")
    roles: Roles
    path: SignalPath
    limits: Limits
    settle: Settle = Settle()
    knobs: Knobs = Knobs()
    hold: Hold = Hold()
    readout: Readout
    common_reference: bool = Field(
        True, description="refuse to start where generator and analyser share no 10 MHz reference"
    )
    reset_ring: bool = Field(True, description="open the loop before each measurement")
    safe: Safe = Field(default_factory=Safe)
    retries: Annotated[int, Field(strict=True, ge=0, le=100)] = Field(
        2, description="how often a measurement is tried again after a fault"
    )
    tolerance: Tolerance = Tolerance()
    reference: Reference | None = Field(None, description="tells drift apart from learning")
    guard: GuardBlock = GuardBlock(give_up_s=None, timeout_s=10.0, longest_pause_s=30.0)
