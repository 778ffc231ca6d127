"""Nothing is sent that has not passed here."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from magnon_lab.bench.errors import BenchError, LimitError
from magnon_lab.bench.linked import LinkedLimits
from magnon_lab.bench.quantities import QUANTITIES, spoken, unit_of
from magnon_lab.bench.schema import BenchModel

Array = npt.NDArray[np.float64]


class Limits:
    """The limits of one bench file, single and linked.

    `attenuation_max_db` and `drive_power_min_dbm`, once the instruments are known, are the safe
    direction: always allowed, whatever the file says.
    """

    def __init__(self, model: BenchModel) -> None:
        self.linked = LinkedLimits(model)
        self.ranges: dict[str, tuple[float, float]] = {
            quantity: limit
            for quantity in QUANTITIES
            if (limit := getattr(model.limits, quantity)) is not None
        }
        self.attenuation_max_db = math.nan
        self.drive_power_min_dbm = math.nan

    def check(self, settings: Mapping[str, float], drive: bool = True) -> None:
        """Refuse one setting, given as quantity -> value. Raises `LimitError`, see `check_rows`."""
        names = tuple(settings)
        self.check_rows(names, np.array([[float(settings[name]) for name in names]]), {}, drive)

    def check_rows(
        self,
        names: tuple[str, ...],
        rows: Array,
        held: Mapping[str, float],
        drive: bool = True,
    ) -> None:
        """Refuse `rows` (n, len(names)) if any breaks a limit, with `held` for the other ones.

        The linked limits are looked at where attenuation is known; a drive that is not on, or not
        known, counts as none. Raises `LimitError` that names quantity, value, unit, limit and,
        for a linked limit, the calculation; `BenchError` for a quantity that is none.
        """
        for column, name in enumerate(names):
            self._check_single(name, rows[:, column], len(rows))
        self._check_linked(names, rows, held, drive)

    def _check_single(self, name: str, values: Array, count: int) -> None:
        if name not in QUANTITIES:
            raise BenchError(
                f"{name!r} is no quantity of a bench; those are {', '.join(QUANTITIES)}"
            )
        if name not in self.ranges:
            raise BenchError(f"{name}: this bench has no instrument that makes it")
        low, high = self.ranges[name]
        bad = ~np.isfinite(values)
        if bad.any():
            row = int(np.argmax(bad))
            raise LimitError(
                f"{spoken(name, values[row])}{_which(row, count)} is not a finite number"
            )
        bad = ~((values >= low) & (values <= high)) & ~self._safe(name, values)
        if bad.any():
            row = int(np.argmax(bad))
            raise LimitError(
                f"{spoken(name, values[row])}{_which(row, count)} is outside limits.{name}, "
                f"{low:.12g} to {high:.12g} {unit_of(name)}"
            )

    def _safe(self, name: str, values: Array) -> npt.NDArray[np.bool_]:
        extremes = {
            "attenuation_db": self.attenuation_max_db,
            "drive_power_dbm": self.drive_power_min_dbm,
        }
        return np.asarray(values == extremes.get(name, math.nan))

    def _check_linked(
        self, names: tuple[str, ...], rows: Array, held: Mapping[str, float], drive: bool
    ) -> None:
        def column(name: str, default: float) -> Array:
            if name in names:
                return rows[:, names.index(name)]
            return np.full(len(rows), held.get(name, default))

        attenuation = column("attenuation_db", math.nan)
        power = column("drive_power_dbm", -math.inf) if drive else np.full(len(rows), -math.inf)
        if np.isnan(attenuation).any():
            return
        for node in self.linked.nodes(power, attenuation):
            bad = ~(node.power_dbm <= node.limit_dbm)
            if bad.any():
                row = int(np.argmax(bad))
                how = self.linked.calculation(node.name, power[row], attenuation[row])
                raise LimitError(
                    f"{spoken('drive_power_dbm', power[row])} with "
                    f"{spoken('attenuation_db', attenuation[row])}{_which(row, len(rows))} could "
                    f"put {node.power_dbm[row]:.2f} dBm on the {node.name}, above "
                    f"{node.limit_key}, {node.limit_dbm:g} dBm: {how}"
                )


def _which(row: int, count: int) -> str:
    return f" (setting {row + 1} of {count})" if count > 1 else ""
