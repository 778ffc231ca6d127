"""The instruments of a bench, opened together: one adapter a role, one clock for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from magnon_lab.bench import roles
from magnon_lab.bench.adapters import adapt
from magnon_lab.bench.benchfile import BenchFile
from magnon_lab.bench.clock import Clock, WallClock
from magnon_lab.bench.common_reference import reference_hazards
from magnon_lab.bench.errors import BenchError, InstrumentError, OutputLostError
from magnon_lab.bench.freshness import Freshness
from magnon_lab.bench.quantities import ShownQuantity, unit_of
from magnon_lab.bench.session import Session

Journal = Callable[[str, str, str, dict[str, Any]], None]
"""Called with kind, "intent" or "outcome", message, data."""


@dataclass(frozen=True)
class CheckLine:
    """One line about one role (or about the bench file): whether all is well, and what is so."""

    role: str
    ok: bool
    text: str


def no_journal(kind: str, phase: str, message: str, data: dict[str, Any]) -> None:
    """Record nothing."""


class Stand:
    """The sessions and adapters of one bench file.

    Roles that the file does not name are None. `found` tells how each was found by `connect`.
    """

    def __init__(self, bench_file: BenchFile, journal: Journal = no_journal) -> None:
        self.bench_file = bench_file
        self.model = bench_file.model
        self.journal = journal
        self.limits = bench_file.limits
        self.clock: Clock = WallClock()
        self.found: dict[str, roles.Found] = {}
        self.freshness = Freshness(noisy=not bench_file.simulated)
        library = bench_file.visa_library
        self.sessions = {
            role: Session(role, config, library)
            for role, config in self.model.roles.present().items()
        }
        self.adapters: dict[str, Any] = {
            role: adapt(session, self.model) for role, session in self.sessions.items()
        }
        self.analyser = cast(roles.Analyser, self.adapters["analyser"])
        self.generator = cast(roles.Generator, self.adapters["generator"])
        self.attenuator = cast(roles.Attenuator, self.adapters["attenuator"])
        self.field = cast(roles.FieldSource | None, self.adapters.get("field"))
        self.probe = cast(roles.FieldProbe | None, self.adapters.get("probe"))
        self.amplifier = cast(roles.Amplifier | None, self.adapters.get("amplifier"))
        self.laboratory = cast(roles.Laboratory | None, self.adapters.get("laboratory"))
        if self.laboratory is not None:
            self.clock = self.laboratory
        for role, session in self.sessions.items():
            if role != "laboratory":
                session.lend_clock(self.clock)

    def connect(self) -> None:
        """Reach every instrument and ask how it stands; nothing is switched.

        Raises `ConnectionFailed` or `InstrumentError` for the first that fails.
        """
        # The laboratory first: the others wait by its clock.
        for role in sorted(self.adapters, key=lambda name: name != "laboratory"):
            self.found[role] = self.adapters[role].connect()
            self.adapters[role].clear()  # errors of whoever used it before are none of ours
        for role, hazard in self._reference_hazards(self.adapters).items():
            found = self.found[role]
            self.found[role] = replace(found, hazards=(*found.hazards, hazard))
        self.restarted()  # whoever was switched on before now may have been
        self.limits.attenuation_max_db = self.attenuator.maximum_db

    def restarted(self) -> list[str]:
        """Return who was switched on since this was asked last."""
        return [
            self.sessions[role].told()
            for role, adapter in self.adapters.items()
            if adapter.restarted()
        ]

    def reconnect(self) -> None:
        """Open every session anew and believe nothing that is left in it; nothing is switched.

        Raises `ConnectionFailed` or `InstrumentError`, also for another instrument than before.
        """
        before = dict(self.found)
        for session in self.sessions.values():
            session.open()
        self.connect()
        for role, found in self.found.items():
            # A simulated laboratory tells its seed, which the bench may have set.
            if role != "laboratory" and found.identity != before[role].identity:
                raise OutputLostError(
                    f"{self.sessions[role].told()} is {found.identity!r} now but was "
                    f"{before[role].identity!r}"
                )

    def check(self) -> list[CheckLine]:
        """Ask every role anew, whatever the others say, and look at the bench file."""
        failed: dict[str, str] = {}
        for role, adapter in self.adapters.items():
            try:
                self.found[role] = adapter.connect()
            except BenchError as error:
                failed[role] = str(error)
        try:
            hazards = self._reference_hazards(set(self.adapters) - set(failed))
        except BenchError as error:
            hazards = {"generator": f"its 10 MHz reference cannot be told: {error}"}
        lines = []
        for role in self.adapters:
            if role in failed:
                lines.append(CheckLine(role, False, failed[role]))
                continue
            found = self.found[role]
            if role in hazards:
                found = self.found[role] = replace(found, hazards=(*found.hazards, hazards[role]))
            text = f"{found.identity}: {found.state}"
            lines.append(CheckLine(role, not found.hazards, "; ".join((text, *found.hazards))))
        lines.extend(
            CheckLine("bench file", True, f"note: {note}") for note in self.bench_file.notes()
        )
        return lines

    def _reference_hazards(self, reachable: Iterable[str]) -> dict[str, str]:
        if not self.model.common_reference:
            return {}
        return reference_hazards(self.adapters, reachable)

    def refuse_hazards(self) -> None:
        """Raise `InstrumentError` if an instrument was found so that it must not be started."""
        hazards = [
            f"{role}: {hazard}" for role, found in self.found.items() for hazard in found.hazards
        ]
        if hazards:
            raise InstrumentError("the bench is not started. " + "; ".join(hazards))

    def close(self, library: bool = False) -> None:
        """Close all sessions; with `library` also the VISA library's resource manager.

        That ends a simulated laboratory of this process: the next bench finds a new one.
        """
        for session in self.sessions.values():
            session.close()
        if library:
            for session in self.sessions.values():
                session.close_manager()

    def show(self, readback: Mapping[str, float], held: Mapping[str, float]) -> list[ShownQuantity]:
        """Return every quantity of this bench with its limits, knob range and read-back."""
        return [
            ShownQuantity(
                quantity=quantity,
                unit=unit_of(quantity),
                readback=readback[quantity],
                held=held.get(quantity, self.bench_file.hold.get(quantity)),
                limits=self.limits.ranges[quantity],
                knob=self.bench_file.knobs.get(quantity),
            )
            for quantity in self.bench_file.quantities
        ]
