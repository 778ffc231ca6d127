"""Go on with a run that ended before its time, in this process, from its last checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from magnon_lab.bench import BenchFile
from magnon_lab.cli.changes import bench_changes, identity_changes
from magnon_lab.cli.errors import BadInputError
from magnon_lab.cli.launch import Outcome, Terms, carry_out, prepare
from magnon_lab.cli.parameters import build_procedure
from magnon_lab.runs import RunError, RunFile, RunsFolder
from procedures import load_procedure
from procedures.base import RingProcedure

#: States that a run goes on from.
RESUMABLE = ("interrupted", "stopped", "aborted", "failed")


def resume(
    run: RunFile,
    *,
    runs_path: Path,
    bench_path: Path | None = None,
    accept_changed: bool = False,
    terms: Terms | None = None,
) -> Outcome:
    """Carry on with `run` (opened for reading; it is closed) and return how it ended.

    Limits are checked anew. Raises `BadInputError`, naming both, where the bench file or an
    instrument is another than when the run began, unless `accept_changed`; `RunError` for a run
    that cannot go on.
    """
    with run:
        info = run.info()
        procedure = _rebuild(run, info)
        bench_file = _bench_file(run, info, bench_path)
        changes = bench_changes(info["bench"], bench_file)
        _refuse(run, changes, accept_changed)
        prepare(procedure, bench_file, RunsFolder(runs_path))
        place = procedure.resume_from(run)
        folder = run.folder

    def begin() -> RunFile:
        bench = procedure.context.bench
        if bench is not None:
            changes.extend(identity_changes(info["identities"], bench.identities()))
            _refuse(run, changes, accept_changed)
        taken = RunFile.open(folder, write=True)
        try:
            taken.start()
            if changes:
                told = {"changes": changes, "bench": info["bench"]}
                taken.event("changed", "outcome", "goes on at a changed bench, as accepted", told)
                taken.set_bench(bench_file.text)
            taken.rewind(place.step, place.number, place.final)
        except BaseException:
            taken.close()
            raise
        return taken

    return carry_out(procedure, begin, terms or Terms())


def _rebuild(run: RunFile, info: dict[str, Any]) -> RingProcedure:
    status = info["status"]
    if status not in RESUMABLE:
        why = "it has done all it was to do" if status == "finished" else "its process is at work"
        raise RunError(f"run {run.id} is {status}: there is nothing to resume, {why}")
    cls = load_procedure(info["procedure"])
    if not issubclass(cls, RingProcedure):
        raise RunError(
            f"run {run.id} cannot go on: {info['procedure']} keeps no state in the run file; "
            f"start it anew with magnon-lab run {info['procedure']}"
        )
    procedure = build_procedure(cls, info["configuration"])
    assert isinstance(procedure, RingProcedure)
    return procedure


def _bench_file(run: RunFile, info: dict[str, Any], path: Path | None) -> BenchFile:
    """Return the bench file named, else the one that the run used last, as it is now."""
    if path is not None:
        return BenchFile.load(path)
    processes = run.events("process")
    used = Path(processes[-1].data["bench_path"]) if processes else Path("bench.yaml")
    return BenchFile.load(used) if used.is_file() else BenchFile.parse(info["bench"], used)


def _refuse(run: RunFile, changes: list[str], accept_changed: bool) -> None:
    if changes and not accept_changed:
        lines = "\n".join(f"  {change}" for change in changes)
        raise BadInputError(
            f"run {run.id} would go on at a changed bench:\n{lines}\n"
            "Put it back, or go on all the same with --accept-changed"
        )
