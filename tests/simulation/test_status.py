"""Error queue, event registers and status byte."""

from collections.abc import Callable

import pytest

Talk = Callable[[str, str], str]


def errors(talk: Talk, role: str) -> list[int]:
    found = []
    while (code := int(talk(role, ":SYST:ERR?").split(",")[0])) != 0:
        found.append(code)
    return found


@pytest.mark.parametrize(("role", "length"), [("generator", 30), ("field", 15), ("amplifier", 20)])
def test_a_full_queue_keeps_the_oldest(talk: Talk, role: str, length: int) -> None:
    talk(role, "BAD:SUFFIX 1;")
    for _ in range(length + 5):
        talk(role, "FOO")
    found = errors(talk, role)
    assert len(found) == length
    assert found[:-1] == [-113] * (length - 1)
    assert found[-1] == -350


def test_the_queue_survives_reset_but_not_clear(talk: Talk) -> None:
    talk("generator", "FOO;*RST")
    talk("generator", "*RST")
    assert errors(talk, "generator") == [-113]
    talk("generator", "FOO")
    talk("generator", "*CLS")
    assert errors(talk, "generator") == []


@pytest.mark.parametrize(
    ("message", "code", "bit"),
    [
        (":FOO", -113, 32),
        (":POW nan", -120, 32),
        (":POW HIGH", -104, 32),
        (":FREQ 5 GV", -131, 32),
        (":SWE:POIN 5 Hz", -138, 32),
        (":POW", -109, 32),
        (":POW 1,2", -108, 32),
        (":POW.1", -103, 32),
        (":FREQ:MODE FOO", -141, 32),
        (":POW 99", -222, 16),
        ("*TRG", -211, 16),
        ("*RCL 5", -224, 16),
    ],
)
def test_errors_and_their_event_bits(talk: Talk, message: str, code: int, bit: int) -> None:
    talk("generator", "*CLS")
    talk("generator", message)
    assert errors(talk, "generator") == [code]
    assert int(talk("generator", "*ESR?")) == bit
    assert talk("generator", "*ESR?") == "0"


def test_power_on_shows_once(talk: Talk) -> None:
    for role in ("analyser", "generator", "field", "amplifier", "laboratory"):
        assert talk(role, "*ESR?;*ESR?") == "128;0"


def test_a_power_cycle_is_seen(talk: Talk, laboratory: object) -> None:
    talk("generator", "*CLS;:POW 0;:OUTP ON;FOO")
    laboratory.instruments["generator"].power_up()  # type: ignore[attr-defined]
    assert talk("generator", "*ESR?;:OUTP?;:SYST:ERR?") == '128;0;+0,"No error"'


def test_status_byte(talk: Talk) -> None:
    talk("generator", "*CLS;*ESE 32;*SRE 36")
    assert talk("generator", "*STB?") == "0"
    talk("generator", "FOO")
    assert int(talk("generator", "*STB?")) == 4 | 32 | 64
    assert talk("generator", "*SRE?;*ESE?") == "36;32"
    talk("generator", "*ESE 256")
    assert talk("generator", "*ESE?") == "32"


def test_registers_latch_and_summarise(talk: Talk) -> None:
    talk("generator", "*CLS;:STAT:PRES;:FREQ 4.5e9;:POW 20;:OUTP ON")
    assert talk("generator", ":STAT:QUES:POW:COND?") == "2"
    assert int(talk("generator", ":STAT:QUES:COND?")) & 8
    talk("generator", ":POW 0")
    assert talk("generator", ":STAT:QUES:POW:COND?") == "0"
    assert talk("generator", ":STAT:QUES:POW?") == "2"  # latched, cleared by reading
    assert talk("generator", ":STAT:QUES:POW:EVEN?") == "0"
    talk("generator", ":STAT:QUES:ENAB 8;:POW 20")
    assert int(talk("generator", "*STB?")) & 8
    talk("generator", ":STAT:QUES:POW:ENAB 0;*CLS")
    assert not int(talk("generator", "*STB?")) & 8


def test_transition_filters(talk: Talk) -> None:
    talk("generator", ":FREQ 4.5e9;:OUTP ON;:POW 20;*CLS")
    talk("generator", ":STAT:QUES:POW:PTR 0;NTR 2")
    assert talk("generator", ":STAT:QUES:POW:PTR?;NTR?") == "0;2"
    talk("generator", ":POW 0")
    assert talk("generator", ":STAT:QUES:POW?") == "2"
