"""What a picture needs of the bench file that a run was measured with, from the text it keeps."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Range = tuple[float, float]


@dataclass(frozen=True)
class BenchFacts:
    """Reference level of the analyser (dBm), and by quantity how far it may and shall be turned.

    What the text does not say is NaN or missing: a run may be older than today's bench files.
    """

    reference_level_dbm: float = math.nan
    limits: Mapping[str, Range] = field(default_factory=dict)
    knobs: Mapping[str, Range] = field(default_factory=dict)
    reference_every: int = 0


@functools.lru_cache(maxsize=32)
def read_facts(text: str) -> BenchFacts:
    """Return what the text of a bench file says, as far as it can be read."""
    try:
        found = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return BenchFacts()
    readout, reference = _block(found, "readout"), _block(found, "reference")
    knobs = {
        name: (_number(knob.get("from")), _number(knob.get("to")))
        for name, knob in _block(found, "knobs").items()
        if isinstance(knob, Mapping)
    }
    limits = {
        name: (_number(pair[0]), _number(pair[1]))
        for name, pair in _block(found, "limits").items()
        if isinstance(pair, list) and len(pair) == 2
    }
    every = _number(reference.get("every"))
    return BenchFacts(
        _number(readout.get("reference_level_dbm")),
        {name: pair for name, pair in limits.items() if pair[0] <= pair[1]},
        {name: pair for name, pair in knobs.items() if pair[0] <= pair[1]},
        int(every) if math.isfinite(every) else 0,
    )


def _block(found: Any, name: str) -> Mapping[str, Any]:
    block = found.get(name) if isinstance(found, Mapping) else None
    return block if isinstance(block, Mapping) else {}


def _number(value: Any) -> float:
    """Return a number; YAML takes 4.45e9, without a sign in its exponent, for a text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
