"""Faults of the simulated laboratory: which there are, how one is described, when it happens.

What a fault does to its instrument stands in `fault_effects`.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from magnon_lab.simulation.definition import ROLES, typed
from magnon_lab.simulation.errors import FaultError

DRIFTING = {
    "drive_power_dbm": "generator",
    "drive_frequency_hz": "generator",
    "attenuation_db": "attenuator",
    "field_mt": "field",
    "amplifier_voltage_v": "amplifier",
    "trace_db": "analyser",
    "probe_mt": "probe",
}
"""What can drift, and whose it is: what is true in the plant, or what an instrument makes of it."""


class Occasion(Enum):
    """What a fault can happen to; `at` counts these."""

    MESSAGE = "message received"
    COMMAND = "message that commands something"
    REPLY = "message that is answered"
    SWEEP = "sweep"
    TRACE = "trace sent"


class Kind(NamedTuple):
    """One kind of fault: what happens, to what, on which roles, with which further keys."""

    text: str
    occasion: Occasion
    options: Mapping[str, Any] = {}  # with their defaults; `...` must be given
    roles: tuple[str, ...] = ROLES[:-1]  # all but the laboratory itself


KINDS: Mapping[str, Kind] = {
    "timeout": Kind("the reply comes duration_s late", Occasion.REPLY, {"duration_s": 60.0}),
    "hang": Kind(
        "nothing is executed or answered for duration_s, then all of it",
        Occasion.MESSAGE,
        {"duration_s": 60.0},
    ),
    "cut": Kind(
        "the message is executed, but its reply and all connections of the instrument are lost; "
        "it cannot be reached for duration_s",
        Occasion.MESSAGE,
        {"duration_s": 0.0},
    ),
    "power_cycle": Kind(
        "power goes and comes back instead of the message: power-up state, connections lost; it "
        "cannot be reached for duration_s",
        Occasion.MESSAGE,
        {"duration_s": 0.0},
    ),
    "garbled": Kind("the reply is full of wrong characters", Occasion.REPLY),
    "partial": Kind("the first half of the reply comes, the rest never", Occasion.REPLY),
    "dropped": Kind("the reply never comes", Occasion.REPLY),
    "duplicate": Kind("the reply comes twice", Occasion.REPLY),
    "stale": Kind("the reply is the previous one once more", Occasion.REPLY),
    "lost": Kind("the command is accepted but not carried out", Occasion.COMMAND),
    "stuck": Kind(
        "what is set reads back as before for duration_s; with a query as command, its answer "
        "stays what it is",
        Occasion.MESSAGE,
        {"duration_s": math.inf},
    ),
    "slow": Kind(
        "everything said takes factor times as long for duration_s",
        Occasion.MESSAGE,
        {"factor": 10.0, "duration_s": math.inf},
    ),
    "drift": Kind(
        "quantity is off by jump and moves on by rate_per_s for duration_s",
        Occasion.MESSAGE,
        {"quantity": ..., "jump": 0.0, "rate_per_s": 0.0, "duration_s": math.inf},
    ),
    "points": Kind(
        "the trace has so many points more (or fewer, if negative)",
        Occasion.TRACE,
        {"points": -1},
        ("analyser",),
    ),
    "nan_trace": Kind("the trace has points without a number", Occasion.TRACE, {}, ("analyser",)),
    "overload": Kind("the sweep's input overloads", Occasion.SWEEP, {}, ("analyser",)),
    "unlevelled": Kind(
        "the level is shortfall_db too low for duration_s, and the status says so",
        Occasion.MESSAGE,
        {"shortfall_db": 6.0, "duration_s": math.inf},
        ("generator",),
    ),
    "trip": Kind(
        "the supply's protection trips: the output that matters to the ring is off",
        Occasion.MESSAGE,
        {"over": "current"},
        ("amplifier", "field"),
    ),
}
_WHEN = ("at", "probability", "count", "seed", "measurement", "command")


class _Allowed(NamedTuple):
    text: str
    fits: Callable[[Any], bool]


def _whole(low: int) -> _Allowed:
    def fits(value: Any) -> bool:
        return type(value) is int and low <= value < 1 << 31

    return _Allowed(f"a whole number from {low}", fits)


def _number(low: float, high: float, text: str) -> _Allowed:
    def fits(value: Any) -> bool:
        return type(value) in (int, float) and low <= value <= high

    return _Allowed(text, fits)


def _word(*words: str) -> _Allowed:
    return _Allowed("one of " + ", ".join(words), lambda value: value in words)


_ANY = _number(-1e12, 1e12, "a finite number")
_ALLOWED = {
    "at": _whole(1),
    "probability": _number(1e-12, 1.0, "a number above 0, up to 1"),
    "count": _whole(1),
    "seed": _whole(0),
    "measurement": _whole(0),
    "command": _Allowed("a header such as :POW or MEAS:CURR?", lambda v: isinstance(v, str)),
    "duration_s": _number(0.0, 1e6, "a number of seconds from 0 to 1e6"),
    "factor": _number(1e-3, 1e6, "a number from 0.001 to 1e6"),
    "points": _Allowed(
        "a whole number from -40000 to 40000 but 0",
        lambda v: type(v) is int and 0 < abs(v) <= 40000,
    ),
    "shortfall_db": _number(0.0, 200.0, "a number of decibels from 0 to 200"),
    "over": _word("current", "voltage"),
    "quantity": _word(*DRIFTING),
    "jump": _ANY,
    "rate_per_s": _ANY,
}


@dataclass
class Fault:
    """A fault that is armed: what it is, when it is due, how often it came.

    `at` counts occasions from the moment it was armed: it happens at that one and, up to `count`
    times (once if not given), at the following ones. With `probability` it happens by chance at
    each occasion, up to `count` times if given; chance goes by `seed`, else by the laboratory's.
    `measurement` and `command` narrow down what counts as an occasion.
    """

    kind: str
    role: str
    options: Mapping[str, Any]
    at: int | None = None
    probability: float | None = None
    count: int | None = None
    seed: int | None = None
    measurement: int | None = None
    command: str | None = None
    target: Any = None
    """What `command` means to the instrument: its entry and whether it is the query form."""
    place: int = 0
    occasions: int = 0
    fired: int = 0

    @property
    def occasion(self) -> Occasion:
        """What it happens to."""
        return KINDS[self.kind].occasion

    def happens(self, measurement: int | None, seed: int) -> bool:
        """Count an occasion and return whether the fault happens at it."""
        if self.measurement not in (None, measurement):
            return False
        self.occasions += 1
        if self.count is not None and self.fired >= self.count:
            return False
        if self.probability is not None:
            due = self.random(seed).random() < self.probability
        else:
            due = self.occasions >= (self.at or 1)
        self.fired += due
        return due

    def random(self, seed: int) -> random.Random:
        """Return the source of what is random about the present occasion."""
        key = seed if self.seed is None else self.seed
        return random.Random(f"{key}/{self.place}/{self.kind}/{self.occasions}")

    def text(self) -> str:
        """Return the fault in the words in which it is given, defaults included."""
        given = {name: getattr(self, name) for name in ("kind", "role", *_WHEN)}
        given |= self.options
        return ",".join(
            f"{key}={value}"
            for key, value in given.items()
            if value is not None and value != math.inf
        )


def read_fault(values: Mapping[str, Any], roles: Mapping[str, Any]) -> Fault:
    """Return the fault that a mapping describes, for a laboratory that has these roles.

    Raises `FaultError` naming key, value and what is allowed.
    """
    given = dict(values)
    name = given.pop("kind", None)
    if not isinstance(name, str) or name not in KINDS:
        raise FaultError(f"kind: {name!r}; allowed: one of {', '.join(KINDS)}")
    kind = KINDS[name]
    role = given.pop("role", DRIFTING.get(str(given.get("quantity"))))
    allowed = [one for one in kind.roles if one in roles]
    if role not in allowed:
        raise FaultError(f"role: {role!r}; allowed for kind {name!r}: one of {', '.join(allowed)}")
    for key, value in given.items():
        known = [*_WHEN, *kind.options]
        if key not in known:
            raise FaultError(
                f"{key}: no key of kind {name!r}; known: kind, role, {', '.join(known)}"
            )
        if not _ALLOWED[key].fits(value):
            raise FaultError(f"{key}: {value!r}; allowed: {_ALLOWED[key].text}")
    options = {key: given.pop(key, default) for key, default in kind.options.items()}
    missing = [key for key, value in options.items() if value is ...]
    if missing:
        raise FaultError(
            f"{missing[0]}: needed by kind {name!r}; allowed: {_ALLOWED[missing[0]].text}"
        )
    if name == "drift" and not (options["jump"] or options["rate_per_s"]):
        raise FaultError("jump: kind 'drift' needs jump or rate_per_s; allowed: not 0")
    if "at" in given and "probability" in given:
        raise FaultError("probability: not together with at; allowed: one of the two")
    if "command" in given and kind.occasion in (Occasion.SWEEP, Occasion.TRACE):
        raise FaultError(
            f"command: not with kind {name!r}, which happens to a {kind.occasion.value}"
        )
    if "probability" not in given:
        given = {"at": 1, "count": 1} | given
    return Fault(name, role, options, **given)


def parse_fault(text: str) -> dict[str, Any]:
    """Read `key=value,key=value`; raise `FaultError` for what is not of that form."""
    values: dict[str, Any] = {}
    for part in text.split(","):
        key, separator, value = part.partition("=")
        if not separator or not key.strip() or not value.strip():
            raise FaultError(f"{part.strip()!r} in a fault; allowed: key=value,key=value")
        values[key.strip()] = typed(value.strip())
    return values
