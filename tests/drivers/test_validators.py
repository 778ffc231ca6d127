"""Checks of values and replies."""

import numpy as np
import pytest

from drivers import validators
from drivers.clock import WallClock


@pytest.mark.parametrize("value", [3, 3.0, np.float32(3), np.int64(3), np.array(3.0)])
def test_numbers_of_any_make_are_taken(value):
    result = validators.in_range("x", "m")(value, (0, 5))
    assert result == 3.0
    assert type(result) is float


@pytest.mark.parametrize("value", ["3", b"3", None, [1, 2], np.zeros(3), {}])
def test_what_is_no_number_is_named(value):
    with pytest.raises(TypeError, match="length must be a number"):
        validators.finite(value, "length")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan")])
def test_what_is_not_finite_is_named(value):
    with pytest.raises(ValueError, match=r"length must be finite, not (nan|inf) m"):
        validators.finite(value, "length", "m")


def test_limits_are_inclusive_and_told():
    check = validators.in_range("power", "dBm")
    assert check(-60, (-60, 10)) == -60
    assert check(10, (10, -60)) == 10
    with pytest.raises(ValueError, match=r"^power 10\.001 dBm is outside -60 to 10 dBm$"):
        check(10.001, (-60, 10))
    with pytest.raises(ValueError, match=r"^count 5 is outside 0 to 4$"):
        validators.in_range("count")(5, (0, 4))


def test_multiples_forgive_only_rounding():
    check = validators.multiple_in_range("attenuation", "dB", 0.1)
    assert check(0.1 + 0.2, (0, 1)) == pytest.approx(0.3)
    with pytest.raises(ValueError, match=r"no multiple of 0\.1 dB"):
        check(0.3001, (0, 1))


def test_word_prefers_the_exact_mnemonic():
    convert = validators.word({"first": "INT", "second": "INTERNAL2"})
    assert convert("INTERNAL2") == "second"
    assert convert(" internal\n") == "first"


def test_wall_clock_goes_on():
    clock = WallClock()
    before = clock.now()
    clock.sleep(0.001)
    assert clock.now() - before >= 0.001
