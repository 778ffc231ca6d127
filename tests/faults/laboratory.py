"""The simulated laboratory as a witness: since when the bench is safe, by the plant itself."""

from __future__ import annotations

import math
from collections.abc import Callable

from magnon_lab.simulation import Laboratory
from magnon_lab.simulation.link import Link
from magnon_lab.simulation.wire_log import WireLog

Heard = Callable[[str, str], None]
"""Called with role and text of each message, before the instrument acts on it."""


def is_safe(laboratory: Laboratory, time_s: float) -> bool:
    """Return whether nothing is on and nothing flows, by the plant and the outputs themselves."""
    plant, instruments = laboratory.plant, laboratory.instruments
    return (
        plant.inputs["attenuation_db"].at(time_s) >= 60.0
        and plant.inputs["drive_power_dbm"].at(time_s) == -math.inf
        and plant.inputs["amplifier_voltage_v"].at(time_s) == 0.0
        and abs(plant.magnet.current(time_s)) < 0.05
        and not instruments["field"].values["output"]
    )


def strike(laboratory: Laboratory, fault: str) -> None:
    """Let a fault happen by itself, whatever is being said: another client's message meets it."""
    armed = laboratory.faults.add(fault)
    link = Link(laboratory.instruments[armed.role], stream=True)
    link.write(b":MN?\n" if armed.role == "attenuator" else b"*IDN?\n")
    link.close()


class Witness(WireLog):
    """A wire log that keeps all, and notes at each message whether the bench is safe.

    `safe_s`: since when it is, None while it is not. `ever_on`: whether it was unsafe at any time.
    `swept_s`: when the last trace was sent. `heard` hears each message of a client.
    """

    def __init__(self, laboratory: Laboratory, heard: Heard) -> None:
        super().__init__(None)
        self._laboratory, self._heard = laboratory, heard
        self._striking = False
        self.safe_s: float | None = None
        self.ever_on = False
        self.swept_s = 0.0

    def append(self, time_s: float, role: str, way: str, data: bytes) -> None:
        """Enter what passed."""
        super().append(time_s, role, way, data)
        self.look(time_s)
        if role == "analyser" and way == ">" and data.startswith(b"#"):
            self.swept_s = time_s
        if way == "<" and not self._striking:
            self._striking = True
            self._heard(role, data.decode("latin-1").strip())
            self._striking = False

    def look(self, time_s: float) -> None:
        """Note whether the bench is safe at a time, not before that of the last look."""
        if not is_safe(self._laboratory, time_s):
            self.safe_s, self.ever_on = None, True
        elif self.safe_s is None:
            self.safe_s = time_s

    def first_fault_s(self) -> float:
        """Return when a fault happened first, 0 if none did."""
        return next((entry.time_s for entry in self if entry.way == "!"), 0.0)
