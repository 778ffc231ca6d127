"""Where the ring helps: tasks that linear layers fail, through the ring and what is left of it.

Trains with a linear pre- and post-layer, in silico, through the ring, the ring with a linear film
(`amplifier_only`), the linear ring, and without any, at several loop gains. The best for each is
chosen on one film and some seeds, then confirmed on other films and fresh seeds. Writes runs and
files into `where-the-ring-helps/`, tables into docs/where-the-ring-helps.md, pictures beside it.
What is done is not done again: the same command goes on where it was ended.
"""

from __future__ import annotations

import argparse
import copy
import functools
import math
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import loop_gain
import numpy as np
import yaml
from matplotlib.figure import Figure

from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.cli.compare import into_page
from magnon_lab.runs import RunFile, RunsFolder
from magnon_lab.runs.comparing import CAMPAIGN, Member, markdown, mean, member_of, spread

WORK = Path("where-the-ring-helps")
DOCS = Path(__file__).resolve().parents[1] / "docs"
FIELD_MT, VOLTAGE_V = 92.0, 12.0

FILMS = {"first": 7.7, "thinner": 7.2, "thicker": 8.2}
"""Thickness in um; what is chosen is chosen on the first."""

TASKS = {
    "spirals, 4 shots": {"task": "spirals", "shots": 4},
    "parity of 4 bits, 2 shots": {"task": "parity4", "shots": 2},
}

GAINS_DB = (-4.0, -1.0, 2.0)
"""Loop gain at the held attenuation; 0 is the threshold."""

ONCE = ("below", f"{GAINS_DB[0]:+g} dB")
"""Places at which the network without a ring, which knows of none, is trained."""

FINE_GAINS_DB = (*range(-6, 0), -0.5, *np.arange(0.0, 4.1, 0.5).tolist())

SEEDS, FRESH = range(2), range(100, 103)

TRAINING = {"estimator": "twin_first", "keep": "none"}

BACKPROPAGATED = {"estimator": "exact", "steps": 2000, "budget": 0, "learning_rate": 0.03}

POWER, ALL = "power only", "all knobs"
BUDGETS = {POWER: 500, ALL: 2000}

RESERVOIRS = {
    "model": "ring",
    "amplifier_only": "amplifier only",
    "linear_ring": "linear ring",
    "none": "no ring",
}
SEPARATOR = " | "
COLOURS = {"ring": "#D55E00", "amplifier only": "#0072B2", "linear ring": "#009E73"}


@dataclass(frozen=True)
class WorkingPoint:
    """A film's threshold, as attenuation, and where it is driven.

    That is a quarter of the way from one mode, near the middle of the knob's range, to the next.
    """

    threshold_db: float
    drive_hz: float

    def attenuation_db(self, gain_db: float) -> float:
        """Return the attenuator's setting, in its steps, at which the loop has about this gain."""
        return round((self.threshold_db - gain_db) * 4.0) / 4.0


@functools.cache
def working_points() -> dict[str, WorkingPoint]:
    """Return the working point of each film."""
    from magnon_lab.ring import RingModel, RingParameters

    found = {}
    for name, thickness_um in FILMS.items():
        ring = with_film(thickness_um)["laboratory"]["ring"]
        model = RingModel(RingParameters.from_mapping(ring))
        modes = model.mode_frequencies_hz(FIELD_MT)
        place = int(np.argmin(np.abs(modes - 4.467e9)))
        drive = modes[place] + 0.27 * (modes[place + 1] - modes[place])
        threshold = model.threshold_attenuation_db(FIELD_MT, VOLTAGE_V)
        found[name] = WorkingPoint(float(threshold), round(float(drive), -4))
    return found


def with_film(thickness_um: float) -> dict[str, Any]:
    """Return the shipped laboratory's truth with a film of another thickness."""
    truth = shipped_path().parent / "sim_instruments.yaml"
    laboratory = yaml.safe_load(truth.read_text(encoding="utf-8"))["laboratory"]
    block = {name: laboratory[name] for name in ("ring", "imperfections")}
    block["ring"]["film"]["thickness_um"] = thickness_um
    return {"laboratory": block}


