"""The simulated magnonic auto-oscillation ring and its spectrum analyser."""

from .loop import RingState
from .model import RingModel, RingTrace
from .parameters import QUANTITIES, Imperfections, Readout, RingParameters

__all__ = [
    "QUANTITIES",
    "Imperfections",
    "Readout",
    "RingModel",
    "RingParameters",
    "RingState",
    "RingTrace",
]
