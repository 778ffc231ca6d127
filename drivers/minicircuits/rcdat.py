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

"""Mini-Circuits RCDAT and RC4DAT programmable attenuators over Ethernet (telnet protocol)."""

import re
from collections.abc import Sequence
from typing import Any

from pymeasure.instruments import Channel, Instrument

from drivers.validators import choice, finite, multiple_in_range, number, one_of, whole_in_range

STEP_DB = 0.25
MODEL = re.compile(r"\w*DAT\w*-\w+-(\d+(?:\.\d+)?)\w*", re.IGNORECASE)
"""Series, highest frequency, highest attenuation in dB: RCDAT-6000-60, RC4DAT-6G-95."""
ON_OFF = {True: "ON", False: "OFF"}
DIRECTIONS = {"forward": 0, "backward": 1, "both": 2}
DWELL_UNITS = {"us": "U", "ms": "M", "s": "S"}


class RCDATError(RuntimeError):
    """A command that the attenuator refused.

    :ivar code: Its reply: 0 failed, 2 beyond the range *and set to maximum attenuation*, -99
        unrecognised command.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def _stripped(prefix: str) -> Any:
    """Return a conversion that takes off the prefix that some firmware puts before a reply."""

    def convert(reply: str) -> str:
        return re.sub(rf"^\s*{prefix}=", "", reply, flags=re.IGNORECASE).strip()

    return convert


class MiniCircuitsAttenuator(Instrument):
    """What the single and the multi-channel attenuators have in common.

    The protocol is text, one command and one reply a line; it is no SCPI. A unit takes one
    session at a time. It greets with an empty line on some firmware, which is skipped.
    """

    def __init__(self, adapter: Any, name: str, **kwargs: Any) -> None:
        # The reply ends with CR LF; splitting at LF and stripping also takes a bare LF.
        kwargs.setdefault("read_termination", "\n")
        kwargs.setdefault("write_termination", "\r\n")
        super().__init__(adapter, name, includeSCPI=False, **kwargs)
        self._maximum: float | None = None

    def read(self, **kwargs: Any) -> str:
        """Return the next line that is not empty.

        :raises RCDATError: if it says that the command was not recognised.
        :raises ConnectionError: if only empty lines come.
        """
        for _ in range(3):
            line: str = super().read(**kwargs).strip()
            if line.startswith("-99"):
                raise RCDATError(f"{self.name}: {line}", -99)
            if line:
                return line
        raise ConnectionError(f"{self.name}: only empty lines came as reply")

    def check_set_errors(self) -> list[Any]:
        """Read the code that answers each command that sets something.

        :raises RCDATError: for 0 (failed) and 2 (beyond the range, set to maximum).
        :raises ConnectionError: for any other reply.
        """
        reply = self.read()
        if reply == "1":
            return []
        if reply == "0":
            raise RCDATError(f"{self.name}: command failed (reply 0)", 0)
        if reply == "2":
            raise RCDATError(
                f"{self.name}: value beyond the range, now at maximum attenuation (reply 2)", 2
            )
        raise ConnectionError(f"{self.name}: expected 0, 1 or 2 as reply, got {reply!r}")

    def command(self, text: str) -> None:
        """Send a command and check the code that answers it, see `check_set_errors`."""
        self.write(text)
        self.check_set_errors()

    model = Instrument.measurement(
        ":MN?",
        """Get the model, a str like 'RCDAT-6000-90'.""",
        preprocess_reply=_stripped("MN"),
        cast=str,
        maxsplit=0,
    )
    serial_number = Instrument.measurement(
        ":SN?",
        """Get the serial number (str).""",
        preprocess_reply=_stripped("SN"),
        cast=str,
        maxsplit=0,
    )
    firmware = Instrument.measurement(
        ":FIRMWARE?",
        """Get the version of the firmware, a str like 'B1'.""",
        preprocess_reply=_stripped("FIRMWARE"),
        cast=str,
        maxsplit=0,
    )

    @property
    def id(self) -> str:
        """Get maker, model, serial number and firmware as one line (str)."""
        return f"Mini-Circuits,{self.model},{self.serial_number},{self.firmware}"

    @property
    def maximum_attenuation(self) -> float:
        """Get the highest attenuation in dB, the last number of the model; asked once.

        :raises ConnectionError: for what is no model that names its range. The answer to another
            question must not pass for one: a maximum of "1" dB would be close to none.
        """
        if self._maximum is None:
            model = self.model
            found = MODEL.fullmatch(model)
            if found is None:
                raise ConnectionError(f"{self.name}: model {model!r} does not name its range")
            self._maximum = float(found[1])
        return self._maximum

    def check_attenuation(self, value: Any, quantity: str = "attenuation") -> float:
        """Return an attenuation in dB that this unit can make.

        :raises ValueError: if it is not finite, outside the range, or no multiple of 0.25 dB.
        """
        check = multiple_in_range(quantity, "dB", STEP_DB)
        return check(finite(value, quantity, "dB"), (0.0, self.maximum_attenuation))

    def round_attenuation(self, value: float) -> float:
        """Return the attenuation in dB, of those that this unit can make, next to `value`.

        :raises ValueError: if it is not finite or more than half a step outside the range.
        """
        wanted = finite(value, "attenuation", "dB")
        return self.check_attenuation(round(wanted / STEP_DB) * STEP_DB)


class RCDAT(MiniCircuitsAttenuator):
    """Control a Mini-Circuits RCDAT (or RUDAT with Ethernet) programmable attenuator.

    .. code-block:: python

        attenuator = RCDAT("TCPIP::192.168.0.8::23::SOCKET")
        attenuator.attenuation = 12.25
        print(attenuator.attenuation, attenuator.maximum_attenuation)
        attenuator.shutdown()  # maximum attenuation

    0 dB is not 0 dB: the insertion loss (4 to 8 dB at 6 GHz) comes on top.
    """

    def __init__(
        self, adapter: Any, name: str = "Mini-Circuits RCDAT Attenuator", **kwargs: Any
    ) -> None:
        super().__init__(adapter, name, **kwargs)
        self._program: str | None = None

    @property
    def attenuation(self) -> float:
        """Control the attenuation in dB (float strictly from 0 to the maximum of the model, a
        multiple of 0.25 dB).
        """
        return number(self.ask(":ATT?"))

    @attenuation.setter
    def attenuation(self, value: float) -> None:
        self.command(f":SETATT={self.check_attenuation(value):.2f}")

    def set_attenuation(self, value: float) -> float:
        """Set the attenuation in dB that is next to `value` and return what is read back."""
        self.attenuation = self.round_attenuation(value)
        return self.attenuation

    # What it does after power-up

    startup_mode = Instrument.control(
        ":STARTUPATT:INDICATOR?",
        ":STARTUPATT:INDICATOR:%s",
        """Control what is set after power-up, a str from 'last' (what was stored last), 'fixed'
        (:attr:`startup_attenuation`) and 'default' (the factory's choice).""",
        check_set_errors=True,
        **choice("start-up mode", {"last": "L", "fixed": "F", "default": "N"}),
    )

    @property
    def startup_attenuation(self) -> float:
        """Control the attenuation in dB after power-up in mode 'fixed' (float strictly from 0 to
        the maximum of the model, a multiple of 0.25 dB).
        """
        return number(self.ask(":STARTUPATT:VALUE?"))

    @startup_attenuation.setter
    def startup_attenuation(self, value: float) -> None:
        checked = self.check_attenuation(value, "start-up attenuation")
        self.command(f":STARTUPATT:VALUE:{checked:.2f}")

    def store_attenuation(self) -> None:
        """Store the present attenuation for start-up mode 'last'."""
        self.command(":LASTATT:STORE:INITIATE")

    @property
    def starts_at_maximum(self) -> bool:
        """Get whether power-up is known to lead to maximum attenuation (bool).

        Mode 'last' is not: it may wake at 0 dB, which is the highest gain of a loop.
        """
        mode = self.startup_mode
        if mode == "fixed":
            return self.startup_attenuation == self.maximum_attenuation
        return bool(mode == "default")

    # Programs that run inside the unit

    def configure_hop(
        self,
        attenuations: Sequence[float],
        dwell: Sequence[int],
        unit: str = "ms",
        direction: str = "forward",
    ) -> None:
        """Write a list of attenuations that the unit then steps through by itself.

        :param attenuations: 1 to 100 values in dB.
        :param dwell: Time at each point, whole numbers of `unit`, as many as attenuations.
        :param unit: One of 'us', 'ms', 's'.
        :param direction: One of 'forward', 'backward', 'both'.
        """
        if len(attenuations) != len(dwell):
            raise ValueError(f"{len(attenuations)} attenuations but {len(dwell)} dwell times")
        count = whole_in_range("number of hop points")(len(attenuations), (1, 100))
        levels = [self.check_attenuation(value) for value in attenuations]
        times = [whole_in_range("dwell time")(time, (1, 10_000)) for time in dwell]
        code = DWELL_UNITS[one_of("dwell unit")(unit, DWELL_UNITS)]
        way = DIRECTIONS[one_of("hop direction")(direction, DIRECTIONS)]
        self.command(f":HOP:POINTS:{count}")
        for index, (level, time) in enumerate(zip(levels, times, strict=True), start=1):
            self.command(f":HOP:POINT:{index}")
            self.command(f":HOP:ATT:{level:.2f}")
            self.command(f":HOP:DWELL_UNIT:{code}")
            self.command(f":HOP:DWELL:{time}")
        self.command(f":HOP:DIRECTION:{way}")

    def configure_sweep(self, start: float, stop: float, step: float, dwell: int) -> None:
        """Write a sweep of attenuation that the unit then runs by itself.

        :param start: First attenuation in dB.
        :param stop: Last attenuation in dB.
        :param step: Step in dB, a multiple of 0.25 dB.
        :param dwell: Time at each step, a whole number of the unit that is set on the device.
        """
        first = self.check_attenuation(start, "sweep start")
        last = self.check_attenuation(stop, "sweep stop")
        size = self.check_attenuation(step, "sweep step")
        if size == 0:
            raise ValueError("sweep step must not be 0 dB")
        time = whole_in_range("dwell time")(dwell, (1, 10_000))
        self.command(f":SWEEP:START:{first:.2f}")
        self.command(f":SWEEP:STOP:{last:.2f}")
        self.command(f":SWEEP:STEPSIZE:{size:.2f}")
        self.command(f":SWEEP:DWELL:{time}")

    def start_program(self, kind: str) -> None:
        """Start what was configured.

        :param kind: 'hop' or 'sweep'.
        """
        one_of("program")(kind, ("hop", "sweep"))
        # Noted first: if the reply is lost it may run, and shutdown must end it.
        self._program = kind
        self.command(f":{kind.upper()}:MODE:ON")

    def stop_program(self) -> None:
        """Stop the hop list or sweep that was started, if any."""
        if self._program is not None:
            self.command(f":{self._program.upper()}:MODE:OFF")
            self._program = None

    def shutdown(self) -> None:
        """Set maximum attenuation and verify it, after stopping what runs inside the unit.

        :raises ConnectionError: if the read-back is another value.
        """
        try:
            self.stop_program()
        finally:
            realised = self.set_attenuation(self.maximum_attenuation)
        super().shutdown()
        if realised != self.maximum_attenuation:
            raise ConnectionError(
                f"{self.name}: reads {realised:g} dB instead of maximum attenuation, "
                f"{self.maximum_attenuation:g} dB"
            )


