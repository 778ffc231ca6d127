"""The drivers keep to PyMeasure's conventions, so that they could be contributed to it."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
from pymeasure.instruments import Channel, Instrument

import drivers

MODULES = [name for _, name, _ in pkgutil.walk_packages(drivers.__path__, "drivers.")]
CLASSES = sorted(
    {
        found
        for name in MODULES
        for _, found in inspect.getmembers(importlib.import_module(name), inspect.isclass)
        if issubclass(found, Instrument | Channel) and found.__module__.startswith("drivers.")
    },
    key=lambda found: found.__qualname__,
)
PROPERTIES = [
    pytest.param(found, name, id=f"{found.__name__}.{name}")
    for found in CLASSES
    for name, value in vars(found).items()
    if isinstance(value, property)
]


def test_the_instruments_are_found():
    names = {found.__name__ for found in CLASSES}
    assert {"KeysightN9000", "KeysightE8257D", "RCDAT", "KepcoBOP3612"} <= names
    assert len(PROPERTIES) > 80


@pytest.mark.parametrize(("found", "name"), PROPERTIES)
def test_docstrings_start_with_what_a_property_does(found, name):
    value = vars(found)[name]
    doc = inspect.getdoc(value.fget) or inspect.getdoc(value)
    start = doc.split()[0]
    assert start in ("Control", "Get", "Measure", "Set")
    # `measurement` keeps an fset that refuses, so only an own setter tells about writing.
    if start == "Control":
        assert value.fset is not None


@pytest.mark.parametrize("name", MODULES)
def test_each_file_carries_the_licence(name):
    text = Path(importlib.import_module(name).__file__).read_text(encoding="utf-8")
    assert "written to be made part of the PyMeasure package" in text
    assert "Permission is hereby granted, free of charge" in text


@pytest.mark.parametrize(
    "name",
    [
        "keysight:KeysightN9000",
        "keysight:KeysightE8257D",
        "keysight:KeysightE36312A",
        "minicircuits:RCDAT",
        "minicircuits:RC4DAT",
        "kepco:KepcoBOP3612",
        "lakeshore:LakeShore425",
        "magnonlab:SimulatedLaboratory",
    ],
)
def test_packages_re_export_their_instruments(name):
    package, _, instrument = name.partition(":")
    module = importlib.import_module(f"drivers.{package}")
    assert issubclass(getattr(module, instrument), Instrument)
    assert instrument in module.__all__
