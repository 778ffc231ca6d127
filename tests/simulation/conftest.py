"""A laboratory with a stand-in ring, reached in process or over TCP."""

import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pyvisa

from magnon_lab.simulation import Laboratory, LaboratoryServer, shipped_definition


class StandInRing:
    """One resonance whose place follows the field and whose height drive and attenuation set."""

    def __init__(self) -> None:
        self.calls: list[SimpleNamespace] = []
        self.overload = False
        self.extra_input_dbm = -math.inf

    def trace(self, setting: Any, readout: Any, number: int, time_s: float = 0.0) -> Any:
        power, drive_hz, attenuation, field, voltage = (float(x) for x in setting)
        self.calls.append(
            SimpleNamespace(
                setting=setting, readout=readout, number=number, time_s=time_s, field=field
            )
        )
        axis = np.linspace(readout.start_hz, readout.stop_hz, readout.points)
        center = 4.465e9 + 31.6e6 * (field - 92.0)
        noise = 10 ** (-8 + 0.1 * np.random.default_rng(number).normal(size=len(axis)))
        height = 10 ** ((-20 - attenuation + min(voltage, 12.0)) / 10)
        line = height / (1 + ((axis - center) / 2e6) ** 2)
        drive = 10 ** ((power - 30) / 10) * np.exp(-(((axis - drive_hz) / readout.rbw_hz) ** 2))
        power_mw = noise + line + drive
        trace = (10 * np.log10(power_mw)).astype(np.float32)
        total = max(power - 30, self.extra_input_dbm)
        return SimpleNamespace(trace_dbm=trace, input_dbm=total, overload=self.overload)


@pytest.fixture
def ring() -> StandInRing:
    return StandInRing()


@pytest.fixture
def laboratory(ring: StandInRing) -> Laboratory:
    return Laboratory.from_file(shipped_definition(), ring=ring)


LIBRARY = f"{shipped_definition()}@magnon"
_ENDS = {"attenuator": "\r\n"}


class InProcess:
    """The laboratory behind the `@magnon` backend."""

    def __init__(self, ring: StandInRing) -> None:
        self.manager = pyvisa.ResourceManager(LIBRARY)
        self.laboratory: Laboratory = self.manager.visalib.laboratory
        self.laboratory.plant.use_ring(ring)
        self.library = LIBRARY

    def resource(self, role: str) -> str:
        return self.laboratory.instruments[role].definition.resource

    def driver_arguments(self, role: str) -> dict[str, Any]:
        return {"visa_library": self.library, "read_termination": "\n", "write_termination": "\n"}

    def open(self, role: str, **kwargs: Any) -> Any:
        end = _ENDS.get(role, "\n")
        kwargs = {"read_termination": end, "write_termination": end} | kwargs
        return self.manager.open_resource(self.resource(role), **kwargs)

    def close(self) -> None:
        self.manager.close()


class OverTcp(InProcess):
    """The same laboratory behind sockets, opened with pyvisa-py."""

    def __init__(self, ring: StandInRing) -> None:
        self.laboratory = Laboratory.from_file(shipped_definition(), ring=ring)
        self.server = LaboratoryServer(self.laboratory)
        self.manager = pyvisa.ResourceManager("@py")
        self.library = "@py"

    def resource(self, role: str) -> str:
        return self.server.resources[role]

    def close(self) -> None:
        self.manager.close()
        self.server.close()


@pytest.fixture
def local(ring: StandInRing) -> Iterator[InProcess]:
    bench = InProcess(ring)
    yield bench
    bench.close()


@pytest.fixture(params=[InProcess, OverTcp], ids=["in process", "tcp"])
def bench(request: pytest.FixtureRequest, ring: StandInRing) -> Iterator[InProcess]:
    made = request.param(ring)
    yield made
    made.close()


@pytest.fixture
def talk(laboratory: Laboratory) -> Callable[[str, str], str]:
    """Send a message to a role and return its answer, an empty string if there is none."""
    from magnon_lab.simulation.link import Link, ReadTimeoutError

    links = {role: Link(i, stream=True) for role, i in laboratory.instruments.items()}

    def exchange(role: str, message: str) -> str:
        link = links[role]
        link.write(message.encode() + b"\n")
        if link.next_reply_s() == math.inf:
            return ""
        try:
            data, _ = link.read(1 << 20, 60.0, 10)
        except ReadTimeoutError:
            return ""
        return data.decode("latin-1").strip()

    return exchange
