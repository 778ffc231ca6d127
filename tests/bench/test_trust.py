"""A bench file from a stranger cannot run code that the user has not allowed."""

import sys
from pathlib import Path

import pytest

from magnon_lab.bench import BenchFile, BenchFileError
from magnon_lab.bench.session import driver_class
from magnon_lab.bench.stand import Stand

LEFT = "import pathlib; pathlib.Path({path!r}).touch()\n"
INSTRUMENT = """
from pymeasure.instruments import Instrument
class Mine(Instrument):
    pass
class NotOne:
    def __init_subclass__(cls): raise SystemExit
"""


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "settings.yaml"
    monkeypatch.setenv("MAGNON_LAB_SETTINGS", str(path))
    return path


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that can be imported, and leaves a mark when it is."""
    mark = tmp_path / "imported"
    (tmp_path / "strangers_lab.py").write_text(LEFT.format(path=str(mark)) + INSTRUMENT)
    (tmp_path / "drivers_of_a_stranger.py").write_text(LEFT.format(path=str(mark)) + INSTRUMENT)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield mark
    for name in ("strangers_lab", "drivers_of_a_stranger"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["strangers_lab", "drivers_of_a_stranger"])
def test_a_module_that_is_not_allowed_is_not_imported(settings, module, name) -> None:
    with pytest.raises(BenchFileError) as caught:
        driver_class("field", f"{name}:Mine")
    assert f"roles.field.driver = '{name}:Mine'" in str(caught.value)
    assert "was not imported" in str(caught.value)
    assert str(settings) in str(caught.value)
    assert not module.exists()
    assert name not in sys.modules


def test_the_user_allows_a_module_in_a_file_of_his_own(settings, module) -> None:
    settings.write_text("driver_modules: [strangers_lab]\n")
    assert driver_class("field", "strangers_lab:Mine").__name__ == "Mine"
    assert module.exists()
    with pytest.raises(BenchFileError, match="a PyMeasure Instrument in strangers_lab"):
        driver_class("field", "strangers_lab:NotOne")


@pytest.mark.parametrize("name", ["os:system", "subprocess:Popen", "builtins:eval"])
def test_what_is_no_instrument_is_never_called(settings, name) -> None:
    with pytest.raises(BenchFileError, match="was not imported"):
        driver_class("field", name)


@pytest.mark.parametrize(
    "name", ["pymeasure.instruments.validators:strict_range", "drivers.keysight:importlib"]
)
def test_an_allowed_module_gives_instruments_only(settings, name) -> None:
    with pytest.raises(BenchFileError, match="allowed: a PyMeasure Instrument"):
        driver_class("field", name)


@pytest.mark.parametrize(
    "library",
    ["/tmp/evil.so", "/tmp/evil.so@ivi", "@evil", "evil.so@sim", "x.yaml@py", "evil.yaml"],
)
def test_no_library_is_loaded_that_a_bench_file_names(edited, settings, library) -> None:
    changed = edited({"visa_library": library})
    with pytest.raises(BenchFileError, match=r"visa_library = .* was not loaded"):
        Stand(changed)
    settings.write_text(f"visa_libraries: ['{library}']\n")
    Stand(changed)  # opens nothing


@pytest.mark.parametrize("library", ["@py", "@ivi", "", "sim.yaml@magnon", "sim.yaml@sim"])
def test_usual_libraries_need_no_permission(edited, settings, library) -> None:
    Stand(edited({"visa_library": library}))


@pytest.mark.parametrize("text", ["driver_module: [x]", "driver_modules: x", "a: [", "- x"])
def test_wrong_settings_are_told_with_their_place(settings, text) -> None:
    settings.write_text(text)
    with pytest.raises(BenchFileError, match=r"settings .*settings\.yaml"):
        driver_class("field", "strangers_lab:Mine")


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system ['true']", "name: !!python/name:os.system"]
)
def test_yaml_makes_no_objects(text) -> None:
    with pytest.raises(BenchFileError, match="not valid YAML"):
        BenchFile.parse(text)
