"""Programmable attenuators."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from magnon_lab.bench.adapters.base import Adapter
from magnon_lab.bench.roles import Found
from magnon_lab.bench.schema import AttenuatorRole


class SteppedAttenuator(Adapter[AttenuatorRole]):
    """An attenuator that rounds to its steps and knows its maximum, such as an RCDAT."""

    needs: ClassVar[tuple[str, ...]] = ("attenuation", "set_attenuation", "maximum_attenuation")

    def connect(self) -> Found:
        """See `Instrument`."""
        identity = self.identity()
        return Found(identity, f"{self.attenuation_db():g} dB", tuple(self._hazards()))

    @staticmethod
    def step_db(driver: type[Any]) -> float:
        """Return the resolution that a driver names, 0 if none."""
        return float(getattr(sys.modules[driver.__module__], "STEP_DB", 0.0))

    @property
    def maximum_db(self) -> float:
        """See `Attenuator`."""
        with self.session as attenuator:
            return float(attenuator.maximum_attenuation)

    def set(self, attenuation_db: float) -> float:
        """See `Attenuator`."""
        with self.session as attenuator:
            realised = float(attenuator.set_attenuation(attenuation_db))
        step_db = self.config.step_db or self.step_db(self.session.driver)
        allowed_db = self.tolerance("attenuation_db", step_db / 2 + 1e-9)
        self.verify("attenuation", attenuation_db, realised, allowed_db, "dB")
        return realised

    def attenuation_db(self) -> float:
        """See `Attenuator`."""
        with self.session as attenuator:
            return float(attenuator.attenuation)

    def open_loop(self) -> None:
        """See `Attenuator`."""
        self.set(self.maximum_db)

    def _hazards(self) -> list[str]:
        hazards = []
        highest, maximum = self.model.limits.attenuation_db[1], self.maximum_db
        if highest > maximum:
            hazards.append(
                f"limits.attenuation_db goes to {highest:g} dB but it has at most {maximum:g} dB"
            )
        with self.session as attenuator:
            wakes_safe = getattr(attenuator, "starts_at_maximum", True)
        if self.config.require_safe_start_up and not wakes_safe:
            hazards.append(
                "after a power cut it may wake with little attenuation, which is most gain: set "
                "its start-up mode to fixed with the maximum (STARTUPATT), or "
                "require_safe_start_up: false"
            )
        return hazards

    def check_errors(self) -> None:
        """Do nothing: each command is answered with a code that its driver checks."""
