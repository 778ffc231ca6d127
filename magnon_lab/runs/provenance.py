"""Which code, on which machine, in which process wrote a run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import socket
import sqlite3
import subprocess
from pathlib import Path
from typing import NamedTuple

PACKAGES = (
    "magnon-lab",
    "pymeasure",
    "pyvisa",
    "pyvisa-py",
    "pyvisa-sim",
    "numpy",
    "jax",
    "jaxlib",
    "equinox",
    "optax",
    "scikit-learn",
    "pydantic",
)

#: What of a checkout can change a result.
SOURCES = ("magnon_lab", "drivers", "procedures", "pyvisa_magnon.py", "sim_instruments.yaml")

#: A heartbeat older than this, in s, tells that a run on another machine has ended.
SILENCE_S = 60.0


def versions() -> dict[str, str]:
    """Return the versions of Python, SQLite, the system and the packages that matter."""
    found = {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
    }
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


class Revision(NamedTuple):
    """Git revision of the code, and whether it was modified since; None where unknown."""

    revision: str | None
    modified: bool | None


def revision(root: Path | None = None) -> Revision:
    """Return the revision of the checkout that holds this package, if it is one.

    `root`: folder that holds `magnon_lab`, by default of this file.
    """
    root = root or Path(__file__).resolve().parents[2]
    # Installed below some other project's checkout, its revision would say nothing about us.
    if _git(root, "ls-files", "--error-unmatch", "magnon_lab/__init__.py") is None:
        return Revision(None, None)
    head = _git(root, "rev-parse", "HEAD")
    sources = [name for name in SOURCES if (root / name).exists()]
    changes = _git(root, "status", "--porcelain", "--", *sources)
    return Revision(head, None if changes is None else bool(changes))


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git prints, or None if it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


class Process(NamedTuple):
    """A process on a machine; `started` (clock ticks after boot) tells it from a later one."""

    host: str
    pid: int
    started: int | None

    @classmethod
    def this(cls) -> Process:
        """Return this process."""
        return cls(socket.gethostname(), os.getpid(), _started(os.getpid()))

    def alive(self, heartbeat: float, now: float) -> bool:
        """Return whether it still runs; on another machine, whether it was heard lately."""
        if self.host != socket.gethostname():
            return now - heartbeat < SILENCE_S
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # it is there, and another user's
        return _started(self.pid) == self.started


def _started(pid: int) -> int | None:
    """Return when a process started, in clock ticks after boot; None where there is no /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # Field 22 of proc(5); the command in field 2 may hold blanks and parentheses. A zombie has
    # ended, though its entry is still there.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
