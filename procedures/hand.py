"""Hand mode: knobs turned on request, and a live sweep."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import queue
import time
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pymeasure.experiment import BooleanParameter, FloatParameter, IntegerParameter

from magnon_lab.bench import QUANTITIES, BenchError, Measurement, unit_of
from magnon_lab.runs import MeasurementBlock, Request
from procedures.base import LOOK_S, RingProcedure
from procedures.context import CutShortError

PURPOSE = "hand"
"""Purpose of the sweeps in the run file."""

DRIVE = "drive"
"""What switches the generator's output in a request, beside the quantities of a bench."""

WAIT_S = 15.0
"""A run that waits for the next sweep shows a sign of life more often than this, in s."""

_COLUMNS = {
    "drive_power_dbm": "Drive power (dBm)",
    "drive_frequency_hz": "Drive frequency (Hz)",
    "attenuation_db": "Attenuation (dB)",
    "field_mt": "Field (mT)",
    "amplifier_voltage_v": "Amplifier voltage (V)",
}


class _SweptAnewError(Exception):
    """After a pause on error: what failed is not repeated, since other settings may be asked."""


class Hand(RingProcedure):
    """Turn knobs on request and sweep meanwhile, until it is stopped.

    Guard, limits, slew rates and the safe end are those of any run. What is asked (by `magnon-lab
    set RUN QUANTITY VALUE`, or in the window) is turned before the next sweep; what would break a
    limit is refused in the journal, with the reason, and nothing changes. A hand mode that nobody
    asks anything for the idle time, working or paused, ends by itself and leaves the bench safe: a
    forgotten one keeps no magnet on for a night.
    """

    drive_on = BooleanParameter(
        "Drive on", default=False, description="Begin with the injected tone on."
    )
    interval_s = FloatParameter(
        "Interval",
        units="s",
        default=0.5,
        minimum=0.05,
        maximum=3600,
        description="From one sweep to the next; what is asked is turned at once.",
    )
    idle_min = FloatParameter(
        "Idle time",
        units="min",
        default=30.0,
        minimum=0.01,
        maximum=1440,
        description="Without a request for so long it ends, and the bench is made safe.",
    )
    keep_each = IntegerParameter(
        "Keep each",
        default=1,
        minimum=1,
        maximum=100_000,
        units="sweeps",
        description="Of which one trace goes into the run file; settings go of all.",
    )

    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **RingProcedure.groups,
        "Recording": ("seed", "keep_each"),
    }
    DATA_COLUMNS: ClassVar[list[str]] = [
        "Bench time (s)",
        *_COLUMNS.values(),
        "Peak power (dBm)",
        "Peak frequency (Hz)",
        "Total power (dBm)",
    ]
    _asked_at: float = 0.0  # by the wall's clock, which goes on while a simulated one stands
    _forgotten: bool = False
    _restart: bool = False  # the drive is to be switched
    _unread: int = 0  # read-backs that failed in a row
    _followed: int = 0
    _refused: int = 0

    @property
    def kept(self) -> Literal["all", "none"] | int:
        """Which traces the run file keeps."""
        return "all" if self.keep_each == 1 else int(self.keep_each)

    def validate(self) -> None:
        """Refuse held settings outside the limits, and be ready for requests."""
        super().validate()
        self.context.wishes = queue.SimpleQueue()
        self._pending: list[Request] = []

    def execute(self) -> None:
        """Start the bench, then sweep and turn until a stop, an abort, or the idle time."""
        self.drives = self.drive_on
        try:
            self.switch_on()
            while self._goes_on():
                next_at = time.monotonic() + self.interval_s
                with contextlib.suppress(_SweptAnewError):
                    if not self._sweep():
                        break
                self._wait_until(next_at)
        finally:
            self.ended_early = False  # a stop is the end that it is meant to have

    def summary(self) -> dict[str, Any]:
        """Return the counts of sweeps and of requests."""
        requests = {"requests_followed": self._followed, "requests_refused": self._refused}
        return super().summary() | requests

    # Sweeping

    def _sweep(self) -> bool:
        """Turn what was asked, sweep, read everything back and record it; False for an abort."""
        if self._restart:
            self.switch_on()  # the loop is opened before the drive is switched, and closed last
        # Only the attenuator is set for each sweep. All else stays as the bench holds it: a field
        # that was set anew would come down and approach its target once more.
        settings = np.array([[self.attenuation_db]])
        measurement = self.measure(settings, ("attenuation_db",), purpose=PURPOSE)
        if not measurement.complete:
            return False
        pending, self._pending = self._pending, []
        wrong, found = self._read_back()
        self.run_file.record_measurements(self._all_settings(measurement, found))
        self._tell_followed(pending, found)
        self.emit("results", self._record(measurement, found))
        if self._unread > self.context.bench_file.model.retries:
            self._unread = 0
            self.bench.rest()
            self.pause_on_error(wrong)
        return True

    def _read_back(self) -> tuple[str, dict[str, float]]:
        """Ask every instrument what it makes; return what is wrong, and quantity -> value."""
        try:
            found = self.bench.readback()
        except BenchError as error:
            # An instrument that is needed for a sweep is set up anew by the next one.
            self._unread += 1
            self.run_file.event("retry", "outcome", f"read-back {self._unread} failed: {error}")
            return str(error), {}
        self._unread = 0
        return "", found

    def _all_settings(
        self, measurement: Measurement, found: Mapping[str, float]
    ) -> MeasurementBlock:
        """Return the block of one sweep with every quantity, set and read back."""
        held = self.held()
        return dataclasses.replace(
            self.block(measurement, PURPOSE),
            knobs=tuple(held),
            requested=np.array([list(held.values())]),
            realised=np.array([[found.get(name, math.nan) for name in held]]),
        )

    def _record(self, measurement: Measurement, found: Mapping[str, float]) -> dict[str, float]:
        trace: NDArray[np.float64] = measurement.traces_dbm[0].astype(np.float64)
        peak = int(np.argmax(trace))
        return {
            "Bench time (s)": self.bench_time_s(),
            **{label: found.get(name, math.nan) for name, label in _COLUMNS.items()},
            "Peak power (dBm)": float(trace[peak]),
            "Peak frequency (Hz)": float(measurement.frequencies_hz[peak]),
            "Total power (dBm)": float(10 * np.log10(np.sum(10 ** (trace / 10)))),
        }

    # Requests

    def _follow(self, request: Request) -> None:
        """Hold what is asked from the next sweep on, or refuse it in the journal."""
        self._asked_at = time.monotonic()
        told = {"requests": [request.id], "asked": request.data}
        try:
            values, drive = understood(request.data)
            drives = self.drives if drive is None else drive
            self.bench.hold({**self.held(), **values}, drives)
        except (ValueError, BenchError) as error:
            self._refused += 1
            why = {"ok": False, "why": str(error)}
            self.run_file.event("set", "outcome", f"refused: {error}", told | why)
            return
        for name, value in values.items():
            setattr(self, name, value)  # there the bench starts again after a pause
        self._restart = self._restart or drives != self.drives
        self.drives = drives
        self._pending.append(request)
        self.run_file.event("set", "intent", _sentence(values, drive), told)

    def _tell_followed(self, requests: list[Request], found: Mapping[str, float]) -> None:
        if not requests:
            return
        self._followed += len(requests)
        asked = {name: value for request in requests for name, value in request.data.items()}
        read = {name: found[name] for name in asked if name in found}
        drive = self.drives if DRIVE in asked else None
        told = {"requests": [request.id for request in requests], "asked": asked}
        text = f"reads {_sentence(read, drive)}" if read or drive is not None else "not read back"
        self.run_file.event("set", "outcome", text, told | {"ok": True, "found": read})

    def _listen(self, wait_s: float = 0.0) -> bool:
        """Follow what was asked; with `wait_s` wait so long for it. Return whether there was."""
        wishes, heard = self.context.wishes, False
        assert wishes is not None
        with contextlib.suppress(queue.Empty):
            while True:
                self._follow(wishes.get(wait_s > 0 and not heard, wait_s))
                heard = True
        return heard

    # Going on, waiting, ending

    def _goes_on(self) -> bool:
        self._listen()
        return not self._is_forgotten() and self.next_step()

    def _is_forgotten(self) -> bool:
        if not self._forgotten and time.monotonic() - self._asked_at > 60 * self.idle_min:
            self._forgotten = True
            told = f"no request for {self.idle_min:g} min: hand mode ends, the bench is made safe"
            self.run_file.event("idle", "outcome", told)
        return self._forgotten

    def _wait_until(self, at: float) -> None:
        """Wait until it is time for a sweep, or for something that is asked."""
        context = self.context
        while (rest_s := at - time.monotonic()) > 0:
            context.pulse.beat("wait", WAIT_S)
            if context.stop.is_set() or context.pause.is_set() or self.should_stop():
                return
            if self._is_forgotten() or self._listen(min(rest_s, LOOK_S)):
                return

    def switch_on(self) -> None:
        """See `RingProcedure`; nothing is switched on for an end that measures nothing."""
        if self.context.stop.is_set() or self._forgotten:
            raise CutShortError
        self._asked_at = time.monotonic()
        self._restart = False
        super().switch_on()

    def wait_while_paused(self) -> None:
        """See `RingProcedure`; a pause is a request as well."""
        if self.context.pause.is_set():
            self._asked_at = time.monotonic()
        super().wait_while_paused()

    def while_paused(self) -> None:
        """Take up what is asked for later; end the pause that was forgotten."""
        self._listen()
        if self._is_forgotten():
            self.context.pause.clear()

    def pause_on_error(self, message: str) -> None:
        """See `RingProcedure`; what failed is not measured anew, but what is asked by then."""
        super().pause_on_error(message)
        raise _SweptAnewError


def understood(data: Mapping[str, Any]) -> tuple[dict[str, float], bool | None]:
    """Return what a request asks for: quantity -> value, and the drive on, off or (None) as it is.

    Raises ValueError for what is neither a quantity with a number nor `drive` with true or false.
    """
    drive = data.get(DRIVE)
    if drive is not None and not isinstance(drive, bool):
        raise ValueError(f"{DRIVE} = {drive!r}: true or false switches it")
    values: dict[str, float] = {}
    for name, value in data.items():
        if name == DRIVE:
            continue
        if name not in QUANTITIES:
            raise ValueError(
                f"{name!r} cannot be set: {', '.join(QUANTITIES)} and {DRIVE} can, as far as the "
                "bench has them"
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} = {value!r} is not a number")
        values[name] = float(value)
    if not values and drive is None:
        raise ValueError("the request names nothing to set")
    return values, drive


def _sentence(values: Mapping[str, float], drive: bool | None) -> str:
    told = [f"{name} = {value:.12g} {unit_of(name)}" for name, value in values.items()]
    if drive is not None:
        told.append(f"drive {'on' if drive else 'off'}")
    return ", ".join(told)
