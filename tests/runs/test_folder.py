"""Making, listing and finding runs."""

import json
import os
import re
import subprocess
import time

import numpy as np
import pytest

from magnon_lab.runs import RunError, RunFile, RunsFolder, StepRow, provenance


@pytest.fixture
def make(runs):
    """Make a run, closed, and return its id."""

    def make(procedure="train", **more):
        with runs.create(
            **{
                "procedure": procedure,
                "configuration": {},
                "bench_text": "",
                "seed": 0,
                "simulated": True,
            }
            | more
        ) as run:
            return run.id

    return make


def test_a_new_run_knows_where_it_comes_from(runs):
    configuration = {
        "field_mt": float("nan"),
        "steps": np.int64(3),
        "knobs": ("a", "b"),
        "where": runs.path,
        "table": np.arange(2),
        "roles": {"b", "a"},
    }
    before = time.time()
    with runs.create(
        "gain sweep", configuration, "name: hall Ä\n", 11, False, parent="x", versions={"jax": "1"}
    ) as run:
        info = run.info()
        assert run.folder == runs.path / run.id
        assert run.csv_path == run.folder / "results.csv"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-\d{6}-gain_sweep-[0-9a-f]{6}", info["id"])
    assert np.isnan(info["configuration"].pop("field_mt"))
    assert info["configuration"] == {
        "steps": 3,
        "knobs": ["a", "b"],
        "where": str(runs.path),
        "table": [0, 1],
        "roles": ["a", "b"],
    }
    expected = {
        "procedure": "gain sweep",
        "status": "queued",
        "message": "",
        "parent": "x",
        "simulated": False,
        "seed": 11,
        "bench": "name: hall Ä\n",
        "versions": {"jax": "1"},
        "revision": "abc",
        "modified": False,
        "identities": {},
        "summary": {},
        "keep": "all",
        "checkpoints_kept": 3,
        "started": None,
        "ended": None,
    }
    assert expected.items() <= info.items()
    assert before <= info["created"] <= time.time()
    assert info["process"]["pid"] == os.getpid()
    json.dumps(info)


def test_versions_are_those_installed(make, runs):
    with runs.find(make()) as run:
        versions = run.info()["versions"]
    assert {"python", "sqlite", "numpy", "pymeasure", "jax"} <= versions.keys()
    assert versions["numpy"] == np.__version__


def test_ids_are_unique_within_a_second(make, runs):
    ids = [make() for _ in range(5)]
    assert len(set(ids)) == 5
    assert sorted(path.name for path in runs.path.iterdir()) == sorted(ids)


def test_a_procedure_name_that_is_no_file_name(make):
    assert re.search(r"-my_file_py_My_Class-[0-9a-f]{6}$", make("../my file.py:My/Class"))
    assert re.search(r"-run-[0-9a-f]{6}$", make("???"))


def test_list_tells_what_there_is(runs, make_block):
    assert runs.list() == []
    with runs.create("train", {}, "", 0, True) as first:
        first.start()
        first.record_step(
            StepRow(step=0, ring_measurements=5, loss=0.5, accuracy=0.25),
            measurements=make_block(0, 5),
        )
        first.record_step(StepRow(step=1, ring_measurements=5, loss=0.25, accuracy=0.5))
        first.finish("stopped", "enough")
    with runs.create("spectrum", {}, "", 0, False) as second:
        pass
    (runs.path / "notes").mkdir()
    (runs.path / "file.txt").touch()
    one, two = runs.list()
    assert (one.id, one.procedure, one.status, one.message) == (
        first.id,
        "train",
        "stopped",
        "enough",
    )
    assert (one.steps, one.ring_measurements, one.loss, one.accuracy) == (2, 5, 0.25, 0.5)
    assert one.simulated
    assert one.ended is not None
    assert one.ended >= one.created
    assert (two.id, two.status, two.simulated, two.ended) == (second.id, "queued", False, None)
    assert (two.steps, two.ring_measurements) == (0, 0)
    assert np.isnan(two.loss)


