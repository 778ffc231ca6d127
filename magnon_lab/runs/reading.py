"""Reading a run file, from any process and while it is written."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magnon_lab.runs import status
from magnon_lab.runs.database import Database
from magnon_lab.runs.errors import RunError
from magnon_lab.runs.provenance import Process
from magnon_lab.runs.records import Annotations, EvaluationRow, Event, Request, RunSummary
from magnon_lab.runs.schema import PHASES

FILE_NAME = "run.sqlite"
CSV_NAME = "results.csv"

INFO = (
    "id",
    "procedure",
    "status",
    "message",
    "parent",
    "simulated",
    "seed",
    "configuration",
    "bench",
    "versions",
    "revision",
    "modified",
    "identities",
    "summary",
    "keep",
    "checkpoints_kept",
    "created",
    "started",
    "ended",
    "heartbeat",
    "process",
)
STEP_COLUMNS = (
    "step",
    "time",
    "bench_time_s",
    "ring_measurements",
    "loss",
    "loss_kind",
    "accuracy",
    "learning_rate",
    "perturbation",
    "gradient_snr",
    "clip_penalty",
    "cosine",
    *(f"seconds_{phase}" for phase in PHASES),
)
MEASUREMENT_COLUMNS = (
    "number",
    "step",
    "purpose",
    "flags",
    "bench_time_s",
    "requested",
    "realised",
    "traces_dbm",
    "place",
)
_INTEGERS = {"step", "ring_measurements", "number", "flags", "place"}
_TEXTS = {"loss_kind", "purpose"}


class RunReader:
    """A run file opened for reading; each call is one short transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.folder: Path = database.path.parent
        (self.id,) = self._one("SELECT id FROM run")

    def _one(self, query: str) -> tuple[Any, ...]:
        row = self._database.row(query)
        if row is None:
            raise RunError(f"{self._database.path} holds no run: it was never finished creating")
        return row

    @property
    def csv_path(self) -> Path:
        """Where PyMeasure's CSV of this run belongs."""
        return self.folder / CSV_NAME

    @property
    def status(self) -> str:
        """The status now; "interrupted" if its process is gone without an end."""
        stored, process, heartbeat = self._one("SELECT status, process, heartbeat FROM run")
        alive = Process(*json.loads(process)).alive(heartbeat, time.time())
        return status.shown(stored, alive)

    def info(self) -> dict[str, Any]:
        """Return everything about the run but its data.

        id, procedure, status, message, parent, simulated, seed, configuration, bench (text),
        versions, revision, modified, identities, summary, keep, checkpoints_kept, created,
        started, ended, heartbeat (seconds since 1970), process.
        """
        row = self._one(f"SELECT {', '.join(INFO)} FROM run")
        found: dict[str, Any] = dict(zip(INFO, row, strict=True))
        for name in ("configuration", "versions", "identities", "summary", "keep"):
            found[name] = json.loads(found[name])
        process = Process(*json.loads(found["process"]))
        found["status"] = status.shown(
            found["status"], process.alive(found["heartbeat"], time.time())
        )
        found["process"] = process._asdict()
        found["simulated"] = bool(found["simulated"])
        found["modified"] = None if found["modified"] is None else bool(found["modified"])
        return found

    @property
    def frequencies_hz(self) -> NDArray[np.float64] | None:
        """Frequencies of the points of the traces, (points,), or None before they are known."""
        (blob,) = self._one("SELECT frequencies FROM run")
        return None if blob is None else np.frombuffer(blob, dtype="<f8").astype(np.float64)

    def steps(self, after: int = -1, every: int = 1) -> dict[str, NDArray[Any]]:
        """Return the steps after step `after`, each `every`-th, as arrays (n,) by column.

        Columns: step, time, bench_time_s, ring_measurements, loss, loss_kind, accuracy,
        learning_rate, perturbation, gradient_snr, clip_penalty, cosine, and seconds_<phase>.
        """
        rows = self._database.rows(
            f"SELECT {', '.join(STEP_COLUMNS)} FROM steps WHERE step > ? AND step % ? = 0 "
            "ORDER BY step",
            (after, every),
        )
        return _columns(STEP_COLUMNS, rows)

    def step_measurements(self, step: int) -> dict[str, int]:
        """Return the ring measurements by purpose up to and with a step."""
        row = self._database.row("SELECT measurements FROM steps WHERE step = ?", (step,))
        if row is None:
            raise RunError(f"run {self.id} has no step {step}")
        return dict(json.loads(row[0]))

    def measured_at(self, steps: Iterable[int]) -> dict[int, int]:
        """Return the ring measurements up to each of `steps`, recorded or not; before any, 0."""
        query = "SELECT ring_measurements FROM steps WHERE step <= ? ORDER BY step DESC LIMIT 1"
        rows = {step: self._database.row(query, (step,)) for step in steps}
        return {step: 0 if row is None else int(row[0]) for step, row in rows.items()}

    def evaluations(self) -> list[EvaluationRow]:
        """Return all evaluations in order of steps."""
        rows = self._database.rows(
            "SELECT step, split, time, loss, accuracy, n, confusion FROM evaluations "
            "ORDER BY step, time"
        )
        return [
            EvaluationRow(
                step=step,
                split=split,
                time=at,
                loss=_known(loss),
                accuracy=_known(accuracy),
                n=n,
                confusion=None if confusion is None else np.array(json.loads(confusion)),
            )
            for step, split, at, loss, accuracy, n, confusion in rows
        ]

    def counts(self) -> dict[str, int]:
        """Return how many ring measurements were made, by purpose, whatever was kept of them."""
        return dict(self._database.rows("SELECT purpose, measured FROM counts ORDER BY purpose"))

    def knobs(self) -> tuple[str, ...]:
        """Return the names of all quantities that measurements of this run set."""
        rows = self._database.rows("SELECT knobs FROM kinds ORDER BY kind")
        return tuple(dict.fromkeys(name for (text,) in rows for name in json.loads(text)))

    def measurements(
        self,
        first: int | None = None,
        last: int | None = None,
        columns: Sequence[str] | None = None,
        *,
        purpose: str | None = None,
        newest: int | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Return kept measurements as arrays by column, in order of their numbers.

        first, last: numbers, both included. purpose: only these. newest: only the n with the
        highest numbers. columns: some of number, step (-1 for none), purpose, flags, bench_time_s
        (n,), requested, realised (n, K) in the order of `knobs()`, NaN where a measurement did not
        set a knob, traces_dbm (n, points) float32, NaN where the trace was not kept, place (which
        of its batch it was in the order of measuring, -1 if not known). Without columns, all.
        """
        columns = MEASUREMENT_COLUMNS if columns is None else tuple(columns)
        if unknown := set(columns) - set(MEASUREMENT_COLUMNS):
            raise RunError(
                f"run {self.id}: measurements have no column {sorted(unknown)}; known are "
                f"{', '.join(MEASUREMENT_COLUMNS)}"
            )
        names = {
            "traces_dbm": "trace",
            "step": "coalesce(step, -1)",
            "place": "coalesce(place, -1)",
        }
        wanted = [names.get(column, column) for column in columns]
        rows = self._database.rows(
            f"SELECT kind, {', '.join(wanted)} FROM measurements CROSS JOIN kinds USING (kind) "
            "WHERE number BETWEEN ? AND ? AND (?3 IS NULL OR purpose = ?3) "
            "ORDER BY number DESC LIMIT ?",
            (
                -(2**62) if first is None else first,
                2**62 if last is None else last,
                purpose,
                -1 if newest is None else newest,
            ),
        )[::-1]
        plain = [column for column in columns if column in _INTEGERS | _TEXTS | {"bench_time_s"}]
        cells = dict(zip(("kind", *columns), zip(*rows, strict=True), strict=False))
        empty: tuple[Any, ...] = ()
        result = {column: _array(column, cells.get(column, empty)) for column in plain}
        for column in ("requested", "realised"):
            if column in columns:
                kinds = np.asarray(cells.get("kind", empty), dtype=np.int64)
                result[column] = self._settings(kinds, cells.get(column, empty))
        if "traces_dbm" in columns:
            result["traces_dbm"] = self._traces(cells.get("traces_dbm", empty))
        return {column: result[column] for column in columns}

    def _settings(self, kinds: NDArray[np.int64], blobs: Sequence[Any]) -> NDArray[np.float64]:
        knobs = self.knobs()
        result = np.full((len(blobs), len(knobs)), np.nan)
        for kind, text in self._database.rows("SELECT kind, knobs FROM kinds"):
            rows = np.flatnonzero(kinds == kind).tolist()
            names = json.loads(text)
            values = np.frombuffer(b"".join(blobs[row] for row in rows), dtype="<f8")
            for column, name in enumerate(names):
                result[rows, knobs.index(name)] = values[column :: len(names)]
        return result

    def _traces(self, blobs: Sequence[bytes | None]) -> NDArray[np.float32]:
        kept = [row for row, blob in enumerate(blobs) if blob is not None]
        lengths = {len(blob) // 4 for blob in blobs if blob is not None}
        if len(lengths) > 1:
            raise RunError(
                f"run {self.id} has traces of {sorted(lengths)} points: read them apart, by number"
            )
        points = lengths.pop() if lengths else 0
        data = b"".join(blob for blob in blobs if blob is not None)
        values = np.frombuffer(data, dtype="<f4").reshape(len(kept), points)
        if len(kept) == len(blobs):
            return values.astype(np.float32)
        result = np.full((len(blobs), points), np.nan, dtype=np.float32)
        result[kept] = values
        return result

    def events(self, kind: str | None = None, newest: int | None = None) -> list[Event]:
        """Return the journal in its order, or only the entries of one kind, or the newest n."""
        rows = self._database.rows(
            "SELECT time, kind, phase, message, data FROM events "
            "WHERE ?1 IS NULL OR kind = ?1 ORDER BY event DESC LIMIT ?2",
            (kind, -1 if newest is None else newest),
        )
        return [
            Event(at, kind, phase, message, json.loads(data))
            for at, kind, phase, message, data in reversed(rows)
        ]

    def last_checkpoint(self) -> tuple[int, bytes] | None:
        """Return step and state of the last checkpoint, exactly as given, or None."""
        row = self._database.row("SELECT step, state FROM checkpoints ORDER BY step DESC LIMIT 1")
        return None if row is None else (row[0], row[1])

    def resumable(self) -> bool:
        """Return whether there is a checkpoint from which the run could go on."""
        return bool(self._one("SELECT EXISTS (SELECT 1 FROM checkpoints)")[0])

    def checkpoint_steps(self) -> list[int]:
        """Return the steps whose checkpoints are kept."""
        return [step for (step,) in self._database.rows("SELECT step FROM checkpoints")]

    def requests(self) -> list[Request]:
        """Return all requests, taken up or not, in their order."""
        return self._requests("")

    def pending_requests(self) -> list[Request]:
        """Return the requests that were not taken up yet, in their order."""
        return self._requests("WHERE taken IS NULL ")

    def _requests(self, which: str) -> list[Request]:
        query = f"SELECT request, kind, time, taken, data FROM control {which}ORDER BY request"
        return [
            Request(number, kind, at, taken, json.loads(data))
            for number, kind, at, taken, data in self._database.rows(query)
        ]

    def annotations(self) -> Annotations:
        """Return the tags and the note that people gave this run."""
        found = dict(self._database.rows("SELECT name, value FROM annotations"))
        return Annotations(tuple(json.loads(found.get("tags", "[]"))), found.get("note", ""))

    def part_done(self) -> float | None:
        """Return which part (0..1) of its steps or its budget is used, None if that is unknown."""
        (configuration,) = self._one("SELECT configuration FROM run")
        last = self._last_step("step", "ring_measurements")
        return _part_done(json.loads(configuration), *last) if last else None

    def _last_step(self, *columns: str) -> tuple[Any, ...] | None:
        return self._database.row(
            f"SELECT {', '.join(columns)} FROM steps ORDER BY step DESC LIMIT 1"
        )

    def summary(self) -> RunSummary:
        """Return what a list of runs shows."""
        procedure, simulated, created, ended, message, text = self._one(
            "SELECT procedure, simulated, created, ended, message, configuration FROM run"
        )
        configuration = json.loads(text)
        # Without a gap between them, and a million are not counted in a blink; each end apart,
        # since in one query SQLite would look at every row for them.
        (steps,) = self._one(
            "SELECT coalesce((SELECT max(step) FROM steps) - (SELECT min(step) FROM steps) + 1, 0)"
        )
        (measured,) = self._one("SELECT coalesce(sum(measured), 0) FROM counts")
        last = self._last_step("loss", "accuracy", "step", "ring_measurements")
        loss, accuracy, *used = last or (None, None)
        tested = self._database.row(
            "SELECT accuracy FROM evaluations WHERE split = 'test' ORDER BY step DESC, time DESC"
        )
        return RunSummary(
            id=self.id,
            folder=self.folder,
            procedure=procedure,
            status=self.status,
            simulated=bool(simulated),
            created=created,
            ended=ended,
            steps=steps,
            ring_measurements=measured,
            loss=_known(loss),
            accuracy=_known(accuracy),
            message=message,
            part_done=_part_done(configuration, *used) if used else None,
            configuration=configuration,
            annotations=self.annotations(),
            test_accuracy=_known(tested[0] if tested else None),
            resumable=self.resumable(),
        )

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _part_done(configuration: Mapping[str, Any], step: int, measured: int) -> float | None:
    parts = [
        used / configuration[whole]
        for whole, used in (("steps", step), ("budget", measured))
        if configuration.get(whole)
    ]
    return min(1.0, max(parts)) if parts else None


def _known(value: float | None) -> float:
    """SQLite stores NaN as NULL."""
    return float("nan") if value is None else value


def _columns(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, NDArray[Any]]:
    cells = list(zip(*rows, strict=True)) or [()] * len(names)
    return {name: _array(name, column) for name, column in zip(names, cells, strict=True)}


def _array(name: str, column: Sequence[Any]) -> NDArray[Any]:
    if name in _INTEGERS:
        return np.array(column, dtype=np.int64)
    if name in _TEXTS:
        return np.array(column, dtype=np.str_)
    return np.array(column, dtype=np.float64)  # None becomes NaN
