"""One quantity between its limits: what was set, what reads back, and how near a limit that is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from magnon_lab.bench import BenchFile, Knob
from magnon_lab.gui.model.units import plain, spoken

Nearness = Literal["unknown", "inside", "near", "at", "beyond"]

NEAR = 0.02
"""Part of the range between the limits that counts as near one."""

WORDS: Mapping[str, str] = {
    "unknown": "not read yet",
    "inside": "within its limits",
    "near": "near a limit",
    "at": "at a limit",
    "beyond": "BEYOND A LIMIT",
}

SHOWN_DB = 60.0
"""Range below its limit in which the power at a node is shown."""

NODE_ROLES = {
    "amplifier input": "amplifier",
    "attenuator input": "attenuator",
    "analyser input": "analyser",
}
"""The card that shows the power at a node of the loop."""


@dataclass(frozen=True)
class Gauge:
    """A quantity as stored, shown times `factor` in `unit`; what is not known is NaN.

    asked: set value; found: read-back. harmful: whether harm is beyond the low and the high limit;
    towards the other there is nothing to fear (attenuation up, power down). tolerance: furthest
    that they may be apart. decimals: that are told. why: how the value came about, if calculated.
    """

    quantity: str
    name: str
    unit: str
    factor: float
    low: float
    high: float
    asked: float = math.nan
    found: float = math.nan
    knob: Knob | None = None
    tolerance: float = math.nan
    harmful: tuple[bool, bool] = (True, True)
    why: str = ""
    decimals: int | None = 2

    @property
    def value(self) -> float:
        """What reads back, else what was set."""
        return self.asked if math.isnan(self.found) else self.found

    @property
    def nearness(self) -> Nearness:
        """How near the value is to a limit beyond which there is harm."""
        value, span = self.value, self.high - self.low
        if math.isnan(value):
            return "unknown"
        margins = [
            margin
            for margin, counts in zip(
                (value - self.low, self.high - value), self.harmful, strict=True
            )
            if counts
        ]
        margin = min(margins, default=math.inf)
        if margin < -1e-9 * max(abs(self.low), abs(self.high)):
            return "beyond"
        if self.why:  # a bound that is reached whenever the ring saturates, and may be
            return "inside"
        if margin <= 1e-9 * span:
            return "at"
        return "near" if margin < NEAR * span else "inside"

    @property
    def differs(self) -> bool:
        """Whether the read-back is further from the set value than it may be."""
        return abs(self.found - self.asked) > self.tolerance * (1 + 1e-9)

    def part(self, value: float) -> float:
        """Return where a value lies between the limits, 0..1; NaN if it is not known."""
        span = self.high - self.low
        if math.isnan(value) or span <= 0:
            return math.nan
        return min(1.0, max(0.0, (value - self.low) / span))

    def number(self, value: float) -> str:
        """Return a value without its unit."""
        return plain(value * self.factor, self.decimals)

    def exactly(self, value: float) -> str:
        """Return a value with its unit, and with every digit that can matter."""
        return f"{value * self.factor:.7g} {self.unit}".rstrip()

    def text(self, value: float) -> str:
        """Return a value with its unit; a dash for what is not known."""
        if math.isnan(value):
            return "–"
        if value == -math.inf:
            return "none"
        return f"{self.number(value)} {self.unit}".rstrip()

    @property
    def range_text(self) -> str:
        """The limits in words."""
        if self.why:
            return f"at most {self.text(self.high)}"
        return f"{self.number(self.low)} to {self.text(self.high)}"

    def details(self) -> list[str]:
        """Return what there is to say, a line each."""
        lines = [f"{self.name}: {WORDS[self.nearness]}", f"Limits: {self.range_text}"]
        if self.why:
            told = self.text(self.value)
            return [*lines, f"Most that can be at the {self.quantity}: {told}", self.why]
        lines += [f"Set: {self.text(self.asked)}", f"Reads back: {self.text(self.found)}"]
        if self.knob is not None:
            low, high = self.number(self.knob.low), self.text(self.knob.high)
            step = f", in steps of {self.text(self.knob.step)}" if self.knob.step else ""
            lines.append(f"A network may turn it from {low} to {high}{step}")
        if math.isfinite(difference := self.found - self.asked):
            allowed = self.exactly(self.tolerance) if math.isfinite(self.tolerance) else ""
            told = f"Difference: {self.exactly(difference)}"
            lines.append(f"{told}, at most {allowed} is allowed" if allowed else told)
        return lines


def quantity_gauge(
    bench_file: BenchFile, quantity: str, asked: float = math.nan, found: float = math.nan
) -> Gauge:
    """Return the gauge of a quantity of a bench."""
    name, unit, factor, decimals = spoken(quantity)
    low, high = bench_file.limits.ranges[quantity]
    return Gauge(
        quantity=quantity,
        name=name,
        unit=unit,
        factor=factor,
        low=low,
        high=high,
        asked=asked,
        found=found,
        knob=bench_file.knobs.get(quantity),
        tolerance=tolerance(bench_file, quantity),
        harmful=_harmful(quantity, low),
        decimals=decimals,
    )


def _harmful(quantity: str, low: float) -> tuple[bool, bool]:
    return {
        "attenuation_db": (True, False),
        "drive_power_dbm": (False, True),
        "amplifier_voltage_v": (False, True),
        "field_mt": (low < 0, True),
    }.get(quantity, (True, True))


def tolerance(bench_file: BenchFile, quantity: str) -> float:
    """Return how far a read-back may be off, NaN where the bench file leaves that to a driver."""
    roles = bench_file.model.roles
    if quantity == "field_mt":
        if roles.probe is not None:
            return roles.probe.tolerance_mt
        return math.nan if roles.field is None else roles.field.agree_a * abs(roles.field.mt_per_a)
    told = getattr(bench_file.model.tolerance, quantity)
    if told is not None:
        return float(told)
    return bench_file.step(quantity) / 2 or math.nan


def node_gauges(
    bench_file: BenchFile, drive_power_dbm: float, attenuation_db: float
) -> dict[str, Gauge]:
    """Return by role the gauge of the power at its input, the most that there can be.

    drive_power_dbm: -inf for a drive that is off. Empty where something is not known.
    """
    if math.isnan(drive_power_dbm) or math.isnan(attenuation_db):
        return {}
    linked = bench_file.limits.linked
    nodes = linked.nodes(np.array([drive_power_dbm]), np.array([attenuation_db]))
    return {
        NODE_ROLES[node.name]: Gauge(
            quantity=node.name,
            name="Input power",
            unit="dBm",
            factor=1.0,
            low=node.limit_dbm - SHOWN_DB,
            high=node.limit_dbm,
            found=float(node.power_dbm[0]),
            harmful=(False, True),
            why=linked.calculation(node.name, drive_power_dbm, attenuation_db),
        )
        for node in nodes
    }
