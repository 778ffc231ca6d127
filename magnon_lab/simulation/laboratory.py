"""The simulated laboratory: its instruments, its plant, its clock."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magnon_lab.simulation.analyser import Analyser
from magnon_lab.simulation.attenuator import Attenuator
from magnon_lab.simulation.bias_supply import BiasSupply
from magnon_lab.simulation.clock import Clock, Pace
from magnon_lab.simulation.definition import LaboratoryDefinition, load
from magnon_lab.simulation.errors import DefinitionError, FaultError
from magnon_lab.simulation.fault_effects import FaultBoard
from magnon_lab.simulation.gaussmeter import Gaussmeter
from magnon_lab.simulation.generator import Generator
from magnon_lab.simulation.instrument import SimulatedInstrument
from magnon_lab.simulation.laboratory_instrument import LaboratoryInstrument
from magnon_lab.simulation.magnet_supply import MagnetSupply
from magnon_lab.simulation.plant import Plant, Ring

_BEHAVIOURS: Mapping[str, type[SimulatedInstrument]] = {
    "analyser": Analyser,
    "generator": Generator,
    "attenuator": Attenuator,
    "field": MagnetSupply,
    "probe": Gaussmeter,
    "amplifier": BiasSupply,
    "laboratory": LaboratoryInstrument,
}


_COLD = "cold"


class Laboratory:
    """Instruments by role on one plant, in the state that they have at power-up.

    `seed` and `pace` go before what the file's `laboratory:` block says. `ring` replaces the ring
    model, for tests of the instruments alone.
    """

    def __init__(
        self,
        definition: LaboratoryDefinition,
        seed: int | None = None,
        pace: Pace | None = None,
        ring: Ring | None = None,
        profile: str | None = None,
    ) -> None:
        block: Mapping[str, Any] = definition.laboratory
        known = {
            "seed", "pace", "ring", "imperfections", "plant", "warm_up", "profile", "profiles",
            "faults", "wire_log",
        }  # fmt: skip
        unknown = sorted(set(block) - known)
        if unknown:
            raise DefinitionError(f"laboratory: unknown key {unknown[0]!r}; known: {sorted(known)}")
        chosen = pace or block.get("pace", "virtual")
        if chosen not in ("virtual", "real"):
            raise DefinitionError(f"laboratory.pace: {chosen!r} is neither 'virtual' nor 'real'")
        self.definition = definition
        self.clock = Clock(chosen)
        self.plant = Plant(
            self.clock, int(block.get("seed", 0) if seed is None else seed), block, ring
        )
        self.instruments: dict[str, SimulatedInstrument] = {
            role: _BEHAVIOURS[role](device, self.plant)
            for role, device in definition.devices.items()
        }

        self.faults = FaultBoard(self.instruments, self.plant)
        stands_for_all = self.instruments.get("laboratory")
        if isinstance(stands_for_all, LaboratoryInstrument):
            stands_for_all.apply_profile = self.apply_profile
            stands_for_all.fault_board = self.faults
        profile = profile or block.get("profile") or _COLD
        try:
            self.apply_profile(profile)
        except KeyError:
            raise DefinitionError(f"laboratory.profile: no {profile!r} under `profiles`") from None
        self._arm(block.get("faults") or ())

    def _arm(self, faults: Any) -> None:
        if not isinstance(faults, list | tuple):
            raise DefinitionError(f"laboratory.faults: {faults!r} is no list")
        for place, values in enumerate(faults):
            try:
                self.faults.add(values)
            except FaultError as error:
                raise DefinitionError(f"laboratory.faults[{place}]: {error}") from error

    def apply_profile(self, name: str) -> None:
        """Put the bench into a state in which it may be found; raise KeyError for no such one.

        The state has stood for long: current flows, field and outputs are settled.
        """
        if name == _COLD:
            return
        for role, values in self.definition.laboratory["profiles"][name].items():
            instrument = self.instruments[role]
            for key, value in values.items():
                indexed = value.items() if isinstance(value, dict) else [(0, value)]
                for index, one in indexed:
                    instrument.found(key, one, int(index))
        now = self.clock.now()
        self.plant.magnet.settle(now)
        for quantity in self.plant.inputs.values():
            quantity.settle()

    def warm_up(self) -> None:
        """Compile the ring model for the readouts of the file's `warm_up:` list."""
        self.plant.warm_up(self.definition.laboratory.get("warm_up") or ())

    @classmethod
    def from_file(
        cls, path: str | Path, seed: int | None = None, pace: Pace | None = None,
        ring: Ring | None = None, profile: str | None = None,
    ) -> "Laboratory":  # fmt: skip
        """Read a definition file and power its laboratory up; raise `DefinitionError`."""
        return cls(load(path), seed, pace, ring, profile)
