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

"""Keysight N9000 CXA (and N9010 EXA) spectrum analyser."""

import logging
from collections.abc import Callable
from enum import IntFlag
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pymeasure.instruments import Instrument

from drivers.clock import Clock, WallClock
from drivers.keysight.n9000_settings import N9000Settings
from drivers.validators import SWITCH, choice, single, whole

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())

OPERATION_COMPLETE = 1
"""Bit of `*ESR?` that tells that what was pending at `*OPC` is done."""

POLL_FASTEST, POLL_SLOWEST = 1e-3, 50e-3
"""Pause in s between two polls of a running sweep, at first and at most."""


class OperationCondition(IntFlag):
    """Bits of the operation status register (X-series programmer's guide, STATus)."""

    CALIBRATING = 1
    SWEEPING = 8
    MEASURING = 16
    WAITING_FOR_TRIGGER = 32
    PAUSED = 256


SWEEP = OperationCondition.SWEEPING | OperationCondition.MEASURING
"""Bits that are set while a sweep runs."""


class QuestionableCondition(IntFlag):
    """Bits of the questionable status register."""

    POWER = 8
    WARMING_UP = 16
    FREQUENCY = 32
    CALIBRATION = 256
    INTEGRITY = 512


class PowerCondition(IntFlag):
    """Bits of the questionable power register."""

    SOURCE_UNLEVELLED = 2
    CALIBRATOR_INPUT_TOO_HIGH = 32
    INPUT_OVERLOAD = 64
    FULL_BYPASS = 512
    INPUT_CAUTION = 1024


class IntegrityCondition(IntFlag):
    """Bits of the questionable integrity register."""

    UNCALIBRATED = 8
    INPUT_OVERLOAD = 16
    OVER_RANGE = 32
    UNDER_RANGE = 64
    INVALID_DATA = 4096
    SETTINGS_ALERT = 8192
    SETTINGS_MODIFIED = 16384


def is_overload(power: PowerCondition, integrity: IntegrityCondition) -> bool:
    """Return whether a bit is set that tells of an overdriven input."""
    return bool(
        power & PowerCondition.INPUT_OVERLOAD
        or integrity & (IntegrityCondition.INPUT_OVERLOAD | IntegrityCondition.OVER_RANGE)
    )


class Acquisition(NamedTuple):
    """One sweep with what the analyser said about it.

    `trace` are levels in dBm, shape (points,); `operation_event` is what went on since it was asked
    last, `operation_condition` what still does; `errors` is what the error queue held, empty if all
    was well.
    """

    trace: npt.NDArray[np.float32]
    operation_event: OperationCondition
    operation_condition: OperationCondition
    power_condition: PowerCondition
    integrity_condition: IntegrityCondition
    errors: list[tuple[int, str]]

    @property
    def overload(self) -> bool:
        """Whether the input was overdriven; the trace is compressed then, or worse."""
        return is_overload(self.power_condition, self.integrity_condition)

    @property
    def swept(self) -> bool:
        """Whether it tells of a sweep; one that does not has sent the trace of another."""
        return bool(self.operation_event & SWEEP)

    @property
    def sweeping(self) -> bool:
        """Whether it tells that it still sweeps; the trace is not complete then."""
        return bool(self.operation_condition & SWEEP)

    @property
    def uncalibrated(self) -> bool:
        """Whether the sweep was too fast for its bandwidths."""
        return IntegrityCondition.UNCALIBRATED in self.integrity_condition


