"""The run file: what a run is, did and measured, kept as it happens."""

from magnon_lab.runs.errors import RunError
from magnon_lab.runs.folder import RunsFolder
from magnon_lab.runs.records import (
    Annotations,
    EvaluationRow,
    Event,
    MeasurementBlock,
    Request,
    RunSummary,
    StepRow,
)
from magnon_lab.runs.runfile import RunFile

__all__ = [
    "Annotations",
    "EvaluationRow",
    "Event",
    "MeasurementBlock",
    "Request",
    "RunError",
    "RunFile",
    "RunSummary",
    "RunsFolder",
    "StepRow",
]
