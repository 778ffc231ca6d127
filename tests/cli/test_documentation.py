from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from magnon_lab.runs import RunsFolder

from .conftest import Command

DOCS = Path(__file__).parents[2] / "docs"
OWN = """
from pymeasure.experiment import IntegerParameter, Procedure


class Plain(Procedure):
    count = IntegerParameter("Count", default=3)
    DATA_COLUMNS = ["Index"]

    def execute(self):
        for index in range(self.count):
            self.emit("results", {"Index": index})
"""


def _sample(page: str) -> str:
    blocks: list[str] = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert len(blocks) == 1
    return blocks[0]


def test_the_documented_procedure_runs(command: Command, tmp_path: Path) -> None:
    script = tmp_path / "power_sweep.py"
    script.write_text(_sample("write-a-procedure.md"))
    words = ("run", script, "-p", "points=4", "-p", "attenuation_db=12")
    told = command(*words, "--runs", tmp_path / "runs", "--json")
    assert told.code == 0, told.stderr
    assert told.json["ring_measurements"] == 4
    run = RunsFolder(tmp_path / "runs").find("latest")
    assert run.knobs() == ("drive_power_dbm",)
    shown = command("procedures", "show", script).stdout
    assert "points" in shown
    assert "field_mt" in shown
    beyond = command(*words, "-p", "drive_power_dbm=15", "--runs", tmp_path / "runs", "--json")
    assert beyond.code == 3


def test_the_documented_reading_of_a_run(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("run", "spectrum").code == 0
    script = tmp_path / "read.py"
    script.write_text(_sample("run-file.md"))
    found = runpy.run_path(str(script))
    assert found["traces"].shape == (1, 401)


def test_a_plain_pymeasure_procedure_runs_unguarded(command: Command, tmp_path: Path) -> None:
    script = tmp_path / "plain.py"
    script.write_text(OWN)
    told = command("run", f"{script}:Plain", "-p", "count=5", "--runs", tmp_path / "runs", "--json")
    assert told.code == 0
    run = RunsFolder(tmp_path / "runs").find("latest")
    assert [event.kind for event in run.events()] == ["unguarded", "process"]
    assert run.csv_path.read_text().strip().splitlines()[-1] == "4"


def test_the_commands_of_the_page_on_runs_exist(command: Command) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / "runs-and-queue.md").read_text(), re.S)
    lines = [line.partition("#")[0].split() for block in blocks for line in block.splitlines()]
    assert len(lines) > 15
    for words in lines:
        assert words[0] == "magnon-lab"
        depth = 2 if words[1] in ("queue", "runs") else 1
        told = command(*words[1 : 1 + depth], "--help")
        assert told.code == 0, words
        for word in words:
            if word.startswith("--"):
                assert word in told.stdout, (words, word)
