"""What a training spends its ring measurements on, told before it begins and without JAX."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from magnon_lab.learning.names import ESTIMATORS, POPULATIONS, READOUTS, ROUNDS
from magnon_lab.learning.schedule import Schedule
from procedures.estimate import measurements_a_sample, split_sizes
from procedures.reservoirs import UNMEASURED

FROZEN_STEPS = 2000
"""Steps of a post-layer on a frozen pre-layer, where none are asked for; they measure nothing."""


@dataclass(frozen=True)
class Spending:
    """Parameters of a training that decide how many ring measurements it makes.

    directions, sides: 0 for the estimator's own; steps, budget: 0 for no such limit;
    `validate_every` in steps, 0 for never; `unmeasured`: nothing stands between the blocks that
    takes a measurement.
    """

    task: str
    network: str
    shots: int
    estimator: str
    directions: int
    sides: int
    batch_size: int
    steps: int
    budget: int
    calibration: int
    validate_every: int
    unmeasured: bool

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Spending:
        """Return what the parameters of a training, by name, spend."""
        names = [one.name for one in dataclasses.fields(cls) if one.name != "unmeasured"]
        known = {name: values[name] for name in names}
        return cls(**known, unmeasured=values["reservoir"] in UNMEASURED)

    @property
    def a_sample(self) -> int:
        """Ring measurements of one sample on its way through the network."""
        return measurements_a_sample(self.network, self.shots, self.task)

    @property
    def a_step(self) -> int:
        """Ring measurements of one step."""
        if self.estimator in POPULATIONS:
            own = POPULATIONS[self.estimator].defaults
            return (self.directions or int(own["count"])) * self.batch_size * self.a_sample
        own = ESTIMATORS[self.estimator].defaults if self.estimator in ESTIMATORS else {}
        count = self.directions or int(own.get("count", 0))
        sides = self.sides or int(own.get("sides", 0))
        copies = {0: 1, 1: count + 1, 2: 2 * count}[sides if count else 0]
        return copies * self.batch_size * self.a_sample

    def planned_steps(self) -> int:
        """Return the steps that the budget pays for, at most those asked for.

        Raises `ValueError` that names the budget if it pays for none.
        """
        if self.estimator == "frozen":
            return self.steps or FROZEN_STEPS
        if self.estimator in ROUNDS:
            # More only if the twin is given up.
            return len(Schedule(self.budget).counts(self.a_sample))
        if not self.budget or self.unmeasured or self.estimator in READOUTS:
            return self.steps or 1
        looks = 1 / self.validate_every if self.validate_every else 0
        each = self.a_step + looks * split_sizes(self.task)[1] * self.a_sample
        paid = int((self.budget - self.calibration) // each)
        if paid < 1:
            raise ValueError(
                f"budget: {self.budget} ring measurements do not pay for one step of {each:.0f} "
                f"after {self.calibration} for calibration"
            )
        return min(self.steps or paid, paid)

    def samples(self) -> int:
        """Return how many training samples a readout's budget pays for, beside the validation's.

        Raises `ValueError` that names the budget if it does not pay for two.
        """
        train, validation, _ = split_sizes(self.task)
        if not self.budget or self.unmeasured:
            return train
        paid = (self.budget - self.calibration) // self.a_sample - validation
        if paid < 2:
            raise ValueError(
                f"budget: {self.budget} ring measurements do not pay for training samples beside "
                f"{self.calibration} for calibration and {validation} samples for validation"
            )
        return int(min(paid, train))

    def test(self) -> int:
        """Return the measurements of the test at the end."""
        return split_sizes(self.task)[2] * self.a_sample

    def total(self) -> int:
        """Return the measurements of the whole run, with the test at the end."""
        validation = split_sizes(self.task)[1]
        if self.unmeasured:
            return 0
        if self.estimator in ROUNDS:
            return sum(Schedule(self.budget).counts(self.a_sample)) + self.test()
        total = self.calibration + self.test()
        if self.estimator in READOUTS:
            return total + (self.samples() + validation) * self.a_sample
        steps = self.planned_steps()
        looks = steps // self.validate_every if self.validate_every else 0
        return total + steps * self.a_step + looks * validation * self.a_sample
