"""Gaussmeters."""

from __future__ import annotations

from typing import Any, ClassVar

from magnon_lab.bench.adapters.base import Adapter, number, switched
from magnon_lab.bench.errors import InstrumentError
from magnon_lab.bench.roles import Found
from magnon_lab.bench.schema import ProbeRole

EXCHANGE_INTERVAL_S = 0.03
"""A Lake Shore 425 wants this much time after each command or reply (manual)."""


class LakeShoreProbe(Adapter[ProbeRole]):
    """A Lake Shore 425: it wakes with its last unit, so tesla, DC and absolute are set first."""

    needs: ClassVar[tuple[str, ...]] = ("field", "unit", "dc_mode")
    _prepared_for: Any = None

    def connect(self) -> Found:
        """See `Instrument`."""
        with self.session as probe:
            self._pause(probe)
            # PyMeasure's own driver is no SCPI class and knows no identity.
            identity = str(probe.ask("*IDN?")).strip()
        if self.config.identity not in identity:
            raise InstrumentError(
                f"{self.session.told()} is {identity!r}; roles.probe.identity expects "
                f"{self.config.identity!r}"
            )
        return Found(identity, f"{self.field_mt():.3f} mT")

    def field_mt(self, twice: bool = False) -> float:
        """See `FieldProbe`."""
        with self.session as probe:
            if self._prepared_for is not probe:
                self._prepare(probe)
                self._prepared_for = probe
            if twice:
                return self.surely(lambda: self._read_mt(probe), within=self.config.tolerance_mt)
            return self._read_mt(probe)

    def _read_mt(self, probe: Any) -> float:
        self._pause(probe)
        return 1e3 * number(probe.field, "field")

    def _prepare(self, probe: Any) -> None:
        self._pause(probe)
        probe.unit = "T"
        self._pause(probe)
        probe.dc_mode()
        self._pause(probe)
        if switched(probe.ask("REL?").strip(), "relative mode"):
            self._pause(probe)
            probe.write("REL 0")
        self._pause(probe)
        unit = probe.unit
        if unit != "T":
            raise ConnectionError(f"the unit was set to tesla but reads {unit!r}")

    def _pause(self, probe: Any) -> None:
        if not hasattr(probe, "clock"):  # else its driver keeps the interval by itself
            self.session.clock.sleep(EXCHANGE_INTERVAL_S)
