"""The simulated laboratory as a role: number of the measurement, clock, seed, harm."""

from __future__ import annotations

from typing import ClassVar

from magnon_lab.bench.adapters.base import Adapter
from magnon_lab.bench.roles import Found
from magnon_lab.bench.schema import Role

LONGEST_WAIT_S = 0.5
"""Longest wait in one message where waiting costs real time, well below a time-out."""


class SimulatedLaboratory(Adapter[Role]):
    """A laboratory that speaks LAB:NUMBer, LAB:TIME, LAB:WAIT, LAB:SEED and LAB:HARM."""

    needs: ClassVar[tuple[str, ...]] = ("number", "time", "pace", "seed", "harm", "ask_joined")
    _longest_wait_s = 0.0

    def connect(self) -> Found:
        """See `Instrument`."""
        identity = self.identity()
        with self.session as laboratory:
            state = f"seed {laboratory.seed}, pace {laboratory.pace}, {laboratory.now():.3f} s"
        return Found(identity, state)

    def seed_with(self, seed: int) -> None:
        """See `Laboratory`."""
        with self.session as laboratory:
            (found,) = laboratory.ask_joined(f":LAB:SEED {seed:d}", ":LAB:SEED?", replies=1)
        self.verify("seed", seed, float(found), 0.0, "")

    def begin(self, number: int) -> float:
        """See `Laboratory`."""
        with self.session as laboratory:
            (time,) = laboratory.ask_joined(f":LAB:NUMB {number:d}", ":LAB:TIME?", replies=1)
            return float(time)

    def now(self) -> float:
        """See `Laboratory`."""
        with self.session as laboratory:
            return float(laboratory.time)

    def sleep(self, seconds: float) -> None:
        """See `Laboratory`."""
        if not self._longest_wait_s:
            with self.session as laboratory:
                virtual = laboratory.pace == "virtual"
            self._longest_wait_s = float("inf") if virtual else LONGEST_WAIT_S
        while seconds > 0:
            now = min(seconds, self._longest_wait_s)
            with self.session as laboratory:
                laboratory.ask_joined(f":LAB:WAIT {now:.9f}", "*OPC?", replies=1)
            seconds -= now

    def harm(self) -> tuple[str, ...]:
        """See `Laboratory`."""
        with self.session as laboratory:
            return tuple(laboratory.harm)
