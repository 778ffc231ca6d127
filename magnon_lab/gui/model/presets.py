"""Parameters kept under a name: YAML files as `magnon-lab run --config` reads them."""

from __future__ import annotations

import importlib.resources
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

FIRST = "digits-twin"
"""The shipped preset that the first start trains."""

NAME = re.compile(r"[\w(][\w ().,+=-]{0,79}")


class PresetError(ValueError):
    """A preset that cannot be read, kept or taken away; the message says why."""


@dataclass(frozen=True)
class Preset:
    """A file of parameters; `shipped` ones come with the program and stay as they are."""

    name: str
    path: Path
    shipped: bool


class Presets:
    """The shipped presets, and those in the user's folder."""

    def __init__(self, folder: Path | None = None, shipped: Path | None = None) -> None:
        self.folder = folder or _own()
        self._examples = shipped or _examples()

    def list(self) -> list[Preset]:
        """Return the presets by name, the user's own first."""
        return [*_in(self.folder, shipped=False), *self._shipped]

    @cached_property
    def _shipped(self) -> Sequence[Preset]:
        """Those of the program, read once: they stay as they are."""
        return [one for one in _in(self._examples, shipped=True) if _names_procedure(one.path)]

    def find(self, name: str) -> Preset | None:
        """Return the preset of a name."""
        return next((one for one in self.list() if one.name == name), None)

    def first(self) -> tuple[str, dict[str, Any]]:
        """Return procedure and values of what the first start trains. Raises `PresetError`."""
        if self._examples is None:
            raise PresetError("the shipped examples are missing: install Magnon Lab anew")
        return read(self._examples / f"{FIRST}.yaml")

    def save(self, name: str, procedure: str, values: Mapping[str, Any]) -> Preset:
        """Keep values under a name, in place of what the user kept there. Raises `PresetError`."""
        name = name.strip()
        if not NAME.fullmatch(name):
            raise PresetError(
                f"{name!r} is no name for a preset: letters, digits, blanks and .,+=()-_ are taken"
                if name
                else "A preset needs a name"
            )
        there = self.find(name)
        if there is not None and there.shipped:
            raise PresetError(f"{name!r} comes with the program: keep yours under another name")
        path = self.folder / f"{name}.yaml"
        text = yaml.safe_dump(
            {"procedure": procedure, **values}, sort_keys=False, allow_unicode=True
        )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise PresetError(f"{path} cannot be written: {error.strerror}") from error
        return Preset(name, path, False)

    def delete(self, preset: Preset) -> None:
        """Take a preset of the user's away. Raises `PresetError`."""
        if preset.shipped:
            raise PresetError(f"{preset.name!r} comes with the program: it stays")
        try:
            preset.path.unlink(missing_ok=True)
        except OSError as error:
            raise PresetError(f"{preset.path} cannot be removed: {error.strerror}") from error


def read(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the procedure that a file names, and its values. Raises `PresetError`."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PresetError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise PresetError(f"{path}: expected lines of the form `name: value`")
    procedure = content.pop("procedure", None)
    if not isinstance(procedure, str):
        raise PresetError(f"{path}: names no procedure (a line `procedure: train`)")
    return procedure, content


def _names_procedure(path: Path) -> bool:
    """Tell the examples of one run from those of campaigns, which lie beside them."""
    try:
        read(path)
    except PresetError:
        return False
    return True


def _in(folder: Path | None, shipped: bool) -> list[Preset]:
    if folder is None or not folder.is_dir():
        return []
    return [
        Preset(path.stem, path, shipped)
        for path in sorted(folder.glob("*.yaml"), key=lambda path: path.stem.lower())
    ]


def _own() -> Path:
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "magnon-lab" / "presets"


def _examples() -> Path | None:
    """Return the examples that come with the program: in the wheel, or in the checkout."""
    package = Path(str(importlib.resources.files("magnon_lab")))
    places = (package / "shipped" / "examples", package.parent / "examples")
    return next((place for place in places if place.is_dir()), None)
