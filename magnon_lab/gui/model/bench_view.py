"""The bench as it is known without asking it: from its file, a run's file, and what was told."""

from __future__ import annotations

import functools
import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from magnon_lab.bench import BenchFile, BenchFileError
from magnon_lab.bench.quantities import ROLE_OF
from magnon_lab.gui.model.gauge import Gauge, node_gauges, quantity_gauge
from magnon_lab.gui.model.known import Known, last_at, of_run, unsure
from magnon_lab.gui.model.snapshot import Snapshot

State = Literal["answers", "trouble", "unknown"]

LIVE = ("running", "paused")
"""States of a run that has the bench."""

TITLES = {
    "generator": "Generator",
    "attenuator": "Attenuator",
    "analyser": "Spectrum analyser",
    "field": "Magnet",
    "amplifier": "Amplifier",
    "laboratory": "Simulated laboratory",
}
"""Cards in the order of the signal's way; the gaussmeter is on the magnet's."""


OUT_OF_REACH = (
    "This simulated bench lives inside the process of run {}, where no other can reach it: abort "
    "that run, which makes it safe."
)


_OUTPUT = re.compile(r": (?:RF|output(?: \d+)?) (on|off)\b")
"""What a line of `bench check` says of a role's output."""


@dataclass(frozen=True)
class Link:
    """Whether the instruments of a card answer: as seen when (seconds since 1970), and a line."""

    state: State = "unknown"
    text: str = "not asked yet"
    at: float = math.nan

    @property
    def word(self) -> str:
        """The state in a word or two."""
        return {"answers": "answers", "trouble": "trouble", "unknown": "not asked"}[self.state]


@dataclass(frozen=True)
class Card:
    """One role: its output (None where unknown or without one), gauges, and lines beside them."""

    role: str
    title: str
    link: Link
    instrument: str
    output: bool | None
    gauges: tuple[Gauge, ...]
    facts: tuple[str, ...]
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class SafeStep:
    """One step of *Make safe*."""

    name: str
    ok: bool
    text: str


@dataclass(frozen=True)
class SafeReport:
    """What *Make safe* did."""

    ok: bool
    steps: tuple[SafeStep, ...]
    message: str
    at: float


