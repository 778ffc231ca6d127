"""The simulated Kepco BOP 36-12 with BIT 4886: one quadrant of traps for a magnet."""

import math
import re
from collections.abc import Sequence

from magnon_lab.simulation.errors import ScpiError
from magnon_lab.simulation.instrument import SimulatedInstrument
from magnon_lab.simulation.scpi import Call

_LONGEST_MESSAGE = 253
_READINGS, _READING_S = 16, 0.02
_NUMBER = re.compile(r"[+-]?(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$")


class MagnetSupply(SimulatedInstrument):
    """A bipolar supply that forces current or voltage through the magnet's coil.

    In either mode the other quantity's set point is the limit, absolute and symmetric (BIT 4886
    manual, 4.1.1.1). Setting the mode, or the output off, programs zero at once.
    """

    def after_defaults(self) -> None:
        """Bring the coil in line with the set points."""
        for name in ("current", "voltage"):
            self.values[name] = float(self.values[name])
        self._drive()

    def parse(self, message: str) -> Sequence[Call | ScpiError]:
        """Return the calls of a message; the card reads no more than 253 characters."""
        return super().parse(message[:_LONGEST_MESSAGE])

    def _drive(self, spike_a: float = 0.0) -> None:
        now = self.clock.now()
        values, magnet = self.values, self.plant.magnet
        amperes, volts = values["current"], values["voltage"]
        if not values["output"]:
            magnet.force_current(now, 0.0, float(self.settings["voltage_max"]))
        elif values["mode"] == "CURR":
            magnet.force_current(now, amperes, abs(volts), spike_a)
        else:
            magnet.force_voltage(now, volts, abs(amperes))

    def _kick(self, what: str) -> None:
        """Note the inductive kick when current is programmed away at once."""
        current = self.plant.magnet.current(self.clock.now())
        if abs(current) > self.plant.truth.harmful_current_a:
            self.plant.record_harm(f"{what} with {current:.2f} A in the magnet: inductive kick")

    def set_output(self, on: bool) -> None:
        """`OUTP`: no relay; off programs zero at once and keeps the set points."""
        if not on and self.values["output"]:
            self._kick("magnet supply output off")
        self.values["output"] = on
        self._drive()

    def set_mode(self, value: str) -> None:
        """`FUNC:MODE`: full-scale range is automatic again."""
        self.values["mode"] = value
        self.values["current_range"] = self.values["voltage_range"] = 0
        self._drive()

    def get_mode(self) -> str:
        """`FUNC:MODE?`: 0 for voltage, 1 for current."""
        return "1" if self.values["mode"] == "CURR" else "0"

    def _checked(self, token: str, highest: float) -> float | None:
        match = _NUMBER.match(token.strip())
        if match is None or not (match[1] or match[2]):
            raise ScpiError(-120)
        if abs(int(match[3] or 0)) > 8:
            raise ScpiError(-120)
        if len(match[2] or "") > 8 or len(match[1]) > 9:
            return None  # ignored without a word (manual, page B-2)
        value = float(token)
        if abs(value) > highest:
            raise ScpiError(-222)
        return value

    def _set(self, name: str, token: str) -> None:
        highest = float(self.settings[f"{name}_max"])
        word = token.upper()
        if word in ("MIN", "MAX"):
            value: float | None = highest if word == "MAX" else -highest
        else:
            value = self._checked(token, highest)
        if value is not None:
            step = highest / 32768
            old, new = self.values[name], round(value / step) * step
            self.values[name] = new
            crosses = name == "current" and (abs(old) < highest / 4) != (abs(new) < highest / 4)
            automatic = self.values["current_range"] == 0
            spike = float(self.settings["quarter_scale_spike_a"])
            self._drive(math.copysign(spike, new - old) if crosses and automatic else 0.0)

    def set_current(self, token: str) -> None:
        """`CURR`: the current, in voltage mode its limit."""
        self._set("current", token)

    def set_voltage(self, token: str) -> None:
        """`VOLT`: the voltage, in current mode its limit."""
        self._set("voltage", token)

    def get_current(self) -> str:
        """`CURR?`."""
        return kepco_number(self.values["current"])

    def get_voltage(self) -> str:
        """`VOLT?`."""
        return kepco_number(self.values["voltage"])

    def measure(self, quantity: str) -> str:
        """`MEAS:CURR?`, `MEAS:VOLT?`: mean of the last 16 conversions, so 320 ms behind."""
        now, read = self.clock.now(), self.plant.quantities[quantity]
        mean = sum(read(now - i * _READING_S) for i in range(_READINGS)) / _READINGS
        full_scale = float(self.settings[f"{quantity.split('_')[1]}_max"])
        noise = self.plant.truth.supply_noise * full_scale * self.plant.gauss(quantity)
        return kepco_number(mean + noise / _READINGS**0.5)

    def swing(self) -> str:
        """`DIAG:TST?`: the output swings to both extremes, with the magnet connected."""
        self.plant.record_harm("magnet supply DIAG:TST? swung the output with the magnet connected")
        return "0"

    def trip(self, over: str) -> None:
        """Fall to zero, as when the supply's own protection or a fuse acts."""
        self.values["output"] = False
        self._drive()

    def reset(self) -> None:
        """`*RST`: a step to zero."""
        self._kick("magnet supply reset")
        super().reset()


def kepco_number(value: float) -> str:
    """Return a number as BIT cards write it: `9.989E-2`, `1.39997E1`, `8.0E-3`."""
    mantissa, exponent = f"{value:.5E}".split("E")
    mantissa = mantissa.rstrip("0")
    return f"{mantissa}{'0' if mantissa.endswith('.') else ''}E{int(exponent)}"
