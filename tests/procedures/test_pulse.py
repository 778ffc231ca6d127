from __future__ import annotations

import math

from procedures.pulse import DEADLINES_S, TOLD_EVERY_S, Pulse


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_beat_tells_what_follows_and_how_long_it_may_take() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    assert math.isinf(pulse.last.deadline_s)
    pulse.beat("fit", 40.0)
    clock.now += 3.0
    assert pulse.last == ("fit", 40.0, 100.0)
    assert pulse.silent_s() == 3.0
    pulse.beat("tell")
    assert pulse.last.deadline_s == DEADLINES_S["tell"]
    assert pulse.silent_s() == 0.0


def test_a_phase_may_be_allowed_more_than_usual_but_not_less() -> None:
    pulse = Pulse()
    pulse.allow("safe", 1500.0)
    pulse.beat("safe")
    assert pulse.last.deadline_s == 1500.0
    pulse.allow("tell", 1.0)
    pulse.beat("tell")
    assert pulse.last.deadline_s == DEADLINES_S["tell"]


def test_listeners_hear_each_phase_at_once_and_the_same_one_now_and_then() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    heard: list[tuple[str, float]] = []
    pulse.listeners.append(lambda phase, deadline_s: heard.append((phase, deadline_s)))
    pulse.beat("ask", 1.0)
    for _ in range(1000):
        clock.now += TOLD_EVERY_S / 100
        pulse.beat("measure", 30.0)
    pulse.beat("measure", 60.0)
    assert heard[:2] == [("ask", 1.0), ("measure", 30.0)]
    assert heard[-1] == ("measure", 60.0)
    assert 9 <= len(heard) - 3 <= 10
