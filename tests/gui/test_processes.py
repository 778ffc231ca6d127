"""Children of the window: how they begin, how their end is told, and that they outlive it."""

from __future__ import annotations

import os
import sys

import pytest

from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.gui import processes
from magnon_lab.gui.processes import Processes
from magnon_lab.runs import RunsFolder

LONG_MS = 60_000


@pytest.fixture
def children(tmp_path, qapp):
    made = Processes(tmp_path / "runs", shipped_path())
    yield made
    for child in made.at_work:
        child.process.kill()
        child.process.wait()
    made.let_go()


@pytest.fixture
def saying(monkeypatch):
    """Let children run this code instead of the command line."""

    def use(code: str) -> None:
        monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", code))

    return use


def test_a_run_tells_its_id_then_its_end(children, qtbot, tmp_path):
    with (
        qtbot.waitSignal(children.ended, timeout=LONG_MS) as ended,
        qtbot.waitSignal(children.began, timeout=LONG_MS) as began,
    ):
        children.run("spectrum", {"repeats": "2"})
    (child,), (end,) = began.args, ended.args
    assert (end.what, end.code, end.message, end.run) == ("run", 0, "", child.run)
    assert end.told["ring_measurements"] == 2
    with RunsFolder(tmp_path / "runs").find(child.run) as run:
        assert run.status == "finished"
    assert not children.at_work


def test_a_refusal_is_told_with_its_code(children, qtbot):
    with qtbot.waitSignal(children.ended, timeout=LONG_MS) as ended:
        children.run("spectrum", {"repeats": "0"})
    (end,) = ended.args
    assert (end.code, end.run) == (2, None)
    assert end.message.startswith("parameter repeats = '0' is refused")


@pytest.mark.parametrize(
    ("code", "exit_code", "message"),
    [
        ("raise RuntimeError('lost')", 1, "RuntimeError: lost"),
        ("import sys; sys.exit(7)", 7, "its process ended with exit code 7"),
        ("import os; os.kill(os.getpid(), 9)", -9, "its process was ended by SIGKILL"),
        ('print(\'{"message": "it failed"}\'); raise SystemExit(1)', 1, "it failed"),
    ],
)
def test_whatever_happens_to_a_child_is_said(children, saying, qtbot, code, exit_code, message):
    saying(code)
    with qtbot.waitSignal(children.ended, timeout=LONG_MS) as ended:
        children.make_safe()
    assert (ended.args[0].code, ended.args[0].message) == (exit_code, message)


def test_a_child_that_says_much_waits_for_nobody(children, saying, qtbot):
    saying("import sys\nfor _ in range(50_000): print('x' * 80, file=sys.stderr)")
    with qtbot.waitSignal(children.ended, timeout=LONG_MS) as ended:
        children.queue_start()
    assert ended.args[0].code == 0


def test_a_child_outlives_the_window(children, saying, qtbot, tmp_path):
    goal = tmp_path / "done"
    saying(
        "import pathlib, sys, time\nprint('run abc', file=sys.stderr, flush=True)\n"
        f"time.sleep(1.0)\nprint('still here', flush=True)\npathlib.Path({str(goal)!r}).touch()"
    )
    with qtbot.waitSignal(children.began, timeout=LONG_MS):
        child = children.resume("abc")
    assert os.getsid(child.pid) == child.pid  # of its own, so that no terminal's end reaches it
    children.let_go()
    qtbot.waitUntil(goal.exists, timeout=LONG_MS)
    assert child.process.wait(20) == 0


def test_a_child_is_asked_to_end_as_by_ctrl_c(children, saying, qtbot):
    saying(
        "import signal, sys, time\nsignal.signal(signal.SIGINT, lambda *_: sys.exit(130))\n"
        "print('run x', file=sys.stderr, flush=True)\nwhile True: time.sleep(0.05)"
    )
    with qtbot.waitSignal(children.began, timeout=LONG_MS):
        child = children.run("train", {})
    with qtbot.waitSignal(children.ended, timeout=LONG_MS) as ended:
        child.ask_to_end()
    assert ended.args[0].code == 130


def test_looking_stops_when_nobody_is_left(children, saying, qtbot):
    saying("pass")
    with qtbot.waitSignal(children.ended, timeout=LONG_MS):
        children.show_bench()
    assert not children._timer.isActive()
    assert children.find("show") is None


def test_a_child_that_has_ended_can_still_be_asked(children, saying):
    saying("pass")
    child = children.check_bench()
    child.process.wait(30)
    child.ask_to_end()
    assert child.process.returncode == 0
