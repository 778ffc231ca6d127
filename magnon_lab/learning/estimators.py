"""Estimators by name: presets of what is perturbed, along which directions, and what is read."""

from __future__ import annotations

import math

from magnon_lab.learning.estimator import Estimator
from magnon_lab.learning.inputs import ExactGradient, InputPerturbation, TracePerturbation
from magnon_lab.learning.names import (
    DIRECTIONS,
    ESTIMATORS,
    READINGS,
    TARGETS,
    Setting,
    check_settings,
)
from magnon_lab.learning.twin_gradients import TwinGradient, TwinSetRight
from magnon_lab.learning.weights import WeightPerturbation


def make_estimator(name: str, **settings: Setting) -> Estimator:
    """Return the estimator `name` with `settings` in place of the preset's.

    Settings (`names.ESTIMATORS`): what ("all", "pre", "inputs"), read ("loss", "trace"), directions
    ("rademacher", "gaussian", "orthogonal"), count N of directions a step, sides (1 or 2), size,
    size_decay (exponent by which the size falls with the step), and, where all parameters move,
    post_count (directions of the post-layer's own in each measured pass, 0: it moves together with
    the pre-layer). Of a twin: capacity (measurements of the past that it keeps). Raises
    `ValueError` that names setting, value and what is allowed.
    """
    choice = check_settings("estimator", name, ESTIMATORS, settings)
    values = {**choice.defaults, **settings}
    capacity = int(values.get("capacity", 1))
    if capacity < 1:
        raise ValueError(f"capacity: {capacity} rows are too few for a twin to remember")
    if name == "twin":
        return TwinGradient(capacity)
    if name == "exact":
        return ExactGradient()
    for key, allowed in (("what", TARGETS), ("read", READINGS), ("directions", DIRECTIONS)):
        if values[key] not in allowed:
            raise ValueError(f"{key}: {values[key]!r} is not one of {', '.join(allowed)}")
    count, sides = int(values["count"]), int(values["sides"])
    size, decay = float(values["size"]), float(values["size_decay"])
    if count < 1 or count != values["count"]:
        raise ValueError(f"count: {values['count']!r} directions a step; needs a whole number >= 1")
    if sides not in (1, 2):
        raise ValueError(f"sides: {values['sides']!r} is not 1 or 2")
    if not (math.isfinite(size) and size > 0.0):
        raise ValueError(f"size: {size} is not a positive number on the knobs' scale -1..1")
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"size_decay: {decay} is outside 0 to 1")
    directions = str(values["directions"])
    if name == "twin_pgt":
        if values["what"] != "inputs" or values["read"] != "trace":
            raise ValueError("twin_pgt moves what: 'inputs' and reads read: 'trace', nothing else")
        return TwinSetRight(directions, count, sides, size, decay, capacity)
    if values["what"] == "inputs":
        kind = TracePerturbation if values["read"] == "trace" else InputPerturbation
        return kind(directions, count, sides, size, decay)
    if values["read"] != "loss":
        raise ValueError(
            f"read: {values['read']!r} needs what: 'inputs'; moves of parameters are read as 'loss'"
        )
    again = int(values.get("post_count", 0))
    if again < 0 or (again and values["what"] != "all"):
        raise ValueError(f"post_count: {again} is not 0 or, with what: 'all', a number from 1")
    return WeightPerturbation(str(values["what"]), directions, count, sides, size, decay, again)
