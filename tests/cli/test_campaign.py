"""A campaign: grids and repeats, what is done stays done, and one table of what came out."""

import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.cli import campaigns
from magnon_lab.cli.app import app
from magnon_lab.cli.campaign_file import read_campaign
from magnon_lab.cli.errors import BadInputError
from magnon_lab.runs import RunFile, RunsFolder

from .asking import wait_for

QUICK = {"task": "parity2", "shots": 1, "batch_size": 4, "budget": 0, "steps": 4}


@pytest.fixture
def command(tmp_path):
    """Return what a command tells as JSON, in this process, with its runs in a folder."""

    def run(*words, code=0):
        words = [*map(str, words), "--json", "--runs", str(tmp_path / "runs")]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout.strip().splitlines()[-1])

    return run


@pytest.fixture
def written(tmp_path):
    def write(content, name="small.yaml"):
        path = tmp_path / name
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    return write


def test_lists_are_grids_and_cases_go_over_what_they_share(written):
    path = written(
        {
            "parameters": {"seed": [0, 1], "task": ["digits", "spirals"], "shots": 4},
            "cases": {"pgt": {"estimator": "pgt", "shots": [1, 2]}, "none": {"reservoir": "none"}},
        }
    )
    asked = read_campaign(path)
    assert asked.name == "small"
    assert asked.varied == ("seed", "task", "shots")
    assert len(asked.members) == 2 * 2 * 2 + 2 * 2
    assert [one.values["seed"] for one in asked.members] == [0] * 6 + [1] * 6
    assert {one.values["reservoir"] for one in asked.members} == {"model", "none"}
    assert {one.values["shots"] for one in asked.members if one.case == "pgt"} == {1, 2}
    through = read_campaign(path, visa=True).members
    assert {one.values["reservoir"] for one in through} == {"bench", "none"}


