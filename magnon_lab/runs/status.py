"""The states of a run and the ways between them."""

from __future__ import annotations

from magnon_lab.runs.errors import RunError

ENDED = frozenset({"finished", "stopped", "aborted", "failed"})

#: From each stored state, where a run may go. What ended before its time may be resumed.
NEXT: dict[str, frozenset[str]] = {
    "queued": frozenset({"running", "failed", "aborted"}),
    "running": ENDED | {"running", "paused"},
    "paused": ENDED | {"running"},
    "finished": frozenset(),
    "stopped": frozenset({"running"}),
    "aborted": frozenset({"running"}),
    "failed": frozenset({"running"}),
}

REQUESTS = ("pause", "resume", "stop", "abort", "set")


def check_way(run: str, old: str, new: str) -> None:
    """Refuse a change of state that no run makes."""
    if new not in NEXT:
        raise RunError(f"run {run}: there is no status {new!r}; known are {', '.join(NEXT)}")
    if new not in NEXT[old]:
        raise RunError(f"run {run} is {old}: it cannot become {new}")


def shown(stored: str, alive: bool) -> str:
    """Return the status to show: a run whose process is gone was interrupted."""
    return "interrupted" if stored not in ENDED and not alive else stored
