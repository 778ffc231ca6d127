"""A bench on the simulated laboratory, what went over its wires, and bench files to spoil."""

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pyvisa
import yaml
from pymeasure.test import expected_protocol

from magnon_lab.bench import Bench, BenchFile, write_served_bench
from magnon_lab.bench.adapters import adapt
from magnon_lab.bench.session import Session
from magnon_lab.simulation import serve, shipped_definition

from .guarding import Run, gone_within

SHIPPED = Path(__file__).parents[2] / "bench.yaml"


@pytest.fixture(scope="session")
def shipped() -> BenchFile:
    return BenchFile.load(SHIPPED)


@pytest.fixture
def edited(shipped) -> Callable[..., BenchFile]:
    """Return a maker of bench files: the shipped one with values at dotted keys replaced."""

    def edit(changes: dict[str, object], remove: tuple[str, ...] = ()) -> BenchFile:
        data = yaml.safe_load(shipped.text)
        for key, value in changes.items():
            *blocks, last = key.split(".")
            block = data
            for name in blocks:
                block = block.setdefault(name, {})
            block[last] = value
        for key in remove:
            *blocks, last = key.split(".")
            block = data
            for name in blocks:
                block = block[name]
            del block[last]
        return BenchFile.parse(yaml.safe_dump(data, sort_keys=False), SHIPPED)

    return edit


class Wire:
    """What was said to each instrument of an in-process simulated laboratory."""

    def __init__(self, laboratory) -> None:
        self.laboratory = laboratory

    def clear(self) -> None:
        self.laboratory.plant.wire.clear()

    def sent(self, role: str | None = None) -> list[str]:
        return [
            data.decode("latin-1").strip()
            for _, who, direction, data in self.laboratory.plant.wire
            if direction == "<" and role in (None, who)
        ]

    def values(self, role: str, pattern: str) -> list[float]:
        """Return the number that follows `pattern` in each message of a role."""
        found = (
            re.findall(pattern + r"[ =:]*(-?[\d.]+(?:[eE][-+]?\d+)?)", m) for m in self.sent(role)
        )
        return [float(value) for values in found for value in values]


@pytest.fixture
def manager(shipped) -> Iterator[pyvisa.ResourceManager]:
    """A VISA resource manager on a laboratory that has just been powered up."""
    manager = pyvisa.ResourceManager(shipped.visa_library)
    yield manager
    if manager.visalib.resource_manager is manager:
        manager.close()


@pytest.fixture
def wire(manager) -> Wire:
    return Wire(manager.visalib.laboratory)


@pytest.fixture
def bench(shipped, manager) -> Iterator[Bench]:
    with Bench(shipped, seed=1) as bench:
        yield bench


class StillClock:
    """A clock that remembers what was slept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def playing(edited) -> Callable[..., contextlib.AbstractContextManager[Any]]:
    """Return a maker of role adapters over a driver that must say exactly what is expected."""

    @contextlib.contextmanager
    def play(role: str, driver: str, pairs: list[Any], changes: dict[str, object] | None = None):
        model = edited({f"roles.{role}.driver": driver, **(changes or {})}).model
        session = Session(role, getattr(model.roles, role), "")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            with expected_protocol(session.driver, pairs) as instrument:
                session._instrument = instrument
                session.open = lambda: None  # a fault opens it anew: the same one, here
                session.lend_clock(StillClock())
                yield adapt(session, model)

    return play


@pytest.fixture(scope="module")
def server():
    server = serve(shipped_definition(), seed=4)
    yield server
    server.close()


@pytest.fixture
def served(shipped, server, tmp_path) -> BenchFile:
    path = tmp_path / "served.yaml"
    write_served_bench(shipped, server.resources, path)
    with path.open("a") as file:
        file.write("guard: {timeout_s: 0.5, give_up_s: 20}\n")
    return BenchFile.load(path)


@pytest.fixture
def run(served):
    runs = []

    def begin(*words: object, **options: int) -> Run:
        runs.append(Run(served.path, *(words or (60.0,)), **options))
        return runs[-1]

    yield begin
    for one in runs:
        one.end()
        assert gone_within(one.guard, 20.0), "an orphan guard"
