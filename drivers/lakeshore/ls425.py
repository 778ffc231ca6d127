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

"""Lake Shore 425 gaussmeter."""

from typing import Any

import numpy as np
from pymeasure.instruments import Instrument
from pymeasure.instruments.lakeshore import LakeShore425 as StockLakeShore425

from drivers.clock import Clock, WallClock
from drivers.validators import SWITCH, number, single, whole, whole_in_range

EXCHANGE_INTERVAL_S = 0.03
"""Time to keep after each command or reply (manual, interface chapter)."""


class LakeShore425(StockLakeShore425):
    """Control a Lake Shore 425 gaussmeter.

    Differs from PyMeasure's driver in that a reply that is no number (overload, no probe) is an
    error instead of a str, that 30 ms are kept between exchanges, and in identity, automatic
    range and relative mode.

    :ivar clock: What waits go by; a simulated laboratory may put its own here.
    """

    def __init__(
        self, adapter: Any, name: str = "Lake Shore 425 Gaussmeter", **kwargs: Any
    ) -> None:
        self.clock: Clock = WallClock()
        super().__init__(adapter, name, **kwargs)

    def write(self, command: str, **kwargs: Any) -> None:
        """Write a command, 30 ms after the last exchange at the earliest."""
        # A pause before each command keeps the rule without asking the clock twice.
        self.clock.sleep(EXCHANGE_INTERVAL_S)
        super().write(command, **kwargs)

    @property
    def id(self) -> str:
        """Get the identity, a str like 'LSCI,MODEL425,4250022,1.0'."""
        return str(self.ask("*IDN?").strip())

    field = Instrument.measurement(
        "RDGFIELD?",
        """Measure the field in the unit that :attr:`unit` tells (float).""",
        **single(number),
    )
    auto_range_enabled = Instrument.control(
        "AUTO?",
        "AUTO %d",
        """Control whether the range follows the field (bool).""",
        **SWITCH,
    )
    relative_enabled = Instrument.control(
        "REL?",
        "REL %d",
        """Control whether readings are relative to a set point (bool).""",
        **SWITCH,
    )
    probe_type = Instrument.measurement(
        "TYPE?",
        """Get the type of the probe (int): 40 high sensitivity, 41 high stability, 42 ultra-high
        sensitivity, 50 to 52 user cable. The ranges of :attr:`range` are those of type 40.""",
        **single(whole),
    )

    def auto_range(self) -> None:
        """Let the range follow the field."""
        self.auto_range_enabled = True

    def prepare(self) -> None:
        """Set tesla, DC, and readings that are not relative: the meter wakes with its last."""
        self.unit = "T"
        self.dc_mode()
        self.relative_enabled = False

    def measure(
        self, points: int, has_aborted: Any = lambda: False, delay: float = 0.1
    ) -> tuple[float, float]:
        """Return mean and standard deviation of `points` readings, 10 a second by default.

        :raises RuntimeError: if it was aborted before the first reading.
        """
        readings = []
        for _ in range(whole_in_range("number of readings")(points, (1, 10**6))):
            if has_aborted():
                break
            readings.append(self.field)
            self.clock.sleep(delay)
        if not readings:
            raise RuntimeError(f"{self.name}: aborted before the first reading")
        return float(np.mean(readings)), float(np.std(readings))
