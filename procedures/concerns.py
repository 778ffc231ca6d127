"""Which parameters of a training concern which estimators, and which tasks."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, TypeAlias

from magnon_lab.learning.names import ESTIMATORS, POPULATIONS, READOUTS, ROUNDS

Concerns: TypeAlias = Mapping[str, Mapping[str, Callable[[Any], bool]]]
"""By parameter: for which values of which others it is of use."""

_BY_STEPS = ESTIMATORS | POPULATIONS
_ALL = ROUNDS | _BY_STEPS | READOUTS


def _taking(setting: str) -> frozenset[str]:
    return frozenset(name for name, one in _BY_STEPS.items() if setting in one.defaults)


def _but(*others: Container[str]) -> frozenset[str]:
    return frozenset(name for name in _ALL if not any(name in one for one in others))


def _is_table(task: Any) -> bool:
    return str(task).lower().endswith(".csv")


_ESTIMATORS: Mapping[str, frozenset[str]] = {
    "directions": _taking("count"),
    "sides": _taking("sides"),
    "distribution": _taking("directions"),
    "perturbation": _taking("size"),
    "adapt": _taking("sides"),
    "batch_size": _but(("ridge",)),
    "optimiser": _but(("ridge",), POPULATIONS),
    "learning_rate": _but(("ridge",), POPULATIONS),
    "decay": _but(READOUTS, POPULATIONS, ROUNDS),
    "steps": _but(("ridge",)),
    "time_limit": _but(READOUTS),
    "twin_steps": frozenset(ROUNDS),
    "calibration": _but(ROUNDS),
    "validate_every": _but(ROUNDS, READOUTS),
}

CONCERNS: Concerns = {
    "label": {"task": _is_table},
    **{name: {"estimator": names.__contains__} for name, names in _ESTIMATORS.items()},
}