def write_benches() -> None:
    """Write each film's laboratory, and bench files for knobs below and above its threshold."""
    shipped = yaml.safe_load(shipped_path().read_text(encoding="utf-8"))
    for name, point in working_points().items():
        write(WORK / f"{name}-film.yaml", with_film(FILMS[name]))
        for place, gains_db in {"below": (-6.0, -1.0), "above": (1.0, 3.5)}.items():
            bench = copy.deepcopy(shipped)
            bench["visa_library"] = f"{name}-film.yaml@magnon"
            ends = sorted(point.attenuation_db(gain) for gain in gains_db)
            bench["knobs"]["attenuation_db"] = {"from": ends[0], "to": ends[1]}
            write(WORK / f"{name}-{place}.yaml", bench)


def write(path: Path, content: Any) -> None:
    """Write YAML, unless it stands there already."""
    text = yaml.safe_dump(content, sort_keys=False)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def power_only(film: str, point: WorkingPoint, gain_db: float) -> dict[str, Any]:
    """Return what makes drive power the one knob, at a loop gain."""
    return {
        "bench": f"{film}-below.yaml",
        "knobs": "drive_power_dbm",
        "drive_frequency_hz": point.drive_hz,
        "attenuation_db": point.attenuation_db(gain_db),
    }


def through(task: str, encoding: str, kind: str, place: str, film: str) -> dict[str, Any]:
    """Return the parameters of one case; `place`: a loop gain, or below or above threshold."""
    told = {**TASKS[task], "reservoir": kind, "budget": BUDGETS[encoding]}
    point = working_points()[film]
    if kind == "none":
        told |= {**BACKPROPAGATED, "bench": f"{film}-below.yaml"}
        return told | ({} if encoding == ALL else {"knobs": "drive_power_dbm"})
    if encoding == ALL:
        return told | {"bench": f"{film}-{place}.yaml"}
    return told | power_only(film, point, float(place.removesuffix(" dB")))


def exploring() -> dict[str, Any]:
    """Return the campaign from which loop gains are chosen: the first film, the first seeds."""
    cases: dict[str, Any] = {}
    for task in TASKS:
        for encoding in (POWER, ALL):
            gains = [f"{gain:+g} dB" for gain in GAINS_DB]
            for kind in RESERVOIRS:
                for place in ("below", "above") if encoding == ALL else gains:
                    if kind == "linear_ring" and (place == "above" or place.startswith("+")):
                        continue
                    if kind == "none" and place not in ONCE:
                        continue
                    name = SEPARATOR.join((task, encoding, RESERVOIRS[kind], place))
                    cases[name] = through(task, encoding, kind, place, "first")
    return {
        "name": "where-the-ring-helps",
        "parameters": {**TRAINING, "seed": list(SEEDS)},
        "cases": cases,
    }


def confirming(chosen: Mapping[str, str]) -> dict[str, Any]:
    """Return the campaign on the other films and fresh seeds, at what was chosen for each."""
    kinds = {label: kind for kind, label in RESERVOIRS.items()}
    cases: dict[str, Any] = {}
    for key, place in chosen.items():
        task, encoding, label = key.split(SEPARATOR)
        for film in list(FILMS)[1:]:
            name = SEPARATOR.join((key, place, film))
            cases[name] = through(task, encoding, kinds[label], place, film)
    return {
        "name": "where-the-ring-helps-confirmed",
        "parameters": {**TRAINING, "seed": list(FRESH)},
        "cases": cases,
    }


