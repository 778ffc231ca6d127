"""The wires of the main window: what is asked in a panel, and who does it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import QObject, Qt, QTimer
from PyQt6.QtWidgets import QFileDialog, QMessageBox

from magnon_lab.gui.lists import Lists
from magnon_lab.gui.model.lister import Listing
from magnon_lab.gui.model.presets import Presets
from magnon_lab.gui.model.runs_list import MAY, RunRow, may
from magnon_lab.gui.model.snapshot import Snapshot
from magnon_lab.gui.model.units import grouped
from magnon_lab.gui.processes import ACCEPT, Child, Ended
from magnon_lab.runs import RunError, RunFile
from magnon_lab.runs.queue import Entry

if TYPE_CHECKING:
    from magnon_lab.gui.main_window import MainWindow

log = logging.getLogger(__name__)

#: How often (ms) what ages on the bench's cards is told anew.
AGE_MS = 1000

CHANGED = "Going on mixes measurements of two benches. The run's journal will tell what differs."
BUSY = {"check": "the bench is being checked", "safe": "the bench is being made safe"}


class Steering(QObject):
    """Brings together panels, processes and the files of runs; opens no instrument itself."""

    def __init__(self, window: MainWindow, runs: Path) -> None:
        super().__init__(window)
        self._window = window
        self._runs = runs
        self.lists = Lists(runs, self)
        self._rows: Sequence[RunRow] = ()
        self._holder: Path | None = None  # the run that has the bench, as far as the list tells
        self._ages = QTimer(self)
        self._ages.setInterval(AGE_MS)
        self._ages.timeout.connect(self._refresh_bench)

    def connect(self) -> None:
        """Put all wires in place, and begin to look at the runs."""
        window = self._window
        window.launch.start.connect(self.start)
        window.launch.queue.connect(self._queue)
        window.launch.saved.connect(window.queue.save)
        window.first.train.connect(lambda: self.start(*Presets().first()))
        window.runs.opened.connect(lambda folder: self.show_runs([folder]))
        window.runs.compared.connect(self.show_runs)
        window.runs.resumed.connect(self.resume)
        window.runs.duplicated.connect(self._duplicate)
        window.runs.touched.connect(self.lists.look_now)
        window.queue.touched.connect(self.lists.look_now)
        window.queue.started.connect(self._work_off)
        window.queue.stopped.connect(self._end_working)
        window.queue.edited.connect(self._edit)
        window.queue.opened.connect(lambda run: self.show_runs([self._runs / run]))
        window.bench.safe_asked.connect(self.make_safe)
        window.bench.check_asked.connect(self.check)
        window.bench.hand_asked.connect(lambda: window.go_to("hand"))
        window.hand.start_asked.connect(lambda values: self.start("hand", values))
        window.hand.stop_asked.connect(lambda folder: self._ask(folder, "stop"))
        window.live.changed.connect(self._show)
        window.live.aside_changed.connect(self._show_holder)
        window.processes.began.connect(self._began)
        window.processes.ended.connect(self._ended)
        window.actions_.connect(
            start=window.launch.press_start,
            queue=window.launch.press_queue,
            open=self._open,
            compare=window.runs.compare,
            export=window.runs.export,
            safe=self.make_safe,
            check=self.check,
            hand=lambda: window.go_to("hand"),
            **{kind: (lambda kind=kind: self.ask(kind)) for kind in MAY},
        )
        self.lists.changed.connect(self._list)
        self._ages.start()
        self._show(None)
        self.lists.look_now()

    def close(self) -> None:
        """Let go of files and processes; runs go on."""
        self._ages.stop()
        self.lists.close()
        self._window.processes.let_go()
        self._window.log.close_log()
        self._window.live.close_files()

    # What is shown

    def show_runs(self, folders: Sequence[Path]) -> None:
        """Show the first of these runs, and the others laid over it."""
        self._window.welcome(False)
        self._window.live.show_runs(list(folders))
        if len(folders) == 1:
            self._window.runs.select(folders[0])

    def _list(self, found: Listing) -> None:
        self._rows = found.rows
        self._window.runs.set_rows(found.rows, found.error)
        self._window.queue.set_entries(found.entries, found.error)
        holder = next((row.folder for row in reversed(found.rows) if row.may("stop")), None)
        if holder != self._holder:
            self._holder = holder
            self._window.live.watch_aside(holder)

    def _show(self, snapshot: Snapshot | None) -> None:
        window = self._window
        window.log.set_events(() if snapshot is None else snapshot.events)
        if self._holder is None or (snapshot is not None and snapshot.folder == self._holder):
            self._show_holder(snapshot)
        for kind in MAY:
            able = snapshot is not None and may(kind, snapshot.status, snapshot.resumable)
            window.actions_[kind].setEnabled(able)
        window.run_line.setText("" if snapshot is None else _line(snapshot))

    def _show_holder(self, snapshot: Snapshot | None) -> None:
        self._window.bench.show_run(snapshot)
        self._window.hand.show_run(snapshot)

    def _refresh_bench(self) -> None:
        self._window.bench.refresh()
        self._window.hand.refresh()

    # What is asked

    def start(self, procedure: str, values: Mapping[str, Any]) -> None:
        """Start a run in a process of its own."""
        window = self._window
        window.welcome(False)
        window.say(f"starting {procedure} …")
        window.processes.run(procedure, {name: str(value) for name, value in values.items()})

    def resume(self, run: str, accept_changed: bool = False) -> None:
        """Go on with a run that ended before its time, also at a changed bench if that is so."""
        self._window.say(f"resuming {run} …")
        self._window.processes.resume(run, accept_changed)

    def _offer_changed(self, run: str, refusal: str) -> None:
        """Ask whether to go on at a bench that is not as it was, of which `refusal` tells."""
        box = QMessageBox(self._window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setWindowTitle("The bench has changed")
        box.setText("\n".join(refusal.splitlines()[:-1]))  # the last is for a command line
        box.setInformativeText(CHANGED)
        go_on = box.addButton("&Go on all the same", QMessageBox.ButtonRole.AcceptRole)
        box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
        box.buttonClicked.connect(
            lambda button: self.resume(run, accept_changed=True) if button is go_on else None
        )
        box.open()

    def ask(self, kind: str) -> None:
        """Ask the run that is shown to pause, resume, stop or abort."""
        shown = self._window.live.snapshots[:1]
        for snapshot in (one for one in shown if may(kind, one.status, one.resumable)):
            if kind == "resume" and snapshot.status != "paused":
                self.resume(str(snapshot.folder))
            else:
                self._ask(snapshot.folder, kind)

    def _ask(self, folder: Path, kind: str) -> None:
        try:
            with RunFile.open(folder) as run:
                run.request(kind)
        except RunError as error:
            self._window.say(str(error), wrong=True)
        else:
            self._window.say(f"{folder.name} is asked to {kind}")

    def make_safe(self) -> None:
        """Switch everything off, in a process of its own, whatever else goes on."""
        window = self._window
        window.bench.show_busy("safe")
        if window.bench_file.in_process:
            # Each process has a simulated laboratory of its own: only its run can make it safe.
            for row in self._rows:
                if row.may("abort"):
                    self._ask(row.folder, "abort")
        if window.processes.find("safe") is None:
            window.processes.make_safe()

    def check(self) -> None:
        """Ask every instrument who it is, in a process of its own."""
        if self._window.processes.find("check") is None:
            self._window.bench.show_busy("check")
            self._window.processes.check_bench()

    def _queue(self, procedure: str, values: Mapping[str, Any]) -> None:
        window = self._window
        if window.queue.add(procedure, values, window.bench_file.path):
            window.go_to("entries")

    def _work_off(self, on_failure: str) -> None:
        if self._window.processes.find("queue") is None:
            self._window.processes.queue_start(on_failure)
        self._window.queue.set_working(True)

    def _end_working(self) -> None:
        child = self._window.processes.find("queue")
        if child is not None:
            child.ask_to_end()

    def _edit(self, entry: Entry) -> None:
        self._window.launch.edit_entry(entry)
        self._window.go_to("form")

    def _duplicate(self, procedure: str, values: Mapping[str, Any]) -> None:
        self._window.launch.load(procedure, values)
        self._window.go_to("form")

    def _open(self) -> None:
        window = self._window
        chosen = QFileDialog.getExistingDirectory(window, "Folder of a run", str(self._runs))
        if chosen:
            window.open_run(Path(chosen))

    # What comes of it

    def _began(self, child: Child) -> None:
        self.lists.look_now()
        if child.run is not None:
            folder = self._runs / child.run
            self._window.say(f"{child.run} has begun")
            self.show_runs([folder])

    def _ended(self, ended: Ended) -> None:
        window, told = self._window, dict(ended.told)
        self.lists.look_now()
        if ended.message:
            log.log(logging.WARNING if ended.code else logging.INFO, ended.message)
        match ended.what:
            case "safe":
                window.bench.show_safe(told or {"ok": False, "message": ended.message})
            case "check":
                window.bench.show_check(told or {"message": ended.message})
                window.processes.show_bench()
            case "queue":
                window.queue.set_working(False, ended.message if ended.code else "")
            case "show":
                window.bench.show_readings(told or {"message": ended.message})
            case "resume" if ACCEPT in ended.message:
                window.say(f"{ended.about} would go on at a changed bench", wrong=True)
                self._offer_changed(ended.about, ended.message)
            case "run" if ended.run is None and ended.code:
                window.launch.show_refusal(ended.message)
                window.say(ended.message, wrong=True)
            case _:
                name = ended.run or ended.about or ended.what
                how = str(told.get("status", "")) or ("ended" if not ended.code else "failed")
                window.say(
                    f"{name}: {how}" + (f", {ended.message}" if ended.message else ""),
                    wrong=ended.code not in (0, 4, 130),
                )


def _line(snapshot: Snapshot) -> str:
    """Return the run that is shown, in a few words."""
    if snapshot.error:
        return snapshot.error
    words = [snapshot.id, snapshot.status]
    if snapshot.part_done is not None and snapshot.status in ("running", "paused"):
        words.append(f"{100 * snapshot.part_done:.0f} %")
    if snapshot.ring_measurements:
        words.append(f"{grouped(snapshot.ring_measurements)} measurements")
    if snapshot.status in ("failed", "paused"):
        words.append(str(snapshot.info.get("message", "")))
    return "  ·  ".join(word for word in words if word)
