"""One 10 MHz for generator and analyser, without which a tone drifts along the frequency axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from magnon_lab.bench.roles import Reference

ROLES = ("generator", "analyser")


def reference_hazards(adapters: Mapping[str, Any], reachable: Iterable[str]) -> dict[str, str]:
    """Return role -> what is wrong with its 10 MHz reference, and what to connect.

    Only what instruments can tell is judged. Raises as the adapters do.
    """
    found: dict[str, Reference] = {}
    for role in ROLES:
        told = adapters[role].reference() if role in reachable else None
        if told is not None:
            found[role] = told
    hazards = {
        role: (
            "its 10 MHz reference is not locked: see that what feeds its 10 MHz input is on and "
            "connected, or unplug it and set common_reference: false"
        )
        for role, reference in found.items()
        if not reference.locked
    }
    if len(found) == len(ROLES) and not any(one.external for one in found.values()):
        analyser = adapters["analyser"].session.told()
        hazards.setdefault(
            "generator",
            f"it and the {analyser} run on a 10 MHz reference of their own each: connect the 10 "
            "MHz output of one to the 10 MHz input of the other, or both to a common one, or set "
            "common_reference: false",
        )
    return hazards
