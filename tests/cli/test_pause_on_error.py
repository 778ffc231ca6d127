"""An overdriven analyser: flagged, standby, and a pause that waits for an operator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from magnon_lab.bench import FLAG_OVERLOAD
from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.runs import RunFile, RunsFolder

from ..serving import changed_bench
from .asking import bystander, differences, wait_for
from .conftest import Command

AT = 40  # number of the measurement, in the third step


@pytest.fixture
def overloading(tmp_path: Path) -> Path:
    """A bench whose analyser is overdriven once."""
    shipped = shipped_path().parent / "sim_instruments.yaml"
    library = tmp_path / "overloading.yaml"
    fault = f"\n  faults: [{{kind: overload, role: analyser, measurement: {AT}, at: 1}}]"
    library.write_text(shipped.read_text().replace("\nlaboratory:", f"\nlaboratory:{fault}", 1))
    return changed_bench(tmp_path, lambda text: text.replace(str(shipped), str(library)))


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
