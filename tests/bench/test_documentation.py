"""The samples in the documentation, as they stand there."""

import re
from pathlib import Path

import pytest

from magnon_lab.bench import Bench, BenchFile, LimitError

PAGE = Path(__file__).parents[2] / "docs" / "connect-your-instruments.md"


def samples(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found
    return found


def test_the_bench_file_of_a_real_laboratory_is_one() -> None:
    text, _ = samples("yaml")
    bench_file = BenchFile.parse(text)
    assert not bench_file.simulated
    Bench(bench_file)  # every driver can play its role; nothing is opened before it is entered
    # what the page says about it: it could saturate the amplifier, more than the attenuator bears
    with pytest.raises(LimitError, match="on the attenuator input"):
        bench_file.check_settings({"drive_power_dbm": 0.0, "attenuation_db": 4.0})


def test_a_block_of_references_that_track_a_mode_fits_into_it() -> None:
    text, block = samples("yaml")
    reference = BenchFile.parse(text + block).model.reference
    assert reference is not None
    assert reference.track is not None
    assert reference.track.mode_hz == 4.4711e9


def test_every_driver_in_the_table_can_play_its_role(edited) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (`.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert [role for role, _ in rows] == [
        "analyser",
        "generator",
        "attenuator",
        "field",
        "probe",
        "amplifier",
    ]
    count = 0
    for role, cell in rows:
        module = ""
        for name in re.findall(r"`([\w.]*:\w+)`", cell):
            module = name.partition(":")[0] or module
            Bench(edited({f"roles.{role}.driver": f"{module}:{name.partition(':')[2]}"}))
            count += 1
    assert count >= 12


def test_the_python_sample_runs(capsys, monkeypatch, tmp_path, manager) -> None:
    monkeypatch.delenv("MAGNON_LAB_BENCH", raising=False)
    monkeypatch.chdir(tmp_path)
    (code,) = samples("python")
    exec(compile(code, str(PAGE), "exec"), {})
    told = capsys.readouterr().out
    assert told.count("strongest line") == 5
    assert "WRONG" not in told
    assert "output off" in told
