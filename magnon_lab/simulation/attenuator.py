"""The simulated Mini-Circuits RCDAT attenuator: text protocol, quarter-dB grid, start-up modes."""

import math
from typing import NamedTuple

from magnon_lab.simulation.errors import ScpiError
from magnon_lab.simulation.instrument import SimulatedInstrument

_SECONDS = {"U": 1e-6, "M": 1e-3, "S": 1.0}
_STEPS_PER_DB = 4


class _Hop(NamedTuple):
    attenuation_db: float
    dwell_s: float


class Attenuator(SimulatedInstrument):
    """One attenuator without error queue: each command is answered by 1, 0 or 2."""

    def after_defaults(self) -> None:
        """Power up as the start-up mode says."""
        highest = self.highest_db()
        chosen = {"N": highest, "F": self.values["startup_value"], "L": self.values["last"]}
        self.values["attenuation"] = min(chosen[self.values["startup_mode"]], highest)
        self.plant.put(self.quantity("attenuation"), self.values["attenuation"], 0.0)
        self._points: dict[int, _Hop] = {}
        self._program: tuple[float, list[_Hop]] | None = None

    def highest_db(self) -> float:
        """Return the highest attenuation in dB, the last number of the model."""
        return float(str(self.settings["model"]).rsplit("-", 1)[1])

    def error(self, error: ScpiError) -> str:
        """Answer what cannot be done (0) or understood (-99); there is no error queue."""
        if error.code in (-104, -222):
            return "0"
        return str(self.settings["unrecognised"]).format(**self.settings)

    def _on_grid(self, value: float) -> float | None:
        """Return the value that the unit makes of one, None for what it refuses."""
        if value < 0 or not math.isfinite(value):
            return None
        return min(round(value * _STEPS_PER_DB) / _STEPS_PER_DB, self.highest_db())

    def _put(self, name: str, value: float) -> str:
        made = self._on_grid(value)
        if made is None:
            return "0"
        self.values[name] = made
        return "2" if value > self.highest_db() else "1"

    def _switch(self, value: float) -> None:
        self.values["attenuation"] = value
        self.plant.put(self.quantity("attenuation"), value, float(self.settings["switch_s"]))

    def set_attenuation(self, value: float) -> str:
        """`SETATT=`: ends what runs inside the unit."""
        code = self._put("attenuation", value)
        if code != "0":
            self._program = None
            self._switch(self.values["attenuation"])
        return code

    def get_attenuation(self) -> float:
        """`ATT?`."""
        self.refresh()
        return float(self.values["attenuation"])

    # Start-up

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

    # Programs that run inside the unit

    def set_hop_attenuation(self, value: float) -> str:
        """`HOP:ATT:`, of the point that `HOP:POINT:` has chosen."""
        made = self._on_grid(value)
        if made is None:
            return "0"
        old = self._points.get(self.values["hop_point"], _Hop(0.0, 1e-3))
        self._points[self.values["hop_point"]] = _Hop(made, old.dwell_s)
        return "2" if value > self.highest_db() else "1"

    def set_hop_dwell(self, value: int) -> str:
        """`HOP:DWELL:`, of the chosen point, in the chosen unit."""
        old = self._points.get(self.values["hop_point"], _Hop(0.0, 1e-3))
        dwell_s = value * _SECONDS[self.values["hop_dwell_unit"]]
        self._points[self.values["hop_point"]] = _Hop(old.attenuation_db, dwell_s)
        return "1" if value > 0 else "0"

    def _set_unit(self, name: str, value: str) -> str:
        if value not in _SECONDS:
            return "0"
        self.values[name] = value
        return "1"

    def set_hop_unit(self, value: str) -> str:
        """`HOP:DWELL_UNIT:`."""
        return self._set_unit("hop_dwell_unit", value)

    def set_sweep_unit(self, value: str) -> str:
        """`SWEEP:DWELL_UNIT:`."""
        return self._set_unit("sweep_dwell_unit", value)

    def set_hop_mode(self, value: str) -> str:
        """`HOP:MODE:ON`, `OFF`."""
        points = [self._points.get(i) for i in range(1, self.values["hop_points"] + 1)]
        if value == "ON" and (not points or None in points):
            return "0"
        return self._run(value, "hop_direction", [p for p in points if p is not None])

    def set_sweep_mode(self, value: str) -> str:
        """`SWEEP:MODE:ON`, `OFF`."""
        values = self.values
        start, stop, step = values["sweep_start"], values["sweep_stop"], values["sweep_step"]
        if value == "ON" and step <= 0:
            return "0"
        dwell_s = values["sweep_dwell"] * _SECONDS[values["sweep_dwell_unit"]]
        count = int(abs(stop - start) / step + 1e-9) + 1 if step > 0 else 0
        sign = 1 if stop >= start else -1
        points = [_Hop(self._on_grid(start + sign * i * step) or 0.0, dwell_s)
                  for i in range(count)]  # fmt: skip
        return self._run(value, "sweep_direction", points)

    def _run(self, switch: str, direction: str, points: list[_Hop]) -> str:
        self.refresh()
        if switch not in ("ON", "OFF"):
            return "0"
        way = self.values[direction]
        if way:
            points = points[::-1] if way == 1 else points + points[-2:0:-1]
        self._program = (self.clock.now(), points) if switch == "ON" else None
        self.refresh()
        return "1"

    def refresh(self) -> None:
        """Bring a running program to its present point."""
        super().refresh()
        if self._program is None:
            return
        start, points = self._program
        total = sum(point.dwell_s for point in points)
        if total <= 0:
            return
        rest = (self.clock.now() - start) % total
        for point in points:
            if rest < point.dwell_s:
                break
            rest -= point.dwell_s
        if point.attenuation_db != self.values["attenuation"]:
            self._switch(point.attenuation_db)

    # Identity

    def ask_model(self) -> str:
        """`MN?`."""
        return f"MN={self.settings['model']}"

    def ask_serial(self) -> str:
        """`SN?`."""
        return f"SN={self.settings['serial']}"

    def ask_firmware(self) -> str:
        """`FIRMWARE?`."""
        return f"FIRMWARE={self.settings['firmware']}"
