"""Scripts that the user has started: only those are executed where a file names them.

A run file, a queue, a campaign or a preset may be a stranger's. What one names by path is executed
only if it is, to the byte, what the user once gave by hand (`magnon-lab run path.py`, `procedures
show path.py`, the window's *Script*). Kept in `scripts.yaml` beside the user's settings.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from pathlib import Path

import yaml

from magnon_lab.bench.settings import settings_path

log = logging.getLogger(__name__)

KEPT = 500
"""So many scripts are remembered, the newest."""


def _path() -> Path:
    return settings_path().parent / "scripts.yaml"


def _digest(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()


def _known() -> dict[str, str]:
    """Return the SHA-256 of each script that was given by hand, by its path."""
    try:
        found = yaml.safe_load(_path().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def take(script: Path, source: bytes) -> None:
    """Remember that the user gave a script with this content by hand."""
    known, key = _known(), str(script.resolve())
    if known.pop(key, None) == _digest(source):
        return
    known[key] = _digest(source)
    path = _path()
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        newest = dict(list(known.items())[-KEPT:])
        partial.write_text(yaml.safe_dump(newest, sort_keys=False), encoding="utf-8")
        partial.replace(path)
    except OSError as error:  # it can be given by hand again
        log.warning("script %s will not be remembered as yours: %s", script, error)
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def is_taken(script: Path, source: bytes) -> bool:
    """Return whether the user gave this very script by hand."""
    return _known().get(str(script.resolve())) == _digest(source)
