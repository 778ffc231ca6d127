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

"""Keysight E36312A triple output power supply."""

from typing import Any

from pymeasure.instruments import Channel, Instrument
from pymeasure.instruments.keysight import KeysightE36312A as StockE36312A
from pymeasure.instruments.keysight.keysightE36312A import VoltageChannel

from drivers.scpi import CheckedSCPIMixin
from drivers.validators import SWITCH, choice, number, real, single, switch, whole


class ProtectedChannel(VoltageChannel):
    """One output with its protections."""

    voltage_setpoint = Channel.control(
        "VOLT? (@{ch})",
        "VOLT %.6f, (@{ch})",
        """Control the voltage in V (float strictly from 0 to 6 V on output 1, to 25 V on 2 and
        3).""",
        dynamic=True,
        **real("voltage", "V", 0, 25),
    )
    current_limit = Channel.control(
        "CURR? (@{ch})",
        "CURR %.6f, (@{ch})",
        """Control the current limit in A (float strictly from 0 to 5 A on output 1, to 1 A on 2
        and 3).""",
        dynamic=True,
        **real("current limit", "A", 0, 1),
    )
    voltage = Channel.measurement(
        "MEAS:VOLT? (@{ch})", """Measure the voltage in V (float).""", **single(number)
    )
    current = Channel.measurement(
        "MEAS:CURR? (@{ch})", """Measure the current in A (float).""", **single(number)
    )
    output_enabled = Channel.control(
        "OUTP? (@{ch})",
        "OUTP %d, (@{ch})",
        """Control whether the output is on (bool). After a protection has tripped it stays off
        until :meth:`clear_protection`.""",
        **SWITCH,
    )
    over_voltage_level = Channel.control(
        "VOLT:PROT? (@{ch})",
        "VOLT:PROT %.6f, (@{ch})",
        """Control the voltage in V above which the output trips (float strictly from 0 to 6.6 V
        on output 1, to 27.5 V on 2 and 3).""",
        dynamic=True,
        **real("over-voltage level", "V", 0, 27.5),
    )
    over_voltage_tripped = Channel.measurement(
        "VOLT:PROT:TRIP? (@{ch})",
        """Get whether over-voltage protection has tripped (bool).""",
        **single(switch),
    )
    over_current_enabled = Channel.control(
        "CURR:PROT:STAT? (@{ch})",
        "CURR:PROT:STAT %d, (@{ch})",
        """Control whether the output trips when it reaches its current limit (bool).""",
        **SWITCH,
    )
    over_current_delay = Channel.control(
        "CURR:PROT:DEL? (@{ch})",
        "CURR:PROT:DEL %.3f, (@{ch})",
        """Control the time in s at the current limit before the output trips (float strictly
        from 0 to 3600 s).""",
        **real("over-current delay", "s", 0, 3600),
    )
    over_current_tripped = Channel.measurement(
        "CURR:PROT:TRIP? (@{ch})",
        """Get whether over-current protection has tripped (bool).""",
        **single(switch),
    )
    regulation = Channel.measurement(
        "STAT:QUES:INST:ISUM{ch}:COND?",
        """Get the questionable status of this output, an int. On the related E3634A bit 0 tells
        constant current and bit 1 constant voltage; confirm on the instrument.""",
        **single(whole),
    )
    rise_delay = Channel.control(
        "OUTP:DEL:RISE? (@{ch})",
        "OUTP:DEL:RISE %.3f, (@{ch})",
        """Control the delay in s of switching on (float strictly from 0 to 3600 s).""",
        **real("rise delay", "s", 0, 3600),
    )
    fall_delay = Channel.control(
        "OUTP:DEL:FALL? (@{ch})",
        "OUTP:DEL:FALL %.3f, (@{ch})",
        """Control the delay in s of switching off (float strictly from 0 to 3600 s).""",
        **real("fall delay", "s", 0, 3600),
    )

    def clear_protection(self) -> None:
        """Clear a tripped protection; remove what tripped it first."""
        self.write("OUTP:PROT:CLE (@{ch})")


class KeysightE36312A(CheckedSCPIMixin, StockE36312A):
    """Control a Keysight E36312A power supply with its protections.

    .. code-block:: python

        supply = KeysightE36312A("TCPIP::192.168.0.7::hislip0::INSTR")
        supply.ch_2.voltage_setpoint = 12
        supply.ch_2.current_limit = 0.6
        supply.ch_2.over_voltage_level = 13
        supply.ch_2.over_current_enabled = True
        supply.ch_2.output_enabled = True
        print(supply.ch_2.current)
        supply.shutdown()
    """

    ch_1 = Instrument.ChannelCreator(ProtectedChannel, 1)
    ch_2 = Instrument.ChannelCreator(ProtectedChannel, 2)
    ch_3 = Instrument.ChannelCreator(ProtectedChannel, 3)

    def __init__(
        self, adapter: Any, name: str = "Keysight E36312A Power Supply", **kwargs: Any
    ) -> None:
        super().__init__(adapter, name, **kwargs)
        self.ch_1.over_voltage_level_values = [0, 6.6]

    power_on_state = Instrument.control(
        "OUTP:PON:STAT?",
        "OUTP:PON:STAT %s",
        """Control the state after power-up, a str from 'reset' (outputs off) and 'recall'.""",
        **choice("power-on state", {"reset": "RST", "recall": "RCL0"}),
    )

    def shutdown(self) -> None:
        """Switch all outputs off and verify it.

        :raises ConnectionError: after all were tried, naming the outputs that are still on.
        """
        for channel in self.channels.values():
            channel.output_enabled = False
        still_on = [number for number, channel in self.channels.items() if channel.output_enabled]
        super().shutdown()
        if still_on:
            raise ConnectionError(f"{self.name}: outputs still on: {still_on}")
