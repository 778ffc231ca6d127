from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.cli.launch import Outcome, Terms, launch
from magnon_lab.cli.parameters import build_procedure
from magnon_lab.cli.run import use_compilation_cache
from magnon_lab.runs import RunFile
from procedures import load_procedure


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One compilation cache for all runs of the session, so that only the first compiles."""
    kept = dict(os.environ)
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    use_compilation_cache()
    yield
    os.environ.clear()
    os.environ.update(kept)


def wait_for(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Return what `what` gives as soon as it is true."""
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)
    return found


class Operator:
    """Somebody who asks things of a run, and reads in its file what comes of them."""

    def __init__(self, run: RunFile) -> None:
        self.run = run

    def set(self, **data: Any) -> dict[str, Any]:
        """Ask the run to set something; return the data of what it says at last."""
        request = self.run.request("set", data)

        def outcome() -> dict[str, Any] | None:
            for event in self.run.events("set"):
                if event.phase == "outcome" and request in event.data["requests"]:
                    return event.data
            return None

        answer: dict[str, Any] = wait_for(outcome)
        return answer

    def accepted(self, **data: Any) -> None:
        """Ask the run to set something, and wait until it is accepted for later."""
        request = self.run.request("set", data)
        wait_for(lambda: any(request in e.data["requests"] for e in self.run.events("set")))

    def becomes(self, status: str) -> None:
        """Wait until the run has a status."""
        wait_for(lambda: self.run.status == status)

    def sweeps(self, more: int = 1) -> dict[str, Any]:
        """Wait for so many more sweeps; return quantity -> (set, read back) of the newest."""
        before = self.run.counts().get("hand", 0)
        wait_for(lambda: self.run.counts().get("hand", 0) >= before + more)
        newest = self.run.measurements(newest=1)
        pairs = zip(newest["requested"][0], newest["realised"][0], strict=True)
        return dict(zip(self.run.knobs(), pairs, strict=True)) | {"trace": newest["traces_dbm"][0]}


HandRun = Callable[..., tuple[Outcome, RunFile]]


@pytest.fixture
def by_hand(tmp_path: Path) -> HandRun:
    """Return a maker of runs in hand mode, in this process, that do what an operator asks."""

    def run(
        act: Callable[[Operator], None],
        values: Mapping[str, Any] | None = None,
        bench: Path | None = None,
        name: str = "hand",
        on_error: Any = "pause",
    ) -> tuple[Outcome, RunFile]:
        failed: list[BaseException] = []
        threads: list[threading.Thread] = []

        def acting(folder: Path) -> None:
            with RunFile.open(folder) as reader:
                try:
                    act(Operator(reader))
                except BaseException as error:
                    failed.append(error)
                    reader.request("abort")

        def began(begun: RunFile) -> None:
            threads.append(threading.Thread(target=acting, args=(begun.folder,)))
            threads[0].start()

        quick = {"interval_s": 0.05} if name == "hand" else {}
        procedure = build_procedure(load_procedure(name), quick | dict(values or {}))
        outcome = launch(
            procedure,
            name=name,
            bench_path=bench,
            runs_path=tmp_path / "runs",
            terms=Terms(began=began, on_error=on_error),
        )
        threads[0].join(60)
        if failed:
            raise failed[0]
        return outcome, RunFile.open(outcome.run.folder)

    return run


@pytest.fixture
def edited_bench(tmp_path: Path) -> Callable[[Mapping[str, object]], Path]:
    """Return a maker of bench files: the shipped one with values at dotted keys replaced."""

    def edit(changes: Mapping[str, object]) -> Path:
        shipped = shipped_path()
        data = yaml.safe_load(shipped.read_text())
        data["visa_library"] = f"{shipped.parent / 'sim_instruments.yaml'}@magnon"
        for key, value in changes.items():
            *blocks, last = key.split(".")
            block = data
            for name in blocks:
                block = block.setdefault(name, {})
            block[last] = value
        path = tmp_path / "edited.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False))
        return path

    return edit
