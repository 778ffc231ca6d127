#
# This file is written to be made part of the PyMeasure package.
#
# Copyright (c) 2026 Magnon Lab Developers
#
# Permission is hereby granted, free of charge, to any person obtaining a copy
# of this software and associated documentation files (the "Software"), to deal
# in the Software without restriction, including without limitation the rights
# to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
# copies of the Software, and to permit persons to whom the Software is
# furnished to do so, subject to the following conditions:
#
# The above copyright notice and this permission notice shall be included in
# all copies or substantial portions of the Software.
#
# THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
# IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
# FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
# AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
# LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
# OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN
# THE SOFTWARE.
#

"""Checks on values that go out to an instrument and on replies that come back.

The validators of PyMeasure do not say which quantity was refused, and its reply conversion
hands text on where a number was expected; at a bench both must be errors that can be read.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any


def finite(value: Any, quantity: str, unit: str = "") -> float:
    """Return `value` as a float, or raise if it is no finite number.

    :raises ValueError: naming the quantity, for NaN and infinities.
    :raises TypeError: naming the quantity, for what is no number.
    """
    if isinstance(value, str | bytes):
        raise TypeError(f"{quantity} must be a number, not {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{quantity} must be a number, not {value!r}") from error
    if not math.isfinite(number):
        raise ValueError(f"{quantity} must be finite, not {number} {unit}".rstrip())
    return number


def in_range(quantity: str, unit: str = "") -> Callable[[Any, Sequence[float]], float]:
    """Return a validator that refuses what is not finite or outside the range.

    :param quantity: Name for the message, e.g. `"centre frequency"`.
    :param unit: Unit for the message.
    """

    def validate(value: Any, values: Sequence[float]) -> float:
        number = finite(value, quantity, unit)
        low, high = min(values), max(values)
        if not low <= number <= high:
            raise ValueError(
                f"{quantity} {number:.12g} {unit}".rstrip()
                + f" is outside {low:.12g} to {high:.12g} {unit}".rstrip()
            )
        return number

    return validate


def whole_in_range(quantity: str) -> Callable[[Any, Sequence[float]], int]:
    """Return a validator that also refuses what is no whole number (`%d` would cut it)."""
    check = in_range(quantity)

    def validate(value: Any, values: Sequence[float]) -> int:
        number = check(value, values)
        if number != int(number):
            raise ValueError(f"{quantity} must be a whole number, not {number:.12g}")
        return int(number)

    return validate


def multiple_in_range(
    quantity: str, unit: str, step: float
) -> Callable[[Any, Sequence[float]], float]:
    """Return a validator that also refuses what is no multiple of `step`."""
    check = in_range(quantity, unit)

    def validate(value: Any, values: Sequence[float]) -> float:
        number = check(value, values)
        if abs(number / step - round(number / step)) > 1e-6:
            raise ValueError(
                f"{quantity} {number:.12g} {unit} is no multiple of {step:.12g} {unit}"
            )
        return round(number / step) * step

    return validate


def one_of(quantity: str) -> Callable[[Any, Any], Any]:
    """Return a validator that refuses what is not in the set (or among the keys of the map)."""

    def validate(value: Any, values: Any) -> Any:
        if value not in values:
            allowed = ", ".join(str(allowed) for allowed in values)
            raise ValueError(f"{quantity} {value!r} is not one of: {allowed}")
        return value

    return validate


def number(reply: Any) -> float:
    """Return a reply that must be a finite number.

    :raises ConnectionError: if it is text, NaN or infinite.
    """
    try:
        value = float(reply)
    except (TypeError, ValueError) as error:
        raise ConnectionError(f"expected a number as reply, got {reply!r}") from error
    # 9.91e37 is SCPI's own "not a number", 9.9e37 its infinity (SCPI 1999, volume 1, 7.2.1.5).
    if not math.isfinite(value) or abs(value) >= 9.9e37:
        raise ConnectionError(f"expected a finite number as reply, got {reply!r}")
    return value


def whole(reply: Any) -> int:
    """Return a reply that must be a whole number; `1001` and `+1.001E+03` are both accepted.

    :raises ConnectionError: if it is anything else.
    """
    value = number(reply)
    if value != int(value):
        raise ConnectionError(f"expected a whole number as reply, got {reply!r}")
    return int(value)


def switch(reply: Any) -> bool:
    """Return a reply that must be a boolean; `0`/`1` and `OFF`/`ON` are both accepted.

    :raises ConnectionError: if it is anything else.
    """
    text = str(reply).strip().upper()
    if text in ("ON", "OFF"):
        return text == "ON"
    value = number(reply)
    if value not in (0, 1):
        raise ConnectionError(f"expected 0 or 1 as reply, got {reply!r}")
    return bool(value)


def word(allowed: dict[str, str]) -> Callable[[Any], str]:
    """Return a conversion of an instrument's mnemonic to the name that stands for it.

    :param allowed: Map of names to short mnemonics; a reply in the long form is accepted too.
    """

    def convert(reply: Any) -> str:
        text = str(reply).strip().upper()
        for name, mnemonic in allowed.items():
            if text == mnemonic:
                return name
        for name, mnemonic in allowed.items():
            if mnemonic.isalpha() and len(mnemonic) >= 3 and text.startswith(mnemonic):
                return name
        raise ConnectionError(f"expected one of {', '.join(allowed.values())}, got {reply!r}")

    return convert


def single(convert: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the arguments of `Instrument.measurement` for one value that `convert` checks.

    Without the split a reply of several values reaches `convert`, which refuses it.
    """
    return {"get_process": convert, "maxsplit": 0}


SWITCH: dict[str, Any] = {
    "validator": one_of("switch"),
    "values": [True, False],
    **single(switch),
}
"""Arguments of `Instrument.control` for a boolean sent as `%d`."""


def real(quantity: str, unit: str, low: float, high: float) -> dict[str, Any]:
    """Return the arguments of `Instrument.control` for a number within strict limits."""
    return {
        "validator": in_range(quantity, unit),
        "values": [low, high],
        **single(number),
    }


def count(quantity: str, low: int, high: int) -> dict[str, Any]:
    """Return the arguments of `Instrument.control` for a whole number within strict limits."""
    return {"validator": whole_in_range(quantity), "values": [low, high], **single(whole)}


def choice(quantity: str, names: dict[str, str]) -> dict[str, Any]:
    """Return the arguments of `Instrument.control` for one of several named mnemonics."""
    return {
        "validator": one_of(quantity),
        "values": names,
        "set_process": names.__getitem__,
        **single(word(names)),
        "cast": str,
    }
