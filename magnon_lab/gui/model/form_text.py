"""Numbers, ranges and spans of time as a form writes them."""

from __future__ import annotations

import re

from magnon_lab.gui.model.units import grouped

UNBOUNDED = 1e9
"""PyMeasure's limit for a parameter that has none."""


def number_text(value: float) -> str:
    """Return a number with all digits that matter, a great one with its power of ten."""
    if isinstance(value, int):
        return str(value)
    plain = f"{value:.12g}"
    if "e" not in plain and abs(value) >= 1e6:
        digits, _, exponent = f"{value:.11e}".partition("e")
        short = f"{digits.rstrip('0').rstrip('.')}e{exponent}"
        plain = short if len(short) < len(plain) else plain
    return re.sub(r"e([+-])0*(\d+)", lambda found: f"e{found[1].strip('+')}{found[2]}", plain)


def range_text(low: float, high: float) -> str:
    """Return a range in few signs; nothing for an end that PyMeasure put there by itself."""
    at_low, at_high = low > -UNBOUNDED, high not in (UNBOUNDED, 2**31 - 1)
    if at_low and at_high:
        return f"{number_text(low)} … {number_text(high)}"
    if at_low:
        return f"≥ {number_text(low)}"
    return f"≤ {number_text(high)}" if at_high else ""


def about(count: int) -> str:
    """Return a count to three digits, in groups of three."""
    digits = max(len(str(count)) - 3, 0)
    return grouped(round(count, -digits))


def span_text(seconds: float) -> str:
    """Return a span of time: seconds up to ten minutes, then minutes, then hours and minutes."""
    if seconds < 60:
        return f"{max(round(seconds), 1)} s"
    if seconds < 600:
        return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def estimate_text(measurements: int, bench_time_s: float, silent: bool) -> str:
    """Return what a run will take, in a sentence; `silent`: it uses no instrument."""
    if silent and not measurements:
        return "No ring measurement: the ring is taken out, and no instrument is used."
    if silent:
        return f"About {about(measurements)} measurements of the ring model; no instrument is used."
    return (
        f"About {about(measurements)} ring measurements, about {span_text(bench_time_s)} "
        "of bench time."
    )
