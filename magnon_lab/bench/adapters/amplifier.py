"""Bias supplies of the loop's amplifier."""

from __future__ import annotations

from typing import Any, ClassVar

from magnon_lab.bench.adapters.base import Adapter, number, switched
from magnon_lab.bench.errors import InstrumentError
from magnon_lab.bench.roles import Found
from magnon_lab.bench.schema import AmplifierRole, SupplyChannel

SETTLE_S = 0.2
"""After this the amplifier's current is what it will be."""

AGREE = 0.05
"""Two readings of a current agree within this part of its limit."""

PROTECTION = 1.05
"""Over-voltage protection, where there is one, trips this far above the highest voltage allowed."""


class ChannelSupply(Adapter[AmplifierRole]):
    """A supply with channels `ch_1`, `ch_2` ..., such as an E36312A with PyMeasure's own driver."""

    needs: ClassVar[tuple[str, ...]] = ("ch_1",)
    event_status = True

    def connect(self) -> Found:
        """See `Instrument`."""
        identity = self.identity()
        on = self.is_on()
        state = (
            f"output {self.config.channel} {'on' if on else 'off'}, {self.voltage_v():g} V, "
            f"{self.current_a():.3f} A"
        )
        return Found(identity, state)

    def is_on(self) -> bool:
        """See `Amplifier`."""
        return self._is_on(self.config.channel)

    def switch_on(self) -> float:
        """See `Amplifier`."""
        gate = self.config.gate
        if gate is not None:
            self._power(gate, gate.voltage_v)
        drain = SupplyChannel(
            channel=self.config.channel,
            voltage_v=self.config.voltage_v,
            current_limit_a=self.config.current_limit_a,
        )
        limit = self.model.limits.amplifier_voltage_v
        self._power(drain, limit[1] if limit else drain.voltage_v)
        self.session.clock.sleep(SETTLE_S)
        current_a = self.current_a()
        low_a, high_a = self.config.expected_current_a
        if not low_a <= current_a <= high_a:
            told = (
                f"{self.session.told()}: the amplifier draws {current_a:.3f} A at "
                f"{self.config.voltage_v:g} V, outside expected_current_a, "
                f"{low_a:g} to {high_a:g} A"
            )
            self.switch_off()
            raise InstrumentError(f"{told}; its bias is off again")
        return self.voltage_v()

    def switch_off(self) -> None:
        """See `Amplifier`."""
        # Raises before the gate loses its bias if the drain cannot be switched off.
        self._switch(self.config.channel, False)
        if self.config.gate is not None:
            self._switch(self.config.gate.channel, False)
        self.check_errors()

    def set(self, voltage_v: float) -> float:
        """See `Amplifier`."""
        with self.session as supply:
            channel = self._channel(supply, self.config.channel)
            channel.voltage_setpoint = voltage_v
            found = number(channel.voltage_setpoint, "voltage")
        self.check_errors()
        self.verify("voltage", voltage_v, found, self.tolerance("amplifier_voltage_v", 0.005), "V")
        return found

    def voltage_v(self) -> float:
        """See `Amplifier`."""
        with self.session as supply:
            return number(self._channel(supply, self.config.channel).voltage_setpoint, "voltage")

    def current_a(self) -> float:
        """See `Amplifier`."""
        near_a = AGREE * self.config.current_limit_a
        with self.session as supply:
            channel = self._channel(supply, self.config.channel)
            return self.surely(lambda: number(channel.current, "current"), within=near_a)

    def _power(self, output: SupplyChannel, highest_v: float) -> None:
        with self.session as supply:
            channel = self._channel(supply, output.channel)
            channel.current_limit = output.current_limit_a
            if hasattr(type(channel), "over_voltage_level"):
                channel.over_voltage_level = PROTECTION * highest_v
                channel.over_current_enabled = True
            channel.voltage_setpoint = output.voltage_v
            voltage_v = number(channel.voltage_setpoint, "voltage")
            limit_a = number(channel.current_limit, "current limit")
        self.verify("voltage", output.voltage_v, voltage_v, 0.005, "V")
        self.verify("current limit", output.current_limit_a, limit_a, 0.005, "A")
        self._switch(output.channel, True)
        self.check_errors()

    def _switch(self, number_: int, on: bool) -> None:
        with self.session as supply:
            channel = self._channel(supply, number_)
            channel.output_enabled = on
            found = self.surely(lambda: switched(channel.output_enabled, "output"), on)
        if found != on:
            raise InstrumentError(
                f"{self.session.told()}: output {number_} was switched {'on' if on else 'off'} but "
                f"reads {'on' if found else 'off'}"
            )

    def _is_on(self, number_: int) -> bool:
        with self.session as supply:
            channel = self._channel(supply, number_)
            return self.surely(lambda: switched(channel.output_enabled, "output"), True)

    def _channel(self, supply: Any, number_: int) -> Any:
        if number_ not in supply.channels:
            raise InstrumentError(
                f"{self.session.told()} has no channel {number_}; it has "
                f"{', '.join(str(known) for known in supply.channels)}"
            )
        return supply.channels[number_]
