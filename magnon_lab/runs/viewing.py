"""A run file as its pictures need it: what is new, summed up in SQL, never all rows at once.

SQLite works without Python's interpreter lock, so that a window stays fluid while a thread reads a
million steps. It takes the lock again for each row that it hands over, which costs milliseconds
beside a thread that is busy: tables are handed over as one text. Every call is one or many short
transactions; none lets the write-ahead log grow.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from magnon_lab.runs.database import Database
from magnon_lab.runs.errors import RunError
from magnon_lab.runs.reading import FILE_NAME, RunReader, _known
from magnon_lab.runs.reading import _part_done as part_done_at
from magnon_lab.runs.records import Event
from magnon_lab.runs.schema import PHASES

#: Figures of a step of which the extremes count.
SPREAD = ("loss", "accuracy", "gradient_snr", "clip_penalty", "cosine")
#: Figures of a step of which the mean says all.
EVEN = ("learning_rate", "perturbation", *(f"seconds_{phase}" for phase in PHASES))
FIGURES = (*SPREAD, *EVEN)

_PLACE = "ring_measurements", "bench_time_s"
_PART = ", ".join(
    ["max(step), count(*), max(ring_measurements), max(bench_time_s)"]
    + [f"min({name}), max({name}), avg({name})" for name in SPREAD]
    + [f"avg({name})" for name in EVEN]
)

#: Points at which the pace of a run is looked at, and the part of its steps that they span.
_PACE_POINTS, _PACE_PART = 20, 0.05


class StepParts(NamedTuple):
    """Steps summed up in n parts that follow one another, in order.

    last (n,): last step of each; steps (n,): how many it holds; ring_measurements and bench_time_s
    (n,): so far, at the last step; low, high, mean (n, figures): in the order of `FIGURES`, NaN
    where nothing is known.
    """

    last: NDArray[np.int64]
    steps: NDArray[np.int64]
    ring_measurements: NDArray[np.float64]
    bench_time_s: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]

    def chosen(self, which: Any) -> StepParts:
        """Return the parts that an index of numpy chooses."""
        return StepParts(*(array[which] for array in self))

    @classmethod
    def joined(cls, pieces: Sequence[StepParts]) -> StepParts:
        """Return parts that follow one another as one."""
        if not pieces:
            return cls.none()
        return cls(*(np.concatenate(arrays) for arrays in zip(*pieces, strict=True)))

    @classmethod
    def none(cls) -> StepParts:
        """Return no parts."""
        integers, floats = np.empty(0, np.int64), np.empty(0)
        table = np.empty((0, len(FIGURES)))
        return cls(integers, integers, floats, floats, table, table, table)


class TraceRow(NamedTuple):
    """A measurement with its trace (points,) in dBm; `knobs` name what `requested` (K,) set."""

    number: int
    step: int
    purpose: str
    flags: int
    bench_time_s: float
    knobs: tuple[str, ...]
    requested: NDArray[np.float64]
    realised: NDArray[np.float64]
    trace_dbm: NDArray[np.float32]


class ScoreRow(NamedTuple):
    """An evaluation, placed by what had been measured by then (None: by no step)."""

    step: int
    split: str
    time: float
    loss: float
    accuracy: float
    n: int
    ring_measurements: float
    bench_time_s: float


class RunViewer(RunReader):
    """A run file opened to be watched."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._kinds: dict[int, tuple[str, tuple[str, ...]]] = {}

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a run by its folder or its run.sqlite. Raises `RunError`."""
        path = Path(path)
        database = Database(path / FILE_NAME if path.is_dir() else path, write=False)
        try:
            return cls(database)
        except BaseException:
            database.close()
            raise

    def version(self) -> int:
        """Return a number that changes when another connection has written."""
        row = self._database.row("PRAGMA data_version")
        return 0 if row is None else int(row[0])

    # Steps

    def ends(self) -> tuple[int, int] | None:
        """Return the first and the last step, None before there is one."""
        # Apart: in one query SQLite would look at every row.
        low = self._database.row("SELECT min(step) FROM steps")
        high = self._database.row("SELECT max(step) FROM steps")
        if low is None or high is None or low[0] is None or high[0] is None:
            return None
        return int(low[0]), int(high[0])

    def step_rows(self, first: int, end: int, most: int) -> StepParts:
        """Return steps from `first` and below `end`, the first `most`, one a part."""
        return self._rows_of_steps("step >= ? AND step < ?", (first, end, most))

    def step_sample(self, first: int, end: int, n: int) -> StepParts:
        """Return about `n` single steps, evenly spread from `first` to below `end`."""
        wanted = json.dumps(np.linspace(first, end - 1, n).astype(np.int64).tolist())
        return self._rows_of_steps("step IN (SELECT value FROM json_each(?))", (wanted, n))

    def step_parts(self, first: int, end: int, size: int) -> StepParts:
        """Sum up steps from `first` and below `end`, in parts that begin at multiples of `size`."""
        edges = [first, *range((first // size + 1) * size, end, size)]
        # A subquery a part: GROUP BY would sort all rows first, which takes three times as long.
        row = self._database.row(
            f"SELECT group_concat((SELECT json_array({_PART}) FROM steps WHERE step >= value AND "
            "step < min(?1, (value / ?2 + 1) * ?2))) FROM json_each(?3)",
            (end, size, json.dumps(edges)),
        )
        table = _numbers(f"[{row[0]}]" if row and row[0] else "[]", 4 + 3 * len(SPREAD) + len(EVEN))
        table = table[table[:, 1] > 0]
        spread, even = table[:, 4 : 4 + 3 * len(SPREAD)], table[:, 4 + 3 * len(SPREAD) :]
        return StepParts(
            table[:, 0].astype(np.int64),
            table[:, 1].astype(np.int64),
            table[:, 2],
            table[:, 3],
            *(np.hstack((spread[:, which::3], even)) for which in range(3)),
        )

    def _rows_of_steps(self, which: str, values: tuple[Any, ...]) -> StepParts:
        columns = ", ".join(("step", *_PLACE, *FIGURES))
        row = self._database.row(
            f"SELECT json_group_array(json_array({columns})) FROM "
            f"(SELECT {columns} FROM steps WHERE {which} ORDER BY step LIMIT ?)",
            values,
        )
        table = _numbers(row[0] if row else "[]", 3 + len(FIGURES))
        table = table[np.argsort(table[:, 0], kind="stable")]
        steps, figures = table[:, 0].astype(np.int64), table[:, 3:]
        ones = np.ones(len(steps), dtype=np.int64)
        return StepParts(steps, ones, table[:, 1], table[:, 2], figures, figures, figures)

    def loss_kind(self) -> str:
        """Return what the loss of the newest step is of."""
        row = self._last_step("loss_kind")
        return "" if row is None else str(row[0])

    def used(self) -> tuple[int, float]:
        """Return ring measurements and bench time (s, NaN if unknown) so far."""
        step = self._last_step("ring_measurements", "bench_time_s") or (0, None)
        newest = self._database.row(
            "SELECT bench_time_s FROM measurements ORDER BY number DESC LIMIT 1"
        ) or (None,)
        times = [value for value in (step[1], newest[0]) if value is not None]
        return max(int(step[0]), sum(self.counts().values())), max(times, default=math.nan)

    def eta_s(self, now: float | None = None) -> float:
        """Return how long a run will go on at its pace, in s; NaN where that is unknown.

        The pace is the median over the last steps, so that a pause among them does not count.
        """
        ends = self.ends()
        (text,) = self._one("SELECT configuration FROM run")
        if ends is None:
            return math.nan
        first, last = ends
        span = min(last - first, max(_PACE_POINTS, int(_PACE_PART * (last - first))))
        wanted = np.linspace(last - span, last, _PACE_POINTS + 1).astype(np.int64)
        query = "SELECT time, step, ring_measurements FROM steps WHERE step = ?"
        found = [self._database.row(query, (step,)) for step in dict.fromkeys(wanted.tolist())]
        rows: list[tuple[float, int, int]] = [row for row in found if row is not None]
        parts = [part_done_at(json.loads(text), row[1], row[2]) for row in (rows[0], rows[-1])]
        if len(rows) < 3 or None in parts or parts[1] == parts[0]:
            return math.nan
        assert parts[0] is not None
        assert parts[1] is not None
        part_s = statistics.median(b[0] - a[0] for a, b in itertools.pairwise(rows))
        left = (1 - parts[1]) / (parts[1] - parts[0]) * (len(rows) - 1) * part_s
        since = (time.time() if now is None else now) - rows[-1][0]
        return max(0.0, left - max(0.0, min(since, part_s)))

    # Evaluations

    def scores(self, step: int) -> list[ScoreRow]:
        """Return the evaluations from a step on, in order of steps."""
        rows = self._database.rows(
            "SELECT step, split, time, loss, accuracy, n, "
            "(SELECT ring_measurements FROM steps WHERE steps.step <= evaluations.step "
            "ORDER BY step DESC LIMIT 1), "
            "(SELECT bench_time_s FROM steps WHERE steps.step <= evaluations.step "
            "ORDER BY step DESC LIMIT 1) FROM evaluations WHERE step >= ? ORDER BY step, time",
            (step,),
        )
        return [
            ScoreRow(
                step, split, at, _known(loss), _known(accuracy), n, _known(measured), _known(s)
            )
            for step, split, at, loss, accuracy, n, measured, s in rows
        ]

    def confusion(self, step: int, split: str) -> NDArray[np.int64] | None:
        """Return the confusion matrix (true, answered) of one evaluation, if it has one."""
        row = self._database.row(
            "SELECT confusion FROM evaluations WHERE step = ? AND split = ?", (step, split)
        )
        if row is None or row[0] is None:
            return None
        return np.array(json.loads(row[0]), dtype=np.int64)

    # Measurements

    def kinds(self) -> dict[int, tuple[str, tuple[str, ...]]]:
        """Return purpose and knobs by the key of each kind of measurement."""
        rows = self._database.rows("SELECT kind, purpose, knobs FROM kinds")
        self._kinds = {kind: (purpose, tuple(json.loads(text))) for kind, purpose, text in rows}
        return self._kinds

    def last_number(self) -> int:
        """Return the highest number of a measurement, -1 before there is one."""
        row = self._database.row("SELECT max(number) FROM measurements")
        return -1 if row is None or row[0] is None else max(-1, int(row[0]))

    def traces_kept(self) -> int:
        """Return of how many measurements the trace is kept."""
        row = self._database.row("SELECT coalesce(sum(traces), 0) FROM counts")
        return 0 if row is None else int(row[0])

    def traces(self, numbers: Iterable[int]) -> list[TraceRow]:
        """Return those of the measurements `numbers` whose traces are kept, in order."""
        return self._trace_rows(
            "number IN (SELECT value FROM json_each(?)) AND trace IS NOT NULL ORDER BY number",
            (json.dumps(list(numbers)),),
        )

    def references(self, after: int, most: int) -> list[TraceRow]:
        """Return references with traces after the one of number `after` (they count downwards)."""
        return self._trace_rows(
            "number < ? AND trace IS NOT NULL ORDER BY number DESC LIMIT ?", (after, most)
        )

    def _trace_rows(self, which: str, values: tuple[Any, ...]) -> list[TraceRow]:
        rows = self._database.rows(
            "SELECT number, coalesce(step, -1), kind, flags, bench_time_s, requested, realised, "
            f"trace FROM measurements WHERE {which}",
            values,
        )
        if any(row[2] not in self._kinds for row in rows):
            self.kinds()
        return [
            TraceRow(
                number,
                step,
                self._kinds[kind][0],
                flags,
                _known(at),
                self._kinds[kind][1],
                np.frombuffer(requested, dtype="<f8").astype(np.float64),
                np.frombuffer(realised, dtype="<f8").astype(np.float64),
                np.frombuffer(trace, dtype="<f4").astype(np.float32),
            )
            for number, step, kind, flags, at, requested, realised, trace in rows
        ]

    def requested(self, first: int, last: int) -> dict[tuple[str, ...], NDArray[np.float64]]:
        """Return what measurements `first` to `last` asked for, (n, K) by the names of the knobs.

        In no order; read as one text a kind, so that rows do not become objects of Python.
        """
        found: dict[tuple[str, ...], list[NDArray[np.float64]]] = {}
        for kind, (_, knobs) in self.kinds().items():
            row = self._database.row(
                "SELECT group_concat(hex(requested), '') FROM measurements "
                "WHERE number BETWEEN ? AND ? AND kind = ?",
                (first, last, kind),
            )
            if row is not None and row[0]:
                values = np.frombuffer(bytes.fromhex(row[0]), dtype="<f8")
                found.setdefault(knobs, []).append(values.reshape(-1, len(knobs)))
        return {knobs: np.concatenate(tables) for knobs, tables in found.items()}

    # Journal

    def events_after(self, event: int, most: int) -> list[tuple[int, Event]]:
        """Return the newest `most` entries of the journal after entry `event`, with their keys."""
        rows = self._database.rows(
            "SELECT event, time, kind, phase, message, data FROM events WHERE event > ? "
            "ORDER BY event DESC LIMIT ?",
            (event, most),
        )
        return [
            (key, Event(at, kind, phase, message, json.loads(data)))
            for key, at, kind, phase, message, data in reversed(rows)
        ]

    def check_there(self) -> None:
        """Raise `RunError` if the file was taken away."""
        if not self._database.path.exists():
            raise RunError(f"{self._database.path} is gone: it was moved or deleted")


def _numbers(text: str, columns: int) -> NDArray[np.float64]:
    """Return a table (rows, columns) that SQLite wrote as JSON; NULL is NaN."""
    # Versions of SQLite write infinity as Inf or 9e999, Python reads the latter and Infinity.
    text = re.sub(r"Inf\b", "Infinity", text) if "Inf" in text else text
    return np.array(json.loads(text), dtype=np.float64).reshape(-1, columns)
