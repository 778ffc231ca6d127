"""What was asked of the simulated instruments, and what they were set to, read from a wire log.

Limits are asserted from here, since the wire has seen all that a program did:

    wire = manager.visalib.laboratory.plant.wire       # or read_wire_log(path) of a served bench
    for moment in replay(wire):
        for asked in moment.asked: ...                 # each number, as it was sent
        assert moment.values.attenuation_db >= 10 or not moment.values.drive_on
    assert fastest(replay(wire), "supply_current_a") <= 20 / 35
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from magnon_lab.simulation.clock import Hold
from magnon_lab.simulation.command_table import Both
from magnon_lab.simulation.definition import Property, load, shipped_definition
from magnon_lab.simulation.faults import parse_fault
from magnon_lab.simulation.generator import Generator
from magnon_lab.simulation.instrument import SimulatedInstrument
from magnon_lab.simulation.laboratory import Laboratory
from magnon_lab.simulation.scpi import Call
from magnon_lab.simulation.wire_log import Entry, WireLog, read_wire_log

__all__ = ["Asked", "Entry", "Moment", "SetValues", "WireLog", "fastest", "read_wire_log", "replay"]

_WHAT_HAPPENED = ("lost", "trip", "power_cycle")
_SAID_OF_IT = ("kind", "role", "command", "over")
_PUT_OUT = ("generator", "attenuator", "field", "amplifier")


class Asked(NamedTuple):
    """A value as a message asked for it, whatever the instrument made of it.

    `name` is the property's in the definition file, `channel` which one of several, 0 if there is
    one alone. Numbers are in the base unit; words such as MAX stay words.
    """

    name: str
    channel: int
    value: float | str


class SetValues(NamedTuple):
    """What the instruments were set to; an output that is off counts apart from its setting."""

    drive_on: bool
    drive_power_dbm: float
    drive_frequency_hz: float
    attenuation_db: float
    supply_on: bool
    supply_current_a: float
    """What the magnet's supply is to drive, 0 while it is off."""
    coil_current_a: float
    """What flows by then, with the supply's voltage limit and the coil's inductance."""
    amplifier_on: bool
    amplifier_voltage_v: float


class Moment(NamedTuple):
    """One received message: what it asked, and what the instruments were set to after it."""

    time_s: float
    role: str
    text: str
    asked: tuple[Asked, ...]
    values: SetValues


def replay(
    entries: Iterable[Entry], definition: Path | str | None = None, profile: str | None = None
) -> Iterator[Moment]:
    """Yield each message of a wire log with what it asked and what the bench was set to after it.

    The messages go to a second laboratory made from the same `definition` (the shipped one if
    None) in the state in which the first was found, so the log must be complete (`wire_log: all`,
    or a file). Faults of the first laboratory come true where they changed a setting: lost
    commands, trips, power cycles. What was received while an instrument was busy or hung counts
    from when it was received.
    """
    twin = Laboratory(
        load(definition or shipped_definition()), pace="virtual", ring=_NoRing(), profile=profile
    )
    twin.faults.clear()
    client = _Deaf()
    for entry, faults in _with_faults(entries):
        instrument = twin.instruments[entry.role]
        twin.clock.set(entry.time_s)
        calls = [call for call in instrument.parse(entry.text) if isinstance(call, Call)]
        if entry.role in _PUT_OUT or any(_sets_profile(call) for call in calls):
            for fault in faults:
                twin.faults.add(fault)
            instrument.unblock()
            instrument.receive(client, entry.text)
            twin.faults.clear()
        asked = tuple(_asked(calls, instrument))
        yield Moment(entry.time_s, entry.role, entry.text, asked, _values(twin))


def fastest(moments: Iterable[Moment], name: str) -> float:
    """Return the greatest rate of a value of `SetValues`, per second of laboratory time.

    It is the step between two settings over the time between them, as a ramp in small steps has
    it: a first step after a rest is slow. Infinite if a value changed twice at once.
    """
    rate, last_s, last = 0.0, -math.inf, math.nan
    for moment in moments:
        value = float(getattr(moment.values, name))
        if value == last:
            continue
        if not math.isnan(last):
            passed_s = moment.time_s - last_s
            rate = max(rate, abs(value - last) / passed_s if passed_s > 0 else math.inf)
        last_s, last = moment.time_s, value
    return rate


class _NoRing:
    """Nothing is swept when a log is replayed."""

    def trace(self, setting: Any, readout: Any, number: int, time_s: float = 0.0) -> Any:
        raise NotImplementedError("a replayed laboratory takes no traces")


class _Deaf:
    """A client that wants no answers."""

    def deliver(
        self, data: bytes, ready_s: float, whole: bool = True, hold: Hold | None = None
    ) -> None:
        """Drop a reply."""

    def cut(self) -> None:
        """Lose what is no connection."""


def _with_faults(entries: Iterable[Entry]) -> Iterator[tuple[Entry, list[dict[str, Any]]]]:
    """Yield messages with those faults that changed what became of them."""
    message: Entry | None = None
    faults: list[dict[str, Any]] = []
    for entry in entries:
        if entry.way == "<":
            if message is not None:
                yield message, faults
            message, faults = entry, []
        elif entry.way == "!" and message is not None and entry.role == message.role:
            words = parse_fault(entry.text)
            if words["kind"] in _WHAT_HAPPENED:
                faults.append({key: words[key] for key in _SAID_OF_IT if key in words})
    if message is not None:
        yield message, faults


def _sets_profile(call: Call) -> bool:
    return getattr(call.target, "call", "") == "set_profile"


def _asked(calls: Iterable[Call], instrument: SimulatedInstrument) -> Iterator[Asked]:
    for call in calls:
        target = call.target.set if isinstance(call.target, Both) else call.target
        if call.query or not isinstance(target, Property):
            continue
        value = call.arguments[0]
        try:
            value = float(value)
        except ValueError:
            value = str(value)
        indices = call.suffixes or (0,)
        if target.channels:
            indices = call.arguments[-1] or instrument.selected_channels()
        for index in indices:
            yield Asked(target.name, index, value)


def _values(twin: Laboratory) -> SetValues:
    twin.plant.refresh()  # sweeps and programs that run inside instruments, trips
    generator = twin.instruments["generator"]
    assert isinstance(generator, Generator)
    frequency_hz, power_dbm = generator.output()
    field, amplifier = (twin.instruments[role].values for role in ("field", "amplifier"))
    channel = twin.plant.load.channel
    amperes = float(field["current"])
    if field["mode"] == "VOLT":
        volts = float(field["voltage"]) / twin.plant.magnet.coil.resistance_ohm
        amperes = max(-abs(amperes), min(abs(amperes), volts))
    return SetValues(
        drive_on=bool(generator.values["output"]),
        drive_power_dbm=power_dbm,
        drive_frequency_hz=frequency_hz,
        attenuation_db=float(twin.instruments["attenuator"].values["attenuation"]),
        supply_on=bool(field["output"]),
        supply_current_a=amperes if field["output"] else 0.0,
        coil_current_a=twin.plant.magnet.current(twin.clock.now()),
        amplifier_on=bool(amplifier["output"][channel]),
        amplifier_voltage_v=float(amplifier["voltage"][channel]),
    )
