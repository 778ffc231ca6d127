"""Magnet supplies."""

from __future__ import annotations

from typing import Any, ClassVar

from magnon_lab.bench.adapters.base import Adapter, number, switched
from magnon_lab.bench.errors import InstrumentError
from magnon_lab.bench.roles import Found
from magnon_lab.bench.schema import FieldRole

SET_A = 1e-3
"""Furthest that a set current reads back from what was sent, with six digits."""

SET_V = 0.01
"""The same of a set voltage."""


class KepcoFieldSource(Adapter[FieldRole]):
    """A Kepco BOP with BIT 4886, as a current source for a magnet.

    Its two set points swap their meaning with the mode: in mode VOLT the "current" is a limit. So
    the mode is asked before every set point. It is never reset and never switched off while
    current flows, both of which are a step to zero.
    """

    needs: ClassVar[tuple[str, ...]] = (
        "operating_mode",
        "current_setpoint",
        "voltage_setpoint",
        "output_enabled",
        "current",
    )
    event_status = True

    def connect(self) -> Found:
        """See `Instrument`."""
        identity = self.identity()
        with self.session as supply:
            on, mode = switched(supply.output_enabled, "output"), str(supply.operating_mode)
            current_a = number(supply.current, "current")
        state = f"output {'on' if on else 'off'}, mode {mode}, {current_a:.3f} A"
        return Found(identity, state, tuple(self._hazards()))

    def is_on(self) -> bool:
        """See `FieldSource`."""
        with self.session as supply:
            return self._on(supply)

    def is_live(self) -> bool:
        """See `FieldSource`."""
        return self.is_on() or abs(self.current_a()) > self.config.near_zero_a

    def take_over(self) -> None:
        """See `FieldSource`.

        Found live in mode VOLT, the voltage is ramped to zero, the current awaited to die, and only
        then the output switched off and the mode changed: changed at once, what was the limit of
        current would become the current.
        """
        live = self.is_live()
        with self.session as supply:
            voltage_mode = self._mode(supply) != "CURR"
            if live and voltage_mode:
                self._ramp_voltage_down(supply)
        if live and voltage_mode:
            self.switch_off()
            live = False
        if live:
            return  # it carries current already: its range and compliance stay as they are
        with self.session as supply:
            if voltage_mode:
                supply.operating_mode = "CURR"
            self._require_current_mode(supply)
            supply.current_setpoint = 0.0
            supply.voltage_setpoint = self.config.compliance_v
            if hasattr(supply, "pin_current_range"):
                supply.pin_current_range()  # else it glitches at a quarter of full scale
            compliance_v = self.surely(
                lambda: number(supply.voltage_setpoint, "compliance"),
                self.config.compliance_v,
                SET_V,
            )
        self.check_errors()
        self.verify("compliance", self.config.compliance_v, compliance_v, SET_V, "V")

    def switch_on(self) -> None:
        """See `FieldSource`."""
        if self.is_on():
            return
        with self.session as supply:
            self._require_current_mode(supply)
            set_a = self._set_a(supply, 0.0)
            self.verify("current set point", 0.0, set_a, SET_A, "A")
            supply.output_enabled = True
            on = self._on(supply)
        self.check_errors()
        if not on:
            raise InstrumentError(f"{self.session.told()}: output was switched on but reads off")

    def switch_off(self, whatever_reads: bool = False) -> None:
        """See `FieldSource`."""
        if not whatever_reads:
            self._require_no_current()
        with self.session as supply:
            supply.output_enabled = False
            on = self._on(supply, False)
        self.check_errors()
        if on:
            raise InstrumentError(f"{self.session.told()}: output was switched off but reads on")

    def step_to(self, field_mt: float) -> None:
        """See `FieldSource`."""
        with self.session as supply:
            self._require_current_mode(supply)
            current_a = field_mt / self.config.mt_per_a
            supply.current_setpoint = current_a
            found_a = self._set_a(supply, current_a)
        # A step that got lost would make the next one twice as fast.
        self.verify("current set point", current_a, found_a, SET_A, "A")

    def field_set_mt(self) -> float:
        """See `FieldSource`."""
        with self.session as supply:
            self._require_current_mode(supply)
            set_a = self._set_a(supply)
        return set_a * self.config.mt_per_a

    def field_mt(self, moved: bool = True) -> float:
        """See `FieldSource`."""
        return self.current_a(moved) * self.config.mt_per_a

    def current_a(self, moved: bool = True) -> float:
        """See `FieldSource`."""
        if moved:
            self.session.clock.sleep(self.config.read_back_s)
        with self.session as supply:
            return self._current_a(supply)

    def _on(self, supply: Any, expected: bool = True) -> bool:
        return self.surely(lambda: switched(supply.output_enabled, "output"), expected)

    def _mode(self, supply: Any) -> str:
        return self.surely(lambda: str(supply.operating_mode))

    def _set_a(self, supply: Any, expected: float | None = None) -> float:
        return self.surely(
            lambda: number(supply.current_setpoint, "current set point"), expected, SET_A
        )

    def _current_a(self, supply: Any) -> float:
        return self.surely(
            lambda: number(supply.current, "current"), within=self.config.near_zero_a
        )

    def _require_current_mode(self, supply: Any) -> None:
        mode = self.surely(lambda: str(supply.operating_mode), "CURR")
        if mode != "CURR":
            raise InstrumentError(
                f"{self.session.told()} is in mode {mode}, where a current set point is a limit; "
                "nothing was set"
            )

    def _require_no_current(self) -> None:
        current_a = self.current_a()
        if abs(current_a) > self.config.near_zero_a:
            raise InstrumentError(
                f"{self.session.told()}: OUTPUT LEFT ON, {current_a:.3f} A still flow, more than "
                f"near_zero_a, {self.config.near_zero_a:g} A: switching off would be a step to zero"
            )

    def _ramp_voltage_down(self, supply: Any) -> None:
        clock, step_s = self.session.clock, self.config.ramp_step_s
        start_v = self.surely(
            lambda: number(supply.voltage_setpoint, "voltage set point"), within=SET_V
        )
        current_a = self._current_a(supply)
        slew = self.model.limits.field_slew_mt_per_s or 1.0
        seconds = abs(current_a * self.config.mt_per_a) / slew
        steps = max(1, round(seconds / step_s))
        for step in range(1, steps + 1):
            supply.voltage_setpoint = start_v * (1 - step / steps)
            clock.sleep(step_s)

    def _hazards(self) -> list[str]:
        most_a = getattr(self.session.driver, "_Imax", None)
        limit = self.model.limits.field_mt
        if most_a is None or limit is None:
            return []
        most_mt = abs(self.config.mt_per_a) * most_a
        if max(abs(limit[0]), abs(limit[1])) <= most_mt * (1 + 1e-9):
            return []
        return [
            f"limits.field_mt goes to {max(limit, key=abs):g} mT but it makes at most "
            f"{most_mt:g} mT, {most_a:g} A at {self.config.mt_per_a:g} mT/A"
        ]
