"""What a run that learns on a twin of the ring tells of it, round by round."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from magnon_lab.gui.model.curve import Array
from magnon_lab.runs import Event


@dataclass(frozen=True, eq=False)
class TwinRound:
    """A round: measured where the network is, then network and twin refitted.

    loss, accuracy (looks,): of the validation split on the twin, while the network learnt.
    measured_loss, measured_accuracy: of whole samples, before that; expected: their loss on the
    twin. skill: part of the features' variance that the twin told. surprise: mean square of its
    error over what it expected itself. Of the first round, which measures no sample, these are NaN.
    """

    step: int
    loss: Array
    accuracy: Array
    measured_loss: float
    measured_accuracy: float
    expected: float
    skill: float
    surprise: float
    given_up: bool


def rounds_of(events: Iterable[Event]) -> tuple[TwinRound, ...]:
    """Return the rounds that a journal tells, in order; one that was made anew counts once."""
    found: dict[int, TwinRound] = {}
    for event in events:
        step = int(event.data.get("step", len(found) + 1))
        found[step] = _round(step, event.data)
    return tuple(found[step] for step in sorted(found))


def _round(step: int, data: Mapping[str, Any]) -> TwinRound:
    judged = "skill" in data  # else "loss" is of the training on the twin

    def told(name: str) -> float:
        return float(data.get(name, math.nan)) if judged else math.nan

    return TwinRound(
        step=step,
        loss=np.atleast_1d(np.array(data.get("validation_loss", ()), dtype=np.float64)),
        accuracy=np.atleast_1d(np.array(data.get("validation_accuracy", ()), dtype=np.float64)),
        measured_loss=told("loss"),
        measured_accuracy=told("accuracy"),
        expected=told("expected"),
        skill=told("skill"),
        surprise=told("surprise"),
        given_up=bool(data.get("given_up", False)),
    )
