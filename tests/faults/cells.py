"""Which fault meets which phase of a run, on which instrument, and which cannot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from magnon_lab.simulation.definition import ROLES
from magnon_lab.simulation.faults import KINDS, Occasion

from .sabotage import SABOTAGES

INSTRUMENTS = ROLES[:-1]  # the laboratory itself does not fail
RUN_FILE = "run file"
MEASUREMENT = 2
"""The measurement that is disturbed: the first of the second step."""


class Exchange(NamedTuple):
    """What a run says to one instrument in a phase, as a fault's keys name it."""

    role: str
    sets: str = ""
    """Keys of an exchange that commands something, "" if there is none."""
    asks: str = ""
    """Keys of an exchange that is answered."""
    what: str = ""
    """What it is about, where an instrument has several in one phase."""

    stuck: str = ""
    """Keys of what stays as it is, by default what is set, else what is asked."""

    def keys(self, kind: str) -> str:
        """Return the keys by which a kind of fault meets it, "" if it cannot."""
        if kind == "stuck":
            return self.stuck or self.sets or self.asks
        return self.asks if KINDS[kind].occasion is Occasion.REPLY else self.sets


class Moment(NamedTuple):
    """When something happens by itself: at a message of the run."""

    role: str
    starts: str
    """How the message starts."""
    at: int = 1
    measurement: int | None = None


@dataclass(frozen=True)
class Phase:
    """A phase of a run: what is said in it, and a moment in it.

    Where its begin is `told`, its exchanges count from there, and without a `moment` what happens
    by itself happens then. `traces`, `sweeps`: keys of a fault that meets a trace or a sweep, "" if
    there is none.
    """

    name: str
    text: str
    exchanges: tuple[Exchange, ...]
    moment: Moment | None
    sweeps: str = ""
    traces: str = ""
    told: bool = False


_NUMBER = f"measurement={MEASUREMENT}"

PHASES = (
    Phase(
        "connecting",
        "instruments are asked who they are; there is no run yet",
        (
            *(Exchange(role, asks="command=*IDN?") for role in ("analyser", "generator")),
            Exchange("attenuator", asks="command=MN?"),
            Exchange("field", asks="command=*IDN?"),
            Exchange("probe", "command=UNIT", "command=*IDN?", stuck="command=*IDN?"),
            Exchange("amplifier", asks="command=*IDN?"),
        ),
        Moment("generator", "*IDN?"),
    ),
    Phase(
        "start-up",
        "loop open, analyser set up, outputs switched on; by itself: during the trial sweep",
        (
            Exchange("analyser", "command=:SWE:POIN", "command=:SWE:POIN?"),
            Exchange("generator", "command=:OUTP,at=2", "command=:OUTP?"),
            Exchange("attenuator", "command=SETATT", "command=ATT?"),
            Exchange("field", "command=OUTP", "command=OUTP?"),
            Exchange("amplifier", "command=OUTP", "command=MEAS:CURR?"),
        ),
        Moment("analyser", ":INIT:IMM"),
        told=True,
        sweeps="at=1",
        traces="at=1",
    ),
    Phase(
        "ramp",
        "the field goes to 92 mT in steps of 1 mT; at, and by itself before, the 40th step",
        (
            Exchange("field", "command=CURR,at=40", "command=CURR?,at=40"),
            Exchange("probe", asks="command=RDGFIELD?,at=2", what="read back"),
        ),
        Moment("field", "CURRent ", 40),
    ),
    Phase(
        "drive",
        f"power, frequency and attenuation are set for measurement {MEASUREMENT}",
        (
            Exchange("generator", f"command=:POW,{_NUMBER}", f"command=:POW?,{_NUMBER}"),
            Exchange(
                "attenuator", f"command=SETATT,at=2,{_NUMBER}", f"command=ATT?,at=2,{_NUMBER}"
            ),
        ),
        Moment("generator", ":FREQ ", 1, MEASUREMENT),
    ),
    Phase(
        "sweep",
        f"the analyser sweeps for measurement {MEASUREMENT} and tells its status",
        (
            Exchange(
                "analyser",
                f"command=:INIT:IMM,{_NUMBER}",
                f"command=:SWE:POIN?,{_NUMBER}",
                stuck=f"command=*OPC?,{_NUMBER}",
            ),
        ),
        Moment("analyser", ":INIT:IMM", 1, MEASUREMENT),
        sweeps=_NUMBER,
    ),
    Phase(
        "transfer",
        f"the trace of measurement {MEASUREMENT} is fetched",
        (
            Exchange(
                "analyser",
                f"command=:FORM,{_NUMBER}",
                f"command=:TRAC?,{_NUMBER}",
                stuck=f"command=:TRAC?,{_NUMBER}",
            ),
        ),
        Moment("analyser", ":FORM", 1, MEASUREMENT),
        traces=_NUMBER,
    ),
    Phase(
        "write",
        "step 2 is written into the run file; no instrument is spoken to",
        (),
        None,
        told=True,
    ),
    Phase(
        "safe state",
        "all steps are done and everything is switched off; by itself: before the first step",
        (
            Exchange("attenuator", "command=SETATT", "command=ATT?"),
            Exchange("generator", "command=:OUTP", "command=:OUTP?"),
            Exchange("amplifier", "command=OUTP", "command=OUTP?"),
            Exchange("field", "command=CURR,at=40", "command=CURR?,at=40", "ramp"),
            Exchange("field", "command=OUTP", "command=MEAS:CURR?", "output"),
            Exchange("probe", asks="command=RDGFIELD?"),
        ),
        None,
        told=True,
    ),
)

