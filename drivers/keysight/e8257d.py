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

"""Agilent/Keysight E8257D PSG signal generator."""

from enum import IntFlag
from typing import Any, NamedTuple

from pymeasure.instruments import Instrument
from pymeasure.instruments.agilent import Agilent8257D
from pymeasure.instruments.generic_types import SCPIUnknownMixin

from drivers.scpi import CheckedSCPIMixin
from drivers.validators import SWITCH, choice, in_range, number, real, single, switch, whole

FREQUENCY_LIMITS_HZ = (100e3, 70e9)
POWER_LIMITS_DBM = (-135.0, 30.0)


class GeneratorPowerCondition(IntFlag):
    """Bits of the questionable power register (PSG and ESG programming guides)."""

    REVERSE_POWER_TRIPPED = 1
    UNLEVELLED = 2


class GeneratorOperationCondition(IntFlag):
    """Bits of the operation status register."""

    SETTLING = 2
    SWEEPING = 8
    WAITING_FOR_TRIGGER = 32
    DC_NULL = 512
    SWEEP_CALCULATING = 2048


class Applied(NamedTuple):
    """What the generator says it does after `KeysightE8257D.apply`."""

    frequency: float
    """Frequency in Hz as read back."""
    power: float
    """Power in dBm as read back."""
    condition: GeneratorPowerCondition
    errors: list[tuple[int, str]]

    @property
    def unlevelled(self) -> bool:
        """Whether the output is not at the level that was set, or off by protection."""
        return bool(self.condition)


