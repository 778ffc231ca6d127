"""The simulated Lake Shore 425 gaussmeter: units, ranges, relative and peak readings."""

import math

from magnon_lab.simulation.errors import ScpiError
from magnon_lab.simulation.exchange import Client, Program
from magnon_lab.simulation.instrument import SimulatedInstrument

_PER_MT = {1: 10.0, 2: 1e-3, 3: 10.0, 4: 795.7747}  # G, T, Oe, A/m
_EXCHANGE_S = 0.03


class Gaussmeter(SimulatedInstrument):
    """A field reading ten times a second; what it does not understand it passes over in silence."""

    def after_defaults(self) -> None:
        """Forget readings; unit and modes are kept over `*RST` as over power."""
        self._quantity = next(d.plant for d in self.definition.dialogues if d.plant)
        self._sampled_s = -math.inf
        self._sample_mt = 0.0
        self._highest_mt = 0.0
        self._last_reply: str | None = None
        self._last_message_s = -math.inf
        self.hurried = 0

    def error(self, error: ScpiError) -> None:
        """Stay silent: there is no error queue."""

    def compile(self, message: str) -> Program:
        """Return the steps of a message; a lone question mark asks for the last reply."""
        if message.strip() == "?":
            return Program((self.repeat,), True)
        return super().compile(message)

    def receive(self, client: Client, message: str) -> None:
        """Take a message, noting when it comes sooner than 30 ms after the last one."""
        now = self.clock.now()
        if now - self._last_message_s < _EXCHANGE_S:
            self.hurried += 1
        self._last_message_s = now
        super().receive(client, message)

    def _field_mt(self) -> float:
        """Return what the probe reads in mT; a new conversion comes every tenth of a second."""
        now = self.clock.now()
        if now - self._sampled_s >= float(self.settings["reading_s"]):
            truth = self.plant.truth
            noise = truth.probe_noise_mt * self.plant.gauss("probe")
            self._sample_mt = (
                self.plant.quantities[self._quantity](now)
                + truth.probe_offset_mt
                + self.plant.drifted("probe_mt", now)
                + noise
            )
            self._sampled_s = now
        field = self._sample_mt - float(self.values["zero_mt"])
        self._highest_mt = max(self._highest_mt, abs(field))
        return field

    def _range(self, field_mt: float) -> int:
        if not self.values["autorange"]:
            return int(self.values["range"])
        fitting = [n for n in range(1, 5) if abs(field_mt) <= self._full_scale_mt(n)]
        self.values["range"] = min(fitting, default=4)
        return int(self.values["range"])

    def _full_scale_mt(self, number: int) -> float:
        return float(self.settings["full_scale_mt"][number - 1])

    def _reply(self, field_mt: float) -> str:
        full_scale = self._full_scale_mt(self._range(field_mt))
        if not self.settings["fitted"]:
            text = str(self.settings["missing_reply"])
        elif abs(field_mt) > full_scale:
            text = str(self.settings["overload_reply"])
        else:
            resolution = full_scale / 35000
            field_mt = round(field_mt / resolution) * resolution
            text = lakeshore_number(field_mt * _PER_MT[self.values["unit"]])
        self._last_reply = text
        return text

    def read_field(self, _: str) -> str:
        """`RDGFIELD?`."""
        return self._reply(self._field_mt())

    def read_relative(self) -> str:
        """`RDGREL?`."""
        return self._reply(self._field_mt() - self.values["relative_mt"])

    def read_highest(self) -> str:
        """`RDGMX?`."""
        self._field_mt()
        return self._reply(self._highest_mt)

    def read_extremes(self) -> str:
        """`RDGMNMX?`: the minimum is always 0 on this model."""
        return f"{lakeshore_number(0.0)},{self.read_highest()}"

    def reset_highest(self) -> None:
        """`MXRST`."""
        self._highest_mt = 0.0

    def zero_probe(self) -> None:
        """`ZPROBE`: whatever the probe sees now becomes zero."""
        self.values["zero_mt"] += self._field_mt()

    def set_relative(self, on: bool) -> None:
        """`REL`: on takes the present field as the reference unless one was given."""
        if on and not self.values["relative"]:
            self.values["relative_mt"] = self._field_mt()
        self.values["relative"] = on

    def set_relative_point(self, value: float) -> None:
        """`RELSP`, in the present unit."""
        self.values["relative_mt"] = value / _PER_MT[self.values["unit"]]

    def get_relative_point(self) -> str:
        """`RELSP?`."""
        return lakeshore_number(self.values["relative_mt"] * _PER_MT[self.values["unit"]])

    def set_range(self, value: int) -> None:
        """`RANGE`: ends autorange."""
        self.values["range"], self.values["autorange"] = value, False

    def auto(self, on: float | None = None) -> None:
        """`AUTO`: without its argument it switches autorange on."""
        self.values["autorange"] = on is None or bool(on)

    def get_auto(self) -> str:
        """`AUTO?`."""
        return f"{int(self.values['autorange'])}"

    def set_mode(self, mode: float, dc_filter: float, band: float) -> None:
        """`RDGMODE`."""
        chosen = (int(mode), int(dc_filter), int(band))
        if chosen[0] in (1, 2) and chosen[1] in (0, 1) and chosen[2] in (1, 2):
            self.values["reading_mode"] = ",".join(map(str, chosen))

    def get_mode(self) -> str:
        """`RDGMODE?`."""
        return str(self.values["reading_mode"])

    def clear_zero(self) -> None:
        """`ZCLEAR`."""
        self.values["zero_mt"] = 0.0

    def factory_defaults(self, _: int | None = None) -> None:
        """`DFLT 99`."""
        self.set_defaults(everything=True)

    def repeat(self) -> str | None:
        """`?`: the last reply once more."""
        return self._last_reply

    def set_alarm(self, on: int, mode: int, low: float, high: float, *rest: int | None) -> None:
        """`ALARM`: limits in the present unit."""
        tail = [value for value in rest if value is not None]
        self.values["alarm"] = ",".join(
            [f"{on:d}", f"{mode:d}", lakeshore_number(low), lakeshore_number(high), *map(str, tail)]
        )

    def get_alarm(self) -> str:
        """`ALARM?`."""
        return str(self.values["alarm"])

    def alarm_state(self) -> str:
        """`ALARMST?`: 1 while the field lies outside the alarm's limits."""
        on, *rest = str(self.values["alarm"]).split(",")
        if on != "1":
            return "0"
        low, high = (float(text) for text in rest[1:3])
        value = abs(self._field_mt()) * _PER_MT[self.values["unit"]]
        return f"{int(not low <= value <= high)}"

    def set_relay(self, relay: int, mode: int) -> None:
        """`RELAY`: 0 off, 1 on, 2 follows the alarm."""
        if relay in (1, 2) and mode in (0, 1, 2):
            self.values[f"relay_{relay}"] = mode

    def get_relay(self, relay: int | None = None) -> str:
        """`RELAY?`."""
        return str(self.values["relay_2" if relay == 2 else "relay_1"])

    def relay_state(self, relay: int | None = None) -> str:
        """`RELAYST?`."""
        mode = self.get_relay(relay)
        return self.alarm_state() if mode == "2" else mode


def lakeshore_number(value: float) -> str:
    """Return a number in the form `+nnn.nnnE+nn`, with an exponent that is a multiple of 3."""
    exponent = 0
    if value != 0 and math.isfinite(value):
        exponent = 3 * math.floor(math.log10(abs(value)) / 3)
    mantissa = value / 10.0**exponent
    return f"{'-' if mantissa < 0 else '+'}{abs(mantissa):07.3f}E{exponent:+03d}"
