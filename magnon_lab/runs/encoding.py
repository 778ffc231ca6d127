"""JSON of what users configure and instruments report, numpy's types included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from magnon_lab.runs.errors import RunError


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{value!r} of type {type(value).__name__}")


def encode(what: str, value: Any) -> str:
    """Return `value` as JSON (with NaN and Infinity as Python writes them).

    Raises `RunError`, naming `what`, for a value that JSON has no form for.
    """
    try:
        return json.dumps(value, default=_plain)
    except (TypeError, ValueError) as error:
        raise RunError(f"{what} cannot be written to a run file: {error}") from error
