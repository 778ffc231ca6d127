"""The user's own settings: what a bench file, which may be a stranger's, is allowed to load.

# ~/.config/magnon-lab/settings.yaml
driver_modules: [my_lab.drivers]        # beside drivers and pymeasure.instruments
visa_libraries: [/usr/lib/libvisa.so]   # beside what PyVISA finds by itself
"""

from __future__ import annotations

import os
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from magnon_lab.bench.errors import BenchFileError

ENVIRONMENT = "MAGNON_LAB_SETTINGS"

OWN_MODULES = ("drivers", "pymeasure.instruments")
OWN_BACKENDS = ("py", "ivi", "sim", "magnon")


class Settings(BaseModel):
    """What the user trusts beyond what comes with Magnon Lab."""

    model_config = ConfigDict(extra="forbid", strict=True)

    driver_modules: list[str] = []
    visa_libraries: list[str] = []


def settings_path() -> Path:
    """Return where the settings are, or would be."""
    if named := os.environ.get(ENVIRONMENT):
        return Path(named)
    folder = os.environ.get("XDG_CONFIG_HOME")
    return (Path(folder) if folder else Path.home() / ".config") / "magnon-lab" / "settings.yaml"


def load_settings() -> Settings:
    """Read the user's settings; a file that is not there says nothing. Raises `BenchFileError`."""
    path = settings_path()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise BenchFileError(f"settings {path} cannot be read: {error}") from error
    try:
        return Settings.model_validate(yaml.safe_load(text) or {})
    except (yaml.YAMLError, ValidationError) as error:
        raise BenchFileError(f"settings {path}: {error}") from error


def require_driver_module(key: str, module: str) -> None:
    """Refuse a module that drivers must not come from, before it is imported.

    `key` names the place in the bench file. Raises `BenchFileError`.
    """
    allowed = (*OWN_MODULES, *load_settings().driver_modules)
    if not any(module == root or module.startswith(f"{root}.") for root in allowed):
        raise BenchFileError(
            f"{key}: the module {module!r} was not imported; allowed: a module of "
            f"{' or '.join(allowed)}. One that you trust can be named under driver_modules in "
            f"{settings_path()}"
        )


def require_visa_library(library: str) -> None:
    """Refuse a VISA library that is a file to be loaded as code, or a backend that is not known.

    Raises `BenchFileError`.
    """
    if library in load_settings().visa_libraries:
        return
    file, at, backend = library.rpartition("@")
    data = not file or (backend in ("sim", "magnon") and file.endswith((".yaml", ".yml")))
    if library == "" or (at and backend in OWN_BACKENDS and data):
        return
    raise BenchFileError(
        f"visa_library = {library!r}: was not loaded; allowed: '@py', '@ivi', or a .yaml file of a "
        f"simulated laboratory with '@magnon' or '@sim'. A library that you trust can be named "
        f"under visa_libraries in {settings_path()}"
    )
