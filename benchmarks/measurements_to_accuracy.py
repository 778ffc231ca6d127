"""How many ring measurements each method takes to 0.85 on digits, in silico; looks are apart.

    python benchmarks/measurements_to_accuracy.py [--setting usual] [--seeds 5] [--most 205000]

`usual`: 3 knobs, 4 shots, one pass. `harder`: 5 knobs (field and amplifier voltage among them), 8
shots, twice through the ring. Where gradients are measured, the validation split is looked at as
measurements grow, until 0.85 is reached or `--most` are spent; twin first is trained anew for
each budget. Keeps what it found in measurements_to_accuracy.json, and goes on from there; puts the
table into docs/comparison.md, the curves into docs/pictures/.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure
from parts.in_silico import DIGITS_TWIN, training

from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.cli.compare import into_page
from magnon_lab.learning.loop import evaluate, train
from magnon_lab.runs.comparing import markdown

DOCS = Path(__file__).resolve().parents[1] / "docs"
KEPT = Path("measurements_to_accuracy.json")
WANTED = 0.85
LOOKS = (500, 1000, 2000, 3000, 4500, 6500, 9000, 13000, 20000, 28000, 40000, 55000, 75000, 105000)
LOOKS = (*LOOKS, 150000, 205000)
EXTRA_KNOBS = {
    "field_mt": {"from": 91.5, "to": 92.5},
    "amplifier_voltage_v": {"from": 11, "to": 12},
}
MEASURED = {"task": "digits", "batch_size": 8, "learning_rate": 0.01, "decay": "none", "steps": 1}
SETTINGS: dict[str, dict[str, Any]] = {
    "usual": {"shots": 4},
    "harder": {"shots": 8, "network": "two_pass"},
}
METHODS: dict[str, dict[str, Any]] = {
    "trace": {"estimator": "trace", "directions": 3},
    "twin with pgt": {"estimator": "twin_pgt"},
    "twin": {"estimator": "twin"},
    "input": {"estimator": "input"},
    "pgt": {"estimator": "pgt", "perturbation": 0.05},
}
BUDGETS = {"usual": (80, 120, 200, 500, 1000, 2000), "harder": (500, 1000, 2000, 5000, 10000)}
FIRST = "twin first"

Curve = list[tuple[int, float]]
"""Ring measurements for learning, and the accuracy reached with them."""


def bench_of(setting: str, folder: Path) -> Path | None:
    """Return the bench file of a setting: the shipped one, or one with more knobs."""
    if setting == "usual":
        return None
    content = yaml.safe_load(shipped_path().read_text(encoding="utf-8"))
    content["knobs"] |= EXTRA_KNOBS
    library = shipped_path().parent / "sim_instruments.yaml"
    content["visa_library"] = f"{library}@magnon"
    path = folder / "harder.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def knobs(setting: str) -> dict[str, Any]:
    """Return the parameters of a setting."""
    told = dict(SETTINGS[setting])
    if setting == "harder":
        names = ("drive_power_dbm", "drive_frequency_hz", "attenuation_db", *EXTRA_KNOBS)
        told["knobs"] = ", ".join(names)
    return told


def measured(setting: str, method: str, seed: int, most: int, bench: Path | None) -> Curve:
    """Return the curve of a method whose gradients are measured, on the validation split."""
    values = {**MEASURED, "budget": 0, **knobs(setting), **METHODS[method]}
    if method == "trace":
        values["directions"] = 5 if setting == "harder" else 3
    procedure = training(bench, **values, seed=seed)
    trainer, through, curve = procedure.trainer, procedure.through, []
    state = trainer.init()
    for look in (*(look for look in LOOKS if look < most), most):
        while state.measurements["calibration"] + state.measurements["training"] < look:
            state = train(trainer, through, steps=1, state=state)
        spent = state.measurements["calibration"] + state.measurements["training"]
        reached = evaluate(trainer, through, state, "validation")[1].accuracy
        curve.append((spent, reached))
        if reached >= WANTED:
            break
    return curve


def twin_first(setting: str, seed: int, bench: Path | None) -> Curve:
    """Return the curve of twin first, each budget by itself."""
    curve = []
    for budget in BUDGETS[setting]:
        procedure = training(bench, **{**DIGITS_TWIN, **knobs(setting)}, budget=budget, seed=seed)
        trainer, through = procedure.trainer, procedure.through
        state = train(trainer, through, steps=len(trainer.counts))
        curve.append((budget, evaluate(trainer, through, state, "validation")[1].accuracy))
        if curve[-1][1] >= WANTED:
            break
    return curve


def told(curves: list[Curve]) -> tuple[str, str]:
    """Return in words when 0.85 was reached, and how good it was at the end."""
    last = statistics.mean(curve[-1][1] for curve in curves)
    spent = [curve[-1][0] for curve in curves if curve[-1][1] >= WANTED]
    end = f"{last:.3f}"
    if len(spent) == len(curves):
        spread = f" ({min(spent)} to {max(spent)})" if len(set(spent)) > 1 else ""
        return f"{statistics.mean(spent):.0f}{spread}", end
    most = max(curve[-1][0] for curve in curves)
    some = f"{len(spent)} of {len(curves)} by" if spent else "not by"
    return f"{some} {most}", end


def draw(found: dict[str, list[Curve]], path: Path) -> None:
    """Draw all curves, one for each seed."""
    figure = Figure(figsize=(7.5, 4.5), dpi=130, layout="constrained")
    axes = figure.subplots()
    for index, (method, curves) in enumerate(found.items()):
        for place, curve in enumerate(curves):
            axes.plot(*zip(*curve, strict=True), f"C{index}o-", ms=3, lw=1, alpha=0.7,
                      label=method if place == 0 else None)  # fmt: skip
    axes.axhline(WANTED, color="0.3", ls=":")
    axes.set(xscale="log", xlabel="Ring measurements for learning", ylabel="Validation accuracy")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)
    figure.savefig(path)


def main() -> int:
    """Make what was not made yet, and write table and picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--setting", choices=list(SETTINGS), default="usual")
    parser.add_argument("--methods", nargs="*", default=[FIRST, *METHODS])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--most", type=int, default=205000)
    given = parser.parse_args()
    kept: dict[str, Curve] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    found: dict[str, list[Curve]] = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = bench_of(given.setting, Path(folder))
        for seed in range(given.seeds):
            for method in given.methods:
                key = f"{given.setting} | {method} | {seed}"
                if key not in kept:
                    if method == FIRST:
                        kept[key] = twin_first(given.setting, seed, bench)
                    else:
                        kept[key] = measured(given.setting, method, seed, given.most, bench)
                    KEPT.write_text(json.dumps(kept, indent=1))
                    print(key, kept[key][-1], flush=True)
                found.setdefault(method, []).append(kept[key])
    rows = [[method, *told(curves), str(len(curves))] for method, curves in found.items()]
    head = ["method", f"measurements to {WANTED}", "accuracy there", "seeds"]
    table = markdown(head, rows)
    print(table)
    into_page(DOCS / "comparison.md", f"to {WANTED}, {given.setting}", table)
    draw(found, DOCS / "pictures" / f"measurements-to-accuracy-{given.setting}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
