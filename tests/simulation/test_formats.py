"""Trace data in every format, by PyVISA, in process and over TCP."""

from typing import Any

import numpy as np
import pytest

from magnon_lab.simulation.traces import encode, fold, in_unit, peaks

SETUP = ":INIT:CONT OFF;:FREQ:STAR 4.3e9;:FREQ:STOP 4.65e9;:SWE:POIN {points}"


@pytest.fixture
def analyser(bench: Any) -> Any:
    instrument = bench.open("analyser")
    instrument.write(SETUP.format(points=401))
    assert instrument.query(":INIT;*OPC?") == "1"
    return instrument


@pytest.mark.parametrize(
    ("form", "datatype", "scale"), [("REAL,32", "f", 1), ("REAL,64", "d", 1), ("INT,32", "i", 1e-3)]
)
@pytest.mark.parametrize(("order", "big"), [("NORM", True), ("SWAP", False)])
def test_binary_equals_text(
    analyser: Any, form: str, datatype: str, scale: float, order: str, big: bool
) -> None:
    analyser.write(":FORM ASC")
    text = np.array(analyser.query_ascii_values(":TRAC? TRACE1"))
    analyser.write(f":FORM {form};:FORM:BORD {order}")
    binary = analyser.query_binary_values(
        ":TRAC? TRACE1", datatype=datatype, is_big_endian=big, container=np.array
    )
    assert binary.shape == (401,)
    assert binary * scale == pytest.approx(text, abs=6e-4 if datatype == "i" else 1e-6)
    assert analyser.query(":SYST:ERR?") == '+0,"No error"'  # in step after the block


def test_pairs(analyser: Any) -> None:
    analyser.write(":FORM REAL,64;:FORM:BORD SWAP")
    values = np.array(analyser.query_binary_values(":FETC:SAN1?", datatype="d"))
    pairs = values.reshape(-1, 2)
    assert pairs[:, 0] == pytest.approx(np.linspace(4.3e9, 4.65e9, 401))
    levels = analyser.query_binary_values(":TRAC? TRACE1", datatype="d")
    assert pairs[:, 1].tolist() == levels
    again = np.array(analyser.query_binary_values(":READ:SAN1?", datatype="d")).reshape(-1, 2)
    assert np.any(again[:, 1] != pairs[:, 1])  # READ sweeps anew


def test_a_large_trace_in_chunks(bench: Any) -> None:
    analyser = bench.open("analyser", chunk_size=1500)
    analyser.write(SETUP.format(points=10001))
    analyser.write(":FORM REAL,64;:FORM:BORD SWAP")
    assert analyser.query(":INIT;*OPC?") == "1"
    binary = analyser.query_binary_values(":TRAC? TRACE1", datatype="d")
    analyser.write(":FORM ASC")
    assert analyser.query_ascii_values(":TRAC? TRACE1") == pytest.approx(binary, abs=1e-9)


def test_manual_reads_keep_in_step(bench: Any) -> None:
    """Header, length, payload, line feed, each by its own read."""
    analyser = bench.open("analyser")
    analyser.write(SETUP.format(points=401) + ";:FORM REAL,32;:FORM:BORD SWAP")
    assert analyser.query(":INIT;*OPC?") == "1"
    analyser.write(":TRAC? TRACE1")
    assert analyser.read_bytes(2) == b"#4"
    length = int(analyser.read_bytes(4))
    assert length == 1604
    payload = analyser.read_bytes(length)
    assert np.frombuffer(payload, "<f4").shape == (401,)
    assert analyser.read_bytes(1) == b"\n"
    assert analyser.query("*OPC?") == "1"


def test_other_units(analyser: Any) -> None:
    dbm = np.array(analyser.query_ascii_values(":TRAC? TRACE1"))
    analyser.write(":UNIT:POW W")
    watts = np.array(analyser.query_ascii_values(":TRAC? TRACE1"))
    assert 10 * np.log10(watts * 1e3) == pytest.approx(dbm, abs=1e-5)


def test_block_header() -> None:
    block = encode(np.zeros(1001), "REAL", 32, swapped=True)
    assert block[:6] == b"#44004"
    assert len(block) == 6 + 4004


def test_units_at_fifty_ohm() -> None:
    level = np.array([0.0])
    assert in_unit(level, "DBUV") == pytest.approx(106.99, abs=0.01)
    assert in_unit(level, "DBMV") == pytest.approx(46.99, abs=0.01)
    assert in_unit(level, "V") == pytest.approx(0.2236, abs=1e-4)


def test_averages_of_noise() -> None:
    """Means of an exponential in dB, volts and watts: -2.51 dB, -1.05 dB, 0 dB."""
    power = np.random.default_rng(1).exponential(size=(4000, 40))
    sweeps = list(10 * np.log10(power))
    shift = {kind: float(np.mean(fold("AVER", kind, sweeps))) for kind in ("LOG", "SCAL", "RMS")}
    assert shift["LOG"] == pytest.approx(-2.51, abs=0.05)
    assert shift["SCAL"] == pytest.approx(-1.05, abs=0.03)
    assert shift["RMS"] == pytest.approx(0.0, abs=0.03)


def test_peaks_by_threshold_and_excursion() -> None:
    levels = np.array([-90.0, -60, -80, -58, -62, -50, -90, -89, -90])
    assert peaks(levels, -70, 6) == [5, 1]
    assert peaks(levels, -70, 3) == [5, 3, 1]
    assert peaks(levels, -55, 6) == [5]
