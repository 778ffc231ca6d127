"""The simulated Mini-Circuits RCDAT attenuator: text protocol, quarter-dB grid, start-up modes."""

import math

from magnon_lab.simulation.errors import ScpiError
from magnon_lab.simulation.instrument import SimulatedInstrument


class Attenuator(SimulatedInstrument):
    """One attenuator without error queue: each command is answered by 1, 0 or 2."""

    def after_defaults(self) -> None:
        """Power up as the start-up mode says."""
        highest = self.highest_db()
        mode = self.values["startup_mode"]
        chosen = {"N": highest, "F": self.values["startup_value"], "L": self.values["last"]}
        self.values["attenuation"] = min(chosen[mode], highest)
        self.plant.put(self.quantity("attenuation"), self.values["attenuation"], 0.0)

    def highest_db(self) -> float:
        """Return the highest attenuation in dB, the last number of the model."""
        return float(str(self.settings["model"]).rsplit("-", 1)[1])

    def error(self, error: ScpiError) -> str:
        """Answer what cannot be understood; there is no error queue."""
        if error.code == -104:
            return "0"
        return str(self.settings["unrecognised"]).format(**self.settings)

    def _put(self, name: str, value: float) -> str:
        if value < 0 or not math.isfinite(value):
            return "0"
        beyond = value > self.highest_db()
        value = self.highest_db() if beyond else round(value * 4) / 4
        self.values[name] = value
        if name == "attenuation":
            self.plant.put(self.quantity(name), value, float(self.settings["switch_s"]))
        return "2" if beyond else "1"

    def set_attenuation(self, value: float) -> str:
        """`SETATT=`."""
        return self._put("attenuation", value)

    def set_startup_value(self, value: float) -> str:
        """`STARTUPATT:VALUE:`."""
        return self._put("startup_value", value)

    def set_startup_mode(self, value: str) -> str:
        """`STARTUPATT:INDICATOR:`."""
        if value not in ("L", "F", "N"):
            return "0"
        self.values["startup_mode"] = value
        return "1"

    def store_last(self) -> str:
        """`LASTATT:STORE:INITIATE`: keep the present value for start-up mode L."""
        self.values["last"] = self.values["attenuation"]
        return "1"

    def ask_model(self) -> str:
        """`MN?`."""
        return f"MN={self.settings['model']}"

    def ask_serial(self) -> str:
        """`SN?`."""
        return f"SN={self.settings['serial']}"

    def ask_firmware(self) -> str:
        """`FIRMWARE?`."""
        return f"FIRMWARE={self.settings['firmware']}"
