"""The shortest way round: ask, measure, tell, again, for scripts, baselines and tests."""

from __future__ import annotations

from collections.abc import Callable

from magnon_lab.learning.reports import Evaluation, StepReport
from magnon_lab.learning.reservoir import Measured, Request, Reservoir
from magnon_lab.learning.state import TrainerState
from magnon_lab.learning.trainer import Trainer


def train(
    trainer: Trainer,
    reservoir: Reservoir,
    *,
    steps: int,
    state: TrainerState | None = None,
    on_step: Callable[[TrainerState, StepReport], None] | None = None,
) -> TrainerState:
    """Return the state after `steps` more optimiser steps, measured on `reservoir`."""
    state = trainer.init() if state is None else state
    last = int(state.step) + steps
    while int(state.step) < last:
        request = trainer.ask(state)
        state, report = trainer.tell(state, request, reservoir(request.settings, request.numbers))
        if report is not None and on_step is not None:
            on_step(state, report)
    return state


def evaluate(
    trainer: Trainer, reservoir: Reservoir, state: TrainerState, split: str
) -> tuple[TrainerState, Evaluation]:
    """Return the state with the measurements counted, and the evaluation on a split."""
    measured = pass_through(
        trainer, state, split, lambda request: reservoir(request.settings, request.numbers)
    )
    return trainer.evaluate_tell(state, split, measured)


def pass_through(
    trainer: Trainer, state: TrainerState, split: str, answer: Callable[[Request], Measured]
) -> list[Measured]:
    """Return what was measured as a whole split went through all ring passes."""
    measured: list[Measured] = []
    while requests := list(trainer.evaluate_ask(state, split, measured)):
        measured += [answer(request) for request in requests]
    return measured
