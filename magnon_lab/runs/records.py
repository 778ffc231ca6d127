"""What goes into a run file and comes out of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from magnon_lab.runs.schema import PHASES


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """One training step; figures that are not known are NaN.

    ring_measurements: all so far; measurements: the same by purpose. bench_time_s: time of the
    bench's clock so far. seconds: wall seconds of this step by phase (ask, settle, sweep,
    transfer, tell, write). time: seconds since 1970.
    """

    step: int
    ring_measurements: int
    loss: float = float("nan")
    loss_kind: str = ""
    accuracy: float = float("nan")
    learning_rate: float = float("nan")
    perturbation: float = float("nan")
    gradient_snr: float = float("nan")
    clip_penalty: float = float("nan")
    cosine: float = float("nan")
    bench_time_s: float = float("nan")
    measurements: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    time: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        """Refuse what no step can be."""
        if self.step < 0 or self.ring_measurements < 0:
            raise ValueError(
                f"a step needs numbers from 0 up, not step {self.step} with "
                f"{self.ring_measurements} ring measurements"
            )
        if unknown := set(self.seconds) - set(PHASES):
            raise ValueError(f"unknown phase {sorted(unknown)}: a step has {', '.join(PHASES)}")


@dataclass(frozen=True, kw_only=True)
class EvaluationRow:
    """Loss and accuracy (0..1) of a split after a step, on n samples.

    confusion: (classes, classes), rows true, columns answered; or None.
    """

    step: int
    split: str
    loss: float
    accuracy: float
    n: int
    confusion: NDArray[np.int64] | None = None
    time: float = field(default_factory=time.time)


REFERENCE = "reference"
"""Purpose of measurements that are always the same and tell drift apart from learning."""


@dataclass(frozen=True, kw_only=True)
class MeasurementBlock:
    """n ring measurements of one purpose.

    numbers (n,), requested and realised settings (n, K) in the order of `knobs` and their units,
    traces_dbm (n, points) or None, flags (n,), bench_time_s (n,). step: that they belong to.
    place (n,): which of its batch each was, from 0, in the order of measuring; None if not known.
    """

    numbers: ArrayLike
    purpose: str
    knobs: tuple[str, ...]
    requested: ArrayLike
    realised: ArrayLike
    traces_dbm: ArrayLike | None
    flags: ArrayLike
    bench_time_s: ArrayLike
    step: int | None = None
    place: ArrayLike | None = None

    def __len__(self) -> int:
        """Return n."""
        return len(np.asarray(self.numbers))

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """Return numbers, flags, bench times, requested, realised, traces (n, 0 if none).

        Contiguous, as they are stored. Raises ValueError, naming the array, for shapes that do
        not fit together or numbers that are not unique and from 0 up (references count from -1
        down, apart from the others).
        """
        numbers = np.ascontiguousarray(self.numbers, dtype=np.int64)
        n, knobs = len(numbers), len(self.knobs)
        if len(np.unique(numbers)) != n or ((numbers < 0) != (self.purpose == REFERENCE)).any():
            raise ValueError(
                f"measurement numbers must be unique and from 0 up, or below 0 for {REFERENCE!r}"
            )
        traces = np.empty((n, 0)) if self.traces_dbm is None else self.traces_dbm
        found = {
            "flags": np.ascontiguousarray(self.flags, dtype=np.int64),
            "bench_time_s": np.ascontiguousarray(self.bench_time_s, dtype=np.float64),
            "requested": np.ascontiguousarray(self.requested, dtype="<f8"),
            "realised": np.ascontiguousarray(self.realised, dtype="<f8"),
            "traces_dbm": np.ascontiguousarray(traces, dtype="<f4"),
        }
        shapes: dict[str, tuple[int | None, ...]] = {
            "flags": (n,),
            "bench_time_s": (n,),
            "requested": (n, knobs),
            "realised": (n, knobs),
            "traces_dbm": (n, None),
        }
        for name, shape in shapes.items():
            got = found[name].shape
            if len(got) != len(shape) or any(
                b is not None and a != b for a, b in zip(got, shape, strict=True)
            ):
                expected = ", ".join("points" if size is None else str(size) for size in shape)
                raise ValueError(
                    f"{name} of {n} measurements with knobs {self.knobs} has shape {got}, "
                    f"not ({expected})"
                )
        return (numbers, *found.values())

    def places(self) -> list[int | None]:
        """Return which of its batch each measurement was, as it is stored; raises ValueError."""
        if self.place is None:
            return [None] * len(self)
        places = np.asarray(self.place, dtype=np.int64)
        if sorted(places.tolist()) != list(range(len(self))):
            raise ValueError(f"place of {len(self)} measurements must be each of 0 to n - 1 once")
        found: list[int | None] = places.tolist()
        return found


class Event(NamedTuple):
    """An entry of the journal; `phase` is "intent" (before) or "outcome" (after)."""

    time: float
    kind: str
    phase: str
    message: str
    data: dict[str, Any]


class Request(NamedTuple):
    """What someone asked of a run; `taken` is when it was taken up, None before.

    `data`: what a request says beside its kind.
    """

    id: int
    kind: str
    time: float
    taken: float | None
    data: dict[str, Any]


class Annotations(NamedTuple):
    """What people wrote on a run."""

    tags: tuple[str, ...] = ()
    note: str = ""


class RunSummary(NamedTuple):
    """A line in a list of runs; times in seconds since 1970.

    status "unreadable": `message` says why. `part_done`: of what was asked for (0..1), None where
    that is unknown. `configuration`: the parameters. Loss and accuracy are of the last step,
    `test_accuracy` of the last evaluation on the test split; NaN where there is none. `resumable`:
    whether a checkpoint was kept.
    """

    id: str
    folder: Path
    procedure: str
    status: str
    simulated: bool
    created: float
    ended: float | None
    steps: int
    ring_measurements: int
    loss: float
    accuracy: float
    message: str
    part_done: float | None = None
    configuration: Mapping[str, Any] = MappingProxyType({})
    annotations: Annotations = Annotations()
    test_accuracy: float = float("nan")
    resumable: bool = False
