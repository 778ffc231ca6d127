"""The simulated Keysight N9000A CXA: modes, data, markers, on top of its sweeps."""

import math
from collections.abc import Iterable

import numpy as np

from magnon_lab.simulation.analyser_sweeps import AnalyserSweeps
from magnon_lab.simulation.errors import ScpiError
from magnon_lab.simulation.traces import Array, encode, in_unit, peaks

_MODES = {"SA": 1}
_NO_PEAK = 780  # the X-series' own number for "No peak found"


class Analyser(AnalyserSweeps):
    """A CXA with mode SA, what it says of itself, its data formats and its markers."""

    def ask_options(self) -> str:
        """`*OPT?`."""
        return f'"{",".join(self.options())}"'

    def set_mode(self, value: str) -> None:
        """`INST:SEL`: only spectrum analysis is licensed."""
        if value not in _MODES:
            raise ScpiError(-241, f"mode {value} not licensed")

    def set_mode_number(self, value: int) -> None:
        """`INST:NSEL`."""
        if value not in _MODES.values():
            raise ScpiError(-241, f"mode {value} not licensed")

    def reset(self) -> None:
        """`*RST`: defaults, single sweep."""
        super().reset()
        self.values["continuous"] = False

    def preset(self) -> None:
        """`SYST:PRES`: as `*RST`, but sweeping continuously."""
        super().reset()

    def configure(self) -> None:
        """`CONF:SAN`: preset the measurement; data format and sweep mode stay."""
        names = ("format", "format_length", "byte_order", "continuous")
        kept = {name: self.values[name] for name in names}
        self.set_defaults()
        self.values.update(kept)

    def align(self) -> None:
        """`CAL`: the alignments take their time."""
        self.begin(float(self.settings["alignment_s"]))

    def ask_align(self) -> str:
        """`CAL?`: align and answer 0 for success."""
        self.align()
        self.wait_to_continue()
        return "0"

    # Data

    def set_format(self, form: str, length: float | None = None) -> None:
        """`FORM`: ASCii, INTeger,32, REAL,32, REAL,64; a bad length is taken without a word."""
        real = form == "REAL" and length == 64
        self.values["format"] = form
        self.values["format_length"] = 8 if form == "ASC" else 64 if real else 32

    def get_format(self) -> str:
        """`FORM?`."""
        return f"{self.values['format']},{self.values['format_length']}"

    def _encoded(self, values: Array) -> bytes:
        form, length = self.values["format"], self.values["format_length"]
        return encode(values, form, length, self.values["byte_order"] == "SWAP")

    def _shown(self, number: int) -> Array:
        return in_unit(self.levels_dbm(number), self.values["power_unit"])

    def _pairs(self, levels: Array) -> bytes:
        levels = self.faults.spoil(levels)
        return self._encoded(np.column_stack([self.axis(len(levels)), levels]).ravel())

    def get_trace(self, word: str) -> bytes:
        """`TRAC? TRACE1`: the levels of a trace."""
        return self._encoded(self.faults.spoil(self._shown(_trace_number(word))))

    def axis(self, points: int | None = None) -> Array:
        """Return the points' frequencies in Hz, or times in s in zero span, shape (points,)."""
        points = self.values["points"] if points is None else points
        start, stop = self.window()
        if start == stop:
            return np.linspace(0.0, self.get_sweep_time(), points)
        return np.linspace(start, stop, points)

    def fetch(self, number: int) -> bytes:
        """`FETC:SAN1?`: pairs of frequency (or time) and level; number 0 counts as 1."""
        return self._pairs(self._shown(max(1, number)))

    def read(self, number: int) -> bytes:
        """`READ:SAN1?`: sweep, wait, then as `fetch`."""
        self.swept_now()
        return self._pairs(in_unit(self._before(max(1, number)), self.values["power_unit"]))

    def measure(self, number: int) -> bytes:
        """`MEAS:SAN1?`: preset the measurement, then as `read`."""
        self.configure()
        return self.read(number)

    def clear_trace(self, word: str | None = None) -> None:
        """`TRAC:CLE`."""
        numbers: Iterable[int] = [_trace_number(word)] if word else range(1, 7)
        for number in numbers:
            self._kept.pop(number, None)
            self._stream.history.pop(number, None)

    def preset_traces(self) -> None:
        """`TRAC:PRES:ALL`: trace 1 overwrites, the others are blank."""
        for name in ("trace_type", "trace_update", "trace_display"):
            prop = self._properties[name]
            for number in self.values[name]:
                self.values[name][number] = prop.defaults.get(number, prop.default)
        self.settings_changed(clears=True)

    def ask_peaks(self, threshold: float | None = None, excursion: float | None = None) -> str:
        """`CALC:DATA:PEAK?`: how many peaks trace 1 has, then level and place of each."""
        low = self.values["peak_threshold"] if threshold is None else threshold
        rise = self.values["peak_excursion"] if excursion is None else excursion
        levels, axis = self.levels_dbm(1), self.axis()
        found = peaks(levels, low, rise)[:100]
        pairs = [f"{levels[p]:.6E},{axis[p]:.14E}" for p in found]
        return ",".join([str(len(found)), *pairs])

    # Markers

    def ask_marker_level(self, number: int) -> str:
        """`CALC:MARK1:Y?`."""
        value = float(self._shown(self.values["marker_trace"][number])[self._marker_index(number)])
        return f"{value if math.isfinite(value) else 9.91e37:.14E}"

    def _marker_index(self, number: int) -> int:
        return int(np.argmin(np.abs(self.axis() - self.values["marker_x"][number])))

    def _put_marker(self, number: int, index: int) -> None:
        self.set_marker_x(number, float(self.axis()[index]))

    def set_marker_x(self, number: int, value: float) -> None:
        """`CALC:MARK1:X`: also switches the marker on."""
        self.values["marker_x"][number] = value
        if self.values["marker_mode"][number] == "OFF":
            self.values["marker_mode"][number] = "POS"

    def set_marker_state(self, number: int, on: bool) -> None:
        """`CALC:MARK1:STAT`: a new marker sits at the centre."""
        self.values["marker_mode"][number] = "POS" if on else "OFF"
        if on and not self.values["marker_x"][number]:
            self.values["marker_x"][number] = self.get_center()

    def get_marker_state(self, number: int) -> bool:
        """`CALC:MARK1:STAT?`."""
        return bool(self.values["marker_mode"][number] != "OFF")

    def all_markers_off(self) -> None:
        """`CALC:MARK:AOFF`."""
        for number in self.values["marker_mode"]:
            self.values["marker_mode"][number] = "OFF"

    def marker_maximum(self, number: int) -> None:
        """`CALC:MARK1:MAX`: to the highest point."""
        levels = self.levels_dbm(self.values["marker_trace"][number])
        self._put_marker(number, int(levels.argmax()))

    def marker_minimum(self, number: int) -> None:
        """`CALC:MARK1:MIN`: to the lowest point."""
        levels = self.levels_dbm(self.values["marker_trace"][number])
        self._put_marker(number, int(levels.argmin()))

    def _marker_step(self, number: int, side: int) -> None:
        """Go to the next lower peak (side 0), or to the nearest one on a side."""
        levels = self.levels_dbm(self.values["marker_trace"][number])
        here = self._marker_index(number)
        found = peaks(levels, self.values["peak_threshold"], self.values["peak_excursion"])
        if side:
            found = [p for p in found if (p - here) * side > 0]
            found.sort(key=lambda p: abs(p - here))
        else:
            found = [p for p in found if levels[p] < levels[here]]
        if not found:
            raise ScpiError(_NO_PEAK, "No peak found")
        self._put_marker(number, found[0])

    def marker_next(self, number: int) -> None:
        """`CALC:MARK1:MAX:NEXT`."""
        self._marker_step(number, 0)

    def marker_left(self, number: int) -> None:
        """`CALC:MARK1:MAX:LEFT`."""
        self._marker_step(number, -1)

    def marker_right(self, number: int) -> None:
        """`CALC:MARK1:MAX:RIGH`."""
        self._marker_step(number, 1)

    def marker_to_center(self, number: int) -> None:
        """`CALC:MARK1:CENT`: the centre frequency goes to the marker."""
        self.set_center(self.values["marker_x"][number])


def _trace_number(word: str) -> int:
    text = word.upper()
    number = text.removeprefix("TRACE").removeprefix("TRAC")
    if not number.isdigit() or number == text:
        raise ScpiError(-141, word)
    if not 1 <= int(number) <= 6:
        raise ScpiError(-224, word)
    return int(number)
