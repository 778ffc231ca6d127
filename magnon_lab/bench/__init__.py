"""The bench: bench file, roles, limits, ramps, measurements, and the safe state."""

from magnon_lab.bench.bench import Bench
from magnon_lab.bench.benchfile import BenchFile, json_schema, write_served_bench
from magnon_lab.bench.byhand import check_bench, make_safe
from magnon_lab.bench.errors import (
    BenchError,
    BenchFileError,
    ConnectionFailed,
    InstrumentError,
    LimitError,
    OutputLostError,
)
from magnon_lab.bench.guard import GuardLostError
from magnon_lab.bench.lock import BenchHeldError, BenchLock
from magnon_lab.bench.measuring import (
    FLAG_OVERLOAD,
    FLAG_RETRIED,
    FLAG_UNLEVELLED,
    Measurement,
    MeasurementFailedError,
)
from magnon_lab.bench.quantities import QUANTITIES, Knob, ShownQuantity, unit_of
from magnon_lab.bench.stand import CheckLine
from magnon_lab.bench.steps import StepOutcome

__all__ = [
    "FLAG_OVERLOAD",
    "FLAG_RETRIED",
    "FLAG_UNLEVELLED",
    "QUANTITIES",
    "Bench",
    "BenchError",
    "BenchFile",
    "BenchFileError",
    "BenchHeldError",
    "BenchLock",
    "CheckLine",
    "ConnectionFailed",
    "GuardLostError",
    "InstrumentError",
    "Knob",
    "LimitError",
    "Measurement",
    "MeasurementFailedError",
    "OutputLostError",
    "ShownQuantity",
    "StepOutcome",
    "check_bench",
    "json_schema",
    "make_safe",
    "unit_of",
    "write_served_bench",
]