OPTIONS = {
    "cut": ("", "duration_s=60"),
    "power_cycle": ("", "duration_s=60"),
}
"""Variants of a kind beyond its defaults."""

DRIFTS = {
    "analyser": "quantity=trace_db,jump=3",
    "generator": "quantity=drive_power_dbm,jump=-3",
    "attenuator": "quantity=attenuation_db,jump=5",
    "field": "quantity=field_mt,jump=3",
    "probe": "quantity=probe_mt,jump=3",
    "amplifier": "quantity=amplifier_voltage_v,jump=-5",
}

BY_ITSELF = ("hang", "cut", "power_cycle", "slow", "drift", "unlevelled", "trip")
"""Kinds that happen to an instrument whatever is being said to it."""


class Cell(NamedTuple):
    """One fault in one phase: its keys, and whether it strikes by itself at the moment."""

    phase: Phase
    kind: str
    role: str
    fault: str
    by_itself: bool
    what: str = ""

    @property
    def kind_text(self) -> str:
        """The kind as the table names it, with what is not its default."""
        if self.kind == "drift" or self.role == RUN_FILE:
            return self.kind
        _, _, seconds = self.fault.partition("duration_s=")
        return f"{self.kind}, {seconds} s" if seconds else self.kind

    @property
    def where(self) -> str:
        """The instrument, and what of it."""
        return f"{self.role}, {self.what}" if self.what else self.role


def cells_of(phase: Phase) -> Iterator[Cell]:
    """Return all that can happen in a phase."""
    for kind in KINDS:
        yield from _cells_of(phase, kind)
    if phase.name == "write":
        for kind, sabotage in SABOTAGES.items():
            yield Cell(phase, kind, RUN_FILE, sabotage.text, True)


def _cells_of(phase: Phase, kind: str) -> Iterator[Cell]:
    for role in KINDS[kind].roles if kind in BY_ITSELF else ():
        if phase.name == "connecting" and role != "generator":
            continue  # all others are connected to in the same way
        for option in (DRIFTS[role],) if kind == "drift" else OPTIONS.get(kind, ("",)):
            yield Cell(phase, kind, role, _fault(kind, role, option), True)
    if kind in BY_ITSELF:
        return
    occasion = KINDS[kind].occasion
    if occasion in (Occasion.SWEEP, Occasion.TRACE):
        keys = phase.sweeps if occasion is Occasion.SWEEP else phase.traces
        if keys:
            yield Cell(phase, kind, "analyser", _fault(kind, "analyser", keys), False)
        return
    for exchange in phase.exchanges:
        if keys := exchange.keys(kind):
            fault = _fault(kind, exchange.role, keys)
            yield Cell(phase, kind, exchange.role, fault, False, exchange.what)


def _fault(kind: str, role: str, keys: str) -> str:
    return ",".join(part for part in (f"kind={kind}", f"role={role}", keys) if part)


def cannot_happen(phase: Phase, kind: str) -> str:
    """Return why a kind has no cell in a phase, "" if it has one."""
    if next(_cells_of(phase, kind), None) is not None:
        return ""
    if kind == "trip":
        return "no output is on"
    match KINDS[kind].occasion:
        case Occasion.SWEEP:
            return "no sweep is made"
        case Occasion.TRACE:
            return "no trace is sent"
        case Occasion.REPLY:
            return "no instrument is asked anything"
        case _:
            return "no instrument is told anything"
