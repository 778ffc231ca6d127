"""What is asked of a run while it works: taken up, followed, and nothing lost by it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from magnon_lab.cli.control import GRACE_S, Control
from magnon_lab.runs import RunFile, RunsFolder
from procedures.pulse import Pulse

from ..serving import changed_bench
from .asking import ask_at, at_step, bystander, differences, wait_for
from .conftest import Command


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory, train: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of a short training on a bench that takes references."""
    folder = tmp_path_factory.mktemp("bench")
    references = "\nreference: {every: 7, attenuation_db: 20.0}\n"
    return (*train, "--bench", str(changed_bench(folder, lambda text: text + references)))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, train: tuple[str, ...]) -> RunFile:
    """A training that nobody disturbed, with reference measurements in between."""
    from typer.testing import CliRunner

    from magnon_lab.cli.app import app

    runs = tmp_path_factory.mktemp("alone")
    done = CliRunner().invoke(app, ["run", "train", "--runs", str(runs), *train])
    assert done.exit_code == 0, done.output
    return RunsFolder(runs).find("latest")


def test_a_pause_waits_in_standby_and_then_goes_on_as_if_nothing_were(
    command: Command, tmp_path: Path, train: tuple[str, ...], alone: RunFile
) -> None:
    def act() -> None:
        with at_step(tmp_path, 3) as run:
            run.request("pause")
            wait_for(lambda: run.status == "paused")
            steps = run.summary().steps
            last = [(event.kind, event.phase) for event in run.events(newest=2)]
            assert ("standby", "outcome") in last or ("request", "outcome") in last
            run.request("resume")
            wait_for(lambda: run.status == "running")
            assert run.summary().steps in (steps, steps + 1)

    with bystander(act):
        told = command("run", "train", "--runs", tmp_path, "--json", *train)
    assert told.code == 0
    assert told.json["status"] == "finished"
    with RunsFolder(tmp_path).find("latest") as run:
        assert differences(alone, run) == []
        assert [request.kind for request in run.requests()] == ["pause", "resume"]
        assert all(0 <= one.taken - one.time < 2.0 for one in run.requests() if one.taken)
        done = [event.message for event in run.events("standby") if event.phase == "outcome"]
        assert [text.partition(":")[0] for text in done] == [
            "attenuator to maximum",
            "generator off",
        ]


@pytest.mark.parametrize("kind", ["stop", "abort"])
def test_a_stopped_or_aborted_training_resumes_as_if_nothing_were(
    command: Command, tmp_path: Path, train: tuple[str, ...], alone: RunFile, kind: str
) -> None:
    status = {"stop": "stopped", "abort": "aborted"}[kind]
    with bystander(ask_at(tmp_path, 3, kind)):
        told = command("run", "train", "--runs", tmp_path, "--json", *train)
    assert told.code == 4
    assert told.json["status"] == status
    with RunsFolder(tmp_path).find("latest") as run:
        assert run.status == status
        before = run.counts()
        [request] = run.requests()
        assert request.taken is not None
        assert request.taken - request.time < 2.0
        evaluations = [one.split for one in run.evaluations()]
        assert ("test" in evaluations) is (kind == "stop")
        assert run.events("safe")[-1].data["ok"] is True
    again = command("resume", told.json["run"], "--runs", tmp_path, "--json")
    assert again.code == 0, again.stderr
    assert again.json["run"] == told.json["run"]
    with RunsFolder(tmp_path).find("latest") as run:
        assert differences(alone, run) == []
        [event] = run.events("resume")
        taken = event.data["measurements"]
        assert taken.get("evaluation", 0) == (before.get("evaluation", 0) if kind == "stop" else 0)
        assert again.json["bench_time_s"] > told.json["bench_time_s"]
        bench_time_s = run.steps()["bench_time_s"]
        assert (bench_time_s[1:] > bench_time_s[:-1]).all()


@pytest.mark.parametrize(("kind", "status"), [("stop", "stopped"), ("abort", "aborted")])
def test_a_paused_run_can_be_ended(
    command: Command, tmp_path: Path, train: tuple[str, ...], kind: str, status: str
) -> None:
    def act() -> None:
        with at_step(tmp_path, 1) as run:
            run.request("pause")
            wait_for(lambda: run.status == "paused")
            run.request(kind)

    with bystander(act):
        told = command("run", "train", "--runs", tmp_path, "--json", *train)
    assert told.code == 4
    assert told.json["status"] == status
    assert (told.json["accuracy"] is None) is (kind == "abort")
    with RunsFolder(tmp_path).find("latest") as run:
        assert run.events("safe")[-1].data["ok"] is True


def test_a_stop_of_what_cannot_resume_says_so(command: Command, tmp_path: Path) -> None:
    def act() -> None:
        def measured() -> bool:
            found = RunsFolder(tmp_path).list()
            return bool(found) and found[-1].ring_measurements > 3

        wait_for(measured)
        with RunsFolder(tmp_path).find("latest") as run:
            run.request("stop")

    with bystander(act):
        told = command("run", "spectrum", "--runs", tmp_path, "--json", "-p", "repeats=100000")
    assert told.code == 1
    assert told.json["status"] == "stopped"
    assert "resume" not in told.json["message"]
    again = command("resume", "latest", "--runs", tmp_path, "--json")
    assert again.code == 1
    assert "cannot go on" in again.json["message"]
    assert "magnon-lab run spectrum" in again.json["message"]


def test_nobody_follows_a_request_to_what_has_ended(command: Command, tmp_path: Path) -> None:
    assert command("run", "spectrum", "--runs", tmp_path).code == 0
    for word in ("pause", "stop", "abort", "resume"):
        told = command(word, "latest", "--runs", tmp_path, "--json")
        assert told.code == 1
        assert "is finished" in told.json["message"]


class Silent:
    """A context of a procedure that does not get on."""

    def __init__(self, phase: str, silent_s: float) -> None:
        ticks = itertools.count(0.0, silent_s)
        self.pulse = Pulse(lambda: next(ticks))
        self.pulse.last = self.pulse.last._replace(phase=phase, at=0.0)


@pytest.mark.parametrize(
    ("phase", "silent_s", "since_s", "stuck"),
    [
        ("measure", 2 * GRACE_S, 2 * GRACE_S, True),
        ("measure", 2 * GRACE_S, 0.1, False),  # the abort has only just come
        ("measure", 0.5, 2 * GRACE_S, False),  # it gets on
        ("safe", 10 * GRACE_S, 10 * GRACE_S, False),  # it has time-outs of its own
    ],
)
def test_only_silence_after_an_abort_is_being_stuck(
    monkeypatch: pytest.MonkeyPatch, phase: str, silent_s: float, since_s: float, stuck: bool
) -> None:
    context = Silent(phase, silent_s)
    control = Control(None, lambda: None, context)  # type: ignore[arg-type]
    assert not control.stuck
    now = [1000.0]
    monkeypatch.setattr("magnon_lab.cli.control.time.monotonic", lambda: now[0])
    control.ask("abort")
    now[0] += since_s
    assert control.stuck is stuck
