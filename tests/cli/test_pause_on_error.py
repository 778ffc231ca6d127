"""A pause that waits for an operator: the bench is at rest meanwhile, whatever fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from magnon_lab.bench import FLAG_OVERLOAD
from magnon_lab.runs import RunFile, RunsFolder

from ..serving import faulty_bench
from .asking import at_step, bystander, differences, wait_for
from .conftest import Command

AT = 40  # number of the measurement, in the third step


@pytest.fixture
def overloading(tmp_path: Path) -> Path:
    """A bench whose analyser is overdriven once."""
    return faulty_bench(tmp_path, f"kind: overload, role: analyser, measurement: {AT}, at: 1")


def _when_paused(runs: Path, kind: str, seen: list[RunFile]) -> Callable[[], None]:
    def act() -> None:
        def paused() -> RunFile | None:
            found = RunsFolder(runs).list()
            return (
                RunFile.open(found[-1].folder) if found and found[-1].status == "paused" else None
            )

        run = wait_for(paused)
        seen.append(run)
        assert "overdriven at" in run.info()["message"]
        assert [event.kind for event in run.events(newest=1)] == ["pause"]
        flagged = run.measurements(first=AT, last=AT)
        assert flagged["flags"].tolist() == [FLAG_OVERLOAD]
        standby = [event for event in run.events("standby") if event.phase == "outcome"]
        assert len(standby) == 2
        assert all(event.data["ok"] for event in standby)
        run.request(kind)

    return act


def test_resumed_it_measures_the_batch_anew_and_loses_nothing(
    command: Command, tmp_path: Path, train: tuple[str, ...], overloading: Path
) -> None:
    words = ("run", "train", "--json", *train)
    assert command(*words, "--runs", tmp_path / "alone").code == 0
    seen: list[RunFile] = []
    with bystander(_when_paused(tmp_path / "runs", "resume", seen)):
        told = command(*words, "--runs", tmp_path / "runs", "--bench", overloading)
    assert told.code == 0, told.stderr
    with RunsFolder(tmp_path / "alone").find("latest") as alone, seen[0] as run:
        assert run.status == "finished"
        assert differences(alone, run) == []


@pytest.mark.parametrize(("kind", "status"), [("stop", "stopped"), ("abort", "aborted")])
def test_ended_instead_it_tries_nothing_more(
    command: Command, tmp_path: Path, train: tuple[str, ...], overloading: Path, kind: str,
    status: str,
) -> None:  # fmt: skip
    seen: list[RunFile] = []
    with bystander(_when_paused(tmp_path / "runs", kind, seen)):
        told = command(
            *("run", "train", "--json", *train, "--runs", tmp_path / "runs"),
            *("--bench", overloading),
        )
    assert told.code == 4
    assert told.json["status"] == status
    with seen[0] as run:
        assert run.evaluations() == []
        assert run.events("safe")[-1].data["ok"] is True


def test_or_it_fails_at_once_if_asked_to(
    command: Command, tmp_path: Path, train: tuple[str, ...], overloading: Path
) -> None:
    words = ("run", "train", "--json", *train, "--runs", tmp_path / "runs", "--on-error", "fail")
    told = command(*words, "--bench", overloading)
    assert told.code == 1
    assert told.json["status"] == "failed"
    assert "overdriven at" in told.json["message"]


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (2, "paused on request, bench safe, for standby failed: generator off: "),
        (9, "paused on request, THE BENCH MAY STILL BE ON (generator off: "),
    ],
)
def test_a_pause_whose_standby_fails_is_no_rest(
    command: Command, tmp_path: Path, train: tuple[str, ...], count: int, told: str
) -> None:
    bench = faulty_bench(
        tmp_path, f"kind: lost, role: generator, command: ':OUTP', at: 3, count: {count}"
    )
    runs, seen = tmp_path / "runs", []

    def pause_then_abort() -> None:
        run = at_step(runs, 2)
        run.request("pause")
        wait_for(lambda: run.info()["status"] == "paused")
        seen.append((run.info()["message"], len(run.events("safe"))))
        run.request("abort")
        run.close()

    with bystander(pause_then_abort):
        command("run", "train", "--json", *train, "--runs", runs, "--bench", bench)
    ((message, steps),) = seen
    assert message.startswith(told)
    assert steps > 0
