"""The simulated laboratory: instruments in front of a physics model, over PyVISA or TCP."""

from magnon_lab.simulation.definition import load, shipped_definition
from magnon_lab.simulation.errors import DefinitionError, FaultError, ScpiError, SimulationError
from magnon_lab.simulation.laboratory import Laboratory
from magnon_lab.simulation.server import LaboratoryServer, serve

__all__ = [
    "DefinitionError",
    "FaultError",
    "Laboratory",
    "LaboratoryServer",
    "ScpiError",
    "SimulationError",
    "load",
    "serve",
    "shipped_definition",
]
