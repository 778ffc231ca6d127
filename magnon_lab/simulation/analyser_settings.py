"""Settings of the simulated N9000A that hang together: axis, bandwidths, attenuation, options."""

from magnon_lab.simulation.errors import ScpiError
from magnon_lab.simulation.instrument import SimulatedInstrument
from magnon_lab.simulation.traces import (
    RESOLUTION_BANDWIDTHS_HZ,
    VIDEO_BANDWIDTHS_HZ,
    auto_bandwidth,
    fft_time,
    nearest,
    swept_time,
)

_LOWEST_HZ = 0.0
_SMALLEST_SPAN_HZ = 10.0


class AnalyserSettings(SimulatedInstrument):
    """What can be set on the analyser beside the sweeps themselves."""

    def after_defaults(self) -> None:
        """Put the frequency axis to full span."""
        self.values["start"], self.values["stop"] = 0.0, self.highest_hz()

    def settings_changed(self, clears: bool = False) -> None:
        """Restart what is running, since its settings have changed."""

    def options(self) -> list[str]:
        """Return the options fitted."""
        return str(self.settings["options"]).split(",")

    def highest_hz(self) -> float:
        """Return the highest frequency of the options fitted."""
        limits = self.settings["frequency_options"]
        return max(float(limit) for name, limit in limits.items() if str(name) in self.options())

    # Frequency axis: start and stop are kept, centre and span follow.

    def window(self) -> tuple[float, float]:
        """Return start and stop in Hz."""
        return self.values["start"], self.values["stop"]

    def _set_window(self, start: float, stop: float) -> None:
        low, high = _LOWEST_HZ, self.highest_hz()
        clipped = min(max(start, low), high), min(max(stop, low), high)
        if clipped != (start, stop):
            self.error(ScpiError(-222, "frequency"))
        self.values["start"], self.values["stop"] = clipped
        self.settings_changed(clears=True)

    def get_start(self) -> float:
        """`FREQ:STAR?`."""
        return self.window()[0]

    def set_start(self, value: float) -> None:
        """`FREQ:STAR`: a start above the stop takes the stop along."""
        stop = self.window()[1]
        self._set_window(value, stop if value < stop else value + _SMALLEST_SPAN_HZ)

    def get_stop(self) -> float:
        """`FREQ:STOP?`."""
        return self.window()[1]

    def set_stop(self, value: float) -> None:
        """`FREQ:STOP`: a stop below the start takes the start along."""
        start = self.window()[0]
        self._set_window(start if value > start else value - _SMALLEST_SPAN_HZ, value)

    def get_center(self) -> float:
        """`FREQ:CENT?`."""
        start, stop = self.window()
        return (start + stop) / 2

    def set_center(self, value: float) -> None:
        """`FREQ:CENT`: keeps the span as far as the band allows."""
        span = min(self.get_span(), 2 * (value - _LOWEST_HZ), 2 * (self.highest_hz() - value))
        self._set_window(value - span / 2, value + span / 2)

    def get_span(self) -> float:
        """`FREQ:SPAN?`."""
        start, stop = self.window()
        return stop - start

    def set_span(self, value: float) -> None:
        """`FREQ:SPAN`: keeps the centre; 0 is zero span."""
        if 0 < value < _SMALLEST_SPAN_HZ:
            self.error(ScpiError(-222, "span"))
            value = _SMALLEST_SPAN_HZ
        center = self.get_center()
        room = 2 * min(center - _LOWEST_HZ, self.highest_hz() - center)
        if value > room:
            center = min(max(center, value / 2), self.highest_hz() - value / 2)
        self._set_window(center - value / 2, center + value / 2)

    def full_span(self) -> None:
        """`FREQ:SPAN:FULL`."""
        self._set_window(_LOWEST_HZ, self.highest_hz())

    def zero_span(self) -> None:
        """`FREQ:SPAN:ZERO`."""
        self.set_span(0.0)

    # Bandwidths and time

    def get_resolution_bandwidth(self) -> float:
        """`BAND?`."""
        if self.values["rbw_auto"]:
            return auto_bandwidth(self.get_span())
        return float(self.values["rbw"])

    def set_resolution_bandwidth(self, value: float) -> None:
        """`BAND`: rounded to what the filters can do."""
        self.values["rbw"], self.values["rbw_auto"] = (
            nearest(value, RESOLUTION_BANDWIDTHS_HZ),
            False,
        )
        self.settings_changed()

    def set_resolution_auto(self, on: bool) -> None:
        """`BAND:AUTO`: off keeps the present value."""
        self.values["rbw"] = self.get_resolution_bandwidth()
        self.values["rbw_auto"] = on
        self.settings_changed()

    def get_video_bandwidth(self) -> float:
        """`BAND:VID?`."""
        if self.values["vbw_auto"]:
            return nearest(
                self.get_resolution_bandwidth() * self.values["vbw_ratio"], VIDEO_BANDWIDTHS_HZ
            )
        return float(self.values["vbw"])

    def set_video_bandwidth(self, value: float) -> None:
        """`BAND:VID`."""
        self.values["vbw"], self.values["vbw_auto"] = nearest(value, VIDEO_BANDWIDTHS_HZ), False
        self.settings_changed()

    def set_video_auto(self, on: bool) -> None:
        """`BAND:VID:AUTO`."""
        self.values["vbw"] = self.get_video_bandwidth()
        self.values["vbw_auto"] = on
        self.settings_changed()

    def get_sweep_type(self) -> str:
        """`SWE:TYPE?`: automatic is what takes less time."""
        if not self.values["sweep_type_auto"]:
            return str(self.values["sweep_type"])
        swept, fft = self._times()
        return "FFT" if fft < swept else "SWE"

    def set_sweep_type(self, value: str) -> None:
        """`SWE:TYPE`."""
        self.values["sweep_type"], self.values["sweep_type_auto"] = value, False
        self.settings_changed()

    def _times(self) -> tuple[float, float]:
        span, rbw = self.get_span(), self.get_resolution_bandwidth()
        if span == 0:
            return 1e-3, float("inf")
        return (
            swept_time(span, rbw, self.get_video_bandwidth()),
            fft_time(span, rbw, float(self.settings["fft_segment_hz"]),
                     float(self.settings["fft_overhead_s"])),
        )  # fmt: skip

    def automatic_sweep_time(self) -> float:
        """Return the time that the bandwidths need; the accurate rule takes three times it."""
        swept, fft = self._times()
        time_s = fft if self.get_sweep_type() == "FFT" else swept
        slow = 3.0 if self.values["sweep_time_rule"] == "ACC" else 1.0
        return slow * max(time_s, 1e-3 * int(self.values["points"]) / 15001)

    def get_sweep_time(self) -> float:
        """`SWE:TIME?`."""
        if self.values["sweep_time_auto"]:
            return self.automatic_sweep_time()
        return float(self.values["sweep_time"])

    def set_sweep_time(self, value: float) -> None:
        """`SWE:TIME`: ends automatic sweep time."""
        self.values["sweep_time"], self.values["sweep_time_auto"] = value, False
        self.settings_changed()

    def set_sweep_time_auto(self, on: bool) -> None:
        """`SWE:TIME:AUTO`."""
        self.values["sweep_time"] = self.get_sweep_time()
        self.values["sweep_time_auto"] = on
        self.settings_changed()

    def set_points(self, value: int) -> None:
        """`SWE:POIN`: clears all traces."""
        self.values["points"] = value
        self.settings_changed(clears=True)

    # Amplitude

    def preamplifier_gain_db(self) -> float:
        """Return the gain before the mixer in dB."""
        on = self.values["preamplifier"]
        return float(self.settings["preamplifier_gain_db"]) if on else 0.0

    def set_preamplifier(self, on: bool) -> None:
        """`POW:GAIN`."""
        if on and not any(option.startswith("P") and option[1:].isdigit()
                          for option in self.options()):  # fmt: skip
            raise ScpiError(-241, "preamplifier option not installed")
        self.values["preamplifier"] = on
        self.settings_changed()

    def _attenuation_step(self) -> float:
        return 2.0 if "FSA" in self.options() else 10.0

    def get_attenuation(self) -> float:
        """`POW:ATT?`: automatic keeps the reference level at -10 dBm or less at the mixer."""
        if not self.values["attenuation_auto"]:
            return float(self.values["attenuation"])
        step = self._attenuation_step()
        wanted = float(self.values["reference_level"]) + self.preamplifier_gain_db() + 10
        return min(max(10.0, -(-wanted // step) * step), float(self.settings["attenuation_max_db"]))

    def set_attenuation(self, value: float) -> None:
        """`POW:ATT`: on the grid of the attenuator fitted."""
        step = self._attenuation_step()
        self.values["attenuation"] = round(value / step) * step
        self.values["attenuation_auto"] = False
        self.settings_changed()

    def set_attenuation_auto(self, on: bool) -> None:
        """`POW:ATT:AUTO`."""
        self.values["attenuation"] = self.get_attenuation()
        self.values["attenuation_auto"] = on
        self.settings_changed()

    def get_attenuation_step(self) -> float:
        """`POW:ATT:STEP?`."""
        return self._attenuation_step()

    def set_attenuation_step(self, value: float) -> None:
        """`POW:ATT:STEP`: 2 dB need option FSA."""
        if "FSA" not in self.options() or value not in (2.0, 10.0):
            raise ScpiError(-221, "option FSA not installed")

    def set_reference_level(self, value: float) -> None:
        """`DISP:WIND:TRAC:Y:RLEV`."""
        self.values["reference_level"] = value
        self.settings_changed()

    # Traces

    def set_trace_type(self, number: int, value: str) -> None:
        """`TRAC1:TYPE`: a trace whose type is chosen is also updated and shown."""
        self.values["trace_type"][number] = value
        self.values["trace_update"][number] = True
        self.values["trace_display"][number] = True
        self.settings_changed()

    def set_legacy_trace_mode(self, number: int, value: str) -> None:
        """`TRAC1:MODE`: the older spelling of type, update and display."""
        if value in ("WRIT", "MAXH", "MINH"):
            self.set_trace_type(number, value)
            return
        self.values["trace_update"][number] = False
        self.values["trace_display"][number] = value == "VIEW"

    def get_legacy_trace_mode(self, number: int) -> str:
        """`TRAC1:MODE?`."""
        if self.values["trace_update"][number]:
            return str(self.values["trace_type"][number])
        return "VIEW" if self.values["trace_display"][number] else "BLAN"

    def set_detector(self, number: int, value: str) -> None:
        """`DET:TRAC1`."""
        self.values["detector"][number] = value
        self.settings_changed()

    def set_detector_all(self, value: str) -> None:
        """`DET`: of all traces."""
        for number in self.values["detector"]:
            self.values["detector"][number] = value
        self.settings_changed()

    def get_detector_all(self) -> str:
        """`DET?`: of trace 1."""
        return str(self.values["detector"][1])

    def set_averaging(self, on: bool) -> None:
        """`AVER[:STAT]`, the legacy switch: trace 1 averages or overwrites."""
        self.set_trace_type(1, "AVER" if on else "WRIT")

    def get_averaging(self) -> bool:
        """`AVER[:STAT]?`."""
        return bool(self.values["trace_type"][1] == "AVER")

    def set_average_count(self, value: int) -> None:
        """`AVER:COUN`."""
        self.values["average_count"] = value
        self.settings_changed()
