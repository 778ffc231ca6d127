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

"""The settings of the N9000: frequency axis, bandwidths, sweep, amplitude, traces, markers."""

import logging
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pymeasure.instruments import Channel, Instrument

from drivers.scpi import CheckedSCPIMixin
from drivers.validators import SWITCH, choice, count, multiple_in_range, number, real, single, whole

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())

FREQUENCY_OPTIONS = {"503": 3.0e9, "507": 7.5e9, "513": 13.6e9, "526": 26.5e9}
"""Highest frequency in Hz by option."""

TRACE_TYPES = {
    "write": "WRIT",
    "average": "AVER",
    "max hold": "MAXH",
    "min hold": "MINH",
}


class SweepWindow(NamedTuple):
    """Where the analyser sweeps; all in Hz."""

    start: float
    stop: float
    center: float
    span: float


class TraceChannel(Channel):
    """One of the six traces."""

    type = Channel.control(
        ":TRAC{ch}:TYPE?",
        ":TRAC{ch}:TYPE %s",
        """Control what the trace does with each sweep, a str from 'write', 'average',
        'max hold', 'min hold'. With the last three one start runs `average_count` sweeps.""",
        **choice("trace type", TRACE_TYPES),
    )
    detector = Channel.control(
        ":DET:TRAC{ch}?",
        ":DET:TRAC{ch} %s",
        """Control how the readings within one point are joined, a str from 'average', 'peak',
        'negative peak', 'sample', 'normal'.""",
        **choice(
            "detector",
            {
                "average": "AVER",
                "peak": "POS",
                "negative peak": "NEG",
                "sample": "SAMP",
                "normal": "NORM",
            },
        ),
    )


class MarkerChannel(Channel):
    """One of the twelve markers."""

    x = Channel.control(
        ":CALC:MARK{ch}:X?",
        ":CALC:MARK{ch}:X %.3f",
        """Control the marker's frequency in Hz (float strictly from 0 to 26.5 GHz).""",
        **real("marker frequency", "Hz", 0, 26.5e9),
    )
    y = Channel.measurement(
        ":CALC:MARK{ch}:Y?",
        """Measure the level at the marker in dBm (float).""",
        **single(number),
    )

    def find_peak(self) -> None:
        """Put the marker on the highest point of its trace."""
        self.write(":CALC:MARK{ch}:MAX")


