"""What the way through VISA costs, without the ring model.

Medians of single exchanges and of one measurement's dozen of them, over the in-process backend and
over TCP, with a ring that answers at once. Aims, in process: a query at most 60 us, a 1001-point
binary trace at most 500 us, a measurement's exchanges well under 1 ms.

    python benchmarks/visa_path.py [--tcp] [--count 2000]
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyvisa

from magnon_lab.simulation import Laboratory, LaboratoryServer, shipped_definition

POINTS = 1001
GOALS_US = {"query": 60.0, "trace (list)": 500.0, "trace (array)": 500.0, "measurement": 1000.0}
SETUP = ":INIT:CONT OFF;:FREQ:STAR 4.3e9;STOP 4.65e9;:SWE:POIN {};:FORM REAL,32;:FORM:BORD SWAP"


class InstantRing:
    """A ring model that costs nothing."""

    def trace(self, setting: Any, readout: Any, number: int, time_s: float = 0.0) -> Any:
        """Return a flat trace."""
        trace = np.full(readout.points, -80.0, dtype=np.float32)
        return SimpleNamespace(trace_dbm=trace, input_dbm=-30.0, overload=False)


@contextmanager
def resources(tcp: bool) -> Iterator[Callable[..., Any]]:
    """Yield a function that opens a role's resource."""
    if tcp:
        laboratory = Laboratory.from_file(shipped_definition(), ring=InstantRing())
        with LaboratoryServer(laboratory) as server:
            manager = pyvisa.ResourceManager("@py")
            yield lambda role, **k: manager.open_resource(server.resources[role], **k)
            manager.close()
    else:
        manager = pyvisa.ResourceManager(f"{shipped_definition()}@magnon")
        laboratory = manager.visalib.laboratory
        laboratory.plant.use_ring(InstantRing())
        names = {r: i.definition.resource for r, i in laboratory.instruments.items()}
        yield lambda role, **k: manager.open_resource(names[role], **k)
        manager.close()


def median_us(action: Callable[[], object], count: int) -> float:
    """Return the median time of an action in microseconds."""
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return 1e6 * float(np.median(seconds))


def measurement(open_role: Callable[..., Any]) -> Callable[[], None]:
    """Return one measurement as a bench makes it: knobs, read-back, number, sweep, trace."""
    line = {"read_termination": "\n", "write_termination": "\n"}
    generator, analyser, laboratory = (
        open_role(role, **line) for role in ("generator", "analyser", "laboratory")
    )
    attenuator = open_role("attenuator", read_termination="\r\n", write_termination="\r\n")
    analyser.write(SETUP.format(401))
    random = np.random.default_rng(0)
    count = 0

    def one() -> None:
        nonlocal count
        count += 1
        power, frequency = random.uniform(-30, 5), random.uniform(4.45e9, 4.48e9)
        attenuator.query(f":SETATT={10 + count % 20 / 4:.2f}")
        attenuator.query(":ATT?")
        generator.query(f":FREQ {frequency:.3f};:POW {power:.3f};*OPC?")
        generator.query(":FREQ?;:POW?;:STAT:QUES:POW:COND?;:SYST:ERR?")
        laboratory.query(f":LAB:NUMB {count};:LAB:TIME?")
        laboratory.query(":LAB:WAIT 0.012;*OPC?")
        analyser.query(
            ":INIT:IMM;*OPC?;:STAT:OPER?;:STAT:OPER:COND?;:STAT:QUES:POW:COND?;"
            ":STAT:QUES:INT:COND?;:SWE:POIN?;:SYST:ERR?"
        )
        analyser.query_binary_values(
            ":FORM REAL,32;:FORM:BORD SWAP;:TRAC? TRACE1", container=np.ndarray
        )

    return one


def main() -> int:
    """Measure, print, and return 1 if an aim is missed in process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tcp", action="store_true", help="over sockets instead of in process")
    parser.add_argument("--count", type=int, default=2000, help="exchanges of each kind")
    options = parser.parse_args()
    with resources(options.tcp) as open_role:
        line = {"read_termination": "\n", "write_termination": "\n"}
        generator, analyser = open_role("generator", **line), open_role("analyser", **line)
        analyser.write(SETUP.format(POINTS))
        analyser.query(":INIT;*OPC?")
        actions: dict[str, Callable[[], object]] = {
            "query": lambda: generator.query(":FREQ?"),
            "trace (list)": lambda: analyser.query_binary_values(":TRAC? TRACE1"),
            "trace (array)": lambda: analyser.query_binary_values(
                ":TRAC? TRACE1", container=np.ndarray
            ),
            "measurement": measurement(open_role),
        }
        missed = False
        for name, action in actions.items():
            action()
            taken = median_us(action, options.count)
            over = taken > GOALS_US[name] and not options.tcp
            missed |= over
            print(f"{name:14} {taken:8.1f} us  (aim {GOALS_US[name]:g}){' MISSED' if over else ''}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
