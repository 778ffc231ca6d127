"""What a training tells of itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class StepReport(NamedTuple):
    """What one optimiser step tells; plain numbers.

    loss and accuracy are of the batch, measured on what `loss_kind` says. gradient_snr: power of
    the estimated gradient's mean over that of its error, in the parameters behind the
    perturbation. clip_penalty: mean square by which the pre-layer left -1..1. cosine: between the
    pre-layer's estimated and exact gradient, NaN unless known. measurements: all so far. inner:
    what went on inside the step without a measurement, on a twin; empty where nothing did.
    """

    step: int
    loss: float
    loss_kind: str
    accuracy: float
    learning_rate: float
    perturbation: float
    gradient_snr: float
    clip_penalty: float
    cosine: float
    measurements: dict[str, int]
    inner: dict[str, Any] = {}  # noqa: RUF012  # a NamedTuple's default; nobody writes to it

    @property
    def ring_measurements(self) -> int:
        """All ring measurements so far, of every purpose."""
        return sum(self.measurements.values())


class Evaluation(NamedTuple):
    """Loss, accuracy 0..1 and confusion (classes true, classes answered) on n samples."""

    split: str
    loss: float
    accuracy: float
    confusion: NDArray[np.int64]
    n: int