class N9000Settings(CheckedSCPIMixin, Instrument):
    """What can be set on an N9000; see `KeysightN9000` for the instrument."""

    traces = Instrument.MultiChannelCreator(TraceChannel, list(range(1, 7)), prefix="trace_")
    markers = Instrument.MultiChannelCreator(MarkerChannel, list(range(1, 13)), prefix="marker_")

    mode = Instrument.control(
        ":INST:SEL?",
        ":INST:SEL %s",
        """Control the mode, a str from 'spectrum' (SA), 'basic' (IQ) and 'phase noise'.""",
        **choice("mode", {"spectrum": "SA", "basic": "BASIC", "phase noise": "PNOISE"}),
    )

    def select_swept_analysis(self, preset: bool = False) -> None:
        """Select the swept measurement of mode SA, by default with its settings as they are."""
        self.write(":CONF:SAN" if preset else ":CONF:SAN:NDEF")

    # Frequency axis. Fixed point: `%e` would round to 1 kHz at some GHz.

    center_frequency = Instrument.control(
        ":FREQ:CENT?",
        ":FREQ:CENT %.3f",
        """Control the centre frequency in Hz (float strictly from 0 to 26.5 GHz).""",
        dynamic=True,
        **real("centre frequency", "Hz", 0, 26.5e9),
    )
    span = Instrument.control(
        ":FREQ:SPAN?",
        ":FREQ:SPAN %.3f",
        """Control the span in Hz (float strictly from 0 to 26.5 GHz). At 0, zero span, the axis
        of a trace is time.""",
        dynamic=True,
        **real("span", "Hz", 0, 26.5e9),
    )
    start_frequency = Instrument.control(
        ":FREQ:STAR?",
        ":FREQ:STAR %.3f",
        """Control the start frequency in Hz (float strictly from 0 to 26.5 GHz). It may move
        the others: read `window`.""",
        dynamic=True,
        **real("start frequency", "Hz", 0, 26.5e9),
    )
    stop_frequency = Instrument.control(
        ":FREQ:STOP?",
        ":FREQ:STOP %.3f",
        """Control the stop frequency in Hz (float strictly from 0 to 26.5 GHz). It may move
        the others: read `window`.""",
        dynamic=True,
        **real("stop frequency", "Hz", 0, 26.5e9),
    )
    points = Instrument.control(
        ":SWE:POIN?",
        ":SWE:POIN %d",
        """Control the number of points of a trace (int strictly from 1 to 100001). A change
        clears all traces.""",
        dynamic=True,
        **count("number of points", 1, 100001),
    )

    def full_span(self) -> None:
        """Set the widest span that the analyser has."""
        self.write(":FREQ:SPAN:FULL")

    @property
    def window(self) -> SweepWindow:
        """Get start, stop, centre and span in Hz; setting one of them moves others."""
        replies = self.ask_joined(
            ":FREQ:STAR?", ":FREQ:STOP?", ":FREQ:CENT?", ":FREQ:SPAN?", replies=4
        )
        return SweepWindow(*(number(reply) for reply in replies))

    @property
    def frequencies(self) -> npt.NDArray[np.float64]:
        """Get the frequencies in Hz of a trace's points, shape (points,), both ends included."""
        start, stop, points = self.ask_joined(":FREQ:STAR?", ":FREQ:STOP?", ":SWE:POIN?", replies=3)
        return np.linspace(number(start), number(stop), whole(points))

    @property
    def maximum_frequency(self) -> float:
        """Get the highest frequency in Hz, from option 503, 507, 513 or 526."""
        options = self.options
        found = [limit for name, limit in FREQUENCY_OPTIONS.items() if name in options]
        if not found:
            raise ConnectionError(f"{self.name}: no frequency option among {options}")
        return max(found)

    def check_point_spacing(self) -> bool:
        """Return whether points are at most one RBW apart; log a warning if they are not.

        Where they are not, only a peak detector catches a narrow line for sure, and its
        frequency is uncertain by half a point's spacing.
        """
        span, points, bandwidth = self.ask_joined(":FREQ:SPAN?", ":SWE:POIN?", ":BAND?", replies=3)
        spacing = number(span) / max(whole(points) - 1, 1)
        if spacing <= number(bandwidth):
            return True
        log.warning(
            "%s: points are %.6g Hz apart but the resolution bandwidth is %.6g Hz, so that "
            "narrow lines can be missed",
            self.name,
            spacing,
            number(bandwidth),
        )
        return False

    # Bandwidths and sweep. Setting a value ends its automatic choice; the analyser rounds.

    resolution_bandwidth = Instrument.control(
        ":BAND?",
        ":BAND %.3f",
        """Control the resolution bandwidth in Hz (float strictly from 1 Hz to 8 MHz).""",
        **real("resolution bandwidth", "Hz", 1, 8e6),
    )
    resolution_bandwidth_auto = Instrument.control(
        ":BAND:AUTO?",
        ":BAND:AUTO %d",
        """Control whether the analyser chooses the resolution bandwidth (bool).""",
        **SWITCH,
    )
    video_bandwidth = Instrument.control(
        ":BAND:VID?",
        ":BAND:VID %.3f",
        """Control the video bandwidth in Hz (float strictly from 1 Hz to 50 MHz).""",
        **real("video bandwidth", "Hz", 1, 50e6),
    )
    video_bandwidth_auto = Instrument.control(
        ":BAND:VID:AUTO?",
        ":BAND:VID:AUTO %d",
        """Control whether the analyser chooses the video bandwidth (bool).""",
        **SWITCH,
    )
    sweep_time = Instrument.control(
        ":SWE:TIME?",
        ":SWE:TIME %.6f",
        """Control the time of one sweep in s (float strictly from 1 us to 4000 s).""",
        **real("sweep time", "s", 1e-6, 4000),
    )
    sweep_time_auto = Instrument.control(
        ":SWE:TIME:AUTO?",
        ":SWE:TIME:AUTO %d",
        """Control whether the analyser chooses the sweep time (bool).""",
        **SWITCH,
    )
    sweep_time_rule = Instrument.control(
        ":SWE:TIME:AUTO:RUL?",
        ":SWE:TIME:AUTO:RUL %s",
        """Control the rule of the automatic sweep time, a str from 'normal' (preset; faster than
        the amplitude specification allows) and 'accurate'.""",
        **choice("sweep time rule", {"normal": "NORM", "accurate": "ACC"}),
    )
    sweep_type = Instrument.control(
        ":SWE:TYPE?",
        ":SWE:TYPE %s",
        """Control how the span is covered, a str from 'sweep' and 'fft'.""",
        **choice("sweep type", {"sweep": "SWE", "fft": "FFT"}),
    )
    sweep_type_auto = Instrument.control(
        ":SWE:TYPE:AUTO?",
        ":SWE:TYPE:AUTO %d",
        """Control whether the analyser chooses the sweep type (bool).""",
        **SWITCH,
    )

    # Amplitude

    attenuation = Instrument.control(
        ":POW:ATT?",
        ":POW:ATT %d",
        """Control the input attenuation in dB (float strictly from 0 to 50 dB in steps of 2 dB;
        without option FSA the analyser has steps of 10 dB). Setting it ends automatic choice.""",
        validator=multiple_in_range("input attenuation", "dB", 2),
        values=[0, 50],
        **single(number),
        dynamic=True,
    )
    attenuation_auto = Instrument.control(
        ":POW:ATT:AUTO?",
        ":POW:ATT:AUTO %d",
        """Control whether the analyser chooses the input attenuation (bool).""",
        **SWITCH,
    )
    reference_level = Instrument.control(
        ":DISP:WIND:TRAC:Y:RLEV?",
        ":DISP:WIND:TRAC:Y:RLEV %.2f",
        """Control the reference level in dBm (float strictly from -170 to 30 dBm).""",
        **real("reference level", "dBm", -170, 30),
    )
    preamplifier_enabled = Instrument.control(
        ":POW:GAIN?",
        ":POW:GAIN %d",
        """Control whether the preamplifier (an option) is on (bool).""",
        **SWITCH,
    )
    preamplifier_band = Instrument.control(
        ":POW:GAIN:BAND?",
        ":POW:GAIN:BAND %s",
        """Control the band of the preamplifier, a str from 'low' and 'full'.""",
        **choice("preamplifier band", {"low": "LOW", "full": "FULL"}),
    )

    # Frequency reference

    reference_source = Instrument.measurement(
        ":ROSC:SOUR?",
        """Get which 10 MHz reference is used, a str: 'INT' or 'EXT'.""",
        cast=str,
    )
    reference_unlocked = Instrument.measurement(
        ":STAT:QUES:FREQ:COND?",
        """Get whether the analyser is not locked to its reference (bool), bit 1 of the
        questionable frequency condition (X-Series programmer's reference).""",
        **single(lambda text: bool(whole(text) & 2)),
    )

    # Averaging

    average_count = Instrument.control(
        ":AVER:COUN?",
        ":AVER:COUN %d",
        """Control the number of sweeps that averaging and holding traces take (int strictly
        from 1 to 10000).""",
        **count("average count", 1, 10000),
    )
    average_type = Instrument.control(
        ":AVER:TYPE?",
        ":AVER:TYPE %s",
        """Control what is averaged, a str from 'log' (dB), 'power' (RMS) and 'voltage'.""",
        **choice("average type", {"log": "LOG", "power": "RMS", "voltage": "SCAL"}),
    )

    def clear_average(self) -> None:
        """Forget the sweeps averaged so far."""
        self.write(":AVER:CLE")

    @property
    def sweep_duration(self) -> float:
        """Get the time in s that one start takes: `average_count` sweeps if a trace needs them."""
        time, averages, *types = self.ask_joined(
            ":SWE:TIME?",
            ":AVER:COUN?",
            *(f":TRAC{n}:TYPE?" for n in self.traces),
            replies=2 + len(self.traces),
        )
        repeated = any(reply.strip().upper()[:4] in ("AVER", "MAXH", "MINH") for reply in types)
        return number(time) * (whole(averages) if repeated else 1)
