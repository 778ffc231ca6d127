"""What the network answers to samples of each class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QRectF

from magnon_lab.gui.docks import plots
from magnon_lab.gui.docks.curves import Crosshair
from magnon_lab.gui.docks.dock import Dock
from magnon_lab.gui.model.snapshot import Confusion, Snapshot
from magnon_lab.gui.model.units import grouped

#: With more classes than this, cells have no room for words.
MOST = 14
#: Size (px) of a cell from which on the share stands below the count.
ROOM_PX = 34


class ConfusionDock(Dock):
    """Confusion matrix of the newest evaluation of a split."""

    title = "Predictions"
    about = (
        "Confusion matrix: of the samples of each true class (rows), how many were answered as "
        "each class (columns). The colour is the share of the row; the diagonal is what is right."
    )
    columns = 2

    def build(self) -> None:
        """Add the image and the choice of the split."""
        self.split = self.add_choice(
            "Split", {"": "newest split"}, "Which samples: validation, or test at the end"
        )
        self.shares = self.add_check("shares", "Write shares of the row (%) below the counts", True)
        self.plot = plots.add_plot(self.grid, 1, 0, x="Answered as", y="True class")
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.invertY(True)
        self.plot.hideButtons()
        for side in ("left", "bottom"):
            self.plot.getAxis(side).setGrid(False)
        self.image = pg.ImageItem(axisOrder="row-major")
        self.plot.addItem(self.image)
        self.bar = plots.add_bar(
            self.grid, self.image, "Share of the row (%)", values=(0, 100), interactive=False
        )
        self.texts: list[pg.TextItem] = []
        self.crosshair = Crosshair(self.canvas, [self.plot], self._read)
        self.plot.scene().sigMouseMoved.connect(self._moved)
        self._y: float | None = None
        self.plot.vb.sigResized.connect(self._write)

    def recolour(self) -> None:
        """Take on the colours of the theme."""
        self.crosshair.recolour()
        plots.retheme_bar(self.bar)

    @property
    def confusion(self) -> Confusion | None:
        """The matrix that is shown."""
        if not self.snapshots:
            return None
        first = self.snapshots[0]
        return first.confusions.get(self.split.currentData()) or first.confusion

    def parts(self) -> tuple[object, ...]:
        """Return the matrix that is shown, and what others there are."""
        return (self.confusion, " ".join(self.snapshots[0].confusions))

    def why_empty(self, first: Snapshot) -> str:
        """Return why there is no matrix."""
        if first.confusions:
            return ""
        if first.procedure not in ("train", "evaluate"):
            return f"A run of {first.name} classifies nothing.\nChoose a run of train."
        if first.status in ("queued", "running", "paused"):
            return (
                "Nothing was evaluated yet.\nThat happens at the end, and meanwhile every so many "
                "steps if “Validate every” is set."
            )
        return "This run was never evaluated.\nResume it, or start a run of evaluate on it."

    def draw(self) -> None:
        """Draw the matrix."""
        self._offer(self.snapshots[0].confusions)
        found = self.confusion
        assert found is not None
        n = len(found.counts)
        self.image.setImage(100 * _shares(found), autoLevels=False)
        self.image.setRect(QRectF(-0.5, -0.5, n, n))
        self.plot.setXRange(-0.5, n - 0.5, padding=0)
        self.plot.setYRange(-0.5, n - 0.5, padding=0)
        ticks = [list(enumerate(found.labels))]
        for side in ("left", "bottom"):
            self.plot.getAxis(side).setTicks(ticks)
        self._write()
        self._read(self.crosshair.x)

    def _offer(self, splits: Iterable[str]) -> None:
        """Let every split be chosen that there is."""
        known = {self.split.itemData(index) for index in range(self.split.count())}
        for name in splits:
            if name not in known:
                self.split.blockSignals(True)
                self.split.addItem(name, name)
                self.split.blockSignals(False)

    def _write(self, *_: object) -> None:
        """Write counts and shares into the cells, as far as they have room."""
        found = self.confusion
        n = 0 if found is None or len(found.counts) > MOST else len(found.counts)
        while len(self.texts) < n * n:
            text = pg.TextItem(anchor=(0.5, 0.5))
            self.plot.addItem(text, ignoreBounds=True)
            self.texts.append(text)
        for text in self.texts[n * n :]:
            text.hide()
        if found is None or not n:
            return
        shares = _shares(found)
        box = self.plot.vb
        tall = self.shares.isChecked() and min(box.height(), box.width()) / n >= ROOM_PX
        for index, text in enumerate(self.texts[: n * n]):
            row, column = divmod(index, n)
            count, share = int(found.counts[row, column]), shares[row, column]
            told = f"{count}<br>{100 * share:.0f}&nbsp;%" if tall and count else str(count)
            # The map is dark below and light above, in either theme.
            colour = "#ffffff" if share < 0.5 else "#000000"
            text.setHtml(f'<div style="text-align: center; color: {colour}">{told}</div>')
            text.setTextWidth(2 * ROOM_PX)  # what the words are centred in
            text.setPos(column, row)
            text.setVisible(bool(count) or row == column)

    def _moved(self, position: object) -> None:
        self._y = self.plot.vb.mapSceneToView(position).y()

    def _read(self, x: float | None) -> None:
        found = self.confusion
        if found is None:
            return
        right, all_of_them = int(np.trace(found.counts)), int(found.counts.sum())
        told = (
            f"{found.split} after step {grouped(found.step)}: {right} of {all_of_them} right "
            f"({100 * right / max(1, all_of_them):.1f} %)"
        )
        if x is not None and self._y is not None:
            row, column = round(self._y), round(x)
            if 0 <= row < len(found.counts) and 0 <= column < len(found.counts):
                count, of_row = int(found.counts[row, column]), int(found.counts[row].sum())
                told = (
                    f"true {found.labels[row]}, answered {found.labels[column]}: {count} of "
                    f"{of_row} ({100 * count / max(1, of_row):.1f} %) · {told}"
                )
        self.tell(told)

    def rows(self) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
        """Return a row for each true class."""
        found = self.confusion
        if found is None:
            return ("true class",), ()
        columns = ("split", "step", "true class", *(f"answered {name}" for name in found.labels))
        return columns, (
            (found.split, found.step, name, *counts)
            for name, counts in zip(found.labels, found.counts.tolist(), strict=True)
        )


def _shares(found: Confusion) -> np.ndarray:
    """Return the matrix as shares of its rows, 0..1."""
    shares: np.ndarray = found.counts / np.maximum(1, found.counts.sum(axis=1, keepdims=True))
    return shares
