from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest

from ..serving import changed_bench
from .conftest import Command

SCRIPT_WITHOUT = "x = 1\n"
SCRIPT_BROKEN = "import nothing_of_that_name\n"


def _refused(command: Command, tmp_path: Path, code: int, words: list[object]) -> str:
    """Call a command that must be refused with `code`; return what it said, as one line."""
    runs = tmp_path / "runs"
    told = command(*words, "--runs", runs, "--json")
    assert told.code == code, told.stderr
    assert told.json["status"] == "failed"
    assert not runs.exists() or not list(runs.iterdir()), "something half-written was left"
    assert told.json["message"] in told.stderr.replace("\n", " ") or "\n" in told.json["message"]
    return str(told.json["message"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "spectrum", "-p", "field_mt=900"], 3, ["field_mt", "900", "mT", "150"]),
        (["run", "spectrum", "-p", "attenuation_db=2"], 3, ["attenuation_db", "2 dB", "5"]),
        (["run", "spectrum", "-p", "drive_power_dbm=20"], 3, ["drive_power_dbm", "20 dBm", "10"]),
        (["run", "gain_sweep", "-p", "attenuation_to_db=0"], 3, ["attenuation_db", "dB", "5"]),
        (["run", "spectrum", "-p", "repeats=0"], 2, ["repeats", "0", "1"]),
        (["run", "spectrum", "-p", "field_mt=92 T"], 2, ["field_mt", "92 T", "mT"]),
        (["run", "spectrum", "-p", "feild_mt=92"], 2, ["feild_mt", "field_mt"]),
        (["run", "spectrum", "-p", "field_mt"], 2, ["field_mt", "name=value"]),
        (["run", "spectrum", "--bench", "absent.yaml"], 2, ["absent.yaml"]),
        (["run", "spectrum", "--config", "absent.yaml"], 2, ["absent.yaml"]),
        (["run", "spectre"], 2, ["spectre", "spectrum"]),
        (["run"], 2, ["procedure"]),
        (["run", "train", "-p", "task=absent.npz"], 2, ["absent.npz"]),
        (["run", "train", "-p", "learning_rate=nan"], 2, ["learning_rate", "nan"]),
        (
            ["run", "train", "-p", "batch_size=5000"],
            2,
            ["batch_size", "5000"],
        ),
        (["run", "train", "-p", "budget=30"], 2, ["budget", "30"]),
        (["run", "train", "-p", "knobs=field_t"], 2, ["field_t", "knobs"]),
        (["run", "train", "-p", "estimator=backprop"], 2, ["backprop", "pgt"]),
        (["run", "train", "-p", "estimator=exact"], 2, ["exact", "in silico"]),
        (["run", "evaluate", "-p", "trained=nothing"], 2, ["nothing"]),
    ],
)
def test_what_is_wrong_is_named(
    command: Command, tmp_path: Path, words: list[object], code: int, said: list[str]
) -> None:
    message = _refused(command, tmp_path, code, words)
    for word in said:
        assert word in message


def test_misspelt_key_in_the_bench_file(command: Command, tmp_path: Path) -> None:
    bench = changed_bench(
        tmp_path, lambda text: text.replace("attenuation_db: [5", "attenuation: [5")
    )
    message = _refused(command, tmp_path, 2, ["run", "spectrum", "--bench", bench])
    for word in (str(bench), "limits", "attenuation", "attenuation_db"):
        assert word in message


def test_knob_beyond_its_limit(command: Command, tmp_path: Path) -> None:
    bench = changed_bench(
        tmp_path, lambda text: text.replace("{from: -30, to: 5}", "{from: -30, to: 12}")
    )
    message = _refused(command, tmp_path, 2, ["run", "train", "--bench", bench])
    for word in ("drive_power_dbm", "12", "dBm", "10"):
        assert word in message


def test_knob_box_with_a_corner_beyond_a_linked_limit(command: Command, tmp_path: Path) -> None:
    bench = changed_bench(
        tmp_path, lambda text: text.replace("analyser_input_dbm: 20 ", "analyser_input_dbm: -60 ")
    )
    message = _refused(command, tmp_path, 3, ["run", "train", "--bench", bench])
    for word in ("analyser", "dBm", "-60"):
        assert word in message


def test_unreachable_instrument(command: Command, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bench = changed_bench(
        tmp_path,
        lambda text: text.replace(
            "resource: TCPIP::sim-generator::hislip0::INSTR",
            f"resource: TCPIP::127.0.0.1::{port}::SOCKET",
        ),
    )
    message = _refused(command, tmp_path, 1, ["run", "spectrum", "--bench", bench])
    for word in ("generator", f"127.0.0.1::{port}"):
        assert word in message


@pytest.mark.parametrize(
    ("content", "said"),
    [(SCRIPT_WITHOUT, "Procedure"), (SCRIPT_BROKEN, "nothing_of_that_name")],
)
def test_script_without_a_procedure(
    command: Command, tmp_path: Path, content: str, said: str
) -> None:
    script = tmp_path / "mine.py"
    script.write_text(content)
    message = _refused(command, tmp_path, 2, ["run", script])
    assert str(script) in message
    assert said in message


def test_nan_in_the_users_data(command: Command, tmp_path: Path) -> None:
    x = np.ones((40, 3))
    x[17, 2] = np.nan
    path = tmp_path / "mine.npz"
    np.savez(path, x=x, y=np.arange(40) % 2)
    message = _refused(command, tmp_path, 2, ["run", "train", "-p", f"task={path}"])
    for word in (str(path), "row 18", "column 3", "nan"):
        assert word in message


def test_refused_setting_by_hand_changes_nothing(command: Command) -> None:
    told = command("bench", "set", "field_mt", "200", "--json")
    assert told.code == 3
    assert "150" in told.json["message"]
    assert command("bench", "set", "field_t", "0.1", "--json").code == 2
    assert command("bench", "set", "field_mt", "much", "--json").code == 2
