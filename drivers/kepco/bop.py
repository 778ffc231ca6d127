#
# This file is written to be made part of the PyMeasure package.
#
# Copyright (c) 2026 Magnon Lab Developers
#
# Permission is hereby granted, free of charge, to any person obtaining a copy
# of this software and associated documentation files (the "Software"), to deal
# in the Software without restriction, including without limitation the rights
# to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
# copies of the Software, and to permit persons to whom the Software is
# furnished to do so, subject to the following conditions:
#
# The above copyright notice and this permission notice shall be included in
# all copies or substantial portions of the Software.
#
# THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
# IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
# FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
# AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
# LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
# OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN
# THE SOFTWARE.
#

"""Kepco BOP 36-12 bipolar supply with a BIT 4886 interface card."""

import math
from collections.abc import Callable
from typing import Any

from pymeasure.instruments import Instrument
from pymeasure.instruments.kepco import KepcoBOP3612 as StockKepcoBOP3612

from drivers.clock import Clock, WallClock
from drivers.scpi import CheckedSCPIMixin
from drivers.validators import SWITCH, in_range, number, one_of, real, single, switch

NEAR_ZERO_A = 0.05
"""Current in A below which the output may be switched off without a kick of the coil."""

READBACK_DELAY_S = 0.35
"""The card reports the mean of its last 16 conversions, about 320 ms (manual, 1.2.1)."""

RAMP_STEP_S = 0.05
"""Time between two steps of a ramp; the card takes none faster than 25 ms (4.1.1.3)."""


class KepcoBOP3612(CheckedSCPIMixin, StockKepcoBOP3612):
    """Control a Kepco BOP 36-12 supply that drives a magnet.

    Differs from PyMeasure's driver in that a value beyond the limits, or NaN, is refused instead
    of clamped (NaN became full negative current), and in what could kick the coil: switching
    off, reset and self-test.

    .. code-block:: python

        supply = KepcoBOP3612("GPIB::6::INSTR")
        supply.operating_mode = "CURR"
        supply.voltage_setpoint = 30        # compliance
        supply.ramp_to_current(2.6, rate=0.5)
        supply.shutdown()                   # ramps to zero before it switches off

    :ivar clock: What waits go by; a simulated laboratory may put its own here.
    """

    def __init__(
        self, adapter: Any, name: str = "Kepco BOP 36-12 Bipolar Power Supply", **kwargs: Any
    ) -> None:
        # PyMeasure's driver sets both terminators itself and breaks where they are given again.
        for key in ("read_termination", "write_termination"):
            if kwargs.get(key) == "\n":
                del kwargs[key]
        super().__init__(adapter, name, **kwargs)
        self.clock: Clock = WallClock()

    output_enabled = Instrument.control(
        "OUTPut?",
        "OUTPut %d",
        """Control whether the output is on (bool). Off programs zero at once: ramp down first
        (:meth:`shutdown` does).""",
        **SWITCH,
    )
    operating_mode = Instrument.control(
        "FUNCtion:MODE?",
        "FUNCtion:MODE %s",
        """Control what is regulated, a str from 'VOLT' and 'CURR'. The two set points change
        their meaning with it, and automatic current range is on again.""",
        validator=one_of("operating mode"),
        values=["VOLT", "CURR"],
        **single(lambda text: "CURR" if switch(text) else "VOLT"),
    )
    current_setpoint = Instrument.control(
        "CURRent?",
        "CURRent %.6f",
        """Control the current in A (float strictly from -12 to 12 A); in mode VOLT it is the
        limit of current. :meth:`set_current` checks the mode first.""",
        **real("current", "A", -12, 12),
    )
    voltage_setpoint = Instrument.control(
        "VOLTage?",
        "VOLTage %.6f",
        """Control the voltage in V (float strictly from -36 to 36 V); in mode CURR it is the
        compliance, to be set before the output is switched on.""",
        **real("voltage", "V", -36, 36),
    )
    current = Instrument.measurement(
        "MEASure:CURRent?",
        """Measure the current in A (float), valid 0.35 s after a change.""",
        **single(number),
    )
    voltage = Instrument.measurement(
        "MEASure:VOLTage?",
        """Measure the voltage in V (float), valid 0.35 s after a change.""",
        **single(number),
    )

    def pin_current_range(self) -> None:
        """Keep the current range at full scale, else it glitches at a quarter of it.

        Undone by power-up, reset and every setting of the mode.
        """
        self.write("CURRent:RANGe 1")

    def set_current(self, value: float) -> float:
        """Set the current in A and return the set point that is read back.

        :raises RuntimeError: if the supply is not in mode CURR, where it would be a limit.
        """
        checked = in_range("current", "A")(value, (-12, 12))
        mode = self.operating_mode
        if mode != "CURR":
            raise RuntimeError(f"{self.name}: current refused, the supply is in mode {mode}")
        self.current_setpoint = checked
        return float(self.current_setpoint)

    def ramp_to_current(
        self, target: float, rate: float, should_stop: Callable[[], bool] | None = None
    ) -> float:
        """Ramp from the present set point to `target` and return the set point read back.

        :param target: Current in A.
        :param rate: Slope in A/s, above 0 to 12.
        :param should_stop: Asked before each step; the ramp ends where it is when it says True.
        :raises RuntimeError: if the supply is not in mode CURR.
        """
        end = in_range("current", "A")(target, (-12, 12))
        step = in_range("ramp rate", "A/s")(rate, (1e-6, 12)) * RAMP_STEP_S
        at = float(self.current_setpoint)
        while at != end and not (should_stop is not None and should_stop()):
            at = end if abs(end - at) <= step else at + math.copysign(step, end - at)
            self.set_current(at)
            self.clock.sleep(RAMP_STEP_S)
        return float(self.current_setpoint)

    @property
    def bop_test(self) -> None:
        """Get nothing: the self-test of the output swings it to both extremes, magnet or not."""
        raise RuntimeError(f"{self.name}: DIAG:TST? is refused, it drives full current both ways")

    def reset(self) -> None:
        """Reset the supply, unless current flows: a reset would step it to zero.

        :raises RuntimeError: if the current is not near zero.
        """
        current = self.current
        if abs(current) > NEAR_ZERO_A:
            raise RuntimeError(f"{self.name}: reset refused while {current:.3g} A flow")
        super().reset()

    def shutdown(self, rate: float = 0.5) -> None:
        """Ramp to zero, then switch the output off if the current reads near zero.

        :param rate: Slope of the ramp in A/s.
        :raises RuntimeError: if current still flows; the output is left on then, at zero.
        """
        if self.operating_mode == "CURR" and self.output_enabled:
            self.ramp_to_current(0.0, rate)
            self.clock.sleep(READBACK_DELAY_S)
        current = self.current
        if abs(current) > NEAR_ZERO_A:
            raise RuntimeError(
                f"{self.name}: output left on, {current:.3g} A still flow after the ramp to zero"
            )
        self.output_enabled = False
        still_on = self.output_enabled
        super().shutdown()
        if still_on:
            raise RuntimeError(f"{self.name}: output still on after it was switched off")
