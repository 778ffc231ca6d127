"""Sweeps of the simulated analyser: single sets, continuous sweeping, what each trace keeps."""

import math
from dataclasses import dataclass, field

import numpy as np

from magnon_lab.simulation.analyser_settings import AnalyserSettings
from magnon_lab.simulation.exchange import Program
from magnon_lab.simulation.plant import Readout
from magnon_lab.simulation.traces import DETECTORS, EMPTY_DBM, Array, fold

_HOLDING = ("AVER", "MAXH", "MINH")
Seen = dict[str, Array]  # a sweep, as each detector in use shows it


@dataclass
class SweepSet:
    """The sweeps that one start makes."""

    start_s: float
    sweep_s: float
    sweeps: list[Seen]

    def progress(self, time_s: float) -> tuple[int, float]:
        """Return how many sweeps are complete and what part of the next one."""
        done = (time_s - self.start_s) / self.sweep_s + 1e-9
        whole = min(len(self.sweeps), int(done))
        return whole, (done - whole if whole < len(self.sweeps) else 0.0)


@dataclass
class Stream:
    """Sweeps without end since a time; how many are in the traces; the one that is running."""

    start_s: float
    shown: int = 0
    running: tuple[int, Seen] | None = None
    history: dict[int, list[Array]] = field(default_factory=dict)


