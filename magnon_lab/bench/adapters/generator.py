"""Microwave sources."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from magnon_lab.bench.adapters.base import Adapter, number, read_errors, reference_of, switched
from magnon_lab.bench.errors import InstrumentError
from magnon_lab.bench.roles import Found, Reference, Tone
from magnon_lab.bench.schema import GeneratorRole


class PlainGenerator(Adapter[GeneratorRole]):
    """A source with the attributes that PyMeasure's drivers of generators have.

    Frequencies that such a driver sends as `%e` are rounded to seven digits, 1 kHz at some GHz:
    what is realised is what reads back.
    """

    needs: ClassVar[tuple[str, ...]] = ("power", "frequency", "enable", "disable", "is_enabled")
    event_status = True

    def connect(self) -> Found:
        """See `Instrument`."""
        identity = self.identity()
        tone = self.tone()
        on = self.is_on()
        at = f"{tone.power_dbm:g} dBm at {tone.frequency_hz / 1e9:.9g} GHz"
        state = f"RF {'on' if on else 'off'}, {at}"
        return Found(identity, state, tuple(self._hazards()))

    def reference(self) -> Reference | None:
        """See `Instrument`."""
        if not hasattr(self.session.driver, "reference_unlocked"):
            return None
        with self.session as generator:
            return reference_of(generator.reference_source, generator.reference_unlocked)

    def prepare(self) -> None:
        """See `Generator`."""
        with self.session as generator:
            if hasattr(generator, "disable_modulation"):
                generator.disable_modulation()
            for name, value in (
                ("frequency_mode", "cw"),
                ("power_mode", "fixed"),
                ("alc_enabled", True),
            ):
                if hasattr(type(generator), name):
                    setattr(generator, name, value)
        self.check_errors()

    def set(self, power_dbm: float | None, frequency_hz: float | None) -> Tone:
        """See `Generator`."""
        with self.session as generator:
            if frequency_hz is not None:
                generator.frequency = frequency_hz
            if power_dbm is not None:
                generator.power = power_dbm
            errors = read_errors(generator)
        self.refuse(errors)
        tone = self.tone()
        grid_hz = 10 ** (math.floor(math.log10(frequency_hz)) - 6) if frequency_hz else 0.0
        self._verify(tone, power_dbm, frequency_hz, 0.51 * grid_hz)
        return tone

    def tone(self) -> Tone:
        """See `Generator`."""
        with self.session as generator:
            return Tone(
                number(generator.power, "power"),
                number(generator.frequency, "frequency"),
                self._unlevelled(generator),
            )

    def is_on(self) -> bool:
        """See `Generator`."""
        return self._reads_on(True)

    def switch(self, on: bool) -> None:
        """See `Generator`."""
        with self.session as generator:
            if on:
                generator.enable()
            else:
                generator.disable()
        self._verify_output(on)

    def _verify_output(self, on: bool) -> None:
        found = self._reads_on(on)
        if found != on:
            raise InstrumentError(
                f"{self.session.told()}: RF was switched {'on' if on else 'off'} but reads "
                f"{'on' if found else 'off'}"
            )
        self.check_errors()

    def _reads_on(self, expected: bool) -> bool:
        with self.session as generator:
            return self.surely(lambda: self._is_on(generator), expected)

    def _is_on(self, generator: Any) -> bool:
        return switched(generator.is_enabled, "RF output")

    def _unlevelled(self, generator: Any) -> bool:
        return bool(getattr(generator, "unlevelled", False))

    def _verify(
        self, tone: Tone, power_dbm: float | None, frequency_hz: float | None, grid_hz: float
    ) -> None:
        if frequency_hz is not None:
            allowed_hz = self.tolerance("drive_frequency_hz", grid_hz)
            self.verify("frequency", frequency_hz, tone.frequency_hz, allowed_hz, "Hz")
        if power_dbm is not None:
            allowed_db = self.tolerance("drive_power_dbm", 0.011)
            self.verify("power", power_dbm, tone.power_dbm, allowed_db, "dBm")

    def _hazards(self) -> list[str]:
        if not self.config.require_preset_at_power_on:
            return []
        with self.session as generator:
            if hasattr(type(generator), "power_on_type"):
                kind = str(generator.power_on_type)
            else:
                kind = str(generator.ask(":SYST:PON:TYPE?"))
        if kind.strip().upper()[:4] == "PRES":
            return []
        return [
            f"after a power cut it wakes as {kind.strip()!r}, maybe with RF on: set its power-on "
            "type to preset (:SYST:PON:TYPE PRES), or require_preset_at_power_on: false"
        ]


class AppliedGenerator(PlainGenerator):
    """A source whose driver sets, reads back and asks for errors in one exchange (`apply`)."""

    needs: ClassVar[tuple[str, ...]] = ("apply", "output_enabled")

    def set(self, power_dbm: float | None, frequency_hz: float | None) -> Tone:
        """See `Generator`."""
        with self.session as generator:
            applied = generator.apply(frequency=frequency_hz, power=power_dbm)
        self.refuse(applied.errors)
        tone = Tone(applied.power, applied.frequency, applied.unlevelled)
        self._verify(tone, power_dbm, frequency_hz, 0.01)
        return tone

    def switch(self, on: bool) -> None:
        """See `Generator`."""
        with self.session as generator:
            generator.output_enabled = on
        self._verify_output(on)


class AnapicoGenerator(PlainGenerator):
    """An AnaPico APSIN12G with PyMeasure's own driver, which cannot tell whether RF is on."""

    needs: ClassVar[tuple[str, ...]] = ("power", "frequency", "enable_rf", "disable_rf")

    def prepare(self) -> None:
        """See `Generator`."""
        self.check_errors()

    def switch(self, on: bool) -> None:
        """See `Generator`."""
        with self.session as generator:
            if on:
                generator.enable_rf()
            else:
                generator.disable_rf()
        self._verify_output(on)

    def _is_on(self, generator: Any) -> bool:
        return switched(generator.ask("OUTP:STAT?"), "RF output")