def test_a_bench_file_beside_the_campaigns_can_be_one_of_its_parameters(written, tmp_path):
    path = written({"parameters": {"bench": ["near.yaml", "far.yaml"], "seed": 3}})
    members = read_campaign(path, bench=tmp_path / "other.yaml").members
    assert [one.bench for one in members] == [tmp_path / "near.yaml", tmp_path / "far.yaml"]
    assert all("bench" not in one.values for one in members)
    path = written({"parameters": {"seed": 3}})
    assert read_campaign(path, bench=tmp_path / "other.yaml").members[0].bench is not None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"parameter": {}}, "no such key 'parameter'; it has name, procedure"),
        ({"cases": {}}, "`cases` is empty"),
        ({"cases": {"one": ["task"]}}, "cases: one: expected lines of the form"),
        ({"parameters": {"seed": []}}, r"cases: small: seed = \[\] is neither a value"),
        ({"parameters": {"seed": {"from": 1}}}, "seed = {'from': 1} is neither"),
        (["seed"], "the file: expected lines"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(written, content, message):
    with pytest.raises(BadInputError, match=message):
        read_campaign(written(content))


def test_what_is_wrong_with_one_run_is_told_before_the_first_begins(written, command, tmp_path):
    cases = {"good": {"estimator": "input"}, "bad": {"reservoir": "mlp", "estimator": "pgt"}}
    told = command("campaign", written({"parameters": QUICK, "cases": cases}), code=2)
    assert "campaign small: bad: estimator: 'pgt' does not train a digital network" in str(told)
    assert RunsFolder(tmp_path / "runs").list() == []


def test_runs_are_made_once_compared_and_put_into_a_page(written, command, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Head\n\n<!-- comparison small -->\nold\n<!-- end -->\n\ntail\n")
    picture = tmp_path / "picture.png"
    content = {
        "parameters": {**QUICK, "reservoir": "none", "estimator": "exact", "seed": [0, 1]},
        "cases": {"none": {}, "slower": {"learning_rate": 0.001, "steps": [2, 4]}},
    }
    path = written(content)
    words = ("campaign", path, "--page", page, "--picture", picture, "--against", "none")
    told = command(*words)
    groups = [(one["case"], one["steps"], len(one["runs"])) for one in told["groups"]]
    assert groups == [("none", 4, 2), ("slower", 2, 2), ("slower", 4, 2)]
    assert page.read_text().startswith("# Head\n\n<!-- comparison small -->\n| case | steps |")
    assert page.read_text().endswith("<!-- end -->\n\ntail\n")
    assert "more than none" in page.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")
    first = [run.id for run in RunsFolder(tmp_path / "runs").list()]
    content["parameters"]["seed"] = [0, 1, 2]
    command("campaign", written(content))
    runs = RunsFolder(tmp_path / "runs").list()
    assert len(runs) == 9
    assert [run.id for run in runs][:6] == first
    assert runs[0].annotations.tags == ("small", "none")
    plan = command("campaign", path, "--plan")["runs"]
    assert {one["status"] for one in plan} == {"finished"}


def test_a_run_that_was_stopped_ends_the_campaign_and_goes_on_with_it(
    written, command, tmp_path, monkeypatch
):
    path = written(
        {
            "parameters": {**QUICK, "steps": 200, "reservoir": "none", "estimator": "exact"},
            "cases": {"first": {"seed": 0}, "second": {"seed": 1}},
        }
    )
    launch = campaigns.launch

    def stopped(procedure, *, terms, **rest):
        def began(run):
            terms.began(run)
            with RunFile.open(run.folder) as other:
                other.request("stop")

        return launch(procedure, terms=dataclasses.replace(terms, began=began), **rest)

    monkeypatch.setattr(campaigns, "launch", stopped)
    command("campaign", path, code=4)
    (run,) = RunsFolder(tmp_path / "runs").list()
    assert run.status == "stopped"
    assert run.steps < 200
    monkeypatch.undo()
    command("campaign", path)
    first, second = RunsFolder(tmp_path / "runs").list()
    assert (first.id, first.status, first.steps) == (run.id, "finished", 200)
    assert (second.status, second.steps) == ("finished", 200)


def test_another_bench_file_makes_other_runs(written, command, tmp_path):
    path = written({"parameters": {**QUICK, "reservoir": "none", "estimator": "exact"}})
    data = yaml.safe_load(shipped_path().read_text())
    for field_mt in (91.0, 92.0):
        data["hold"]["field_mt"] = field_mt
        bench = written(data, f"field{field_mt:.0f}.yaml")
        command("campaign", path, "--bench", bench)
    told = command("campaign", path, "--bench", bench)
    assert [one["bench"] for one in told["groups"]] == ["field91", "field92"]
    assert len(RunsFolder(tmp_path / "runs").list()) == 2


def test_processes_share_the_runs(written, command, tmp_path):
    path = written(
        {"parameters": {**QUICK, "reservoir": "none", "estimator": "exact", "seed": [0, 1, 2]}}
    )
    told = command("campaign", path, "--processes", 2)
    assert len(told["groups"][0]["runs"]) == 3
    assert len(RunsFolder(tmp_path / "runs").list()) == 3
    refused = command("campaign", path, "--processes", 2, "--visa", code=2)
    assert "one process works a bench at a time" in refused["message"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_part_goes_on_without_the_first(written, tmp_path, number):
    endless = {**QUICK, "steps": 10**6, "reservoir": "none", "estimator": "exact"}
    path, runs = written({"parameters": {**endless, "seed": [0, 1, 2, 3]}}), tmp_path / "runs"
    words = [sys.executable, "-m", "magnon_lab.cli", "campaign", path, "--runs", runs]

    def statuses():
        return [run.status for run in RunsFolder(runs).list()]

    with subprocess.Popen([*map(str, words), "--processes", "2"]) as first:
        try:
            wait_for(lambda: statuses() == ["running"] * 2)
            first.send_signal(number)
            wait_for(lambda: "running" not in statuses())
            first.wait(30)
        finally:
            first.kill()
    # None was begun after, and whoever was killed left its own run without an end.
    ended = ["aborted", "aborted" if number == signal.SIGTERM else "interrupted"]
    assert sorted(statuses()) == ended


@pytest.mark.parametrize("name", ["comparison", "equal-steps"])
def test_a_campaign_that_comes_with_the_program_can_begin(command, name):
    path = Path(__file__).parents[2] / "examples" / f"{name}.yaml"
    plan = command("campaign", path, "--plan")["runs"]
    assert {one["status"] for one in plan} == {"not begun"}
    assert {one["parameters"]["seed"] for one in plan} == set(range(5))
    assert {one["parameters"]["reservoir"] for one in plan} >= {"model", "mlp", "none"}


def test_a_page_without_the_mark_is_refused(command, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Head\n")
    refused = command("runs", "compare", "--campaign", "small", "--page", page, code=2)
    assert "has no line <!-- comparison small -->" in refused["message"]