class BenchView:
    """The cards of one bench file; `take_…` whatever is learnt, in any order."""

    def __init__(self, bench_file: BenchFile) -> None:
        self.bench_file = bench_file
        self.live: Snapshot | None = None
        """The run that has the bench, as far as is known."""
        self.unsure = ""
        """Why the bench may still be on although no run has it; "" if nothing speaks for that."""
        self._known = Known()
        self._links: dict[str, Link] = {}
        self._identities: dict[str, str] = {}
        self._sweep = ""
        self._flags: dict[str, str] = {}

    # What is learnt

    def take_run(self, snapshot: Snapshot | None, now: float | None = None) -> None:
        """Take in a run: one that has this bench, or that had it last; others say nothing."""
        now = time.time() if now is None else now
        if snapshot is None or not self._of_this_bench(snapshot):
            self.live = None
            return
        live = snapshot.status in LIVE
        at = now if live else last_at(snapshot)
        self.live = snapshot if live else None
        if at < self._known.at and not live:
            return
        identities: Mapping[str, str] = snapshot.info["identities"]
        self._identities |= identities
        self._known = of_run(snapshot, at)
        self.unsure = "" if live or self.bench_file.in_process else unsure(snapshot)
        trouble = snapshot.info["message"] if snapshot.status in ("paused", "failed") else ""
        for role in self._roles():
            if f"{role} (" in trouble:
                self._links[role] = Link("trouble", trouble, at)
            elif role in identities:
                self._links[role] = Link("answers", identities[role], at)
        self._take_sweep(snapshot)

    def take_check(self, result: Mapping[str, Any], now: float | None = None) -> None:
        """Take in the object that `bench check --json` prints."""
        now = time.time() if now is None else now
        for line in result.get("lines", ()):
            state: State = "answers" if line["ok"] else "trouble"
            self._links[line["role"]] = Link(state, line["text"], now)
            if output := _OUTPUT.search(line["text"]):
                self._known.outputs[line["role"]] = output[1] == "on"
            if line["ok"] and line["role"] in self._roles():
                self._identities[line["role"]] = line["text"].partition(":")[0]

    def take_readings(self, result: Mapping[str, Any], now: float | None = None) -> None:
        """Take in the object that `bench show --json` prints."""
        if "quantities" not in result:
            return
        found = {one["quantity"]: one["readback"] for one in result["quantities"]}
        now = time.time() if now is None else now
        self._known = Known(now, "as asked", {}, {}, dict(self._known.outputs))
        self._sweep = ""
        self._flags.clear()
        self._known.read(found)

    def take_safe(self, result: Mapping[str, Any], now: float | None = None) -> SafeReport:
        """Take in the object that `bench safe --json` prints, and return what it says."""
        now = time.time() if now is None else now
        steps = result.get("steps", ())
        if self.bench_file.in_process and self.live is not None:
            return SafeReport(False, (), OUT_OF_REACH.format(self.live.id), now)
        if steps:
            self._known.at, self._known.source = now, "after Make safe"
            self._sweep = ""
            self._flags.clear()
            left = [step["name"] for step in steps if not step["ok"]]
            self.unsure = f"THE BENCH IS NOT SAFE: {', '.join(left)} failed" if left else ""
        for step in steps:
            if step["ok"]:
                self._known.quiet(step["name"], step["readback"])
            else:
                self._known.read(step["readback"])
        return SafeReport(
            bool(result.get("ok", False)),
            tuple(SafeStep(step["name"], step["ok"], step["text"]) for step in steps),
            str(result.get("message", "")),
            now,
        )

    # What is shown

    def headline(self, now: float | None = None) -> str:
        """Return one line on who has the bench, or how old what is shown is."""
        now = time.time() if now is None else now
        if self.live is not None:
            state = ", paused" if self.live.status == "paused" else ""
            return f"Run {self.live.id} has the bench{state}"
        if self.unsure:
            return f"{self.unsure} ({age(now - self._known.at)})"
        if self._known.at > -math.inf:
            return f"Shown: {self._known.source}, {age(now - self._known.at)}"
        checked = max((link.at for link in self._links.values()), default=math.nan)
        if math.isfinite(checked):
            return f"Checked {age(now - checked)}"
        return "Not asked yet: Check bench asks every instrument who it is, and switches nothing"

    def cards(self) -> tuple[Card, ...]:
        """Return one card a role, in the order of the signal's way."""
        roles = self._roles()
        nodes = node_gauges(self.bench_file, *self._loop())
        return tuple(
            self._card(role, title, nodes) for role, title in TITLES.items() if role in roles
        )

    def gauge(self, quantity: str) -> Gauge:
        """Return the gauge of one quantity."""
        known = self._known
        asked, found = known.asked.get(quantity, math.nan), known.found.get(quantity, math.nan)
        gauge = quantity_gauge(self.bench_file, quantity, asked, found)
        if ROLE_OF[quantity] == "generator" and known.outputs.get("generator") is False:
            return replace(gauge, harmful=(False, False))  # a tone that is not there harms nobody
        return gauge

    def _card(self, role: str, title: str, nodes: Mapping[str, Gauge]) -> Card:
        quantities = [name for name in self.bench_file.quantities if ROLE_OF[name] == role]
        gauges = [self.gauge(name) for name in quantities]
        if role in nodes:
            gauges.append(nodes[role])
        wrong = [self._flags[role]] if role in self._flags else []
        wrong += [
            f"{one.name} reads {one.exactly(one.found)}, but {one.exactly(one.asked)} was set"
            for one in gauges
            if one.differs
        ]
        return Card(
            role=role,
            title=title,
            link=self._link(role),
            instrument="; ".join(
                identity for name in _instruments(role) if (identity := self._identities.get(name))
            ),
            output=self._known.outputs.get(role),
            gauges=tuple(gauges),
            facts=tuple(self._facts(role)),
            wrong=tuple(wrong),
        )

    def _facts(self, role: str) -> Iterable[str]:
        model, found = self.bench_file.model, self._known.found
        if role == "analyser":
            readout = model.readout
            yield (
                f"{readout.start_hz / 1e9:.6g}–{readout.stop_hz / 1e9:.6g} GHz, "
                f"{readout.points} points, RBW {readout.rbw_hz / 1e6:.6g} MHz"
            )
            if self._sweep:
                yield self._sweep
        if role == "amplifier" and model.roles.amplifier is not None:
            low, high = model.roles.amplifier.expected_current_a
            current_a = found.get("amplifier_current_a", math.nan)
            drawn = f"draws {current_a:.3f} A, " if math.isfinite(current_a) else ""
            yield f"{drawn}{low:g} to {high:g} A expected"
        if role == "field" and math.isfinite(found.get("field_current_a", math.nan)):
            yield f"supply gives {round(found['field_current_a'], 3) + 0.0:.3f} A"
        if role == "laboratory":
            yield "no real instrument is reached"

    def _link(self, role: str) -> Link:
        """Return the worst link of the instruments of a card."""
        known = (self._links.get(name, Link()) for name in _instruments(role))
        links = [link for link in known if link.state != "unknown"]
        order = ("trouble", "answers")
        return min(links, key=lambda link: order.index(link.state), default=Link())

    def _loop(self) -> tuple[float, float]:
        """Return drive power (-inf if it is off) and attenuation, what reads back if it does."""
        power, attenuation = self.gauge("drive_power_dbm"), self.gauge("attenuation_db")
        off = self._known.outputs.get("generator") is False
        return (-math.inf if off else power.value), attenuation.value

    def _roles(self) -> Mapping[str, Any]:
        return self.bench_file.model.roles.present()

    def _of_this_bench(self, snapshot: Snapshot) -> bool:
        info = snapshot.info
        if not info.get("identities") or not info.get("bench"):
            return False
        return _instruments_of(info["bench"]) == _instruments_of(self.bench_file.text)

    def _take_sweep(self, snapshot: Snapshot) -> None:
        self._flags.clear()
        trace = snapshot.trace
        if trace is None or not len(trace.trace_dbm):
            return
        at = int(trace.trace_dbm.argmax())
        self._sweep = (
            f"highest {trace.trace_dbm[at]:.1f} dBm at {trace.frequencies_hz[at] / 1e9:.5g} GHz"
        )
        if trace.overload:
            self._flags["analyser"] = "OVERDRIVEN: the newest sweep is compressed, or worse"
        if trace.unlevelled:
            self._flags["generator"] = "NOT LEVELLED: it cannot make the power that was set"


def _instruments(role: str) -> tuple[str, ...]:
    return ("field", "probe") if role == "field" else (role,)


@functools.lru_cache(maxsize=64)
def _instruments_of(text: str) -> tuple[str, ...]:
    """Return what is where, from the text of a bench file; nothing if it cannot be used here."""
    try:
        model = BenchFile.parse(text).model
    except BenchFileError:
        return ()
    return tuple(f"{role} {one.resource}" for role, one in model.roles.present().items())


def age(seconds: float) -> str:
    """Return how long ago something was, in words."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago" if seconds >= 5 else "just now"
