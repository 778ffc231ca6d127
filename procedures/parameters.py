"""What parameters take, in words."""

from __future__ import annotations

from pymeasure.experiment import Parameter


def allowed(parameter: Parameter) -> str:
    """Return in words which values a parameter takes."""
    choices = getattr(parameter, "choices", None)
    if choices:
        return "one of " + ", ".join(str(choice) for choice in choices)
    low, high = getattr(parameter, "minimum", None), getattr(parameter, "maximum", None)
    units = f" {parameter.units}" if getattr(parameter, "units", None) else ""
    if low is not None:
        kind = "a whole number" if type(low) is int and type(high) is int else "a number"
        return f"{kind} from {low:g} to {high:g}{units}"
    return "true or false" if "Boolean" in type(parameter).__name__ else "text"