class KeysightN9000(N9000Settings):
    """Control a Keysight N9000A/B CXA (or N9010 EXA) spectrum analyser in mode SA.

    .. code-block:: python

        analyser = KeysightN9000("TCPIP::192.168.0.5::hislip0::INSTR")
        analyser.stop_sweeping()
        analyser.start_frequency, analyser.stop_frequency = 4.3e9, 4.65e9
        analyser.points, analyser.resolution_bandwidth = 401, 1e6
        analyser.trace_1.detector = "average"
        analyser.allow_for_sweep()
        taken = analyser.acquire()
        print(analyser.frequencies, taken.trace, taken.overload)

    Over a raw socket pass ``read_termination="\\n", write_termination="\\n"``.

    A query that times out leaves its late reply behind for the next query to find. The waits of
    `wait_for_sweep` and `single_sweep` poll and leave none. After a VISA time-out anywhere else
    close the session and open it anew.

    :ivar clock: What waits go by; a simulated laboratory may put its own here.
    """

    def __init__(
        self, adapter: Any, name: str = "Keysight N9000 Spectrum Analyser", **kwargs: Any
    ) -> None:
        super().__init__(adapter, name, **kwargs)
        self.clock: Clock = WallClock()

    # Sweeping

    continuous = Instrument.control(
        ":INIT:CONT?",
        ":INIT:CONT %d",
        """Control whether sweeps follow one another without end (bool). A set of sweeps that
        runs is ended by :meth:`stop_sweeping`, not by setting this to False.""",
        **SWITCH,
    )

    def stop_sweeping(self) -> None:
        """End continuous sweeping and the sweep that runs."""
        self.write(":INIT:CONT OFF;:ABOR")

    def abort(self) -> None:
        """Abort the sweep that runs; the trace stays incomplete and `*OPC?` answers 1."""
        self.write(":ABOR")

    def restart(self) -> None:
        """Start the sweep, or the set of averaged sweeps, anew."""
        self.write(":INIT:REST")

    def initiate(self) -> None:
        """Start one sweep (or the set that averaging needs) for :meth:`wait_for_sweep`."""
        # Reading the event register clears it, so that the bit found later is of this sweep.
        self.ask_joined("*ESR?", ":INIT:IMM", "*OPC", replies=1)

    def wait_for_sweep(
        self, timeout: float | None = None, should_stop: Callable[[], bool] | None = None
    ) -> bool:
        """Wait for what `initiate` started; no reply is left behind however it ends.

        :param timeout: Time allowed in s; by default twice `sweep_duration` and 5 s.
        :param should_stop: Asked between polls; the sweep is aborted when it says True.
        :return: True when the sweep is complete, False when it was stopped.
        :raises TimeoutError: after aborting the sweep.
        """
        if timeout is None:
            timeout = 2 * self.sweep_duration + 5
        deadline = self.clock.now() + timeout
        pause = POLL_FASTEST
        while not whole(self.ask("*ESR?")) & OPERATION_COMPLETE:
            if should_stop is not None and should_stop():
                self.abort()
                return False
            if self.clock.now() > deadline:
                self.abort()
                raise TimeoutError(f"{self.name}: sweep not complete within {timeout:.3g} s")
            self.clock.sleep(pause)
            pause = min(2 * pause, POLL_SLOWEST)
        return True

    def single_sweep(
        self, timeout: float | None = None, should_stop: Callable[[], bool] | None = None
    ) -> bool:
        """Start one sweep and wait for it, see `wait_for_sweep`."""
        self.initiate()
        return self.wait_for_sweep(timeout, should_stop)

    # Data

    data_format = Instrument.control(
        ":FORM?",
        ":FORM %s",
        """Control the format of traces, a str from 'ascii', 'real32', 'real64' and 'int32'
        (the last in mdBm). `read_trace` sets its own.""",
        **choice(
            "data format",
            {"ascii": "ASC", "real32": "REAL,32", "real64": "REAL,64", "int32": "INT,32"},
        ),
    )
    byte_order = Instrument.control(
        ":FORM:BORD?",
        ":FORM:BORD %s",
        """Control the order of bytes in binary traces, a str from 'big' and 'little'.""",
        **choice("byte order", {"big": "NORM", "little": "SWAP"}),
    )

    def read_trace(self, number: int = 1, points: int | None = None) -> npt.NDArray[np.float32]:
        """Return a trace in dBm, shape (points,), as it stands.

        The format is set with every read: other software on the same analyser may change it.

        :param number: Trace 1 to 6.
        :param points: How many points it must have; by default the analyser is asked.
        :raises ConnectionError: for another number of points, or levels that are no numbers.
        """
        if number not in self.traces:
            raise ValueError(f"trace {number!r} is not one of: 1 to {len(self.traces)}")
        if points is None:
            points = self.points
        trace: npt.NDArray[np.float32] = self.adapter.connection.query_binary_values(
            f":FORM REAL,32;:FORM:BORD SWAP;:TRAC? TRACE{number}",
            datatype="f",
            is_big_endian=False,
            container=np.ndarray,
        )
        if trace.shape != (points,):
            raise ConnectionError(
                f"{self.name}: trace {number} came with {trace.size} points instead of {points}"
            )
        # SCPI's "not a number" is 9.91e37. No level comes near it, and one comparison of the
        # largest magnitude also catches NaN and infinities.
        if not np.abs(trace).max() < 1e30:
            bad = int(np.count_nonzero(~(np.abs(trace) < 1e30)))
            raise ConnectionError(
                f"{self.name}: {bad} of the {points} levels of trace {number} are no numbers"
            )
        return trace

    def acquire(
        self,
        trace: int = 1,
        should_stop: Callable[[], bool] | None = None,
        timeout: float | None = None,
    ) -> Acquisition | None:
        """Take one sweep and return its trace, overload state and errors.

        Without `should_stop` this is the fast way, two exchanges: one message starts the sweep,
        waits for it and asks for status, points and errors; the second fetches the trace. The
        VISA time-out must be longer than the sweep then, see `allow_for_sweep`. With
        `should_stop` the sweep is polled and can be ended.

        :param trace: Trace 1 to 6.
        :param timeout: Time allowed in s for the polled way, as in `wait_for_sweep`.
        :return: None if `should_stop` ended the sweep.
        :raises ConnectionError: for replies that do not fit, e.g. a stale one.
        :raises TimeoutError: if the polled sweep took too long.
        """
        # Status goes with the sweep: the next ABORt or INITiate may clear it.
        status = (
            ":STAT:OPER?",
            ":STAT:OPER:COND?",
            ":STAT:QUES:POW:COND?",
            ":STAT:QUES:INT:COND?",
            ":SWE:POIN?",
            ":SYST:ERR?",
        )
        if should_stop is None:
            complete, *replies = self.ask_joined(":INIT:IMM", "*OPC?", *status, replies=7)
            if complete.strip() != "1":
                raise ConnectionError(f"{self.name}: expected 1 from *OPC?, got {complete!r}")
        elif self.single_sweep(timeout, should_stop):
            replies = self.ask_joined(*status, replies=6)
        else:
            return None
        event, condition, power, integrity, points, error = replies
        errors = self.check_errors_after(error)
        return Acquisition(
            self.read_trace(trace, whole(points)),
            OperationCondition(whole(event)),
            OperationCondition(whole(condition)),
            PowerCondition(whole(power)),
            IntegrityCondition(whole(integrity)),
            errors,
        )

    def allow_for_sweep(self, margin: float = 2.0) -> float:
        """Lengthen the VISA time-out, if need be, to one sweep and `margin` s; return it in s."""
        needed = 1e3 * (self.sweep_duration + margin)
        connection = self.adapter.connection
        if connection.timeout is not None and connection.timeout < needed:
            connection.timeout = needed
        return needed / 1e3

    # Status

    operation_condition = Instrument.measurement(
        ":STAT:OPER:COND?",
        """Get what the analyser is doing (:class:`OperationCondition`).""",
        **single(lambda text: OperationCondition(whole(text))),
    )
    questionable_condition = Instrument.measurement(
        ":STAT:QUES:COND?",
        """Get what is questionable (:class:`QuestionableCondition`).""",
        **single(lambda text: QuestionableCondition(whole(text))),
    )
    power_condition = Instrument.measurement(
        ":STAT:QUES:POW:COND?",
        """Get what is questionable about power (:class:`PowerCondition`).""",
        **single(lambda text: PowerCondition(whole(text))),
    )
    integrity_condition = Instrument.measurement(
        ":STAT:QUES:INT:COND?",
        """Get what is questionable about the trace (:class:`IntegrityCondition`).""",
        **single(lambda text: IntegrityCondition(whole(text))),
    )
    uncalibrated = Instrument.measurement(
        ":STAT:QUES:INT:UNC:COND?",
        """Get whether the sweep is too fast for its bandwidths (bool).""",
        **single(lambda text: bool(whole(text) & 1)),
    )

    @property
    def overload(self) -> bool:
        """Get whether the input is overdriven; ask before the next sweep starts."""
        power, integrity = self.ask_joined(
            ":STAT:QUES:POW:COND?", ":STAT:QUES:INT:COND?", replies=2
        )
        return is_overload(PowerCondition(whole(power)), IntegrityCondition(whole(integrity)))
