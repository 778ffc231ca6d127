"""A disk that fills up: told, the bench safe, and the run goes on once there is room."""

from __future__ import annotations

from pathlib import Path

import pytest

from magnon_lab.cli import run as run_command
from magnon_lab.runs import RunFile, RunsFolder

from .asking import differences
from .conftest import Command


def test_a_training_whose_disk_fills_up_fails_safe_and_resumes(
    command: Command, tmp_path: Path, train: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def little_room(run: RunFile) -> None:
        (pages,) = run._database.row("PRAGMA page_count") or (0,)
        run._database.rows(f"PRAGMA max_page_count = {pages + 8}")

    words = ("run", "train", *train, "--json")
    assert command(*words, "--runs", tmp_path / "alone").code == 0
    monkeypatch.setattr(run_command, "say_began", little_room)
    told = command(*words, "--runs", tmp_path / "full")
    monkeypatch.undo()
    assert told.code == 1
    assert "the disk is full: free space; what was recorded is kept" in told.json["message"]
    with RunsFolder(tmp_path / "full").find("latest") as run:
        assert run.status == "failed"
        assert 0 < run.summary().steps < 10
        safe = [event for event in run.events("safe") if event.phase == "outcome"]
        assert len(safe) == 6
        assert all(event.data["ok"] for event in safe)
    again = command("resume", "latest", "--runs", tmp_path / "full", "--json")
    assert again.code == 0, again.stderr
    with (
        RunsFolder(tmp_path / "alone").find("latest") as alone,
        RunsFolder(tmp_path / "full").find("latest") as run,
    ):
        assert differences(alone, run) == []
