"""Turning the knobs: only what changes is sent, in an order whose every moment is within limits."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping

from magnon_lab.bench.errors import BenchError, InstrumentError
from magnon_lab.bench.quantities import spoken
from magnon_lab.bench.ramp import descend, ramp
from magnon_lab.bench.schema import FieldRole
from magnon_lab.bench.stand import Stand

log = logging.getLogger(__name__)

ShouldStop = Callable[[], bool]

SLOW = ("field_mt", "amplifier_voltage_v")
"""What takes so long to settle that it is not set anew where it stands."""


class Turner:
    """What is set at the bench, and how it is changed.

    `requested` and `realised` (quantity -> value) hold what was asked for last and what the
    instruments made of it; a quantity that is not known, or not to be believed, is not in them.
    Quantities `to_read` are as they were set, but are read back before the next use of them.
    """

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.requested: dict[str, float] = {}
        self.realised: dict[str, float] = {}
        self.to_read: set[str] = set()
        self.unlevelled = False
        self.settle_s = 0.0  # settling time asked for so far
        self._left_mt: float | None = None  # where the last ramp down ended, until the next ramp

    def forget(self) -> None:
        """Believe nothing of what was set: everything will be sent and read back again."""
        self.requested.clear()
        self.realised.clear()

    def doubt(self, quantity: str) -> None:
        """Forget a quantity until it is read back: if that fails, it must be sent again."""
        self.requested.pop(quantity, None)
        self.realised.pop(quantity, None)

    def read_anew(self, names: Iterable[str]) -> None:
        """Let quantities be read back when they are turned next, also if nothing changes.

        Those that settle slowly stand as they are, if they do; the others are sent once more.
        """
        for name in names:
            if name in SLOW:
                self.to_read.add(name)
            else:
                self.requested.pop(name, None)

    def read(self) -> dict[str, float]:
        """Ask every instrument what it makes; return quantity -> value."""
        stand = self.stand
        tone = stand.generator.tone()
        found = {
            "drive_power_dbm": tone.power_dbm,
            "drive_frequency_hz": tone.frequency_hz,
            "attenuation_db": stand.attenuator.attenuation_db(),
        }
        if stand.field is not None:
            found["field_mt"] = (
                stand.probe.field_mt() if stand.probe is not None else stand.field.field_mt()
            )
        if stand.amplifier is not None:
            found["amplifier_voltage_v"] = stand.amplifier.voltage_v()
        self.realised.update(found)
        return found

    def turn(self, settings: Mapping[str, float], should_stop: ShouldStop | None = None) -> bool:
        """Make `settings`, which have passed the limits; False if `should_stop` ended a ramp.

        More attenuation comes before everything else and less comes last, so that no state between
        the old and the new has more loop gain and drive together than both of them.
        """
        changed = {
            name: value for name, value in settings.items() if self.requested.get(name) != value
        }
        standing = {
            name: value
            for name, value in settings.items()
            if name in self.to_read and name not in changed
        }
        self.to_read.difference_update(settings)
        attenuation_db = changed.pop("attenuation_db", None)
        if attenuation_db is not None and attenuation_db > self.realised.get(
            "attenuation_db", math.inf
        ):
            self.attenuate(attenuation_db)
            attenuation_db = None
        if "field_mt" in changed and not self.move_field(changed["field_mt"], should_stop):
            return False
        if "field_mt" in standing and not self.find_field(standing["field_mt"], should_stop):
            return False
        if "amplifier_voltage_v" in standing:
            self.bias(standing["amplifier_voltage_v"], settle=False)
        if "amplifier_voltage_v" in changed:
            self.bias(changed["amplifier_voltage_v"])
        if "drive_power_dbm" in changed or "drive_frequency_hz" in changed:
            self.drive(changed.get("drive_power_dbm"), changed.get("drive_frequency_hz"))
        if attenuation_db is not None:
            self.attenuate(attenuation_db)
        return True

    def open_loop(self) -> None:
        """Put the attenuator at its maximum, where the ring forgets."""
        attenuator = self.stand.attenuator
        maximum_db = attenuator.maximum_db
        if self.realised.get("attenuation_db") == maximum_db:
            return
        self.doubt("attenuation_db")
        attenuator.open_loop()
        self.requested["attenuation_db"] = self.realised["attenuation_db"] = maximum_db

    def attenuate(self, attenuation_db: float) -> None:
        """Set the attenuator and wait for it."""
        self.doubt("attenuation_db")
        self.realised["attenuation_db"] = self.stand.attenuator.set(attenuation_db)
        self.requested["attenuation_db"] = attenuation_db
        self.settle(self.stand.model.settle.attenuation_s)

    def drive(self, power_dbm: float | None, frequency_hz: float | None) -> None:
        """Set the generator's power and frequency, what is not None, and wait for it."""
        asked = {"drive_power_dbm": power_dbm, "drive_frequency_hz": frequency_hz}
        sent = {name: value for name, value in asked.items() if value is not None}
        for name in sent:
            self.doubt(name)
        tone = self.stand.generator.set(power_dbm, frequency_hz)
        self.unlevelled = tone.unlevelled
        self.realised["drive_power_dbm"] = tone.power_dbm
        self.realised["drive_frequency_hz"] = tone.frequency_hz
        self.requested.update(sent)
        self.settle(self.stand.model.settle.drive_s)

    def bias(self, voltage_v: float, settle: bool = True) -> None:
        """Set the amplifier's supply voltage, and wait for it unless it is there already."""
        amplifier = self.stand.amplifier
        if amplifier is None:
            raise BenchError("this bench has no amplifier role")
        self.doubt("amplifier_voltage_v")
        self.realised["amplifier_voltage_v"] = amplifier.set(voltage_v)
        self.requested["amplifier_voltage_v"] = voltage_v
        if settle:
            self.settle(self.stand.model.settle.amplifier_s)

    def move_field(self, target_mt: float, should_stop: ShouldStop | None = None) -> bool:
        """Ramp the field and read it back; False if `should_stop` ended the ramp.

        A field that was ramped to the same target before, and is still set so, is only read back:
        it was approached from the right side. Raises `InstrumentError` if supply or probe do not
        agree with the target.
        """
        config = self._field_role()
        journal = self.stand.journal
        agree_mt = config.agree_a * abs(config.mt_per_a)
        journal("ramp", "intent", f"field to {target_mt:g} mT", {"field_mt": target_mt})
        if not self._stands_at(target_mt, agree_mt) and not self.ramp_field(
            target_mt, config.approach_mt, should_stop
        ):
            journal("ramp", "outcome", "field ramp stopped on the way", {})
            return False
        # The read-back waits by itself, until the supply's own averaging is over.
        self.settle(max(0.0, self.stand.model.settle.field_s - config.read_back_s))
        found_mt = self._field_read_back(target_mt, agree_mt)
        self.requested["field_mt"], self.realised["field_mt"] = target_mt, found_mt
        journal("ramp", "outcome", f"field reads {found_mt:.3f} mT", {"field_mt": found_mt})
        return True

    def find_field(self, target_mt: float, should_stop: ShouldStop | None = None) -> bool:
        """Read back a field that stands at the target since long, and move it if it does not.

        Returns and raises as `move_field`.
        """
        config = self._field_role()
        agree_mt = config.agree_a * abs(config.mt_per_a)
        if not self._stands_at(target_mt, agree_mt):
            return self.move_field(target_mt, should_stop)
        self.doubt("field_mt")
        found_mt = self._field_read_back(target_mt, agree_mt, moved=False)
        self.requested["field_mt"], self.realised["field_mt"] = target_mt, found_mt
        return True

    def _stands_at(self, target_mt: float, agree_mt: float) -> bool:
        source = self.stand.field
        if source is None or self.requested.get("field_mt") != target_mt:
            return False
        return abs(source.field_set_mt() - target_mt) <= agree_mt

    def ramp_field(
        self, target_mt: float, approach_mt: float, should_stop: ShouldStop | None = None
    ) -> bool:
        """Ramp the field without settling or reading back; False if `should_stop` ended it."""
        stand, limits = self.stand, self.stand.model.limits
        config = self._field_role()
        assert stand.field is not None
        assert limits.field_mt is not None
        assert limits.field_slew_mt_per_s is not None
        self.doubt("field_mt")
        self._left_mt = None
        return ramp(
            stand.field,
            stand.clock,
            target_mt,
            slew_mt_per_s=limits.field_slew_mt_per_s,
            step_s=config.ramp_step_s,
            approach_mt=approach_mt,
            low_mt=limits.field_mt[0],
            should_stop=should_stop,
        )

    def field_down(self) -> str:
        """Ramp the field to zero from where it is, however set points read back.

        Returns what read back wrong, "" if nothing did.
        """
        stand, config = self.stand, self._field_role()
        assert stand.field is not None
        assert stand.model.limits.field_slew_mt_per_s is not None
        self.doubt("field_mt")
        start_mt, self._left_mt = self._field_stands_mt(config), None
        wrong = descend(
            stand.field,
            stand.clock,
            start_mt,
            slew_mt_per_s=stand.model.limits.field_slew_mt_per_s,
            step_s=config.ramp_step_s,
        )
        self._left_mt = 0.0
        return wrong

    def _field_stands_mt(self, config: FieldRole) -> float:
        """Return where the field is: as set or, where something else speaks for it, as measured."""
        stand = self.stand
        assert stand.field is not None
        told: list[float] = []
        for ask in (stand.field.field_set_mt, stand.field.field_mt):
            try:
                told.append(ask())
            except BenchError as error:
                log.warning("%s", error)
        if not told:
            raise InstrumentError("it cannot be told where the field is, so it stays there")
        if max(told) - min(told) <= config.agree_a * abs(config.mt_per_a):
            return told[0]
        witness_mt = told[0] if self._left_mt is None else self._left_mt
        if stand.probe is not None:
            try:
                witness_mt = stand.probe.field_mt(twice=True)
            except BenchError as error:
                log.warning("%s", error)
        return min(told, key=lambda one: abs(one - witness_mt))

    def settle(self, seconds: float) -> None:
        """Let the bench settle."""
        self.settle_s += seconds
        self.stand.clock.sleep(seconds)

    def _field_read_back(self, target_mt: float, agree_mt: float, moved: bool = True) -> float:
        stand = self.stand
        assert stand.field is not None
        from_current_mt = stand.field.field_mt(moved)
        if not abs(from_current_mt - target_mt) <= agree_mt:
            raise InstrumentError(
                f"{spoken('field_mt', target_mt)} was set, but the measured current makes "
                f"{from_current_mt:.3f} mT, further off than agree_a allows ({agree_mt:g} mT): is "
                "the supply at its compliance voltage, or the coil open?"
            )
        if stand.probe is None:
            return from_current_mt
        probed_mt = stand.probe.field_mt()
        probe = stand.model.roles.probe
        if probe is not None and not abs(probed_mt - target_mt) <= probe.tolerance_mt:
            raise InstrumentError(
                f"{spoken('field_mt', target_mt)} was set, but the probe reads {probed_mt:.3f} mT, "
                f"further off than roles.probe.tolerance_mt, {probe.tolerance_mt:g} mT: is the "
                "probe in the gap, is mt_per_a right?"
            )
        return probed_mt

    def _field_role(self) -> FieldRole:
        config = self.stand.model.roles.field
        if config is None:
            raise BenchError("this bench has no field role")
        return config
