"""Clients written by others for these instruments: their sequences, by plain PyVISA."""

import math
from typing import Any

import numpy as np
import pytest


def test_an_x_series_driver_in_the_style_of_qcodes(bench: Any) -> None:
    """Modes and measurements from catalogues, options in quotes, coupled axis, pairs in doubles."""
    analyser = bench.open("analyser", timeout=5000)
    analyser.write("FORM REAL,64")
    analyser.write("FORM:BORD SWAP")
    modes = [part.split()[0] for part in analyser.query(":INSTrument:CATalog?")[1:-1].split(",")]
    assert modes == ["SA"]
    assert "513" in analyser.query("*OPT?")[1:-1].split(",")
    analyser.write(":INITiate:CONTinuous 0")
    analyser.write(":INSTrument:SELect SA")
    assert analyser.query(":INSTrument:SELect?") == "SA"
    assert "SAN" in analyser.query(":CONFigure:CATalog?")
    analyser.write(":CONFigure:SAN")
    assert analyser.query(":CONFigure?") == "SAN"
    analyser.write(":SENSe:FREQuency:STARt 4300000000.0")
    analyser.write(":SENSe:FREQuency:STOP 4650000000.0")
    axis = [float(analyser.query(f":SENSe:FREQuency:{n}?")) for n in ("CENTer", "SPAN")]
    assert axis == [4.475e9, 0.35e9]
    analyser.write(":SENSe:SWEep:POINts 401")
    assert int(analyser.query(":SENSe:SWEep:POINts?")) == 401
    analyser.write(":SENS:POW:ATT 20")
    assert int(analyser.query(":SENS:POW:ATT?")) == 20
    for name, value in (("GAIN:BAND", "LOW"), ("GAIN:STAT", "0")):
        analyser.write(f":SENS:POW:{name} {value}")
        assert analyser.query(f":SENS:POW:{name}?") == value
    analyser.write(":SENS:BAND:RES 1000000.0")
    analyser.write(":SENS:BAND:VID 1000000.0")
    assert float(analyser.query(":SENS:BAND:RES?")) == 1e6
    for name, value in (("BAND:TYPE", "DB3"), ("DET:TRAC", "AVER"), ("AVER:TYPE", "RMS")):
        analyser.write(f":SENS:{name} {value}")
        assert analyser.query(f":SENS:{name}?") == value
    assert float(analyser.query(":SENSe:SWEep:TIME?")) < 0.1
    data = analyser.query_binary_values(":READ:SAN1?", datatype="d", is_big_endian=False)
    pairs = np.array(data).reshape(-1, 2)
    assert pairs[:, 0] == pytest.approx(np.linspace(4.3e9, 4.65e9, 401))
    assert analyser.query(":SYST:ERR?") == '+0,"No error"'


def test_an_analyser_script_in_text(bench: Any) -> None:
    """`INIT:SAN`, max hold, pairs as text, everything in long or odd forms."""
    analyser = bench.open("analyser", timeout=10000)
    for line in (
        ":CONF:SAN",
        ":INIT:SAN",
        ":SENS:FREQ:STAR 4300000000.0Hz",
        ":SENS:FREQ:STOP 4650000000.0Hz",
        ":BAND 100000.0Hz",
        ":BAND:VID 1000000.0Hz",
        ":SWE:POIN 201",
        ":AVER:COUNT 3",
        ":TRAC1:TYPE MAXH",
    ):
        analyser.write(line)
    values = [float(v) for v in analyser.query(":READ:SAN1?").split(",")]
    assert len(values) == 402
    assert analyser.query(":SYST:ERR?") == '+0,"No error"'


def test_a_psg_driver_in_the_style_of_qcodes(bench: Any) -> None:
    generator = bench.open("generator")
    generator.write("FREQ:CW 4465000000.1234")
    assert float(generator.query("FREQ:CW?")) == pytest.approx(4465000000.123, abs=1e-3)
    generator.write("PHASE 0.78539816")
    assert float(generator.query("PHASE?")) == pytest.approx(math.pi / 4)
    generator.write("POW:AMPL -12.3456")
    assert float(generator.query("POW:AMPL?")) == pytest.approx(-12.35)
    for state, digit in (("on", "1"), ("Off", "0")):
        generator.write(f"OUTP {state}")
        assert generator.query(":OUTP?") == digit
    generator.write("OUTP:MOD off")
    assert generator.query(":OUTP:MOD?") == "0"
    for name, value in (("DEL", 1e-6), ("PER", 1e-4), ("PWID", 1e-5), ("FREQ:STEP", 10.0)):
        generator.write(f"PULM:INT:{name} {value}")
        assert float(generator.query(f"PULM:INT:{name}?")) == pytest.approx(value)
    generator.write("PULM:EXT:POL INV")
    assert generator.query("PULM:EXT:POL?") == "INV"
    generator.write("FREQ:START 4.4GHz")
    generator.write("SWE:DWEL 100.0ms")
    generator.write("SOURce:FREQuency:MODE SWEep")
    generator.write("INITiate:CONTinuous ON")
    generator.write("TRIGger:SOURce IMMediate")
    assert generator.query(":SYST:ERR?") == '+0,"No error"'


def test_a_supply_script(bench: Any) -> None:
    supply = bench.open("amplifier")
    assert supply.query("*IDN?").split(",")[1] == "E36312A"
    for line in (
        "*RST",
        "*CLS",
        "INST:NSEL 2",
        "VOLT 12",
        "CURR 0.6",
        "OUTP ON,(@2)",
        "SOUR:VOLT:LEV:IMM:AMPL 11.5,(@2)",
        "VOLT:PROT 13,(@2)",
        "CURR:PROT:STAT ON,(@2)",
    ):
        supply.write(line)
    assert float(supply.query("volt? (@2)")) == 11.5
    bench.laboratory.clock.sleep(0.2)
    assert float(supply.query("meas:curr? (@2)")) == pytest.approx(0.375, abs=0.01)
    assert [int(x) for x in supply.query("outp? (@1:3)").split(",")] == [0, 1, 0]
    supply.write("OUTP OFF,(@1:3)")
    assert supply.query("SYST:ERR?") == '+0,"No error"'


def test_a_magnet_ramp_by_a_script(bench: Any) -> None:
    supply = bench.open("field")
    supply.write("FUNC:MODE CURR")
    assert supply.query("FUNC:MODE?") == "1"
    supply.write("VOLT 20;:CURR 0;:OUTP ON")
    for step in range(1, 11):
        supply.query(f"CURR {0.1 * step:.4f};*OPC?")
        bench.laboratory.clock.sleep(0.05)
    bench.laboratory.clock.sleep(0.5)
    assert float(supply.query("MEAS:CURR?")) == pytest.approx(1.0, abs=5e-3)
    probe = bench.open("probe")
    probe.write("UNIT 2")
    assert float(probe.query("RDGFIELD?")) == pytest.approx(0.03492, abs=5e-5)
    assert supply.query("SYST:ERR?") == '0,"No error"'