def test_an_unreadable_run_is_listed_with_its_reason(runs, make):
    run_id = make()
    broken = runs.path / "2020-01-01-000000-train-aaaaaa"
    broken.mkdir()
    (broken / "run.sqlite").write_text("hello")
    listed = runs.list()
    assert [summary.status for summary in listed] == ["unreadable", "queued"]
    assert "is no run file" in listed[0].message
    with runs.find("latest") as run:
        assert run.id == run_id


def test_find(runs, make, tmp_path, monkeypatch):
    first, second = make("train"), make("spectrum")
    for which in (first, first[-6:], "-train-", runs.path / first, str(runs.path / first)):
        with runs.find(which) as run:
            assert run.id == first
    with runs.find(runs.path / second / "run.sqlite") as run:
        assert run.id == second
    with runs.find("latest") as run:
        assert run.id == second
    with runs.find("latest", write=True) as run:
        run.start()
    monkeypatch.chdir(runs.path)
    with RunsFolder(tmp_path / "elsewhere").find(f"./{first}") as run:
        assert run.id == first


def test_what_is_not_found(runs, make):
    with pytest.raises(RunError, match="there are no runs in"):
        runs.find("latest")
    with pytest.raises(RunError, match=r"no run 'abc' in .*'latest', an id, a unique part"):
        runs.find("abc")
    first, second = make("train"), make("train")
    with pytest.raises(RunError, match="'train' fits 2 runs, be more precise") as raised:
        runs.find("train")
    assert first in str(raised.value)
    assert second in str(raised.value)
    with pytest.raises(RunError, match="nowhere"):
        runs.find(runs.path / "nowhere")


def test_a_run_half_made_is_not_listed(runs, make):
    make()
    half = runs.path / ".2020-01-01-000000-train-aaaaaa"
    half.mkdir()
    (half / "run.sqlite").touch()
    assert len(runs.list()) == 1


# Provenance


def git(folder, *arguments):
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", folder, *arguments],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "checkout"
    (root / "magnon_lab").mkdir(parents=True)
    (root / "magnon_lab" / "__init__.py").write_text("x = 1\n")
    git(tmp_path, "init", "-q", "checkout")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "start")
    return root


@pytest.mark.usefixtures("real_git")
def test_revision_of_a_checkout(checkout):
    revision, modified = provenance.revision(checkout)
    assert re.fullmatch("[0-9a-f]{40}", revision)
    assert modified is False
    (checkout / "runs").mkdir()
    (checkout / "runs" / "data.csv").write_text("1\n")
    assert provenance.revision(checkout) == (revision, False)
    (checkout / "magnon_lab" / "new.py").write_text("y = 2\n")
    assert provenance.revision(checkout) == (revision, True)


@pytest.mark.usefixtures("real_git")
def test_no_revision_where_the_package_is_not_tracked(checkout, tmp_path):
    installed = checkout / "venv"
    (installed / "magnon_lab").mkdir(parents=True)
    (installed / "magnon_lab" / "__init__.py").touch()
    assert provenance.revision(installed) == (None, None)
    assert provenance.revision(tmp_path) == (None, None)


@pytest.mark.usefixtures("real_git")
def test_no_revision_without_git(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.revision(checkout) == (None, None)


@pytest.mark.usefixtures("real_git")
def test_a_run_outside_a_checkout_says_that_it_does_not_know(runs, monkeypatch):
    monkeypatch.setattr(provenance, "_git", lambda root, *arguments: None)
    with runs.create("train", {}, "", 0, True) as run:
        info = run.info()
    assert info["revision"] is None
    assert info["modified"] is None


def test_opening_a_run_twice_gives_the_same(runs, make):
    run_id = make()
    with RunFile.open(runs.path / run_id) as one, RunFile.open(runs.path / run_id) as two:
        assert one.info() == two.info()
