"""The simulated Keysight E8257D: level and frequency into the ring, sweeps, modulation state."""

import math

from magnon_lab.simulation.errors import ScpiError
from magnon_lab.simulation.instrument import SimulatedInstrument


class Generator(SimulatedInstrument):
    """A generator whose output takes `drive_settle_s` to follow."""

    def after_defaults(self) -> None:
        """Bring the plant's drive in line with the settings."""
        self._sweep_start: float | None = None
        self._short_db = 0.0
        self._drive()

    def power_up(self) -> None:
        """Wake as `SYST:PON:TYPE` says: preset, or LAST with everything as it was."""
        last = dict(self.values) if self.values["power_on"] == "LAST" else {}
        super().power_up()
        self.values.update(last)
        self._drive()

    def _points(self) -> tuple[list[float], list[float], list[float]]:
        """Return frequencies in Hz, powers in dBm and dwell times in s of the sweep."""
        values = self.values
        if values["list_type"] == "LIST":
            frequencies = list(values["list_frequency"] or [values["frequency"]])
            powers = list(values["list_power"] or [values["power"]])
            dwell = list(values["list_dwell"] or [values["dwell"]])
        else:
            n = values["sweep_points"]
            low, high = values["start_frequency"], values["stop_frequency"]
            frequencies = [low + (high - low) * i / (n - 1) for i in range(n)]
            low, high = values["start_power"], values["stop_power"]
            powers = [low + (high - low) * i / (n - 1) for i in range(n)]
            dwell = [values["dwell"]]
        count = max(len(frequencies), len(powers))
        spread = [c * count if len(c) == 1 else c for c in (frequencies, powers, dwell)]
        if values["list_direction"] == "DOWN":
            spread = [c[::-1] for c in spread]
        return spread[0], spread[1], spread[2]

    def output(self) -> tuple[float, float]:
        """Return frequency in Hz and power in dBm at the connector now."""
        frequency, power = self.values["frequency"], self.values["power"]
        sweeps_f = self.values["frequency_mode"] in ("SWE", "LIST")
        sweeps_p = self.values["power_mode"] in ("SWE", "LIST")
        if (sweeps_f or sweeps_p) and self._sweep_start is not None:
            frequencies, powers, dwell = self._points()
            index = self._index(dwell)
            frequency = frequencies[index] if sweeps_f else frequency
            power = powers[index] if sweeps_p else power
        return frequency, min(power, self.levelled_max(frequency)) - self._shortfall_db()

    def _shortfall_db(self) -> float:
        return self.faults.lasting("unlevelled", "shortfall_db", 0.0)

    def _index(self, dwell: list[float]) -> int:
        since = self.clock.now() - (self._sweep_start or 0.0)
        total = sum(dwell)
        if self.values["continuous"] and total > 0:
            since %= total
        for index, duration in enumerate(dwell):
            if since < duration:
                return index
            since -= duration
        return len(dwell) - 1

    def levelled_max(self, frequency_hz: float) -> float:
        """Return the highest power in dBm that the levelling can hold at a frequency."""
        table = self.settings["levelled_max_dbm"]
        return next(float(power) for limit, power in table if frequency_hz <= float(limit))

    def _drive(self) -> None:
        self._put(self.plant.truth.drive_settle_s)

    def _put(self, settle_s: float) -> None:
        frequency, power = self.output()
        power = power if self.values["output"] else -math.inf
        self.plant.put(self.quantity("power"), power, settle_s)
        self.plant.put(self.quantity("frequency"), frequency, settle_s)

    def _changed(self) -> None:
        self._drive()
        self.begin(self.plant.truth.drive_settle_s)

    def get_frequency(self) -> float:
        """`FREQ:FIX?`."""
        return float(self.values["frequency"])

    def get_attenuator(self) -> float:
        """`POW:ATT?`: automatic keeps the level before it above -20 dBm, in steps of 5 dB."""
        if not self.values["attenuator_auto"]:
            return float(self.values["attenuator"])
        power = float(self.values["power"])
        return min(max(-5.0 * round((power + 5) / 5), 0.0), 115.0)

    def trigger_now(self) -> None:
        """`TRIG`: start the armed sweep whatever the trigger source."""
        self._start_sweep()

    def set_frequency(self, value: float) -> None:
        """`FREQ`."""
        self.values["frequency"] = value
        self._changed()

    def set_power(self, value: float) -> None:
        """`POW`."""
        self.values["power"] = value
        self._changed()

    def set_output(self, on: bool) -> None:
        """`OUTP`."""
        self.values["output"] = on
        self._changed()

    def set_frequency_mode(self, value: str) -> None:
        """`FREQ:MODE`."""
        self.values["frequency_mode"] = value
        self._changed()

    def set_power_mode(self, value: str) -> None:
        """`POW:MODE`."""
        self.values["power_mode"] = value
        self._changed()

    def get_center(self) -> float:
        """`FREQ:CENT?`."""
        return (float(self.values["start_frequency"]) + float(self.values["stop_frequency"])) / 2

    def set_center(self, value: float) -> None:
        """`FREQ:CENT`: keeps the span."""
        half = self.get_span() / 2
        self.values["start_frequency"], self.values["stop_frequency"] = value - half, value + half

    def get_span(self) -> float:
        """`FREQ:SPAN?`."""
        return float(self.values["stop_frequency"] - self.values["start_frequency"])

    def set_span(self, value: float) -> None:
        """`FREQ:SPAN`: keeps the centre."""
        center = self.get_center()
        self.values["start_frequency"] = center - value / 2
        self.values["stop_frequency"] = center + value / 2

    # Lists and sweeps

    def _set_list(self, name: str, points: tuple[float | str, ...]) -> None:
        if not points or any(isinstance(p, str) for p in points):
            raise ScpiError(-109 if not points else -104)
        if len(points) > int(self.settings["list_points_max"]):
            raise ScpiError(-223)
        self.values[name] = tuple(points)

    def set_list_frequency(self, points: tuple[float | str, ...]) -> None:
        """`LIST:FREQ`."""
        self._set_list("list_frequency", points)

    def set_list_power(self, points: tuple[float | str, ...]) -> None:
        """`LIST:POW`."""
        self._set_list("list_power", points)

    def set_list_dwell(self, points: tuple[float | str, ...]) -> None:
        """`LIST:DWEL`."""
        self._set_list("list_dwell", points)

    def _ask_list(self, name: str) -> str:
        return ",".join(f"{p:+.14E}" for p in self.values[name] or ())

    def get_list_frequency(self) -> str:
        """`LIST:FREQ?`."""
        return self._ask_list("list_frequency")

    def get_list_power(self) -> str:
        """`LIST:POW?`."""
        return self._ask_list("list_power")

    def get_list_dwell(self) -> str:
        """`LIST:DWEL?`."""
        return self._ask_list("list_dwell")

    def count_list_frequency(self) -> str:
        """`LIST:FREQ:POIN?`."""
        return str(len(self.values["list_frequency"] or ()))

    def count_list_power(self) -> str:
        """`LIST:POW:POIN?`."""
        return str(len(self.values["list_power"] or ()))

    def count_list_dwell(self) -> str:
        """`LIST:DWEL:POIN?`."""
        return str(len(self.values["list_dwell"] or ()))

    def preset_list(self) -> None:
        """`LIST:TYPE:LIST:INIT:PRES`: one point, the present output."""
        self.values["list_frequency"] = (self.values["frequency"],)
        self.values["list_power"] = (self.values["power"],)
        self.values["list_dwell"] = (self.values["dwell"],)

    def initiate(self) -> None:
        """`INIT[:IMM]`, `TSW`: arm and, with the immediate trigger, start a single sweep."""
        if self._sweeping():
            raise ScpiError(-213)
        if self.values["trigger_source"] == "IMM":
            self._start_sweep()

    def trigger(self) -> None:
        """`*TRG`."""
        if self.values["trigger_source"] != "BUS":
            raise ScpiError(-211)
        self._start_sweep()

    def _start_sweep(self) -> None:
        self._sweep_start = self.clock.now()
        frequencies, powers, dwell = self._points()
        if not len(frequencies) == len(powers) == len(dwell):
            raise ScpiError(-221, "List lengths differ")
        self.begin(sum(dwell) + self.plant.truth.drive_settle_s)
        self._drive()

    def abort(self) -> None:
        """`ABOR`."""
        self._sweep_start = None
        self.end_operation()
        self._drive()

    def set_continuous(self, on: bool) -> None:
        """`INIT:CONT`."""
        self.values["continuous"] = on
        if on and self.values["trigger_source"] == "IMM":
            self._sweep_start = self.clock.now()
        self._drive()

    def _sweeping(self) -> bool:
        swept = {"SWE", "LIST"} & {self.values["frequency_mode"], self.values["power_mode"]}
        return bool(swept) and self._sweep_start is not None and self.busy()

    def refresh(self) -> None:
        """Bring the drive to the point of a running sweep, and to the level that there is."""
        super().refresh()
        short_db = self._shortfall_db()
        if self._sweep_start is not None or short_db != self._short_db:
            self._short_db = short_db
            self._put(0.0)

    # Modulation

    def modulation_off(self) -> None:
        """Switch off all modulation."""
        for name in ("am_state", "fm_state", "pm_state", "pulse_state"):
            self.values[name] = False

    # Status

    def operation_condition(self) -> int:
        """Bits of `STAT:OPER`: 1 settling, 3 sweeping, 5 waiting for trigger."""
        if self._sweeping():
            return 8
        waiting = self.values["trigger_source"] != "IMM" and self.values["frequency_mode"] != "CW"
        return (2 if self.busy() else 0) | (32 if waiting else 0)

    def questionable_frequency_condition(self) -> int:
        """Bits of `STAT:QUES:FREQ`: 1 the 10 MHz reference is unlocked."""
        return 2 * int(self.values["reference_lost"])

    def questionable_power_condition(self) -> int:
        """Bits of `STAT:QUES:POW`: 1 unlevelled."""
        limit = self.levelled_max(self.values["frequency"])
        short = self._shortfall_db() > 0
        unlevelled = self.values["power"] > limit or not self.values["alc"] or short
        return 2 if self.values["output"] and unlevelled else 0
