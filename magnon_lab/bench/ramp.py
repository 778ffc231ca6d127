"""Moving the field: small steps, never faster than the slew limit, always from the same side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from magnon_lab.bench.clock import Clock
from magnon_lab.bench.errors import ReadBackError
from magnon_lab.bench.roles import FieldSource


def legs(start_mt: float, target_mt: float, approach_mt: float, low_mt: float) -> list[float]:
    """Return where a ramp turns, the target last.

    A target is approached from below, so that a magnet with hysteresis has the same field whenever
    it is set to the same value: from above, the ramp first goes `approach_mt` below the target, but
    not below `low_mt`.
    """
    if start_mt <= target_mt or approach_mt == 0:
        return [target_mt]
    return [max(target_mt - approach_mt, low_mt), target_mt]


def points(start_mt: float, turns: list[float], step_mt: float) -> Iterator[float]:
    """Yield the set points of a ramp through `turns`, none further than `step_mt` from the last."""
    at = start_mt
    for turn in turns:
        count = 0 if turn == at else max(1, math.ceil(abs(turn - at) / step_mt - 1e-9))
        for index in range(1, count + 1):
            yield turn if index == count else at + (turn - at) * index / count
        at = turn


def ramp(
    source: FieldSource,
    clock: Clock,
    target_mt: float,
    *,
    slew_mt_per_s: float,
    step_s: float,
    approach_mt: float,
    low_mt: float,
    should_stop: Callable[[], bool] | None = None,
) -> bool:
    """Ramp from the present set point to `target_mt`; return False if `should_stop` ended it."""
    start_mt = source.field_set_mt()
    for field_mt in points(
        start_mt, legs(start_mt, target_mt, approach_mt, low_mt), slew_mt_per_s * step_s
    ):
        if should_stop is not None and should_stop():
            return False
        clock.sleep(step_s)  # before it: whatever was set last has stood for a step by then
        source.step_to(field_mt)
    return True


def descend(
    source: FieldSource, clock: Clock, start_mt: float, *, slew_mt_per_s: float, step_s: float
) -> str:
    """Ramp from `start_mt`, where the field is, to zero, also past set points that read back wrong.

    The first that does is set once more, in case it got lost; the ramp goes on from it whatever it
    reads then, since a field that stays up for a read-back would be worse. Returns what read back
    wrong, "" if nothing did. Raises `InstrumentError` for an instrument that cannot be spoken to.
    """
    doubt = ""
    # At least once: the set point may be elsewhere although nothing flows.
    for field_mt in list(points(start_mt, [0.0], slew_mt_per_s * step_s)) or [0.0]:
        for _ in range(1 if doubt else 2):
            clock.sleep(step_s)
            try:
                source.step_to(field_mt)
                break
            except ReadBackError as error:
                wrong = str(error)
        else:
            doubt = doubt or wrong
    return doubt
