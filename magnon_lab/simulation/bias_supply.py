"""The simulated Keysight E36312A: three channels, trips, and the amplifier as a load."""

from magnon_lab.simulation.errors import ScpiError
from magnon_lab.simulation.instrument import SimulatedInstrument

_CHANNELS = (1, 2, 3)


class BiasSupply(SimulatedInstrument):
    """Three outputs, one of which feeds the loop amplifier."""

    def after_defaults(self) -> None:
        """Clear latches and bring the amplifier's supply in line."""
        self._tripped: dict[int, set[str]] = {channel: set() for channel in _CHANNELS}
        self._limited_since: dict[int, float | None] = dict.fromkeys(_CHANNELS)
        self._drive()

    def selected_channels(self) -> tuple[int, ...]:
        """Return the channel that `INST` has selected."""
        return (int(self.values["selected"]),)

    def terminals(self, channel: int) -> tuple[float, float, bool]:
        """Return voltage in V, current in A, and whether the current limit holds."""
        if not self.values["output"][channel]:
            return 0.0, 0.0, False
        voltage, limit = self.values["voltage"][channel], self.values["current"][channel]
        load = self.plant.load
        if channel != load.channel:
            return voltage, 0.0, False
        current = load.current(voltage)
        if current <= limit:
            return voltage, current, False
        return load.voltage(limit, voltage), limit, True

    def _drive(self, delay_s: float = 0.0) -> None:
        now = self.clock.now()
        for channel in _CHANNELS:
            limited = self.terminals(channel)[2]
            if not limited:
                self._limited_since[channel] = None
            elif self._limited_since[channel] is None:
                self._limited_since[channel] = now
            if self.values["output"][channel] and (
                self.terminals(channel)[0] > self.values["over_voltage"][channel]
            ):
                self._trip(channel, "OV")
        load = self.plant.load
        voltage = self.terminals(load.channel)[0]
        self.plant.put(self.quantity("voltage"), voltage, load.settle_s + delay_s)

    def _trip(self, channel: int, kind: str) -> None:
        self._tripped[channel].add(kind)
        self.values["output"][channel] = False

    def trip(self, over: str) -> None:
        """Trip the amplifier's output over current or voltage; the latch holds it off."""
        self.refresh()
        self._trip(self.plant.load.channel, "OC" if over == "current" else "OV")
        self._drive()

    def refresh(self) -> None:
        """Trip what has been on its current limit for longer than its delay."""
        super().refresh()
        now = self.clock.now()
        for channel in _CHANNELS:
            since = self._limited_since[channel]
            if since is None or not self.values["over_current_state"][channel]:
                continue
            if now >= since + self.values["over_current_delay"][channel]:
                self._trip(channel, "OC")
                self._drive()

    def set_voltage(self, channel: int, value: float) -> None:
        """`VOLT`."""
        self.refresh()
        self.values["voltage"][channel] = value
        self._drive()

    def set_current(self, channel: int, value: float) -> None:
        """`CURR`."""
        self.refresh()
        self.values["current"][channel] = value
        self._drive()

    def set_output(self, channel: int, on: bool) -> None:
        """`OUTP`: a tripped output stays off until its latch is cleared."""
        self.refresh()
        if on and self._tripped[channel]:
            raise ScpiError(-221, f"output {channel} protection tripped")
        self.values["output"][channel] = on
        delay_s = self.values["delay_rise" if on else "delay_fall"][channel]
        self._drive(delay_s if channel == self.plant.load.channel else 0.0)

    def get_output(self, channel: int) -> bool:
        """`OUTP?`."""
        self.refresh()
        return bool(self.values["output"][channel])

    def set_over_voltage(self, channel: int, value: float) -> None:
        """`VOLT:PROT`."""
        self.values["over_voltage"][channel] = value
        self._drive()

    def set_over_current_state(self, channel: int, on: bool) -> None:
        """`CURR:PROT:STAT`: the delay counts from here if the limit holds already."""
        self.values["over_current_state"][channel] = on
        if on and self._limited_since[channel] is not None:
            self._limited_since[channel] = self.clock.now()

    def get_over_voltage_trip(self, channel: int) -> bool:
        """`VOLT:PROT:TRIP?`."""
        return "OV" in self._tripped[channel]

    def get_over_current_trip(self, channel: int) -> bool:
        """`CURR:PROT:TRIP?`."""
        self.refresh()
        return "OC" in self._tripped[channel]

    def clear_protection(self, channels: tuple[int, ...] | None = None) -> None:
        """`OUTP:PROT:CLE`."""
        for channel in channels or self.selected_channels():
            if channel not in _CHANNELS:
                raise ScpiError(-114, f"channel {channel}")
            self._tripped[channel].clear()
            self._limited_since[channel] = None

    def measure_voltage(self, channel: int) -> float:
        """`MEAS:VOLT?`."""
        self.refresh()
        noise = float(self.settings["voltage_noise"]) * self.plant.gauss(f"bias voltage {channel}")
        return self._at_terminals(channel)[0] + noise

    def measure_current(self, channel: int) -> float:
        """`MEAS:CURR?`."""
        self.refresh()
        noise = float(self.settings["current_noise"]) * self.plant.gauss(f"bias current {channel}")
        return self._at_terminals(channel)[1] + noise

    def _at_terminals(self, channel: int) -> tuple[float, float]:
        voltage, current, _ = self.terminals(channel)
        if channel == self.plant.load.channel:
            now, quantities = self.clock.now(), self.plant.quantities
            voltage = quantities[self.quantity("measured_voltage")](now)
            current = quantities[self.quantity("measured_current")](now)
        return voltage, current

    def apply(
        self, channel: str, voltage: float | str | None = None, current: float | str | None = None
    ) -> None:
        """`APPL CH1,5,0.5`."""
        number = {"CH1": 1, "CH2": 2, "CH3": 3, "P6V": 1, "P25V": 2, "N25V": 3}[channel]
        for name, value in (("voltage", voltage), ("current", current)):
            if value is not None:
                self.set_value(name, value, number)

    def ask_applied(self, channel: str | None = None) -> str:
        """`APPL? CH1`."""
        number = int((channel or f"CH{self.values['selected']}")[-1])
        return f'"{self.values["voltage"][number]:.6f},{self.values["current"][number]:.6f}"'

    def select(self, channel: str) -> None:
        """`INST CH1`."""
        names = {"CH1": 1, "CH2": 2, "CH3": 3, "P6V": 1, "P25V": 2, "N25V": 3}
        self.values["selected"] = names[channel]

    def ask_selected(self) -> str:
        """`INST?`."""
        return f"CH{self.values['selected']}"

    def summary_condition(self, channel: int) -> int:
        """Bits of one channel: 0 constant current, 1 constant voltage, 2 OV, 3 OC."""
        self.refresh()
        bits = 4 * ("OV" in self._tripped[channel]) | 8 * ("OC" in self._tripped[channel])
        if self.values["output"][channel]:
            bits |= 1 if self.terminals(channel)[2] else 2
        return bits

    def ask_summary_event(self, channel: int) -> str:
        """`STAT:QUES:INST:ISUM1?`."""
        return f"{self.summary_condition(channel):d}"

    def ask_summary(self, channel: int) -> str:
        """`STAT:QUES:INST:ISUM1:COND?`."""
        return f"{self.summary_condition(channel):d}"
