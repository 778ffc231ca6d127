"""Take the pictures of the windows that the documentation shows.

    python examples/screenshots.py [--out FOLDER] [--runs FOLDER] [--looks light-small …]

Trains on the simulated bench, lets runs fail and be compared, and photographs the window in each
state, light and dark, on a small and a large screen. `--runs` keeps the runs, or takes those that
are there; `--looks` takes only some.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyqt6")

from PyQt6.QtCore import QSettings, QSize
from PyQt6.QtWidgets import QApplication

from magnon_lab.bench import BenchFile
from magnon_lab.gui.main_window import MainWindow
from magnon_lab.gui.settings import Settings
from magnon_lab.gui.theme import Theme
from magnon_lab.runs import RunsFolder

HERE = Path(__file__).parent
SIZES = {"small": QSize(1366, 768), "large": QSize(2560, 1440)}
LOOKS = list(itertools.product(("light", "dark"), SIZES))
SPIRALS = {"task": "spirals", "batch_size": 8, "learning_rate": 0.03}
LONG_S = 180.0


def parameters(values: Mapping[str, object], **more: object) -> list[str]:
    """Return parameters as words of a command line."""
    return [
        word for name, value in {**values, **more}.items() for word in ("-p", f"{name}={value}")
    ]


def run(runs: Path, *words: str) -> None:
    """Make a run, whatever comes of it."""
    command = [sys.executable, "-m", "magnon_lab.cli", "run", *words, "--runs", str(runs)]
    subprocess.run(command, check=False, capture_output=True)


def make_runs(runs: Path) -> None:
    """Make the runs that the pictures show: repeats of two methods, a sweep, one that fails."""
    for method, seed in itertools.product(("input", "trace"), range(3)):
        words = {**SPIRALS, "estimator": method, "seed": seed, "validate_every": 20}
        run(runs, "train", *parameters(words, budget=5000))
    run(runs, "train", "--config", str(HERE / "digits-twin.yaml"))
    run(runs, "gain_sweep")
    failing = Path(tempfile.gettempdir()) / "failing.py"
    failing.write_text(
        "from pymeasure.experiment import Procedure\n\n\n"
        "class Fails(Procedure):\n    DATA_COLUMNS = ['Turn']\n\n    def execute(self):\n"
        "        raise RuntimeError('the field supply answers nothing: is it switched on?')\n"
    )
    run(runs, f"{failing}:Fails")


class Photographer:
    """Waits for what is to be seen, and takes the picture."""

    def __init__(self, application: QApplication, out: Path) -> None:
        self._application, self._out = application, out

    def wait(self, until: Callable[[], bool]) -> None:
        """Let the window live until something holds."""
        end = time.monotonic() + LONG_S
        while not until():
            if time.monotonic() > end:
                raise TimeoutError("what the picture is to show did not come")
            self.live(0.05)

    def live(self, seconds: float) -> None:
        """Let the window live for a time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._application.processEvents()
            time.sleep(0.01)

    def take(self, window: MainWindow, name: str) -> None:
        """Take a picture once all is drawn."""
        self.live(1.0)
        path = self._out / f"{name}.png"
        window.grab().save(str(path), "PNG", 0)
        print(path)


def scenes(window: MainWindow, photographer: Photographer, runs: Path) -> Iterator[str]:
    """Bring the window into one state after the other."""
    found = RunsFolder(runs).list()
    trained = [one for one in found if one.procedure == "train" and one.status == "finished"]
    repeats = [one.folder for one in trained if one.configuration["task"] == "spirals"]
    (twin,) = (one.folder for one in trained if one.configuration["task"] == "digits")
    docks = {name: dock for name, (dock, _) in window.live.docks.items()}
    yield "first-start"
    window.welcome(False)
    yield "empty"
    photographer.wait(window.runs.proxy.rowCount)
    window.open_run(twin)
    for name in ("TwinDock", "ConfusionDock"):
        docks[name].raise_()
    yield "finished"
    for name in ("WaterfallDock", "LossDock", "KnobsDock", "TraceDock"):
        docks[name].raise_()
    window.live.docks["LossDock"][1].choose({"Smoothing": 20})
    window.steering.show_runs(repeats)
    yield "compare"
    window.live.docks["LossDock"][1].choose({"Smoothing": 0})
    sweep = next(one.folder for one in found if one.procedure == "gain_sweep")
    window.open_run(sweep)
    docks["WaterfallDock"].raise_()
    yield "sweep"
    docks["TraceDock"].raise_()
    window.open_run(next(one.folder for one in found if one.status == "failed"))
    window.go_to("log")
    yield "error"
    window.open_run(sweep)
    window.go_to("table")
    window.actions_["check"].trigger()
    photographer.wait(lambda: not window.processes.at_work)
    yield "bench"
    window.launch.choose("train")
    window.launch.load("train", {**SPIRALS, "estimator": "input", "budget": 20000})
    photographer.wait(window.launch.start_button.isEnabled)
    window.actions_["start"].trigger()
    photographer.wait(lambda: any(one.steps > 80 for one in window.live.snapshots))
    yield "training"
    window.actions_["abort"].trigger()
    photographer.wait(lambda: not window.processes.at_work)


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "pictures" / "windows")
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--looks", nargs="+", default=["-".join(look) for look in LOOKS])
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    looks = [look for look in LOOKS if "-".join(look) in asked.looks]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CONFIG_HOME"] = folder
        runs = asked.runs or Path(folder) / "runs"
        if not runs.is_dir():
            make_runs(runs)
        application = QApplication(sys.argv[:1])
        for look, size in looks:
            kept = QSettings(str(Path(folder) / f"{look}-{size}.ini"), QSettings.Format.IniFormat)
            settings = Settings(kept)
            settings.theme = look
            theme = Theme(application, look)
            window = MainWindow(runs, BenchFile.load(None), settings, theme)
            window.resize(SIZES[size])
            window.show()
            window.welcome()
            photographer = Photographer(application, asked.out)
            for scene in scenes(window, photographer, runs):
                photographer.take(window, f"{scene}-{look}-{size}")
            window.close()


if __name__ == "__main__":
    main()
