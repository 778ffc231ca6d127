"""What a run's file, or *Make safe*, tells of the bench: set values, read-backs, outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from magnon_lab.bench.quantities import ROLE_OF
from magnon_lab.gui.model.snapshot import Snapshot
from magnon_lab.runs import Event

QUIET = ("standby", "safe", "guard")
"""Kinds of entries in the journal by which outputs go off."""

OUTPUTS = {
    "generator on": ("generator", True),
    "generator off": ("generator", False),
    "amplifier bias on": ("amplifier", True),
    "amplifier bias off": ("amplifier", False),
    "field supply on": ("field", True),
    "field supply off": ("field", False),
}
"""What an entry of the journal, or a step of the safe state, says of a role's output."""


@dataclass
class Known:
    """What is known of the bench, and since when."""

    at: float = -math.inf
    source: str = ""
    asked: dict[str, float] = field(default_factory=dict)
    found: dict[str, float] = field(default_factory=dict)
    outputs: dict[str, bool] = field(default_factory=dict)

    def read(self, readback: Mapping[str, Any]) -> None:
        """Take in numbers that were read back."""
        numbers = {
            name: float(value)
            for name, value in readback.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        self.found |= numbers

    def quiet(self, name: str, readback: Mapping[str, Any]) -> None:
        """Take in a step that switched something off."""
        self.read(readback)
        if name in OUTPUTS:
            role, on = OUTPUTS[name]
            self.outputs[role] = on
        for quantity in ("attenuation_db", "drive_power_dbm"):
            if quantity in readback:
                self.asked[quantity] = self.found[quantity]
        if name == "field to zero":
            self.asked["field_mt"] = 0.0
        if name == "amplifier bias off":
            self.asked["amplifier_voltage_v"] = self.found["amplifier_voltage_v"] = 0.0


def last_at(snapshot: Snapshot) -> float:
    """Return when a run told something last, in seconds since 1970."""
    last = snapshot.events[-1].time if snapshot.events else -math.inf
    return max(last, snapshot.info.get("ended") or -math.inf)


def of_run(snapshot: Snapshot, at: float) -> Known:
    """Return what a run tells of the bench: what it held, its newest measurement, its journal."""
    known = Known(at, f"as run {snapshot.id} left it")
    known.asked = {
        name: float(value)
        for name, value in snapshot.configuration.items()
        if name in ROLE_OF and isinstance(value, int | float) and math.isfinite(value)
    }
    outcomes = [event for event in snapshot.events if event.phase == "outcome"]
    switched = [index for index, event in enumerate(outcomes) if event.kind == "output"]
    after = outcomes[switched[-1] + 1 :] if switched else outcomes
    quiet = [event for event in after if event.kind in QUIET]
    for event in outcomes:
        if event not in quiet:
            _take_event(known, event)
    if snapshot.reading is not None:
        known.asked |= snapshot.reading.requested
        known.found |= snapshot.reading.realised
    for event in quiet:
        _take_event(known, event)
    return known


def unsure(snapshot: Snapshot) -> str:
    """Return why a run that has ended may have left something on, "" if it made the bench safe."""
    done: dict[str, bool] = {}
    for event in snapshot.events:
        if event.kind == "output":
            done.clear()
        elif event.kind in ("safe", "guard") and event.phase == "outcome" and "ok" in event.data:
            done[event.message.partition(":")[0]] = event.data["ok"]
    if not done:
        return f"Run {snapshot.id} is {snapshot.status}: the bench may still be on, Make safe"
    left = [name for name, ok in done.items() if not ok]
    return f"Run {snapshot.id} left the bench NOT SAFE: {', '.join(left)} failed" if left else ""


def _take_event(known: Known, event: Event) -> None:
    name = event.message.partition(":")[0]
    if event.kind in QUIET:
        if event.data.get("ok", True):
            known.quiet(name, event.data)
    elif event.kind in ("output", "ramp"):
        known.read(event.data)
        if name in OUTPUTS:
            role, on = OUTPUTS[name]
            known.outputs[role] = on
