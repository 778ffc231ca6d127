"""How a network learns on a twin of the ring, and how well the ring bears the twin out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyqtgraph as pg

from magnon_lab.gui.docks import plots
from magnon_lab.gui.docks.curves import Crosshair, Items
from magnon_lab.gui.docks.dock import Dock
from magnon_lab.gui.model.curve import Array
from magnon_lab.gui.model.snapshot import Snapshot
from magnon_lab.gui.model.twin_rounds import TwinRound
from magnon_lab.gui.theme import colours
from magnon_lab.learning.names import ROUNDS

LEARNING = {"loss": "Loss", "accuracy": "Accuracy"}
QUALITY = {"skill": "Skill of the twin", "surprise": "Surprise"}

#: A twin that tells less of the features than this is given up.
ENOUGH = float(ROUNDS["twin_first"].defaults["enough"])


class TwinDock(Dock):
    """Training on the twin on the left, quality of the twin on the right."""

    title = "Twin"
    about = (
        "Left: loss and accuracy of the validation split on the twin, while the network learns on "
        "it between two rounds of measuring; marks: what was then measured through the ring "
        "itself, and what the twin had led to expect. Right: the part of the measured features' "
        f"variance that the twin told beforehand (1: all; below {ENOUGH} it is given up), and mean "
        "square of its errors over what it expected itself (1: it knows how sure it may be)."
    )
    columns = 2

    def build(self) -> None:
        """Add the panels."""
        self.panels = self._column(LEARNING, 0)
        self.quality = self._column(QUALITY, 1)
        self.panels["accuracy"].setLimits(yMin=-0.1, yMax=1.1)
        self.grid.layout.setColumnStretchFactor(0, 3)
        self.grid.layout.setColumnStretchFactor(1, 2)
        self.items = Items()
        every = [*self.panels.values(), *self.quality.values()]
        self.crosshair = Crosshair(self.canvas, every, self._read)

    def _column(self, figures: dict[str, str], column: int) -> dict[str, pg.PlotItem]:
        inside = self.grid.addLayout(row=1, col=column)
        inside.layout.setContentsMargins(0, 0, 0, 0)
        inside.layout.setSpacing(2)
        found = {
            name: plots.add_plot(inside, row, 0, y=label)
            for row, (name, label) in enumerate(figures.items())
        }
        upper, lower = found.values()
        lower.setXLink(upper)
        lower.enableAutoRange("x", False)
        lower.getAxis("bottom").setLabel("Round")
        upper.getAxis("bottom").setStyle(showValues=False)
        upper.getAxis("bottom").setHeight(6)
        for plot in found.values():
            plot.getAxis("bottom").setTickSpacing(1, 1)
        return found

    def recolour(self) -> None:
        """Take on the colours of the theme."""
        self.crosshair.recolour()

    @property
    def rounds(self) -> tuple[TwinRound, ...]:
        """The rounds that are shown."""
        return self.snapshots[0].twin if self.snapshots else ()

    def parts(self) -> tuple[object, ...]:
        """Return the rounds of the run."""
        return (self.rounds,)

    def why_empty(self, first: Snapshot) -> str:
        """Return why there is no twin."""
        if first.twin:
            return ""
        if first.configuration.get("estimator") != "twin_first":
            return (
                "This run did not learn on a twin of the ring.\nStart one of train with the "
                "estimator twin_first."
            )
        if first.status in ("queued", "running", "paused"):
            return "No twin yet.\nIts first round is shown as soon as the network has learnt on it."
        return "This run ended before its first round.\nThe log tells why."

    def draw(self) -> None:
        """Draw all panels."""
        theme, rounds = colours(), self.rounds
        whole = np.array([float(one.step) for one in rounds])
        before = whole - 1  # a round begins where the one before it ended
        for figure, panel in self.panels.items():
            x, y = _courses(rounds, figure)
            self.items.line(
                (figure, "twin"),
                panel,
                x,
                y,
                plots.pen(theme.train),
                name="validation on the twin",
            )
            if figure == "loss":
                self.items.line(
                    (figure, "expected"), panel, before, _of(rounds, "expected"),
                    plots.pen(theme.train), symbol="o", name="twin expected", joined=False,
                )  # fmt: skip
            self.items.line(
                (figure, "measured"), panel, before, _of(rounds, f"measured_{figure}"),
                plots.pen(theme.test), symbol="d", name="measured", z=2, joined=False,
            )  # fmt: skip
        for figure, panel in self.quality.items():
            self.items.line(
                figure, panel, before, _of(rounds, figure), plots.pen(theme.train), symbol="o"
            )
            level, word = (ENOUGH, "given up below") if figure == "skill" else (1.0, "")
            pen = plots.pen(theme.muted, style=plots.DASH)
            self.items.level((figure, "level"), panel, level, pen, word)
        self.legend.setText(self.items.done())
        self._read(self.crosshair.x)

    def notice(self) -> str:
        """Return that the twin was given up."""
        given_up = next((one.step for one in self.rounds if one.given_up), None)
        if given_up is None:
            return ""
        return (
            f"The twin was given up in round {given_up}: it tells too little of what is measured. "
            "What is left of the budget goes to measured gradients."
        )

    def _read(self, x: float | None) -> None:
        rounds = self.rounds
        if not rounds:
            return
        steps = [one.step - 1 for one in rounds]
        index = len(rounds) - 1 if x is None else int(np.argmin(np.abs(np.array(steps) - x)))
        one = rounds[index]
        words = [f"round {one.step} of measuring"]
        if np.isfinite(one.skill):
            words += [
                f"measured loss {one.measured_loss:.4g} (the twin expected {one.expected:.4g})",
                f"accuracy {one.measured_accuracy:.4g}",
                f"skill {one.skill:.3f}",
                f"surprise {one.surprise:.3g}",
            ]
        if len(one.accuracy):
            words.append(f"then {one.accuracy[-1]:.4g} of the validation split right on the twin")
        self.tell(" · ".join(words))

    def rows(self) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
        """Return a row for each look at each round."""
        columns = (
            "round", "look", "loss_on_twin", "accuracy_on_twin", "measured_loss", "expected_loss",
            "measured_accuracy", "skill", "surprise", "given_up",
        )  # fmt: skip
        return columns, (
            (
                one.step, look, loss, accuracy, one.measured_loss, one.expected,
                one.measured_accuracy, one.skill, one.surprise, one.given_up,
            )
            for one in self.rounds
            for look, (loss, accuracy) in enumerate(
                zip(one.loss.tolist(), one.accuracy.tolist(), strict=True), start=1
            )
        )  # fmt: skip


def _courses(rounds: Sequence[TwinRound], figure: str) -> tuple[Array, Array]:
    """Return a figure at all looks of all rounds, each round one unit wide."""
    if not rounds:
        return np.empty(0), np.empty(0)
    x = [one.step - 1 + np.arange(1, len(one.loss) + 1) / max(1, len(one.loss)) for one in rounds]
    return np.concatenate(x), np.concatenate([getattr(one, figure) for one in rounds])


def _of(rounds: Sequence[TwinRound], figure: str) -> Array:
    return np.array([getattr(one, figure) for one in rounds], dtype=np.float64)
