"""What the windows know of a run at one time: read by a thread, drawn by another, never changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magnon_lab.gui.model.bench_text import BenchFacts, Range
from magnon_lab.gui.model.curve import Array, Axis, Curve
from magnon_lab.gui.model.peaks import Peak
from magnon_lab.gui.model.twin_rounds import TwinRound
from magnon_lab.runs import Event


def name_of(procedure: str) -> str:
    """Return the name of a procedure; of a script without its folders."""
    file, colon, name = procedure.partition(":")
    return f"{Path(file).name}{colon}{name}"


@dataclass(frozen=True, eq=False)
class Trace:
    """The newest trace kept: trace_dbm (points,) at frequencies_hz (points,).

    settings: by quantity, as requested, with what is held beside. overload, unlevelled, retried:
    its flags. peaks: the lines in it.
    """

    number: int
    purpose: str
    bench_time_s: float
    frequencies_hz: Array
    trace_dbm: NDArray[np.float32]
    settings: Mapping[str, float]
    overload: bool
    unlevelled: bool
    retried: bool
    peaks: tuple[Peak, ...]


@dataclass(frozen=True)
class Reading:
    """Settings of the newest measurement, by quantity: as requested, and as read back.

    A quantity that it did not set is in neither; one that could not be read is NaN.
    """

    number: int
    requested: Mapping[str, float]
    realised: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Waterfall:
    """Traces one above the other: image_dbm (n, points), numbers (n,).

    low_hz, high_hz: of the first and last column; a trace of very many points is thinned, of
    neighbours the highest stays. swept: the quantity that was swept ("" for none) and its
    values (n,). levels_dbm: the range that most of the image lies in.
    """

    numbers: NDArray[np.int64]
    image_dbm: NDArray[np.float32]
    low_hz: float
    high_hz: float
    swept: str
    values: Array
    levels_dbm: Range


@dataclass(frozen=True, eq=False)
class KnobUse:
    """How often each value of a knob was asked for.

    edges (bins + 1,), counts (bins,) of all measurements, recent (bins,) of the newest ones.
    at_low, at_high: shares (0..1) at the ends of the knob's range, also of the newest; NaN for a
    run that goes beyond it.
    knob, limits: its range, and what the bench allows; None where the bench file says nothing.
    """

    quantity: str
    edges: Array
    counts: NDArray[np.int64]
    recent: NDArray[np.int64]
    at_low: float
    at_high: float
    recent_at_low: float
    recent_at_high: float
    knob: Range | None
    limits: Range | None


@dataclass(frozen=True, eq=False)
class Drift:
    """Reference measurements, in their order (n,).

    level_dbm: mean power of the trace; deviation_db: root mean square over the band of the
    difference from the first one; mode_hz: where its strongest line is, NaN where there is none.
    """

    bench_time_s: Array
    number: NDArray[np.int64]
    level_dbm: Array
    deviation_db: Array
    mode_hz: Array


@dataclass(frozen=True, eq=False)
class Scores:
    """Evaluations of one split (n,), placed by axis."""

    x: Mapping[Axis, Array]
    loss: Array
    accuracy: Array
    n: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Confusion:
    """counts (classes, classes), rows true, columns answered, of a split after a step."""

    split: str
    step: int
    counts: NDArray[np.int64]
    labels: tuple[str, ...]
    accuracy: float


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A run as it was read last.

    complete: whether the curves hold every step; before that they hold a sample of a long run.
    evaluations, confusions: by split, the latter the newest. waterfall: the newest traces;
    overview: traces spread over the whole run. part_done: 0..1 or None; bench_time_s, eta_s (wall
    time left): NaN where unknown. resumable: whether there is a checkpoint. error: why the file
    cannot be read, "" while it can.
    """

    folder: Path
    id: str = ""
    status: str = ""
    procedure: str = ""
    simulated: bool = False
    info: Mapping[str, Any] = field(default_factory=dict)
    bench: BenchFacts = field(default_factory=BenchFacts)
    steps: int = 0
    ring_measurements: int = 0
    part_done: float | None = None
    bench_time_s: float = math.nan
    eta_s: float = math.nan
    loss_kind: str = ""
    resumable: bool = False
    curves: Mapping[str, Curve] = field(default_factory=dict)
    complete: bool = False
    evaluations: Mapping[str, Scores] = field(default_factory=dict)
    confusions: Mapping[str, Confusion] = field(default_factory=dict)
    reading: Reading | None = None
    trace: Trace | None = None
    waterfall: Waterfall | None = None
    overview: Waterfall | None = None
    knob_use: tuple[KnobUse, ...] = ()
    drift: Drift | None = None
    twin: tuple[TwinRound, ...] = ()
    events: tuple[Event, ...] = ()
    error: str = ""

    @property
    def confusion(self) -> Confusion | None:
        """The newest confusion matrix of all splits, of two after the same step the later."""
        newest_first = reversed(list(self.confusions.values()))
        return max(newest_first, key=lambda one: one.step, default=None)

    @property
    def name(self) -> str:
        """Name of the procedure; of a script without its folders."""
        return name_of(self.procedure)

    @property
    def configuration(self) -> Mapping[str, Any]:
        """The parameters of the run."""
        found: Mapping[str, Any] = self.info.get("configuration", {})
        return found

    @property
    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """Figures (loss, accuracy) of what the run is compared with, by name."""
        found = self.info.get("summary", {}).get("baselines", {})
        return {
            name: dict(figures) if isinstance(figures, Mapping) else {"accuracy": figures}
            for name, figures in found.items()
        }
