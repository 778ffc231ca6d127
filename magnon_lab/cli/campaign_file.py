"""A campaign's file: which runs it asks for."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from magnon_lab.cli.errors import BadInputError

#: What a campaign's file holds.
KEYS = ("name", "procedure", "parameters", "cases")
#: The parameter that is not the procedure's but names the bench file.
BENCH = "bench"
#: The reservoir in silico, and the one that takes its place on a bench.
IN_SILICO, ON_A_BENCH = "model", "bench"


@dataclass(frozen=True)
class Member:
    """One run that a campaign asks for: a case, and the values of the procedure's parameters."""

    case: str
    procedure: str
    bench: Path | None
    values: Mapping[str, Any]

    def key(self, bench_text: str) -> str:
        """Return what tells this run from any other, also from one on another bench."""
        told = [self.procedure, dict(self.values), bench_text]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def told(self, names: tuple[str, ...]) -> str:
        """Return the case, and the values of `names`, in one line."""
        return ", ".join([self.case, *(f"{name} {self.values[name]}" for name in names)])


@dataclass(frozen=True)
class Campaign:
    """A name and its runs; `varied` are the parameters that a grid takes through several values."""

    name: str
    members: tuple[Member, ...]
    varied: tuple[str, ...]


def read_campaign(path: Path, visa: bool = False, bench: Path | None = None) -> Campaign:
    """Return the campaign that a YAML file describes.

    `procedure` (train), `parameters` of every run, and `cases`, a mapping from what is compared to
    its own parameters, which go over the common ones. A list is a grid: each of its values in turn,
    with each of every other list. `bench` among the parameters names a bench file beside the
    campaign's; else it is `bench`. A run that trains does so in silico unless its reservoir is
    given; with `visa`, what would go through the ring in silico goes through the bench. Runs are
    ordered by their seed, so that all cases grow together. Raises `BadInputError`.
    """
    content = _read(path)
    procedure = str(content.get("procedure", "train"))
    common = _mapping(path, "parameters", content.get("parameters", {}))
    cases = _mapping(path, "cases", content.get("cases", {path.stem: {}}))
    if not cases:
        raise BadInputError(f"campaign {path}: `cases` is empty")
    members: list[Member] = []
    varied: dict[str, None] = {}
    for case, own in cases.items():
        merged = common | _mapping(path, f"cases: {case}", own)
        if procedure == "train":
            merged = {"reservoir": IN_SILICO} | merged
        varied |= dict.fromkeys(name for name, value in merged.items() if isinstance(value, list))
        for values in _grid(path, case, merged):
            if visa and values.get("reservoir") == IN_SILICO:
                values["reservoir"] = ON_A_BENCH
            beside = values.pop(BENCH, None)
            file = bench if beside is None else path.parent / str(beside)
            members.append(Member(case, procedure, file, values))
    seeds = {member.values.get("seed"): None for member in members}
    order = {seed: place for place, seed in enumerate(seeds)}
    members.sort(key=lambda member: order[member.values.get("seed")])
    return Campaign(str(content.get("name", path.stem)), tuple(members), tuple(varied))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"campaign {path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise BadInputError(f"campaign {path}: not valid YAML: {error}") from error
    content = _mapping(path, "the file", content)
    if unknown := sorted(set(content) - set(KEYS)):
        raise BadInputError(
            f"campaign {path}: no such key {unknown[0]!r}; it has {', '.join(KEYS)}"
        )
    return content


def _mapping(path: Path, what: str, content: Any) -> dict[str, Any]:
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise BadInputError(f"campaign {path}: {what}: expected lines of the form `name: value`")
    return content


def _grid(path: Path, case: str, merged: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    axes = [value if isinstance(value, list) else [value] for value in merged.values()]
    for name, axis in zip(merged, axes, strict=True):
        if not axis or any(isinstance(value, list | dict | None) for value in axis):
            raise BadInputError(
                f"campaign {path}: cases: {case}: {name} = {merged[name]!r} is neither a value "
                "nor a list of values"
            )
    for values in itertools.product(*axes):
        yield dict(zip(merged, values, strict=True))
