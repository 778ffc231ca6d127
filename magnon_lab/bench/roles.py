"""What the bench needs of each instrument: one protocol a role.

An instrument of another make is one adapter that has these few methods, see `adapters`. All of
them raise `InstrumentError` or `ConnectionFailed`, all set values are read back, and what comes
back is what the instrument says, not what was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from magnon_lab.bench.schema import Readout
from magnon_lab.bench.session import Session


@dataclass(frozen=True)
class Found:
    """How an instrument was found when its session was opened; nothing was switched.

    `state` is one line for `check`; `hazards` are why the bench refuses to start, each with what
    to do about it.
    """

    identity: str
    state: str
    hazards: tuple[str, ...] = ()


class Sweep(NamedTuple):
    """One trace in dBm, (points,), and whether the input was overdriven."""

    trace_dbm: npt.NDArray[np.float32]
    overload: bool


class Tone(NamedTuple):
    """What the generator makes."""

    power_dbm: float
    frequency_hz: float
    unlevelled: bool


class Reference(NamedTuple):
    """The 10 MHz that an instrument runs on: whether it comes from outside, and is locked to."""

    external: bool
    locked: bool


class Instrument(Protocol):
    """What every role has."""

    session: Session

    def connect(self) -> Found:
        """Ask who it is and how it stands. Switches nothing on, changes no output."""

    def restarted(self) -> bool:
        """Return whether it was switched on since this was asked last, as far as it can tell."""

    def reference(self) -> Reference | None:
        """Return which 10 MHz reference it runs on, None if it cannot tell."""

    def clear(self) -> None:
        """Take what is left of errors that are known already."""


class Switched(Protocol):
    """An instrument with an output."""

    def is_on(self) -> bool:
        """Return whether the output is on."""


class Analyser(Instrument, Protocol):
    """The spectrum analyser."""

    def configure(self, readout: Readout) -> None:
        """Set everything that a trace depends on, with nothing left to automatic choice."""

    def sweep(self) -> Sweep:
        """Take one sweep."""

    @property
    def sweep_s(self) -> float:
        """How long a sweep takes, known after `configure`."""


class Generator(Instrument, Protocol):
    """The microwave source."""

    def prepare(self) -> None:
        """Make it a plain source of one levelled tone, with its output as it is."""

    def set(self, power_dbm: float | None, frequency_hz: float | None) -> Tone:
        """Set what is not None; return what it makes."""

    def tone(self) -> Tone:
        """Return what it makes or would make."""

    def is_on(self) -> bool:
        """Return whether RF is on; off only if it said so twice."""

    def switch(self, on: bool) -> None:
        """Switch RF and verify it."""


class Attenuator(Instrument, Protocol):
    """The programmable attenuator in the loop."""

    @property
    def maximum_db(self) -> float:
        """The most that it makes, which is the safe side."""

    def set(self, attenuation_db: float) -> float:
        """Set it; return what it makes, which may be the nearest of its steps."""

    def open_loop(self) -> None:
        """Set the maximum, and read it back."""

    def attenuation_db(self) -> float:
        """Return what it makes."""


class FieldSource(Instrument, Protocol):
    """The magnet with its supply."""

    def is_on(self) -> bool:
        """Return whether the supply's output is on; off only if it said so twice."""

    def is_live(self) -> bool:
        """Return whether the output is on, or current flows whatever it says of its output."""

    def take_over(self) -> None:
        """Make it a current source under our control, whatever it was found as, without a jump."""

    def switch_on(self) -> None:
        """Switch the output, taken over before, on at zero current and verify it."""

    def switch_off(self, whatever_reads: bool = False) -> None:
        """Switch the output off, also if it says it is off already, and verify it.

        Refused while it reads current, unless the caller knows better (`whatever_reads`).
        """

    def step_to(self, field_mt: float) -> None:
        """Set the next point of a ramp. Raises `ReadBackError` if it does not read back."""

    def field_set_mt(self) -> float:
        """Return the field that the set current should make."""

    def field_mt(self, moved: bool = True) -> float:
        """Return the field that the measured current should make, see `current_a`."""

    def current_a(self, moved: bool = True) -> float:
        """Return the measured current, which read the same twice.

        If it may have `moved` just now, waits until the reading is valid.
        """


class FieldProbe(Instrument, Protocol):
    """The gaussmeter."""

    def field_mt(self, twice: bool = False) -> float:
        """Return the field at the probe, with `twice` one that read the same twice."""


class Amplifier(Instrument, Protocol):
    """The bias supply of the loop's amplifier."""

    def is_on(self) -> bool:
        """Return whether the drain's output is on; off only if it said so twice."""

    def switch_on(self) -> float:
        """Bias it in order at its nominal voltage, verify its current; return the voltage.

        A current outside its window switches it off again and raises `InstrumentError`.
        """

    def switch_off(self) -> None:
        """Take the bias away in reverse order, whatever is on already, and verify it."""

    def set(self, voltage_v: float) -> float:
        """Set the supply voltage; return what the supply says."""

    def voltage_v(self) -> float:
        """Return the voltage that is set."""

    def current_a(self) -> float:
        """Return the current drawn, which read the same twice."""


class Laboratory(Instrument, Protocol):
    """The simulated laboratory itself, which has the bench's clock; a real bench has none."""

    def seed_with(self, seed: int) -> None:
        """Let all its noise follow from `seed`."""

    def begin(self, number: int) -> float:
        """Announce the measurement of this number, which keys its noise; return the time (s)."""

    def now(self) -> float:
        """Return the laboratory's time (s)."""

    def sleep(self, seconds: float) -> None:
        """Let laboratory time pass."""

    def harm(self) -> tuple[str, ...]:
        """Return what was damaged so far."""
