"""Test accuracy of estimators beside the exact gradient's at the same number of steps, in silico.

Prints a markdown table: mean and spread over seeds, and the ring measurements that each needs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

EXAMPLES = Path(__file__).parents[1] / "examples"
ESTIMATORS = {
    "exact": (),
    "trace": ("-p", "directions=3"),
    "input": (),
    "pgt_pre": (),
    "pgt": (),
}
TASKS = {"spirals": (500, "spirals-input.yaml"), "digits": (300, "digits-input.yaml")}


def train(config: str, runs: str, *options: str) -> dict[str, Any]:
    """Run one training and return what it tells."""
    words = [sys.executable, "-m", "magnon_lab.cli", "run", "train", "--json", "--runs", runs]
    words += ["--config", str(EXAMPLES / config), "-p", "reservoir=model", "-p", "keep=none"]
    told = subprocess.run([*words, *options], check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(told.stdout.strip().splitlines()[-1])
    return result


def main() -> None:
    """Train every estimator on both tasks with several seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=list(TASKS))
    given = parser.parse_args()
    print("| task | estimator | steps | test accuracy | of the exact | ring measurements |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as runs:
        for task in given.tasks:
            steps, config = TASKS[task]
            exact = np.nan
            for name, options in ESTIMATORS.items():
                words = ("-p", f"estimator={name}", *options)
                words += ("-p", f"steps={steps}", "-p", "budget=0")
                told = [
                    train(config, runs, *words, "-p", f"seed={seed}") for seed in range(given.seeds)
                ]
                accuracy = np.array([one["accuracy"] for one in told])
                exact = accuracy.mean() if name == "exact" else exact
                print(
                    f"| {task} | {name} | {steps} | {accuracy.mean():.3f} ± {accuracy.std():.3f} "
                    f"| {accuracy.mean() / exact:.0%} | {told[0]['ring_measurements']} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