class AttenuatorChannel(Channel):
    """One channel of a multi-channel attenuator."""

    parent: MiniCircuitsAttenuator

    @property
    def attenuation(self) -> float:
        """Control the attenuation in dB (float strictly from 0 to the maximum of the model, a
        multiple of 0.25 dB).
        """
        return number(self.ask("CHAN:{ch}:ATT?"))

    @attenuation.setter
    def attenuation(self, value: float) -> None:
        self.write(f"CHAN:{{ch}}:SETATT:{self.parent.check_attenuation(value):.2f}")
        self.check_set_errors()


class RC4DAT(MiniCircuitsAttenuator):
    """Control a Mini-Circuits RC4DAT attenuator with its four channels.

    .. code-block:: python

        attenuator = RC4DAT("TCPIP::192.168.0.8::23::SOCKET")
        attenuator.ch_1.attenuation = 12.25
    """

    channels = Instrument.MultiChannelCreator(AttenuatorChannel, [1, 2, 3, 4])

    def __init__(
        self, adapter: Any, name: str = "Mini-Circuits RC4DAT Attenuator", **kwargs: Any
    ) -> None:
        super().__init__(adapter, name, **kwargs)

    def shutdown(self) -> None:
        """Set all channels to maximum attenuation and verify it.

        :raises ConnectionError: after all were tried, naming the channels that read otherwise.
        """
        maximum = self.maximum_attenuation
        for channel in self.channels.values():
            channel.attenuation = maximum
        wrong = [key for key, channel in self.channels.items() if channel.attenuation != maximum]
        super().shutdown()
        if wrong:
            raise ConnectionError(f"{self.name}: channels not at maximum attenuation: {wrong}")
