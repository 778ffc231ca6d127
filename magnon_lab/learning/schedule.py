"""How learning in rounds spends its ring measurements; opens without JAX."""

from __future__ import annotations

from dataclasses import dataclass

from magnon_lab.learning.names import ROUNDS

_OWN = ROUNDS["twin_first"].defaults


@dataclass(frozen=True)
class Schedule:
    """How a budget of ring measurements is spent.

    `design`: the part that covers the box of knobs before anything is trained; then `rounds` at the
    network's own operating points, a part `each`; the rest is measured last of all, for twin and
    post-layer to follow what has drifted meanwhile. The optimiser makes `steps` on the first twin,
    a part `again` of them after each later round. A twin of a skill below `enough` is given up.
    """

    budget: int
    design: float = float(_OWN["design"])
    rounds: int = int(_OWN["rounds"])
    each: float = float(_OWN["each"])
    steps: int = 1500
    again: float = float(_OWN["again"])
    enough: float = float(_OWN["enough"])

    @property
    def steps_again(self) -> int:
        """Steps of the optimiser after a later round."""
        return round(self.again * self.steps)

    def counts(self, a_sample: int) -> tuple[int, ...]:
        """Return the measurements of design, rounds and last part.

        Raises `ValueError` where a round does not pay for two samples of `a_sample` measurements.
        """
        design, each = round(self.design * self.budget), round(self.each * self.budget)
        parts = (design, *[each] * self.rounds, self.budget - design - self.rounds * each)
        if min(parts) < 2 * a_sample:
            raise ValueError(
                f"budget: {self.budget} ring measurements do not pay for the rounds of twin_first: "
                f"they leave {min(parts)} for one of them, which needs {2 * a_sample}"
            )
        return parts