class KeysightE8257D(CheckedSCPIMixin, Agilent8257D):
    """Control an Agilent/Keysight E8257D signal generator.

    Differs from PyMeasure's :class:`Agilent8257D` in that numbers are sent in fixed point (`%e`
    puts some GHz on a grid of 1 kHz), that limits are checked before anything is sent, that
    levelling and protection can be asked for, and that `shutdown` switches RF off first.

    .. code-block:: python

        generator = KeysightE8257D("TCPIP::192.168.0.6::hislip0::INSTR")
        applied = generator.apply(frequency=4.465e9, power=-10)
        generator.output_enabled = True
        print(applied.frequency, applied.power, generator.unlevelled)
        generator.shutdown()
    """

    def __init__(
        self, adapter: Any, name: str = "Keysight E8257D Signal Generator", **kwargs: Any
    ) -> None:
        # Not through SCPIUnknownMixin, which warns that SCPI support is unknown: it is known.
        super(SCPIUnknownMixin, self).__init__(adapter, name, **kwargs)

    # Continuous wave

    frequency = Instrument.control(
        ":FREQ?",
        ":FREQ %.3f",
        """Control the frequency in Hz (float strictly from 100 kHz to 70 GHz, on a grid of
        1 mHz).""",
        **real("frequency", "Hz", *FREQUENCY_LIMITS_HZ),
    )
    power = Instrument.control(
        ":POW?",
        ":POW %.3f",
        """Control the output power in dBm (float strictly from -135 to 30 dBm; what the fitted
        options cannot reach is clipped by the generator: read back).""",
        **real("power", "dBm", *POWER_LIMITS_DBM),
    )
    frequency_mode = Instrument.control(
        ":FREQ:MODE?",
        ":FREQ:MODE %s",
        """Control how frequency is given, a str from 'cw', 'sweep', 'list'.""",
        **choice("frequency mode", {"cw": "CW", "sweep": "SWE", "list": "LIST"}),
    )
    power_mode = Instrument.control(
        ":POW:MODE?",
        ":POW:MODE %s",
        """Control how power is given, a str from 'fixed', 'sweep', 'list'.""",
        **choice("power mode", {"fixed": "FIX", "sweep": "SWE", "list": "LIST"}),
    )

    def apply(self, frequency: float | None = None, power: float | None = None) -> Applied:
        """Set frequency in Hz and power in dBm, or one of them, and read back, in one exchange.

        Both are checked before anything is sent, against the limits of the E8257D family.

        :raises ValueError: for a value outside the limits or not finite.
        :raises ConnectionError: if the reply does not fit.
        """
        sets = []
        if frequency is not None:
            check = in_range("frequency", "Hz")
            sets.append(f":FREQ {check(frequency, FREQUENCY_LIMITS_HZ):.3f}")
        if power is not None:
            check = in_range("power", "dBm")
            sets.append(f":POW {check(power, POWER_LIMITS_DBM):.3f}")
        at_frequency, at_power, condition, error = self.ask_joined(
            *sets, ":FREQ?", ":POW?", ":STAT:QUES:POW:COND?", ":SYST:ERR?", replies=4
        )
        return Applied(
            number(at_frequency),
            number(at_power),
            GeneratorPowerCondition(whole(condition)),
            self.check_errors_after(error),
        )

    # Output

    output_enabled = Instrument.control(
        ":OUTP?",
        ":OUTP %d",
        """Control whether RF is on (bool).""",
        **SWITCH,
    )
    is_enabled = Instrument.measurement(
        ":OUTP?",
        """Get whether RF is on (bool).""",
        **single(switch),
    )
    modulation_enabled = Instrument.control(
        ":OUTP:MOD?",
        ":OUTP:MOD %d",
        """Control whether the modulation that is set up reaches the output (bool).""",
        **SWITCH,
    )
    has_modulation = Instrument.measurement(
        ":OUTP:MOD?",
        """Get whether modulation reaches the output (bool).""",
        **single(switch),
    )
    alc_enabled = Instrument.control(
        ":POW:ALC?",
        ":POW:ALC %d",
        """Control whether the output is levelled (bool); its power is not calibrated else.""",
        **SWITCH,
    )
    attenuator_auto = Instrument.control(
        ":POW:ATT:AUTO?",
        ":POW:ATT:AUTO %d",
        """Control whether the output attenuator follows the power (bool).""",
        **SWITCH,
    )
    attenuator = Instrument.measurement(
        ":POW:ATT?",
        """Get the attenuation of the output attenuator in dB (float).""",
        **single(number),
    )

    def clear_protection(self) -> None:
        """Clear the reverse power protection; remove what tripped it first."""
        self.write(":OUTP:PROT:CLE")

    # Status

    power_condition = Instrument.measurement(
        ":STAT:QUES:POW:COND?",
        """Get what is questionable about power (:class:`GeneratorPowerCondition`).""",
        **single(lambda text: GeneratorPowerCondition(whole(text))),
    )
    operation_condition = Instrument.measurement(
        ":STAT:OPER:COND?",
        """Get what the generator is doing (:class:`GeneratorOperationCondition`).""",
        **single(lambda text: GeneratorOperationCondition(whole(text))),
    )
    power_on_type = Instrument.control(
        ":SYST:PON:TYPE?",
        ":SYST:PON:TYPE %s",
        """Control the state after power-up, a str from 'preset' (RF off), 'last', 'user'.""",
        **choice("power-on type", {"preset": "PRES", "last": "LAST", "user": "USER"}),
    )
    reference_source = Instrument.measurement(
        ":ROSC:SOUR?",
        """Get which 10 MHz reference is used, a str: 'INT' or 'EXT'.""",
        cast=str,
    )
    reference_unlocked = Instrument.measurement(
        ":STAT:QUES:FREQ:COND?",
        """Get whether the generator is not locked to its 10 MHz reference (bool), bit 1 of the
        data questionable frequency condition (PSG and ESG programming guides).""",
        **single(lambda text: bool(whole(text) & 2)),
    )

    @property
    def unlevelled(self) -> bool:
        """Get whether the output misses its level (bool)."""
        return GeneratorPowerCondition.UNLEVELLED in self.power_condition

    @property
    def reverse_power_tripped(self) -> bool:
        """Get whether reverse power protection has switched the output off (bool)."""
        return GeneratorPowerCondition.REVERSE_POWER_TRIPPED in self.power_condition

    # Sweeps, in fixed point too

    start_frequency = Instrument.control(
        ":FREQ:STAR?",
        ":FREQ:STAR %.3f",
        """Control the start of a sweep in Hz (float strictly from 100 kHz to 70 GHz).""",
        **real("start frequency", "Hz", *FREQUENCY_LIMITS_HZ),
    )
    center_frequency = Instrument.control(
        ":FREQ:CENT?",
        ":FREQ:CENT %.3f",
        """Control the centre of a sweep in Hz (float strictly from 100 kHz to 70 GHz).""",
        **real("centre frequency", "Hz", *FREQUENCY_LIMITS_HZ),
    )
    stop_frequency = Instrument.control(
        ":FREQ:STOP?",
        ":FREQ:STOP %.3f",
        """Control the end of a sweep in Hz (float strictly from 100 kHz to 70 GHz).""",
        **real("stop frequency", "Hz", *FREQUENCY_LIMITS_HZ),
    )
    start_power = Instrument.control(
        ":POW:STAR?",
        ":POW:STAR %.3f",
        """Control the start of a power sweep in dBm (float strictly from -135 to 30 dBm).""",
        **real("start power", "dBm", *POWER_LIMITS_DBM),
    )
    stop_power = Instrument.control(
        ":POW:STOP?",
        ":POW:STOP %.3f",
        """Control the end of a power sweep in dBm (float strictly from -135 to 30 dBm).""",
        **real("stop power", "dBm", *POWER_LIMITS_DBM),
    )
    dwell_time = Instrument.control(
        ":SWE:DWEL?",
        ":SWE:DWEL %.6f",
        """Control the time at each point of a step sweep in s (float strictly from 1 ms to
        60 s).""",
        **real("dwell time", "s", 1e-3, 60),
    )

    def shutdown(self) -> None:
        """Switch RF off first and verify it, then modulation and LF output, power to minimum.

        :raises ConnectionError: after all steps were sent, if RF is still on.
        """
        complete, state = self.ask_joined(":OUTP OFF", "*OPC?", ":OUTP?", replies=2)
        whole(complete)
        self.disable_modulation()
        self.write(f":POW {POWER_LIMITS_DBM[0]:.3f}")
        super(Agilent8257D, self).shutdown()
        if switch(state):
            raise ConnectionError(f"{self.name}: RF is still on after it was switched off")
