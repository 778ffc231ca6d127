"""The simulated Keysight N9000A CXA: frequency axis, sweeps, traces, overload."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from magnon_lab.simulation.analyser_settings import AnalyserSettings
from magnon_lab.simulation.errors import ScpiError
from magnon_lab.simulation.plant import Readout
from magnon_lab.simulation.traces import (
    DETECTORS,
    EMPTY_DBM,
    Array,
    encode,
    fold,
    in_unit,
)

_HOLDING = ("AVER", "MAXH", "MINH")


@dataclass
class SweepSet:
    """Sweeps that one start makes: when, how long each, what each detector saw in each."""

    start_s: float
    sweep_s: float
    sweeps: list[dict[str, Array]] = field(default_factory=list)

    def progress(self, time_s: float) -> tuple[int, float]:
        """Return how many sweeps are complete and what part of the next one."""
        done = (time_s - self.start_s) / self.sweep_s + 1e-9
        whole = min(len(self.sweeps), int(done))
        return whole, (done - whole if whole < len(self.sweeps) else 0.0)


class Analyser(AnalyserSettings):
    """Sweeps of the ring's spectrum, in single or continuous mode.

    A started sweep sees the plant as it stands when it starts; its trace is complete when its time
    is over, and before that what is swept already stands beside the old trace. In continuous mode
    sweeps nobody asks for are not computed: a query sees the plant as it stands then.
    """

    def after_defaults(self) -> None:
        """Clear all traces and start as `INIT:CONT` says."""
        super().after_defaults()
        self._kept: dict[int, Array] = {}
        self._set: SweepSet | None = None
        self._since = self.clock.now()
        self._looked = -1
        self._running: dict[int, list[Array]] = {}
        self._valid = False
        self._owed = False
        self._clear_integrity()

    def _clear_integrity(self) -> None:
        self._overload = self._damaging = False

    def settings_changed(self, clears: bool = False) -> None:
        """Restart what is running, since its settings have changed."""
        if clears:
            self._kept.clear()
            self._valid = False
        self._running.clear()
        self._looked = -1
        self._since = self.clock.now()
        if self._set is not None and self.busy():
            self.initiate()

    # Sweeping

    def _active(self) -> list[int]:
        update = self.values["trace_update"]
        return [n for n, on in update.items() if on]

    def _look(self) -> dict[str, Array]:
        """Sweep once and return the trace of each detector in use."""
        values = self.values
        detectors = {DETECTORS[values["detector"][n]] for n in self._active()} or {"average"}
        key = self.plant.next_key()
        start, stop = self.window()
        gain = self.preamplifier_gain_db()
        seen: dict[str, Array] = {}
        for detector in sorted(detectors):
            readout = Readout(
                start_hz=start if stop > start else start - 0.5,
                stop_hz=stop if stop > start else start + 0.5,
                points=max(2, values["points"]),
                rbw_hz=self.get_resolution_bandwidth(),
                vbw_hz=self.get_video_bandwidth(),
                detector=detector,
                input_attenuation_db=self.get_attenuation() - gain,
                reference_level_dbm=values["reference_level"],
            )
            result = self.plant.sweep(readout, key)
            seen[detector] = np.asarray(result.trace_dbm)[: values["points"]]
        self._overload |= bool(result.overload)
        self._check_input(float(result.input_dbm))
        return seen

    def _check_input(self, input_dbm: float) -> None:
        limit = float(self.settings["damage_dbm"])
        if input_dbm > limit:
            self._damaging = True
            self.plant.record_harm(
                f"analyser input driven with {input_dbm:.1f} dBm, above {limit:g} dBm"
            )

    def initiate(self) -> None:
        """`INIT[:IMM]`: start a sweep, or the set that averaging and holding need."""
        holding = any(self.values["trace_type"][n] in _HOLDING for n in self._active())
        count = self.values["average_count"] if holding else 1
        self._clear_integrity()
        self._running.clear()
        self._owed = False
        if self.values["continuous"]:
            self._since, self._looked = self.clock.now(), -1
            return
        self._settle_set(self.clock.now())
        sweep_s = self.get_sweep_time() + float(self.settings["sweep_overhead_s"])
        self._set = SweepSet(self.clock.now(), sweep_s, [self._look() for _ in range(count)])
        self.begin(count * sweep_s)
        for register, bits in (("operation", 8 | 16),):
            self.registers[register].pulse(bits)

    def restart(self) -> None:
        """`INIT:REST`."""
        self.initiate()

    def abort(self) -> None:
        """`ABOR`: end what runs; the trace stays as far as it came, `*OPC` counts as complete."""
        now = self.clock.now()
        self._settle_set(now)
        self._set = None
        self._clear_integrity()
        self._since, self._looked = now, -1
        self.operation_end = now

    def set_continuous(self, on: bool) -> None:
        """`INIT:CONT`."""
        if on and not self.values["continuous"]:
            self._settle_set(self.clock.now())
            self._since, self._looked = self.clock.now(), -1
            self._set = None
        elif not on and self.values["continuous"]:
            # The sweep that was running ends; it is computed if somebody asks for it.
            self._owed = True
        self.values["continuous"] = on

    def _settle_set(self, now: float) -> None:
        """Keep what a set of sweeps has shown up to now."""
        if self._set is None:
            return
        for number in self._active():
            self._kept[number] = self._folded(number, self._set, now)
        if self._set.progress(now)[0] == len(self._set.sweeps):
            self._set = None
            self._valid = True

    def _folded(self, number: int, sweeps: SweepSet, now: float) -> Array:
        complete, part = sweeps.progress(now)
        detector = DETECTORS[self.values["detector"][number]]
        seen = [s[detector] for s in sweeps.sweeps if detector in s]
        before = self._before(number)
        if not seen:
            return before
        if complete:
            before = fold(self.values["trace_type"][number], self.values["average_type"],
                          seen[:complete])  # fmt: skip
        if part > 0 and len(seen) == 1:
            swept = int(part * len(before))
            before = np.concatenate([seen[0][:swept], before[swept:]])
        return before

    def _before(self, number: int) -> Array:
        kept = self._kept.get(number)
        if kept is None or len(kept) != self.values["points"]:
            return np.full(self.values["points"], EMPTY_DBM, dtype=np.float32)
        return kept

    def _refresh(self) -> None:
        """Bring the traces up to now."""
        now = self.clock.now()
        if not self.values["continuous"]:
            self._settle_set(now)
            if not self._owed:
                return
            self._owed, self._looked, self._since = False, -1, now - 1e9
        sweep_s = self.get_sweep_time() + float(self.settings["sweep_overhead_s"])
        complete = int((now - self._since) / sweep_s + 1e-9)
        part = (now - self._since) / sweep_s - complete
        fresh = min(max(1, complete - max(self._looked, 0)), self.values["average_count"])
        for _ in range(fresh if any(self.values["trace_type"][n] in _HOLDING
                                    for n in self._active()) else 1):  # fmt: skip
            seen = self._look()
            for number in self._active():
                self._join(number, seen, complete > self._looked, part)
        self._looked = complete
        self._valid = self._valid or complete > 0

    def _join(self, number: int, seen: dict[str, Array], whole: bool, part: float) -> None:
        new = seen[DETECTORS[self.values["detector"][number]]]
        kind = self.values["trace_type"][number]
        if kind in _HOLDING:
            history = self._running.setdefault(number, [])
            history.append(new)
            if kind == "AVER":
                del history[: -self.values["average_count"]]
                self._kept[number] = fold(kind, self.values["average_type"], history)
            else:
                self._kept[number] = fold(kind, "", history)
                history[:] = [self._kept[number]]
        elif whole and number in self._kept and self._looked >= 0:
            self._kept[number] = new
        else:
            swept = len(new) if number not in self._kept else int(part * len(new))
            swept = len(new) if whole else swept
            self._kept[number] = np.concatenate([new[:swept], self._before(number)[swept:]])

    # Data

    def levels_dbm(self, number: int) -> Array:
        """Return a trace in dBm as it stands."""
        self._refresh()
        return self._before(number)

    def _trace_number(self, word: str) -> int:
        text = word.upper()
        number = text.removeprefix("TRACE").removeprefix("TRAC")
        if not number.isdigit() or number == text:
            raise ScpiError(-141, word)
        if not 1 <= int(number) <= 6:
            raise ScpiError(-224, word)
        return int(number)

    def get_trace(self, word: str) -> bytes:
        """`TRAC? TRACE1`: the levels of a trace."""
        levels = self.levels_dbm(self._trace_number(word))
        return self._encoded(in_unit(levels, self.values["power_unit"]))

    def _encoded(self, values: Array) -> bytes:
        form, length = self.values["format"], self.values["format_length"]
        return encode(values, form, length, self.values["byte_order"] == "SWAP")

    def fetch(self, number: int) -> bytes:
        """`FETC:SAN1?`: pairs of frequency (or time) and level; number 0 counts as 1."""
        levels = in_unit(self.levels_dbm(max(1, number)), self.values["power_unit"])
        pairs = np.empty((len(levels), 2))
        pairs[:, 0], pairs[:, 1] = self.axis(), levels
        return self._encoded(pairs.ravel())

    def read(self, number: int) -> bytes:
        """`READ:SAN1?`: sweep, wait, then as `fetch`; continuous sweeping ends.

        The reply is put together when the sweep starts, since nothing can change it any more.
        """
        self.set_continuous(False)
        self.initiate()
        self.wait_to_continue()
        if self._set is not None:
            end = self.operation_end
            for n in self._active():
                self._kept[n] = self._folded(n, self._set, end)
            self._set, self._valid = None, True
        return self.fetch(number)

    def clear_trace(self, word: str | None = None) -> None:
        """`TRAC:CLE`."""
        numbers: Iterable[int] = [self._trace_number(word)] if word else range(1, 7)
        for number in numbers:
            self._kept.pop(number, None)
            self._running.pop(number, None)

    def preset(self) -> None:
        """`SYST:PRES`: as `*RST`, but sweeping continuously."""
        self.reset()
        self.set_continuous(True)

    def reset(self) -> None:
        """`*RST`: defaults, single sweep."""
        super().reset()
        self.values["continuous"] = False

    def preset_traces(self) -> None:
        """`TRAC:PRES:ALL`."""
        for name in ("trace_type", "trace_update", "trace_display"):
            prop = self._properties[name]
            for number in self.values[name]:
                self.values[name][number] = prop.defaults.get(number, prop.default)
        self.settings_changed(clears=True)

    def axis(self) -> Array:
        """Return the points' frequencies in Hz, or times in s in zero span."""
        start, stop = self.window()
        if start == stop:
            return np.linspace(0.0, self.get_sweep_time(), self.values["points"])
        return np.linspace(start, stop, self.values["points"])

    # Status

    def operation_condition(self) -> int:
        """Bits of `STAT:OPER`: 3 sweeping, 4 measuring, 5 waiting for trigger."""
        if self.values["trigger_source"] == "EXT1":
            return 32
        return 8 | 16 if self.busy() or self.values["continuous"] else 0

    def questionable_power_condition(self) -> int:
        """Bits of `STAT:QUES:POW`: 6 input overload."""
        return 64 if self._damaging else 0

    def questionable_integrity_condition(self) -> int:
        """Bits of `STAT:QUES:INT`: 4 input overload, 5 over range, 12 no valid data."""
        bits = 16 | 32 if self._overload else 0
        return bits if self._valid or self._set or self.values["continuous"] else bits | 4096

    def questionable_uncalibrated_condition(self) -> int:
        """Bit 0 of `STAT:QUES:INT:UNC`: swept faster than the bandwidths allow."""
        return int(self.get_sweep_time() < 0.999 * self.automatic_sweep_time())

    def align(self) -> None:
        """`CAL`: the alignments take their time."""
        self.begin(float(self.settings["alignment_s"]))

    def ask_align(self) -> str:
        """`CAL?`: align and answer 0 for success."""
        self.align()
        self.wait_to_continue()
        return "0"

    def trigger(self) -> None:
        """`*TRG`."""
        self.initiate()

    # Markers

    def ask_marker_level(self, number: int) -> str:
        """`CALC:MARK1:Y?`."""
        return f"{self._marker_level(number):.14E}"

    def _marker_level(self, number: int) -> float:
        levels = self.levels_dbm(self.values["marker_trace"][number])
        value = float(in_unit(levels, self.values["power_unit"])[self._marker_index(number)])
        return value if math.isfinite(value) else -999.0

    def _marker_index(self, number: int) -> int:
        axis = self.axis()
        return int(np.argmin(np.abs(axis - self.values["marker_x"][number])))

    def put_marker(self, number: int, index: int) -> None:
        """Put a marker on a point of its trace."""
        self.values["marker_x"][number] = float(self.axis()[index])
        if self.values["marker_mode"][number] == "OFF":
            self.values["marker_mode"][number] = "POS"

    def marker_levels(self, number: int) -> tuple[Array, int]:
        """Return the trace that a marker sits on, and the point it is at."""
        return self.levels_dbm(self.values["marker_trace"][number]), self._marker_index(number)
