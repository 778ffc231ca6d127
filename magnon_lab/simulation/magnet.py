"""The magnet: a supply driving a coil with resistance, inductance, hysteresis and eddy currents."""

import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

HISTORY_S = 1.0
SETTLED_MT = 1e-5


@dataclass(frozen=True)
class Coil:
    """What the coil, its iron and its gap really are.

    The iron is a play operator (a stop of half-width `hysteresis_mt` between current and field),
    the simplest hysteresis that remembers and does not depend on speed: approached from the same
    side, the same current gives the same field. Eddy currents delay the field by `time_constant_s`.
    """

    mt_per_a: float = 35.0
    resistance_ohm: float = 2.0
    inductance_h: float = 0.05
    time_constant_s: float = 0.03
    hysteresis_mt: float = 0.0
    remanence_mt: float = 0.0


class Motion(NamedTuple):
    """Current from `start_s` on: along an exponential towards `goal_a`, held at `stop_a`.

    `rate_hz` is R/L; `arrival_s` is when `stop_a` is reached, infinite if it never is.
    """

    start_s: float
    from_a: float
    goal_a: float
    stop_a: float
    rate_hz: float
    arrival_s: float

    def current(self, time_s: float) -> float:
        """Return the current in amperes at a time not before the start."""
        if time_s >= self.arrival_s:
            return self.stop_a
        decay = math.exp(-(time_s - self.start_s) * self.rate_hz)
        return self.goal_a + (self.from_a - self.goal_a) * decay


class Magnet:
    """Field in millitesla over laboratory time, as the supply's commands make it.

    The supply either forces a current with a voltage limit, or a voltage with a current limit.
    While it is on a limit the coil obeys L dI/dt = V - R I. Field follows by steps no longer than a
    tenth of the time constant while current moves, in closed form while it rests; a remainder below
    `SETTLED_MT` counts as settled, so that a field at rest does not depend on when it is asked for.
    """

    def __init__(self, coil: Coil) -> None:
        self.coil = coil
        self._motions: deque[Motion] = deque([Motion(0.0, 0.0, 0.0, 0.0, 1.0, 0.0)])
        self._time = 0.0
        self._play_mt = 0.0
        self._field_mt = 0.0

    def force_current(
        self, time_s: float, current_a: float, limit_v: float, spike_a: float = 0.0
    ) -> None:
        """Drive the current to a value, with at most `limit_v` at the terminals.

        `spike_a` is a jump of the current by which the supply starts.
        """
        now_a = self.current(time_s) + spike_a
        voltage = math.copysign(abs(limit_v), current_a - now_a)
        self._drive(time_s, now_a, voltage, current_a)

    def force_voltage(self, time_s: float, voltage_v: float, limit_a: float) -> None:
        """Put a voltage on the coil, with at most `limit_a` through it."""
        now_a = self.current(time_s)
        final_a = voltage_v / self.coil.resistance_ohm
        stop_a = max(-limit_a, min(limit_a, final_a))
        self._drive(time_s, now_a, voltage_v, stop_a)

    def _drive(self, time_s: float, from_a: float, voltage_v: float, stop_a: float) -> None:
        self.field(time_s)
        goal_a = voltage_v / self.coil.resistance_ohm
        rate = self.coil.resistance_ohm / self.coil.inductance_h
        if from_a == stop_a:
            arrival = time_s
        elif goal_a == stop_a:
            # An exponential never arrives; forty time constants are beyond double precision.
            arrival = time_s + 40 / rate
        else:
            ratio = (from_a - goal_a) / (stop_a - goal_a)
            arrival = time_s + math.log(ratio) / rate if ratio > 1 else math.inf
        self._motions.append(Motion(time_s, from_a, goal_a, stop_a, rate, arrival))
        while len(self._motions) > 2 and self._motions[1].start_s < time_s - HISTORY_S:
            self._motions.popleft()

    def settle(self, time_s: float) -> None:
        """Put current and field to where they are heading."""
        motion = self._motions[-1]
        final = motion.stop_a if math.isfinite(motion.arrival_s) else motion.goal_a
        self._motions = deque([Motion(time_s, final, final, final, motion.rate_hz, time_s)])
        self._play_mt = self._field_mt = self.coil.mt_per_a * final + self.coil.remanence_mt
        self._time = time_s

    def current(self, time_s: float) -> float:
        """Return the coil's current in amperes at a time within the last second or later."""
        motion = self._motion_at(time_s)
        return motion.current(time_s) if motion else self._motions[0].from_a

    def _motion_at(self, time_s: float) -> Motion | None:
        """Return the motion that was under way at a time, None before the first."""
        return next((m for m in reversed(self._motions) if time_s >= m.start_s), None)

    def voltage(self, time_s: float) -> float:
        """Return the voltage at the coil's terminals, at a time as for the current."""
        motion = self._motion_at(time_s)
        if motion is None:
            return self._motions[0].from_a * self.coil.resistance_ohm
        arrived = time_s >= motion.arrival_s
        return (motion.stop_a if arrived else motion.goal_a) * self.coil.resistance_ohm

    def limited(self, time_s: float) -> bool:
        """Return whether the supply is on its limit: what was asked for is not there (yet)."""
        return time_s < self._motions[-1].arrival_s

    def field(self, time_s: float) -> float:
        """Return the field in millitesla at a time not before the latest one asked for."""
        if time_s <= self._time:
            return self._field_mt
        motion = self._motions[-1]
        moving_until = min(time_s, motion.arrival_s)
        if moving_until > self._time:
            span = moving_until - self._time
            steps = max(1, min(2000, math.ceil(span / (0.1 * self.coil.time_constant_s))))
            start = self._time
            for step in range(1, steps + 1):
                self._relax(start + span * step / steps, motion)
        if time_s > self._time:
            self._relax(time_s, motion)
        return self._field_mt

    def _relax(self, time_s: float, motion: Motion) -> None:
        ideal = self.coil.mt_per_a * motion.current(time_s) + self.coil.remanence_mt
        width = self.coil.hysteresis_mt
        self._play_mt = max(ideal - width, min(ideal + width, self._play_mt))
        rest = self._field_mt - self._play_mt
        rest *= math.exp(-(time_s - self._time) / self.coil.time_constant_s)
        settled = abs(rest) < SETTLED_MT and time_s >= motion.arrival_s
        self._field_mt = self._play_mt if settled else self._play_mt + rest
        self._time = time_s
