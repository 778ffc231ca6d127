"""Which adapter plays a role with which driver.

An instrument of another make: write an adapter that has the methods of its role's protocol in
`magnon_lab.bench.roles`, name the attributes that tell its drivers in `needs`, and add it here.
"""

from __future__ import annotations

from typing import Any

from magnon_lab.bench.adapters.amplifier import ChannelSupply
from magnon_lab.bench.adapters.analyser import KeysightAnalyser
from magnon_lab.bench.adapters.attenuator import SteppedAttenuator
from magnon_lab.bench.adapters.base import Adapter
from magnon_lab.bench.adapters.field import KepcoFieldSource
from magnon_lab.bench.adapters.generator import AnapicoGenerator, AppliedGenerator, PlainGenerator
from magnon_lab.bench.adapters.laboratory import SimulatedLaboratory
from magnon_lab.bench.adapters.probe import LakeShoreProbe
from magnon_lab.bench.adapters.rohde_schwarz import RohdeSchwarzAnalyser
from magnon_lab.bench.errors import BenchFileError
from magnon_lab.bench.schema import BenchModel
from magnon_lab.bench.session import Session

ADAPTERS: dict[str, tuple[type[Adapter[Any]], ...]] = {  # the first that fits is taken
    "analyser": (KeysightAnalyser, RohdeSchwarzAnalyser),
    "generator": (AppliedGenerator, PlainGenerator, AnapicoGenerator),
    "attenuator": (SteppedAttenuator,),
    "field": (KepcoFieldSource,),
    "probe": (LakeShoreProbe,),
    "amplifier": (ChannelSupply,),
    "laboratory": (SimulatedLaboratory,),
}


def adapt(session: Session, model: BenchModel) -> Adapter[Any]:
    """Return the adapter that plays a session's role with its driver.

    Raises `BenchFileError` naming what the driver lacks.
    """
    lacks = []
    for candidate in ADAPTERS[session.role]:
        missing = candidate.missing(session.driver)
        if not missing:
            return candidate(session, model)
        lacks.append(f"{', '.join(missing)} ({candidate.__name__})")
    raise BenchFileError(
        f"roles.{session.role}.driver = {session.config.driver!r}: this driver cannot play the "
        f"role; it lacks {' or '.join(lacks)}"
    )
