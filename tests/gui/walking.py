"""A run that measures step by step and learns nothing: at work in a moment, since it needs no JAX.

What a window asks of a run's process (start, pause, go on, stop, abort, resume) is the same for it
as for a training.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pymeasure.experiment import IntegerParameter

from magnon_lab.runs import RunFile, StepRow
from procedures.base import RingProcedure
from procedures.context import Place

KNOBS = ("drive_power_dbm", "attenuation_db")
ROWS = np.array([(-10.0, 11.0), (-20.0, 12.5)])


class Walk(RingProcedure):
    """Measure the same two settings in each of so many steps."""

    steps = IntegerParameter("Steps", default=3, minimum=1)

    DATA_COLUMNS: ClassVar[list[str]] = ["Step"]
    resumable: ClassVar[bool] = True
    _done: int = 0

    def resume_from(self, run: RunFile) -> Place:
        """Go on after the last step."""
        checkpoint = run.last_checkpoint()
        assert checkpoint is not None
        self._done, self.measured = checkpoint[0], len(ROWS) * checkpoint[0]
        return Place(self._done, self.measured)

    def execute(self) -> None:
        """Walk on."""
        self.switch_on()
        while self._done < self.steps and self.next_step():
            taken = self.measure(ROWS, KNOBS)
            if not taken.complete:
                return
            self._done += 1
            row = StepRow(step=self._done, ring_measurements=self.measured, loss=1 / self._done)
            self.run_file.record_step(row, (), self.block(taken), b"state")
            self.emit("results", {"Step": self._done})