class AnalyserSweeps(AnalyserSettings):
    """Single sweeps see the plant as it stands when they start.

    Their trace is complete when their time is over; before that, what is swept already stands
    beside the old trace. In continuous mode nothing is computed until somebody asks: then the last
    sweep shows the plant as it stands, and averages take as many sweeps as time allowed.
    """

    def after_defaults(self) -> None:
        """Clear all traces and start as `INIT:CONT` says."""
        super().after_defaults()
        self._kept: dict[int, Array] = {}
        self._set: SweepSet | None = None
        self._armed = False
        self._valid = False
        self._owed = False
        self._overload = self._damaging = False
        self._stream = Stream(self.clock.now())

    def compile(self, message: str) -> Program:
        """Return the steps of a message; what is swept by now is kept before settings change."""
        if self._set is not None and not self.busy():
            self._settle_set(self.clock.now())
        return super().compile(message)

    def settings_changed(self, clears: bool = False) -> None:
        """Restart what is running, since its settings have changed."""
        if clears:
            self._kept.clear()
            self._valid = self._owed = False
        self._stream = Stream(self.clock.now())
        if self._set is not None and self.busy():
            self.initiate()

    # One sweep

    def active_traces(self) -> list[int]:
        """Return the numbers of the traces that sweeps update."""
        return [number for number, on in self.values["trace_update"].items() if on]

    def _detector(self, number: int) -> str:
        return DETECTORS.get(self.values["detector"][number], "average")

    def _look(self) -> Seen:
        values = self.values
        start, stop = self.window()
        if stop == start:  # zero span: every point is this frequency
            start, stop = start - 0.5, stop + 0.5
        key = self.plant.next_key()
        drift_db = self.plant.drifted("trace_db", self.clock.now())
        seen: Seen = {}
        for detector in sorted({self._detector(n) for n in self.active_traces()} or {"average"}):
            readout = Readout(
                start_hz=max(start, 1.0),
                stop_hz=stop,
                points=max(2, values["points"]),
                rbw_hz=self.get_resolution_bandwidth(),
                vbw_hz=self.get_video_bandwidth(),
                detector=detector,
                input_attenuation_db=max(0.0, self.get_attenuation() - self.preamplifier_gain_db()),
                reference_level_dbm=values["reference_level"],
            )
            result = self.plant.sweep(readout, key)
            trace = np.asarray(result.trace_dbm)[: values["points"]]
            seen[detector] = trace + np.float32(drift_db) if drift_db else trace
            self._overload |= bool(result.overload)
        self._overload |= self.faults.overloads()
        self._check_input(float(result.input_dbm))
        return seen

    def _check_input(self, input_dbm: float) -> None:
        limit = float(self.settings["damage_dbm"])
        if input_dbm > limit:
            self._damaging = True
            self.plant.record_harm(
                f"analyser input driven with {input_dbm:.1f} dBm, above {limit:g} dBm"
            )

    def sweep_s(self) -> float:
        """Return the time from one sweep to the next in s."""
        return self.get_sweep_time() + float(self.settings["sweep_overhead_s"])

    def _before(self, number: int) -> Array:
        """Return what a trace shows before anything new is swept into it."""
        kept = self._kept.get(number)
        if kept is None or len(kept) != self.values["points"]:
            return np.full(self.values["points"], EMPTY_DBM, dtype=np.float32)
        return kept

    # Single

    def initiate(self) -> None:
        """`INIT[:IMM]`: start a sweep, or the set that averaging and holding need.

        With an external trigger that never comes the sweep waits for ever, with BUS for `*TRG`.
        """
        self._overload = self._damaging = self._owed = False
        if self.values["continuous"]:
            self._stream = Stream(self.clock.now())
        elif self.values["trigger_source"] in ("EXT1", "EXT2", "BUS"):
            self._armed = True
            self.begin(math.inf)
        else:
            self._start()

    def restart(self) -> None:
        """`INIT:REST`, `AVER:CLE`."""
        self.initiate()

    def _start(self) -> None:
        self._armed = False
        self._settle_set(self.clock.now())
        holding = any(self.values["trace_type"][n] in _HOLDING for n in self.active_traces())
        count = self.values["average_count"] if holding else 1
        self._set = SweepSet(self.clock.now(), self.sweep_s(), [self._look() for _ in range(count)])
        self.begin(count * self._set.sweep_s)
        self.registers["operation"].pulse(8 | 16)

    def trigger(self) -> None:
        """`*TRG`: start what waits for the bus trigger."""
        if self._armed and self.values["trigger_source"] == "BUS":
            self._start()
        else:
            super().trigger()

    def abort(self) -> None:
        """`ABOR`: end what runs; the trace stays as far as it came, `*OPC` counts as complete."""
        now = self.clock.now()
        self._settle_set(now)
        self._set = None
        self._armed = self._overload = self._damaging = False
        self._stream = Stream(now)
        self.end_operation()

    def _settle_set(self, now: float) -> None:
        """Keep what a set of sweeps shows by now."""
        if self._set is None:
            return
        for number in self.active_traces():
            self._kept[number] = self._folded(number, self._set, now)
        if self._set.progress(now)[0] == len(self._set.sweeps):
            self._set = None
            self._valid = True

    def _folded(self, number: int, sweeps: SweepSet, now: float) -> Array:
        complete, part = sweeps.progress(now)
        seen = [s[self._detector(number)] for s in sweeps.sweeps if self._detector(number) in s]
        if not seen:
            return self._before(number)
        if complete:
            kind, average = self.values["trace_type"][number], self.values["average_type"]
            return fold(kind, average, seen[:complete])
        return _mixed(seen[0], self._before(number), part)

    # Continuous

    def set_continuous(self, on: bool) -> None:
        """`INIT:CONT`: switched off, the sweep that runs is the last."""
        if on and not self.values["continuous"]:
            self._settle_set(self.clock.now())
            self._set = None
            self._stream = Stream(self.clock.now())
        elif not on and self.values["continuous"]:
            self._owed = True
        self.values["continuous"] = on

    def _settle_stream(self, now: float) -> None:
        stream, sweep_s = self._stream, self.sweep_s()
        done = (now - stream.start_s) / sweep_s + 1e-9
        complete = int(done)
        fresh = complete - stream.shown
        if fresh == 0:
            if stream.running is None or stream.running[0] != complete:
                stream.running = complete, self._look()
            for number in self.active_traces():
                if not stream.history.get(number):
                    new = stream.running[1].get(self._detector(number), self._before(number))
                    self._kept[number] = _mixed(new, self._before(number), done - complete)
            return
        for number in self.active_traces():
            if self.values["trace_type"][number] not in _HOLDING:
                stream.history.pop(number, None)
        holding = any(self.values["trace_type"][n] in _HOLDING for n in self.active_traces())
        for _ in range(min(fresh, self.values["average_count"]) if holding else 1):
            seen = self._look()
            for number in self.active_traces():
                self._join(number, seen)
        stream.shown, self._valid = complete, True

    def _join(self, number: int, seen: Seen) -> None:
        new, kind = seen[self._detector(number)], self.values["trace_type"][number]
        if kind not in _HOLDING:
            self._kept[number] = new
            return
        history = self._stream.history.setdefault(number, [])
        history.append(new)
        self._kept[number] = fold(kind, self.values["average_type"], history)
        if kind == "AVER":
            del history[: -self.values["average_count"]]
        else:
            history[:] = [self._kept[number]]

    def levels_dbm(self, number: int) -> Array:
        """Return a trace in dBm as it stands, shape (points,)."""
        now = self.clock.now()
        if self.values["continuous"] and self.values["trigger_source"] not in ("EXT1", "EXT2"):
            self._settle_stream(now)
        elif self._owed:
            self._owed, self._valid = False, True
            for active in self.active_traces():
                self._join(active, self._look())
        else:
            self._settle_set(now)
        return self._before(number)

    def swept_now(self) -> None:
        """Sweep once, whatever the mode, and wait for it: what follows sees the finished trace."""
        continuous, self.values["continuous"] = self.values["continuous"], False
        self.initiate()
        self.wait_to_continue()
        self._settle_set(self.operation_end)
        self.values["continuous"] = continuous
        self._stream = Stream(self.clock.now() if self._armed else self.operation_end)

    # Status

    def operation_condition(self) -> int:
        """Bits of `STAT:OPER`: 0 calibrating, 3 sweeping, 4 measuring, 5 waiting for trigger."""
        if self._armed:
            return 32
        if self.busy() and self._set is None:
            return 1
        return 8 | 16 if self.busy() or self.values["continuous"] else 0

    def questionable_frequency_condition(self) -> int:
        """Bits of `STAT:QUES:FREQ`: 1 the frequency reference is unlocked."""
        return 2 * int(self.values["reference_lost"])

    def questionable_power_condition(self) -> int:
        """Bits of `STAT:QUES:POW`: 6 input overload."""
        return 64 if self._damaging else 0

    def questionable_integrity_condition(self) -> int:
        """Bits of `STAT:QUES:INT`: 4 input overload, 5 over range, 12 no valid data."""
        bits = 16 | 32 if self._overload else 0
        has_data = self._valid or self._owed or self._set or self.values["continuous"]
        return bits if has_data else bits | 4096

    def questionable_uncalibrated_condition(self) -> int:
        """Bit 0 of `STAT:QUES:INT:UNC`: swept faster than the bandwidths allow."""
        return int(self.get_sweep_time() < 0.999 * self.automatic_sweep_time())


def _mixed(new: Array, old: Array, part: float) -> Array:
    """Return a trace swept anew up to a part of its points."""
    swept = int(part * len(new))
    return np.concatenate([new[:swept], old[swept:]]) if swept < len(new) else new