def carry_out(name: str, content: Mapping[str, Any], processes: int) -> list[Member]:
    """Make a campaign's runs, and return them."""
    path = WORK / f"{name}.yaml"
    write(path, content)
    words = [sys.executable, "-m", "magnon_lab.cli", "campaign", str(path)]
    words += ["--runs", str(WORK / "runs"), "--processes", str(processes)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    found = []
    for summary in RunsFolder(WORK / "runs").list():
        with RunFile.open(summary.folder) as run:
            wanted = {event.data["campaign"] for event in run.events(CAMPAIGN)}
            member = member_of(run) if content["name"] in wanted else None
        if member is not None and member.case in content["cases"]:
            found.append(member)
    return found


def by(members: Iterable[Member], parts: int) -> dict[str, list[float]]:
    """Return accuracies by the first `parts` parts of their case's name."""
    found: dict[str, list[float]] = {}
    for member in members:
        key = SEPARATOR.join(member.case.split(SEPARATOR)[:parts])
        found.setdefault(key, []).append(member.accuracy)
    return found


def choose(members: list[Member]) -> dict[str, str]:
    """Return the best working point of each task, encoding and reservoir."""
    best: dict[str, tuple[float, str]] = {}
    for case, accuracies in by(members, 4).items():
        key, _, place = case.rpartition(SEPARATOR)
        best[key] = max(best.get(key, (-1.0, "")), (mean(accuracies), place))
    return {key: place for key, (_, place) in best.items()}


def told(values: list[float]) -> str:
    """Return mean and standard deviation."""
    return f"{mean(values):.3f} ± {spread(values):.3f}"


def chosen_table(members: list[Member], chosen: Mapping[str, str]) -> str:
    """Return each reservoir's best, and where that was."""
    found = by(members, 4)
    rows = []
    for key, place in chosen.items():
        task, encoding, label = key.split(SEPARATOR)
        values = found[SEPARATOR.join((key, place))]
        place = "" if label == "no ring" else place
        rows.append([task, encoding, label, place, told(values), str(len(values))])
    head = ["task", "encoding", "reservoir", "loop gain", "test accuracy", "seeds"]
    return markdown(head, rows)


def confirmed_table(members: list[Member], chosen: Mapping[str, str]) -> str:
    """Return what came of the choices on other films and seeds, and how much the ring is ahead."""
    found = by(members, 3)
    rows = []
    for key, place in chosen.items():
        task, encoding, label = key.split(SEPARATOR)
        values = found[key]
        ring = found[SEPARATOR.join((task, encoding, "ring"))]
        ahead = ""
        if label != "ring":
            error = math.hypot(
                spread(ring) / math.sqrt(len(ring)), spread(values) / math.sqrt(len(values))
            )
            difference = mean(ring) - mean(values)
            errors = f", {difference / error:.1f} errors" if error else ""
            ahead = f"{difference:+.3f} ± {error:.3f}{errors}"
        place = "" if label == "no ring" else place
        rows.append([task, encoding, label, place, told(values), str(len(values)), ahead])
    head = ["task", "encoding", "reservoir", "loop gain", "test accuracy", "runs", "ring ahead by"]
    return markdown(head, rows)


def draw_gains(members: list[Member], path: Path) -> None:
    """Draw test accuracy against the loop gain, with drive power as the one knob."""
    found = by(members, 4)
    figure = Figure(figsize=(12, 4.0), dpi=130, layout="constrained")
    panels = figure.subplots(1, len(TASKS))
    for axes, task in zip(panels, TASKS, strict=True):
        for label in COLOURS:
            head = SEPARATOR.join((task, POWER, label, ""))
            at = {
                float(case.removeprefix(head).removesuffix(" dB")): values
                for case, values in found.items()
                if case.startswith(head)
            }
            gains = sorted(at)
            axes.errorbar(
                gains,
                [mean(at[gain]) for gain in gains],
                [spread(at[gain]) for gain in gains],
                marker="o",
                ms=4,
                capsize=2,
                color=COLOURS[label],
                label=label,
            )
        without = found[SEPARATOR.join((task, POWER, "no ring", ONCE[1]))]
        axes.axhline(mean(without), color="0.3", ls="--", label="no ring")
        axes.axvline(0.0, color="0.5", ls=":", lw=1)
        axes.set(title=task, xlabel="Loop gain (dB)")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("Test accuracy")
    panels[0].legend(fontsize=8)
    figure.suptitle("Linear layers, drive power the one knob")
    figure.savefig(path)


def main() -> None:
    """Make both campaigns, write tables and pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=1, help="that share the runs")
    given = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    write_benches()
    page = DOCS / "where-the-ring-helps.md"
    explored = carry_out("choose", exploring(), given.processes)
    chosen = choose(explored)
    into_page(page, "chosen", chosen_table(explored, chosen))
    draw_gains(explored, DOCS / "pictures" / "where-the-ring-helps.png")
    first = working_points()["first"]
    loop_gain.draw(
        DOCS / "pictures" / "loop-gain.png",
        WORK / "first-below.yaml",
        first.drive_hz,
        {gain_db: first.attenuation_db(gain_db) for gain_db in FINE_GAINS_DB},
        {kind: label for kind, label in RESERVOIRS.items() if label in COLOURS},
        COLOURS,
    )
    confirmed = carry_out("confirm", confirming(chosen), given.processes)
    into_page(page, "confirmed", confirmed_table(confirmed, chosen))


if __name__ == "__main__":
    main()
