"""The simulated magnonic auto-oscillation ring and its spectrum analyser."""

from .closed_forms import three_wave_warning
from .loop import RingState
from .model import RingModel, RingTrace, Waveform
from .parameters import QUANTITIES, Imperfections, Readout, RingParameters

__all__ = [
    "QUANTITIES",
    "Imperfections",
    "Readout",
    "RingModel",
    "RingParameters",
    "RingState",
    "RingTrace",
    "Waveform",
    "three_wave_warning",
]
