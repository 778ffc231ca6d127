"""The thread that reads run files for the window."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from magnon_lab.gui.model import run_view
from magnon_lab.gui.model.watcher import Watcher

from .trained_runs import many_steps, new_run, train

WAIT_S = 20.0


class Bell:
    """Counts how often a watcher rang, and from which threads."""

    def __init__(self) -> None:
        self.rung = 0
        self.threads: set[str] = set()

    def __call__(self) -> None:
        self.rung += 1
        self.threads.add(threading.current_thread().name)


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def watcher(bell) -> Iterator[Watcher]:
    made = Watcher(bell, period_s=0.02)
    yield made
    made.close()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)


def test_a_run_is_followed_from_another_thread(tmp_path, watcher, bell):
    with new_run(tmp_path) as run:
        view = watcher.watch(run.folder)
        until(lambda: view.snapshot.id == run.id)
        train(run, range(1, 3))
        until(lambda: view.snapshot.steps == 2)
        assert bell.threads == {"watcher"}
        assert watcher.take() == [view]
        assert watcher.take() == []


def test_it_rings_once_until_it_is_answered(tmp_path, watcher, bell):
    with new_run(tmp_path) as run:
        view = watcher.watch(run.folder)
        until(lambda: view.snapshot.id)
        for step in range(1, 6):
            train(run, [step])
            until(lambda step=step: view.snapshot.steps == step)
        assert bell.rung == 1
        watcher.take()
        train(run, [6])
        until(lambda: bell.rung == 2)
        assert watcher.take() == [view]


def test_a_quiet_run_rings_no_bell(tmp_path, watcher, bell):
    with new_run(tmp_path) as run:
        train(run, range(1, 3))
        view = watcher.watch(run.folder)
        until(lambda: view.snapshot.steps == 2 and not view.behind)
        time.sleep(0.1)
        watcher.take()
        rung = bell.rung
        time.sleep(0.3)
        assert bell.rung == rung


def test_what_is_forgotten_is_closed_and_told_of_no_more(tmp_path, watcher):
    with new_run(tmp_path) as run:
        view = watcher.watch(run.folder)
        until(lambda: view.snapshot.id)
        watcher.forget(view)
        until(lambda: view._viewer is None)
        train(run, [1])
        time.sleep(0.1)
        assert watcher.take() == []
        assert view.snapshot.steps == 0
        watcher.forget(view)  # again, which is nothing


def test_a_closer_look_comes_at_once(tmp_path, bell):
    watcher = Watcher(bell, period_s=60.0)
    with new_run(tmp_path) as run:
        many_steps(run, 1, 20_000)
        view = watcher.watch(run.folder)
        until(lambda: view.snapshot.complete)
        view.zoom("step", 500, 600)
        until(lambda: (view.snapshot.curves["loss"].count == 1).sum() > 100)
    watcher.close()


def test_one_run_that_cannot_be_shown_hides_no_other(tmp_path, watcher, monkeypatch, capsys):
    bad, good = new_run(tmp_path), new_run(tmp_path)
    train(good, [1])
    shown = run_view.RunView._data

    def broken(self, *args):
        if self.folder == bad.folder:
            raise ZeroDivisionError("of all things")
        return shown(self, *args)

    monkeypatch.setattr(run_view.RunView, "_data", broken)
    views = [watcher.watch(run.folder) for run in (bad, good)]
    until(lambda: views[0].snapshot.error and views[1].snapshot.steps == 1)
    assert "ZeroDivisionError: of all things" in views[0].snapshot.error
    train(good, [2])
    until(lambda: views[1].snapshot.steps == 2)
    assert "of all things" in capsys.readouterr().err
    for run in (bad, good):
        run.close()


def test_closing_ends_the_thread_and_the_files(tmp_path, bell):
    watcher = Watcher(bell, period_s=0.02)
    with new_run(tmp_path) as run:
        view = watcher.watch(run.folder)
        until(lambda: view.snapshot.id)
        watcher.close()
        assert not watcher._thread.is_alive()
        assert view._viewer is None
        watcher.close()  # again, which is nothing
