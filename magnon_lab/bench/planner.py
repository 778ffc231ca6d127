"""The order of a batch that spends least time on settling: slow knobs turn least.

Measurements of a batch are independent (each with its own number), so any order gives the same
results where the ring has no memory. Pure: nothing here speaks to an instrument.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from magnon_lab.bench.schema import BenchModel

Floats = npt.NDArray[np.float64]
Order = npt.NDArray[np.int64]

SLOWEST_FIRST = (
    "field_mt",
    "amplifier_voltage_v",
    "drive_power_dbm",
    "drive_frequency_hz",
    "attenuation_db",
)

WORTH = 0.95
"""A new order must cost less than this part of the given one, else the given one stays."""


def settling_s(
    model: BenchModel, knobs: tuple[str, ...], rows: Floats, now: Mapping[str, float]
) -> float:
    """Return how long (s) a bench settles while it is set to `rows` (n, K) one after the other.

    `now` is what it is set to before (quantity -> value); what is not in it is counted as a change.
    """
    settle, field, limits = model.settle, model.roles.field, model.limits
    first = np.array([[now.get(name, np.nan) for name in knobs]])
    before = np.concatenate([first, rows[:-1]])
    changed = before != rows
    column = {name: index for index, name in enumerate(knobs)}
    total = 0.0
    if "field_mt" in column and field is not None:
        at = column["field_mt"]
        step = np.nan_to_num(rows[:, at] - before[:, at])
        down = step < 0
        way_mt = np.abs(step) + 2 * field.approach_mt * down
        total += float(way_mt.sum()) / (limits.field_slew_mt_per_s or np.inf)
        total += max(settle.field_s, field.read_back_s) * int(changed[:, at].sum())
    driven = [column[name] for name in column if name.startswith("drive_")]
    total += settle.drive_s * int(changed[:, driven].any(axis=1).sum())
    for name, seconds in (
        ("amplifier_voltage_v", settle.amplifier_s),
        ("attenuation_db", settle.attenuation_s),
    ):
        if name in column:
            total += seconds * int(changed[:, column[name]].sum())
    return total


def plan(
    model: BenchModel,
    knobs: tuple[str, ...],
    rows: Floats,
    now: Mapping[str, float],
    groups: npt.NDArray[np.int64] | None = None,
) -> Order:
    """Return the order (n,) in which to measure `rows` (n, K).

    Rows of one group (n,), such as the partners of a perturbation, stay together, so that drift
    cancels between them. The order rises in the slowest knob, since a field that goes up needs no
    detour to come from below. Where little is to be gained the given order stays, and so it does
    where the ring is not reset and what it remembers follows from the order.
    """
    given = np.arange(len(rows), dtype=np.int64)
    if len(rows) < 2 or not knobs or not model.reset_ring:
        return given
    slow = [knobs.index(name) for name in SLOWEST_FIRST if name in knobs]
    labels = given if groups is None else np.unique(groups, return_inverse=True)[1]
    count = int(labels.max()) + 1
    sizes = np.bincount(labels, minlength=count)
    # A group stands where its middle does, which its partners lie around.
    middles = np.stack(
        [np.bincount(labels, rows[:, at], minlength=count) / sizes for at in slow], axis=1
    )
    keys = [rows[:, at] for at in reversed(slow)]
    keys += [labels.astype(np.float64)]
    keys += [middles[labels, place] for place in reversed(range(len(slow)))]
    sorted_: Order = np.lexsort([given, *keys]).astype(np.int64)
    if groups is not None:
        given = np.argsort(_first_seen(labels), kind="stable").astype(np.int64)
    cost_s = settling_s(model, knobs, rows[given], now)
    better = settling_s(model, knobs, rows[sorted_], now) < WORTH * cost_s
    return sorted_ if better else given


def _first_seen(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return labels that count up in the order in which they first come."""
    _, first = np.unique(labels, return_index=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[labels]
