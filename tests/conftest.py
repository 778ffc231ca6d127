"""What several rooms test with."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from .serving import Served, serve

# Ignored in what a shell starts in the background, and so in all that is started from there; tests
# of Ctrl-C are about a person's own terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _own_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave nothing in the folder that all users of this machine share, nor in the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAGNON_LAB_LOCKS", str(tmp_path_factory.mktemp("locks")))
        settings = tmp_path_factory.mktemp("settings") / "settings.yaml"
        patch.setenv("MAGNON_LAB_SETTINGS", str(settings))
        yield


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Serve a laboratory, on its own clock, from a process of its own."""
    with serve(tmp_path, "virtual") as laboratory:
        yield laboratory


@pytest.fixture
def served_in_real_time(tmp_path: Path) -> Iterator[Served]:
    """Serve a laboratory that takes the time that it would take."""
    with serve(tmp_path, "real") as laboratory:
        yield laboratory
