"""Help for tests of drivers against their command protocol."""

from collections.abc import Callable
from typing import Any

import pytest
from pymeasure.test import expected_protocol


def _parent(instrument: Any, path: str) -> tuple[Any, str]:
    *channels, name = path.split(".")
    for channel in channels:
        instrument = getattr(instrument, channel)
    return instrument, name


@pytest.fixture
def check_set() -> Callable[..., None]:
    """Setting `path` to `value` sends exactly `message` (and reads `reply` if there is one)."""

    def check(driver: type, path: str, value: Any, message: str, reply: str | None = None) -> None:
        with expected_protocol(driver, [(message, reply)]) as instrument:
            setattr(*_parent(instrument, path), value)

    return check


@pytest.fixture
def check_get() -> Callable[..., None]:
    """Reading `path` asks exactly `message` and makes `value` of `reply`."""

    def check(driver: type, path: str, message: str, reply: str, value: Any) -> None:
        with expected_protocol(driver, [(message, reply)]) as instrument:
            found = getattr(*_parent(instrument, path))
            assert found == value
            assert type(found) is type(value)

    return check


@pytest.fixture
def check_refused() -> Callable[..., None]:
    """Setting `path` to `value` raises, naming the quantity, and sends nothing."""

    def check(driver: type, path: str, value: Any, match: str) -> None:
        with (
            expected_protocol(driver, []) as instrument,
            pytest.raises((ValueError, TypeError), match=match),
        ):
            setattr(*_parent(instrument, path), value)

    return check


class SteppedClock:
    """A clock that only moves when it is told to sleep."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()
