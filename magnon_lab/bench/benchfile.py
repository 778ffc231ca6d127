"""One YAML file that describes a laboratory: `BenchFile`."""

from __future__ import annotations

import importlib.resources
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from magnon_lab.bench.adapters.attenuator import SteppedAttenuator
from magnon_lab.bench.errors import BenchFileError, LimitError
from magnon_lab.bench.limits import Limits
from magnon_lab.bench.quantities import QUANTITIES, ROLE_OF, Knob
from magnon_lab.bench.reading import read_model
from magnon_lab.bench.schema import BenchModel, Readout
from magnon_lab.bench.session import driver_class

THREE_WAVE_MT = 88.0
"""Field below which a surface wave at the top of its band lies above twice the band's bottom."""

ENVIRONMENT = "MAGNON_LAB_BENCH"


@dataclass(frozen=True)
class BenchFile:
    """A checked bench file.

    `text` is the file as read, `model` what it says.
    """

    text: str
    path: Path
    model: BenchModel = field(repr=False)

    @classmethod
    def load(cls, path: Path | str | None = None) -> BenchFile:
        """Read a bench file.

        Without `path` it is the one that the environment variable MAGNON_LAB_BENCH names, then
        ./bench.yaml, then the shipped one, which describes the simulated ring. Raises
        `BenchFileError` naming key, value, unit and what is allowed.
        """
        found = Path(path) if path is not None else default_path()
        try:
            text = found.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BenchFileError(f"bench file {found} cannot be read: {error}") from error
        return cls.parse(text, found)

    @classmethod
    def parse(cls, text: str, path: Path | str = "bench.yaml") -> BenchFile:
        """Read a bench file from its text; `path` is where it stands, for relative names in it."""
        return cls(text, Path(path), read_model(text, str(path)))

    @property
    def name(self) -> str:
        """What the laboratory is called."""
        return self.model.name

    @property
    def simulated(self) -> bool:
        """Whether the instruments are simulated, which a laboratory role tells."""
        return self.model.roles.laboratory is not None

    @property
    def in_process(self) -> bool:
        """Whether the instruments live in the process that opens them, and end with it."""
        return self.model.visa_library.rpartition("@")[2] in ("magnon", "sim")

    @property
    def readout(self) -> Readout:
        """How the analyser looks."""
        return self.model.readout

    @property
    def visa_library(self) -> str:
        """The PyVISA library; a file in it that stands beside the bench file has its full path."""
        file, at, backend = self.model.visa_library.rpartition("@")
        beside = self.path.resolve().parent / file
        return f"{beside}{at}{backend}" if file and beside.exists() else self.model.visa_library

    @property
    def frequencies_hz(self) -> npt.NDArray[np.float64]:
        """Frequencies of a trace's points, (points,), both ends included."""
        return np.linspace(self.readout.start_hz, self.readout.stop_hz, self.readout.points)

    @property
    def quantities(self) -> tuple[str, ...]:
        """The quantities that this bench has an instrument for."""
        roles = self.model.roles.present()
        return tuple(quantity for quantity in QUANTITIES if ROLE_OF[quantity] in roles)

    @cached_property
    def knobs(self) -> dict[str, Knob]:
        """What a network may turn; the attenuator's step comes from its driver."""
        ranges = {name: getattr(self.model.knobs, name) for name in QUANTITIES}
        return {
            name: Knob(knob.low, knob.high, self.step(name))
            for name, knob in ranges.items()
            if knob is not None
        }

    @cached_property
    def hold(self) -> dict[str, float]:
        """What stays fixed; the amplifier's voltage is its nominal one unless the file says."""
        held = {name: getattr(self.model.hold, name) for name in self.quantities}
        amplifier = self.model.roles.amplifier
        if amplifier is not None and held["amplifier_voltage_v"] is None:
            held["amplifier_voltage_v"] = amplifier.voltage_v
        return {name: value for name, value in held.items() if value is not None}

    @property
    def limits(self) -> Limits:
        """The limits, single and linked."""
        return Limits(self.model)

    def step(self, quantity: str) -> float:
        """Return the resolution that the instrument can make, 0 for as good as continuous."""
        return self._attenuator_step_db if quantity == "attenuation_db" else 0.0

    @cached_property
    def _attenuator_step_db(self) -> float:
        """The attenuator's step: to find its driver takes a look at the disk."""
        role = self.model.roles.attenuator
        if role.step_db is not None:
            return role.step_db
        return SteppedAttenuator.step_db(driver_class("attenuator", role.driver))

    def idle(self, quantity: str) -> float:
        """Return where a quantity waits that is neither held nor turned.

        Least power, most attenuation, the middle of the drive's band, no field, no bias.
        """
        low, high = self.limits.ranges[quantity]
        if quantity == "drive_frequency_hz":
            knob = self.knobs.get(quantity)
            return (knob.low + knob.high) / 2 if knob else (low + high) / 2
        if quantity == "attenuation_db":
            return high
        return low if quantity == "drive_power_dbm" else 0.0

    def notes(self) -> list[str]:
        """Return what is not wrong but should be known."""
        notes = []
        spacing_hz = (self.readout.stop_hz - self.readout.start_hz) / (self.readout.points - 1)
        if spacing_hz > self.readout.rbw_hz:
            notes.append(
                f"points of the readout are {spacing_hz:.4g} Hz apart, more than rbw_hz = "
                f"{self.readout.rbw_hz:g} Hz: narrow lines can be missed"
            )
        field_mt = self.hold.get("field_mt", THREE_WAVE_MT)
        if self.simulated and 0 < field_mt < THREE_WAVE_MT:
            notes.append(
                f"hold.field_mt = {field_mt:g} mT is below {THREE_WAVE_MT:g} mT, where surface "
                "waves at the band's top decay by three-wave processes, which the ring model lacks"
            )
        box = {name: (knob.low, knob.high) for name, knob in self.knobs.items()}
        held = self.hold
        if "attenuation_db" in box:
            gains_db = self.limits.linked.loop_gain_db(np.array(box["attenuation_db"]))
            notes.append(f"loop gain over the knob's range: {gains_db[1]:g} to {gains_db[0]:g} dB")
            corner = held | {"attenuation_db": box["attenuation_db"][0]}
            if "drive_power_dbm" in box:
                corner["drive_power_dbm"] = box["drive_power_dbm"][1]
            try:
                self.check_settings(corner)
            except LimitError as error:
                notes.append(f"a corner of the knobs' ranges will be refused: {error}")
        return notes

    def check_settings(self, settings: Mapping[str, float], drive: bool = True) -> None:
        """Refuse settings (quantity -> value) that break a limit, single or linked.

        `drive` tells whether the generator's output is on. Raises `LimitError`.
        """
        self.limits.check(settings, drive)


