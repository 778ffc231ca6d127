"""What is done at a bench without a run: looking at it, and making it safe whoever has it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from magnon_lab.bench.bench import Bench
from magnon_lab.bench.benchfile import BenchFile
from magnon_lab.bench.custody import Custody
from magnon_lab.bench.lock import end_holder
from magnon_lab.bench.stand import CheckLine, Journal, Stand, no_journal
from magnon_lab.bench.steps import StepOutcome

log = logging.getLogger(__name__)

ASK_S = 5.0
"""Whoever holds the bench and is asked to end has this long before it is ended."""


def make_safe(
    bench_file: BenchFile,
    journal: Journal = no_journal,
    tell: Callable[[str], None] = log.warning,
    ask_s: float = ASK_S,
) -> list[StepOutcome]:
    """Make a bench safe through sessions of its own, however few instruments can be reached.

    Whoever holds the bench is ended first, since some instruments take one session only: asked,
    and ended when it does not end within `ask_s`. Its guard is given the time that the safe state
    may take. `tell` is called with a line on each thing done to others. An instrument that lives in
    the process that opens it can be reached by no other: nothing is ended then. Raises
    `BenchHeldError` for a holder that this user must not end.
    """
    bench = Bench(bench_file, journal, what="bench safe", guard_command=None)
    lock = bench.custody.lock
    if lock is not None:
        end_holder(lock, "bench safe", tell, ask_s, bench.safe_within_s())
    try:
        return bench.safe()
    finally:
        bench.stand.close()
        bench.custody.give_back(done=True)


def check_bench(bench_file: BenchFile) -> list[CheckLine]:
    """Check a bench of which some instruments may be out of reach; switches nothing.

    Raises `BenchHeldError` while somebody else has it.
    """
    stand = Stand(bench_file)
    custody = Custody(bench_file, no_journal, "bench check", None)
    custody.take()
    try:
        return stand.check()
    finally:
        stand.close()
        custody.give_back(done=True)
