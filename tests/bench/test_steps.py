import contextlib
import os
import signal
import threading
import time

import pytest

from magnon_lab.bench import InstrumentError, steps, telling
from magnon_lab.bench.steps import Step, StepError, StepOutcome, run_steps, signals_deferred


def silent(kind, phase, message, data) -> None:
    pass


def step(name: str, act) -> Step:
    return Step(name, act, (), 1.0)


def test_every_step_is_tried_whatever_the_others_did() -> None:
    done = []

    def fails():
        done.append("fails")
        raise KeyError("a bug, not even a bench error")

    def half():
        done.append("half")
        raise StepError("current still flows", {"field_current_a": 1.5})

    def works():
        done.append("works")
        return "off", {"drive_power_dbm": -60.0}

    journal = []
    outcomes = run_steps(
        "safe",
        [step("one", fails), step("two", half), step("three", works)],
        lambda *entry: journal.append(entry),
    )
    assert done == ["fails", "half", "works"]
    assert outcomes == [
        StepOutcome("one", False, "KeyError: 'a bug, not even a bench error'"),
        StepOutcome("two", False, "current still flows", {"field_current_a": 1.5}),
        StepOutcome("three", True, "off", {"drive_power_dbm": -60.0}),
    ]
    assert [(kind, phase) for kind, phase, *_ in journal] == [
        ("safe", "intent"),
        ("safe", "outcome"),
    ] * 3
    assert journal[3][2] == "two: FAILED, current still flows"
    assert journal[3][3] == {"ok": False, "field_current_a": 1.5}


class Lane:
    """A session that steps may share."""

    def __init__(self, role: str) -> None:
        self.role = role

    @contextlib.contextmanager
    def within(self, timeout_s: float):
        yield


def test_a_hung_instrument_does_not_keep_the_others_waiting(monkeypatch) -> None:
    monkeypatch.setattr(steps, "PATIENCE_S", 0.05)
    answers, done = threading.Event(), []

    def hangs():
        assert answers.wait(10)
        done.append("hung one")
        return "60 dB", {}

    def last():
        done.append("field off")
        answers.set()
        return "off", {}

    def quick(name: str):
        return lambda: (done.append(name) or "off", {})

    hung, field = Lane("attenuator"), Lane("field")
    outcomes = run_steps(
        "safe",
        [
            Step("loop", hangs, (hung,), 5.0),
            Step("again", quick("again"), (hung,), 5.0),
            Step("drive", quick("drive"), (Lane("generator"),), 5.0),
            Step("to zero", quick("to zero"), (field,), 5.0),
            Step("field off", last, (field,), 5.0),
        ],
        silent,
    )
    assert all(outcome.ok for outcome in outcomes)
    assert done == ["drive", "to zero", "field off", "hung one", "again"]
    assert [outcome.name for outcome in outcomes] == [
        "loop", "again", "drive", "to zero", "field off",
    ]  # fmt: skip


def test_a_call_that_heeds_no_time_out_is_left_behind_and_told(monkeypatch) -> None:
    monkeypatch.setattr(steps, "PATIENCE_S", 0.05)
    monkeypatch.setattr(steps, "LATE_S", 0.05)
    never, lane = threading.Event(), Lane("attenuator")
    outcomes = run_steps(
        "safe",
        [
            Step("loop", lambda: (str(never.wait(30)), {}), (lane,), 0.05),
            Step("again", lambda: ("60 dB", {}), (lane,), 0.05),
            Step("drive", lambda: ("off", {}), (Lane("generator"),), 1.0),
        ],
        silent,
    )
    never.set()
    assert [outcome.ok for outcome in outcomes] == [False, False, True]
    assert "heeds no time-out" in outcomes[0].text
    assert "not tried: 'loop' is stuck" in outcomes[1].text


def test_a_step_over_a_broken_session_is_tried_once_more() -> None:
    tries = []

    def broken_at_first():
        tries.append(1)
        if len(tries) == 1:
            raise InstrumentError("session opened anew")
        return "off", {}

    def broken():
        tries.append(1)
        raise InstrumentError("session opened anew")

    told = []

    def journal(kind, phase, message, data) -> None:
        told.append((kind, message))

    assert run_steps("safe", [step("one", broken_at_first)], journal) == [
        StepOutcome("one", True, "off")
    ]
    assert ("retry", "one: session opened anew; tried once more") in told
    tries.clear()
    (outcome,) = run_steps("safe", [step("one", broken)], silent)
    assert not outcome.ok
    assert len(tries) == 2


def test_a_journal_that_fails_does_not_keep_the_bench_from_becoming_safe() -> None:
    def full(kind, phase, message, data) -> None:
        raise OSError("no space left on device")

    (outcome,) = run_steps("safe", [step("one", lambda: ("off", {}))], full)
    assert outcome.ok


def test_a_journal_that_is_kept_waiting_keeps_no_step_waiting(monkeypatch) -> None:
    monkeypatch.setattr(telling, "PATIENCE_S", 0.01)
    free, told = threading.Event(), []

    def locked(kind, phase, message, data) -> None:
        told.append((free.wait(30), message))  # as a run file that another process has locked

    def last():
        free.set()
        return "off", {}

    assert all(
        outcome.ok
        for outcome in run_steps(
            "safe", [step("one", lambda: ("off", {})), step("other", last)], locked
        )
    )
    assert free.is_set()
    while len(told) < 4:
        time.sleep(0.001)
    assert told == [(True, "one"), (True, "one: off"), (True, "other"), (True, "other: off")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_wait_until_the_bench_is_safe(number) -> None:
    came = []
    before = signal.signal(number, lambda *_: came.append("now"))
    try:
        with signals_deferred():
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            assert came == []
        assert came == ["now", "now"]
    finally:
        signal.signal(number, before)


def test_ctrl_c_is_not_lost() -> None:
    reached = []

    def make_safe() -> None:
        with signals_deferred():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("the last step")

    # Python leaves Ctrl-C ignored where whoever started the tests ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            make_safe()
    finally:
        signal.signal(signal.SIGINT, before)
    assert reached == ["the last step"]


def test_other_threads_make_safe_too() -> None:
    reached = []

    def work() -> None:
        with signals_deferred():
            reached.append("safe")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert reached == ["safe"]