def default_path() -> Path:
    """Return which bench file is used when none is named."""
    if named := os.environ.get(ENVIRONMENT):
        return Path(named)
    here = Path("bench.yaml")
    return here if here.is_file() else shipped_path()


def shipped_path() -> Path:
    """Return the bench file that comes with Magnon Lab: in the wheel, or in the checkout."""
    package = Path(str(importlib.resources.files("magnon_lab")))
    for found in (package / "shipped" / "bench.yaml", package.parent / "bench.yaml"):
        if found.is_file():
            return found
    raise BenchFileError("the shipped bench.yaml is missing: install Magnon Lab anew")


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a bench file, for editors."""
    schema = BenchModel.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def write_served_bench(template: BenchFile, resources: Mapping[str, str], path: Path | str) -> None:
    """Write `template` once more for a laboratory that is served on sockets.

    Same content, but `visa_library` is PyVISA-py and `resources` (role -> VISA name) are where the
    instruments are. Raises `BenchFileError` if a role has no resource.
    """
    data = template.model.model_dump(mode="json", by_alias=True, exclude_unset=True)
    data["visa_library"] = "@py"
    for role in template.model.roles.present():
        if role not in resources:
            raise BenchFileError(f"no resource is served for the role {role}")
        data["roles"][role]["resource"] = resources[role]
    Path(path).write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
