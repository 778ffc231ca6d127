"""The run file: everything of one run, written as it comes."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import repeat
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from magnon_lab.runs.database import Database
from magnon_lab.runs.encoding import encode
from magnon_lab.runs.errors import RunError
from magnon_lab.runs.provenance import Process
from magnon_lab.runs.reading import FILE_NAME, STEP_COLUMNS, RunReader
from magnon_lab.runs.records import EvaluationRow, MeasurementBlock, StepRow
from magnon_lab.runs.rewinding import rewind, take_from_counts
from magnon_lab.runs.schema import PHASES
from magnon_lab.runs.status import ENDED, REQUESTS, check_way

#: A heartbeat costs a commit, so it is not written more often than this, in s.
HEARTBEAT_S = 1.0

Keep = Literal["all", "none"] | int

_STEP = (
    f"INSERT OR REPLACE INTO steps ({', '.join(STEP_COLUMNS)}, measurements) "
    f"VALUES ({', '.join('?' * (len(STEP_COLUMNS) + 1))})"
)


class RunFile(RunReader):
    """One run: read by anybody, written by the process that runs it.

    A call that records returns when the record is on the disk; then it is never lost, whatever
    happens to the process. May be used from several threads. Raises `RunError`.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._stored, self._keep, self._checkpoints = self._one(
            "SELECT status, keep, checkpoints_kept FROM run"
        )
        self._keep = json.loads(self._keep)
        self._beaten = 0.0

    @classmethod
    def open(cls, path: Path | str, write: bool = False) -> RunFile:
        """Open a run by its folder or its run.sqlite.

        Opened for reading it can still `request`. Raises `RunError` for what is missing, damaged,
        no run file, of a newer version, or (`write`) held by a live process.
        """
        path = Path(path)
        if path.is_dir():
            path = path / FILE_NAME
        database = Database(path, write=write)
        try:
            run = cls(database)
            if write:
                run._check_free()
        except BaseException:
            database.close()
            raise
        return run

    def _check_free(self) -> str:
        """Refuse to write what another live process writes; return the status that is stored."""
        stored, process, heartbeat = self._one("SELECT status, process, heartbeat FROM run")
        owner = Process(*json.loads(process))
        alive = owner != Process.this() and owner.alive(heartbeat, time.time())
        if stored in ("running", "paused") and alive:
            raise RunError(
                f"run {self.id} is {stored} in process {owner.pid} on {owner.host}: "
                "ask it to stop before writing to it"
            )
        return str(stored)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Who and how

    def set_identities(self, identities: Mapping[str, str]) -> None:
        """Record what each role's instrument says it is."""
        self._set(identities=encode("identities", dict(identities)))

    def set_frequencies(self, frequencies_hz: ArrayLike) -> None:
        """Record the frequencies of the points of the traces, (points,)."""
        self._set(frequencies=np.ascontiguousarray(frequencies_hz, dtype="<f8").tobytes())

    def set_bench(self, text: str) -> None:
        """Record the bench file that is used from now on."""
        self._set(bench=text)

    def start(self) -> None:
        """Turn to running in this process: a new run, or one that ended before its time.

        Raises `RunError` for a run that is finished, or that another process runs.
        """
        now = time.time()
        values = {"status": "running", "process": encode("process", Process.this())}
        with self._database.transaction() as connection:
            # Inside the transaction: of two that start it at once, one is refused.
            check_way(self.id, self._check_free(), "running")
            _update(connection, **values, heartbeat=now, ended=None, message="")
            connection.execute("UPDATE run SET started = ? WHERE started IS NULL", (now,))
        self._stored = "running"

    def rewind(self, step: int, number: int, final: tuple[str, ...] = ()) -> dict[str, Any]:
        """Take the run back to where it goes on: see `rewinding.rewind`. Journals what went."""
        message = f"goes on after step {step} with measurement {number}"
        with self._recording() as connection:
            taken = rewind(connection, step, number, final)
            _insert_event(connection, "resume", "outcome", message, taken)
        return taken

    def pause(self, message: str = "") -> None:
        """Turn from running to paused; `message` says why."""
        self._turn("paused", message=message)

    def resume(self) -> None:
        """Turn from paused to running."""
        if self._stored != "paused":
            raise RunError(f"run {self.id} is {self._stored}: only a paused run resumes")
        self._turn("running", message="")

    def finish(
        self, status: str, message: str = "", summary: Mapping[str, Any] | None = None
    ) -> None:
        """End the run as finished, stopped, aborted or failed; `summary` are its figures."""
        text = encode("summary", dict(summary or {}))
        if status not in ENDED:
            raise RunError(f"run {self.id} cannot end as {status!r}: {', '.join(sorted(ENDED))}")
        self._turn(status, ended=time.time(), message=message, summary=text)
        self._database.fold()

    def _turn(self, new: str, **values: Any) -> None:
        check_way(self.id, self._stored, new)
        self._set(status=new, **values)
        self._stored = new

    def _set(self, **values: Any) -> None:
        with self._database.transaction() as connection:
            _update(connection, **values, heartbeat=time.time())

    def heartbeat(self) -> None:
        """Tell that the run is alive; cheap, may be called often."""
        now = time.monotonic()
        if now - self._beaten >= HEARTBEAT_S:
            self._beaten = now
            self._set()

    # Data

    def record_step(
        self,
        step: StepRow,
        evaluations: Iterable[EvaluationRow] = (),
        measurements: MeasurementBlock | Iterable[MeasurementBlock] | None = None,
        checkpoint: bytes | None = None,
    ) -> None:
        """Record a step with all that belongs to it, all or nothing.

        A step or measurement that is there already (repeated after a resume from an earlier
        checkpoint) is replaced. Of checkpoints the last `checkpoints_kept` stay.
        """
        blocks = _blocks(measurements)
        with self._recording() as connection:
            connection.execute(_STEP, _step_values(step))
            for evaluation in evaluations:
                _insert_evaluation(connection, evaluation)
            for block in blocks:
                self._insert_block(connection, block, step.step)
            if checkpoint is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)",
                    (step.step, step.time, checkpoint),
                )
                connection.execute(
                    "DELETE FROM checkpoints WHERE step NOT IN "
                    "(SELECT step FROM checkpoints ORDER BY step DESC LIMIT ?)",
                    (self._checkpoints,),
                )

    def record_measurements(
        self, blocks: MeasurementBlock | Iterable[MeasurementBlock], step: int | None = None
    ) -> None:
        """Record measurements that belong to no step (yet), or to one recorded already."""
        found = _blocks(blocks)
        with self._recording() as connection:
            for block in found:
                self._insert_block(connection, block, step)

    def record_evaluation(self, evaluation: EvaluationRow) -> None:
        """Record an evaluation by itself."""
        with self._recording() as connection:
            _insert_evaluation(connection, evaluation)

    @contextmanager
    def _recording(self) -> Iterator[sqlite3.Connection]:
        """A transaction that also tells that the run is alive."""
        if self._stored not in ("running", "paused"):
            raise RunError(f"run {self.id} is {self._stored}: nothing can be recorded")
        with self._database.transaction() as connection:
            yield connection
            _update(connection, heartbeat=time.time())
        self._beaten = time.monotonic()

    def _insert_block(
        self, connection: sqlite3.Connection, block: MeasurementBlock, step: int | None
    ) -> None:
        numbers, flags, times, requested, realised, traces = block.arrays()
        kept = self._kept(numbers) if traces.shape[1] else np.zeros(len(numbers), dtype=bool)
        kind = (block.purpose, encode("knobs", list(block.knobs)))
        connection.execute("INSERT OR IGNORE INTO kinds (purpose, knobs) VALUES (?, ?)", kind)
        (key,) = connection.execute(
            "SELECT kind FROM kinds WHERE purpose = ? AND knobs = ?", kind
        ).fetchone()
        belongs = step if block.step is None else block.step
        take_from_counts(connection, numbers.tolist())
        connection.executemany(
            "INSERT OR REPLACE INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            zip(
                numbers.tolist(),
                repeat(belongs),
                repeat(key),
                flags.tolist(),
                times.tolist(),
                requested,
                realised,
                (trace if keep else None for trace, keep in zip(traces, kept, strict=True)),
                block.places(),
                strict=False,
            ),
        )
        connection.execute(
            "INSERT INTO counts VALUES (?1, ?2, ?3) ON CONFLICT (purpose) DO UPDATE SET "
            "measured = measured + ?2, traces = traces + ?3",
            (block.purpose, len(numbers), int(kept.sum())),
        )

    def _kept(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return of which measurements the trace is kept."""
        if self._keep == "all":
            return np.ones(len(numbers), dtype=bool)
        if self._keep == "none":
            return np.zeros(len(numbers), dtype=bool)
        return np.asarray(numbers % int(self._keep) == 0)

    def event(
        self, kind: str, phase: str, message: str, data: Mapping[str, Any] | None = None
    ) -> None:
        """Add to the journal, in any state of the run.

        Works on a run opened for reading too: a guard speaks of runs that others wrote.
        """
        with self._adding() as connection:
            _insert_event(connection, kind, phase, message, data)

    # Requests of operators

    def request(self, kind: str, data: Mapping[str, Any] | None = None) -> int:
        """Ask the run to pause, resume, stop or abort, or to set by hand; returns the request's id.

        data: for "set" the quantities by name. Works on a run opened for reading: the request is a
        transaction of its own.
        """
        if kind not in REQUESTS:
            raise RunError(f"run {self.id} knows no request {kind!r}: {', '.join(REQUESTS)}")
        if (now := self.status) not in ("queued", "running", "paused"):
            raise RunError(f"run {self.id} is {now}: there is nobody to {kind} it")
        with self._adding() as connection:
            cursor = connection.execute(
                "INSERT INTO control (kind, time, data) VALUES (?, ?, ?)",
                (kind, time.time(), encode("data of a request", dict(data or {}))),
            )
            return int(cursor.lastrowid or 0)

    def annotate(self, tags: Iterable[str] | None = None, note: str | None = None) -> None:
        """Give the run tags, or a note, in place of those that it has; works in any state of it."""
        given = {
            "tags": None if tags is None else encode("tags", list(dict.fromkeys(tags))),
            "note": note,
        }
        with self._adding() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO annotations VALUES (?, ?, ?)",
                [(name, value, time.time()) for name, value in given.items() if value is not None],
            )

    @contextmanager
    def _adding(self) -> Iterator[sqlite3.Connection]:
        """A transaction that any process may make, also beside the one that writes the run."""
        if self._database.write:
            with self._database.transaction() as connection:
                yield connection
            return
        with (
            closing(Database(self._database.path, write=True)) as database,
            database.transaction() as connection,
        ):
            yield connection

    def take_up(self, request_id: int) -> None:
        """Record that a request is being followed."""
        with self._database.transaction() as connection:
            done = connection.execute(
                "UPDATE control SET taken = ? WHERE request = ? AND taken IS NULL",
                (time.time(), request_id),
            )
            if done.rowcount != 1:
                raise RunError(f"run {self.id} has no pending request {request_id}")


def _update(connection: sqlite3.Connection, **values: Any) -> None:
    assigned = ", ".join(f"{name} = ?" for name in values)
    connection.execute(f"UPDATE run SET {assigned}", tuple(values.values()))


def _blocks(
    blocks: MeasurementBlock | Iterable[MeasurementBlock] | None,
) -> tuple[MeasurementBlock, ...]:
    if blocks is None:
        return ()
    return (blocks,) if isinstance(blocks, MeasurementBlock) else tuple(blocks)


def _step_values(step: StepRow) -> tuple[Any, ...]:
    """Return the row of a step in the order of its columns; numpy scalars become plain."""
    texts_and_counts = {
        "step": int(step.step),
        "ring_measurements": int(step.ring_measurements),
        "loss_kind": step.loss_kind,
    }
    seconds = {f"seconds_{phase}": step.seconds.get(phase) for phase in PHASES}
    values = texts_and_counts | seconds
    plain = [
        values[name] if name in values else float(getattr(step, name)) for name in STEP_COLUMNS
    ]
    return (*plain, encode("measurements", dict(step.measurements)))


def _insert_event(
    connection: sqlite3.Connection,
    kind: str,
    phase: str,
    message: str,
    data: Mapping[str, Any] | None,
) -> None:
    connection.execute(
        "INSERT INTO events (time, kind, phase, message, data) VALUES (?, ?, ?, ?, ?)",
        (time.time(), kind, phase, message, encode("event data", dict(data or {}))),
    )


def _insert_evaluation(connection: sqlite3.Connection, evaluation: EvaluationRow) -> None:
    confusion = evaluation.confusion
    connection.execute(
        "INSERT OR REPLACE INTO evaluations VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            int(evaluation.step),
            evaluation.split,
            evaluation.time,
            float(evaluation.loss),
            float(evaluation.accuracy),
            int(evaluation.n),
            None if confusion is None else encode("confusion", np.asarray(confusion)),
        ),
    )
