"""The evaluations of a run, by split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from magnon_lab.gui.model.snapshot import Confusion, Scores
from magnon_lab.runs.viewing import RunViewer, ScoreRow

#: Most evaluations of a split that are drawn.
MOST = 1000


class Evaluations:
    """Scores and newest confusion matrix of each split; `read` takes in new ones."""

    def __init__(self) -> None:
        self.scores: Mapping[str, Scores] = {}
        self.confusions: Mapping[str, Confusion] = {}
        self._rows: dict[str, dict[int, ScoreRow]] = {}
        self._step = 0
        self._labels: tuple[str, ...] | None = None

    def read(self, viewer: RunViewer) -> bool:
        """Take in evaluations since the last one; the newest may have been made anew."""
        new = [row for row in viewer.scores(self._step) if self._time(row) != row.time]
        if not new:
            return False
        self._step = max(row.step for row in new)
        for row in new:
            self._rows.setdefault(row.split, {})[row.step] = row
        self.scores = {split: _scores(list(rows.values())) for split, rows in self._rows.items()}
        confusions = dict(self.confusions)
        for row in {row.split: row for row in new}.values():
            counts = viewer.confusion(row.step, row.split)
            if counts is not None:
                labels = self._names(viewer, len(counts))
                confusions.pop(row.split, None)  # the newest stands last
                confusions[row.split] = Confusion(row.split, row.step, counts, labels, row.accuracy)
        self.confusions = confusions
        return True

    def _time(self, row: ScoreRow) -> float | None:
        """Return when the evaluation of the same split and step that is known was made."""
        known = self._rows.get(row.split, {}).get(row.step)
        return None if known is None else known.time

    def _names(self, viewer: RunViewer, classes: int) -> tuple[str, ...]:
        """Return the names of the classes, where the run tells them, else their numbers."""
        if self._labels is None:
            found = [event.data.get("classes") for event in viewer.events("data")]
            self._labels = next((tuple(map(str, one)) for one in found if one), ())
        if len(self._labels) == classes:
            return self._labels
        return tuple(str(index) for index in range(classes))


def _scores(rows: list[ScoreRow]) -> Scores:
    rows = rows[:: -(-len(rows) // MOST)] + rows[-1:] if len(rows) > MOST else rows
    return Scores(
        x={
            "step": np.array([float(row.step) for row in rows]),
            "ring_measurements": np.array([row.ring_measurements for row in rows]),
            "bench_time_s": np.array([row.bench_time_s for row in rows]),
        },
        loss=np.array([row.loss for row in rows]),
        accuracy=np.array([row.accuracy for row in rows]),
        n=np.array([row.n for row in rows], dtype=np.int64),
    )
