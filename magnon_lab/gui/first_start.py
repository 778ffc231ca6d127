"""What a newcomer sees before there is any run: one button that trains."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from magnon_lab.bench import BenchFile

SIMULATED = (
    "<h2>Welcome to Magnon Lab</h2>"
    "<p>A network is trained here with a magnonic ring in its middle: a digital pre-layer turns "
    "the knobs of the bench, the spectrum analyser's trace feeds a digital post-layer, and the "
    "loss tells how to change both.</p>"
    "<p>The bench is <b>simulated</b>: nothing that you do here can reach, or damage, an "
    "instrument. Your own instruments are a bench file of your own "
    "(docs/connect-your-instruments.md).</p>"
)
REAL = (
    "<h2>Welcome to Magnon Lab</h2>"
    "<p>This bench file names <b>real instruments</b>: a run switches their outputs on, within the "
    "limits of the file, and leaves them off. <i>Check bench</i> on the right asks every "
    "instrument who it is, and switches nothing.</p>"
    "<p>Then choose a procedure on the left, and press <i>Start</i>.</p>"
)
WHAT = (
    "Learns to read handwritten digits through the ring from 500 ring measurements, and is tested "
    "with 1\u202f588 more: less than a minute on the simulated bench."
)


class FirstStart(QWidget):
    """A greeting; `train` is emitted when its button is pressed, `closed` when it is waved away."""

    train = pyqtSignal()
    closed = pyqtSignal()

    def __init__(self, bench_file: BenchFile | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        simulated = bench_file is not None and bench_file.simulated
        text = QLabel(SIMULATED if simulated else REAL, self)
        text.setWordWrap(True)
        text.setTextFormat(Qt.TextFormat.RichText)
        text.setMaximumWidth(620)
        self.button = QPushButton("&Train a first network", self)
        self.button.setProperty("kind", "primary")
        self.button.setToolTip(WHAT)
        self.button.setVisible(simulated)
        self.button.clicked.connect(self.train)
        later = QPushButton("&Look around first", self)
        later.setToolTip("Shows the empty pictures. Help > Welcome brings this page back.")
        later.clicked.connect(self.closed)
        what = QLabel(WHAT if simulated else "", self)
        what.setProperty("kind", "muted")
        what.setWordWrap(True)
        what.setMaximumWidth(620)
        buttons = QHBoxLayout()
        buttons.addWidget(self.button)
        buttons.addWidget(later)
        buttons.addStretch(1)
        column = QVBoxLayout()
        column.addStretch(2)
        column.addWidget(text)
        column.addSpacing(8)
        column.addLayout(buttons)
        column.addWidget(what)
        column.addStretch(3)
        across = QHBoxLayout(self)
        across.addStretch(1)
        across.addLayout(column, 4)
        across.addStretch(1)
