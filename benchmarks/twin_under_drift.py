"""What drift and noise cost a network that was trained on a twin, with and without forgetting.

    python benchmarks/twin_under_drift.py [--budgets 500 2000] [--seeds 5] [--drift-mhz 1]

Digits as in examples/digits-twin.yaml, in silico. The modes of the film drift evenly, by so much
while the network learns, and each reading's deviation from the noiseless one is doubled. The test
is made at once, and again while the film drifts on. Must show: with forgetting at most 2 points
are lost at once, with 2000 measurements.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys

import numpy as np
from numpy.typing import NDArray
from parts.in_silico import DIGITS_TWIN, training

from magnon_lab.learning.loop import evaluate, train
from magnon_lab.learning.reservoir import Floats, Knob, Measured
from magnon_lab.learning.twin_first import TwinFirst
from magnon_lab.ring import RingModel
from procedures.reservoirs import RingReservoir

FIELD_MT = 92.0


class Worsened:
    """A ring whose film drifts with the measurement number, up to `last`, and that is noisier."""

    memoryless = True

    def __init__(
        self, ring: RingReservoir, seed: int, drift_hz_per_number: float, noise: float
    ) -> None:
        self.knobs, self.frequencies_hz = ring.knobs, ring.frequencies_hz
        self.last = np.inf
        self._noise = noise
        quiet = {"amplifier_noise": False, "analyser_noise": False}
        imperfections = ring._model.imperfections
        knobs = (*ring.knobs, Knob("field_mt", FIELD_MT - 5.0, FIELD_MT + 5.0))
        held = {"amplifier_voltage_v": 12.0}
        steps = dict.fromkeys(("attenuation_db",), 0.25)
        self._noisy, self._quiet = (
            RingReservoir(
                RingModel(ring._model.parameters, imperfections=own, seed=seed),
                ring._readout,
                knobs,
                held,
                steps,
            )
            for own in (imperfections, imperfections.model_copy(update=quiet))
        )
        near = np.array([FIELD_MT - 0.1, FIELD_MT + 0.1])
        modes = [ring._model.mode_frequencies_hz(field)[:5] for field in near]
        slope = float(np.mean(modes[1] - modes[0])) / 0.2
        self._mt_per_number = drift_hz_per_number / slope

    def __call__(self, settings: Floats, numbers: NDArray[np.int64]) -> Measured:
        """Measure settings (n, knobs) under numbers (n,)."""
        field = FIELD_MT + self._mt_per_number * np.minimum(numbers, self.last)
        rows = np.column_stack((settings, field))
        noisy, quiet = self._noisy(rows, numbers), self._quiet(rows, numbers)
        traces = quiet.traces + self._noise * (noisy.traces - quiet.traces)
        return Measured(settings, noisy.realised[:, :-1], traces, noisy.flags)


def accuracies(
    seed: int, budget: int, drift_mhz: float, noise: float, forget: bool
) -> tuple[float, float]:
    """Return the test accuracy at once, and while the film drifts on."""
    procedure = training(**DIGITS_TWIN, budget=budget, seed=seed)
    trainer, ring = procedure.trainer, procedure.through
    assert isinstance(trainer, TwinFirst)
    assert isinstance(ring, RingReservoir)
    trainer.twin = dataclasses.replace(trainer.twin, forget=forget)
    worsened = Worsened(ring, seed, drift_mhz * 1e6 / budget, noise)
    state = train(trainer, worsened, steps=len(trainer.counts))
    later = evaluate(trainer, worsened, state, "test")[1].accuracy
    worsened.last = budget
    return evaluate(trainer, worsened, state, "test")[1].accuracy, later


def main() -> int:
    """Print the table; 0 if at most 2 points are lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--budgets", type=int, nargs="*", default=[500, 2000])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--drift-mhz", type=float, default=1.0)
    given = parser.parse_args()
    print("| budget | drift | noise | twin | accuracy, tested at once | while it drifts on |")
    print("|---|---|---|---|---|---|")
    lost = 0.0
    for budget in given.budgets:
        undisturbed = 0.0
        for drift, noise, forget in (
            (0.0, 1.0, True),
            (0.0, 2.0, True),
            (given.drift_mhz, 2.0, True),
            (given.drift_mhz, 2.0, False),
        ):
            found = np.array(
                [accuracies(seed, budget, drift, noise, forget) for seed in range(given.seeds)]
            )
            middle = float(found[:, 0].mean())
            undisturbed = undisturbed or middle
            if budget == 2000 and drift and forget:
                lost = undisturbed - middle
            told = [
                f"{mean:.3f} ± {spread:.3f}"
                for mean, spread in zip(found.mean(axis=0), found.std(axis=0, ddof=1), strict=True)
            ]
            twin = "forgets" if forget else "does not forget"
            print(
                f"| {budget} | {drift:g} MHz | x {noise:g} | {twin} | {' | '.join(told)} |",
                flush=True,
            )
    return 0 if lost <= 0.02 else 1


if __name__ == "__main__":
    sys.exit(main())
