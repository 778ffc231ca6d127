import math

import pytest

from magnon_lab.simulation.errors import DefinitionError, ScpiError
from magnon_lab.simulation.scpi import Call, Command, Parameter, ScpiGrammar, parse_number

HERTZ = Parameter("number", "Hz", extremes=True)


@pytest.fixture
def grammar() -> ScpiGrammar:
    commands = [
        Command("[:SENSe]:FREQuency:CENTer", "center", (HERTZ,), ()),
        Command("[:SENSe]:FREQuency:SPAN", "span", (HERTZ,), ()),
        Command("[:SENSe]:FREQuency:SPAN:FULL", "full", (), None),
        Command(":TRACe{1:6}:TYPE", "type",
                (Parameter("choice", choices=("WRITe", "AVERage")),), ()),
        Command("[:SENSe]:SWEep:POINts", "points", (Parameter("integer"),), ()),
        Command("[:SOURce]:POWer[:LEVel][:IMMediate][:AMPLitude]", "power",
                (Parameter("number", "dBm"),), ()),
        Command(":OUTPut[:STATe]", "output",
                (Parameter("boolean"), Parameter("channels", optional=True)),
                (Parameter("channels", optional=True),)),
        Command("[:SOURce]:LIST:FREQuency", "list", (Parameter("numbers", "Hz"),), ()),
        Command("*OPC", "opc", (), ()),
        Command(":DISPlay:TEXT", "text", (Parameter("text"),), ()),
    ]  # fmt: skip
    return ScpiGrammar(commands)


def calls(grammar: ScpiGrammar, message: str) -> list[tuple[object, ...]]:
    found = []
    for call in grammar.parse(message):
        assert isinstance(call, Call), call
        found.append((call.target, call.query, call.suffixes, call.arguments))
    return found


def errors(grammar: ScpiGrammar, message: str) -> list[int]:
    return [c.code for c in grammar.parse(message) if isinstance(c, ScpiError)]


@pytest.mark.parametrize(
    "message",
    [
        ":SENSe:FREQuency:CENTer 2.4E9",
        ":SENS:FREQ:CENT 2.4e9 Hz;",
        "freq:cent 2.4ghz",
        "Frequency:Center 2400 MHz",
        "  :FREQ:CENT\t2.400000e+09 Hz",
        ":SENS1:FREQ:CENT +2400000000",
        "FREQ:CENT 2.4E+09Hz",
    ],
)
def test_forms_of_one_command(grammar: ScpiGrammar, message: str) -> None:
    ((target, query, suffixes, arguments),) = calls(grammar, message)
    assert (target, query, suffixes) == ("center", False, ())
    assert arguments == (pytest.approx(2.4e9),)


@pytest.mark.parametrize(
    "left_out", ["", ":LEV", ":LEV:IMM", ":LEV:IMM:AMPL", ":AMPL", ":IMM:AMPL"]
)
def test_nodes_that_may_be_left_out(grammar: ScpiGrammar, left_out: str) -> None:
    for head in (":SOUR:POW", "POW", "SOURCE:POWER"):
        assert calls(grammar, f"{head}{left_out} -10 dBm") == [("power", False, (), (-10.0,))]


def test_queries_and_their_blanks(grammar: ScpiGrammar) -> None:
    assert calls(grammar, ":FREQ:CENT?;") == [("center", True, (), ())]
    assert calls(grammar, ":POW:AMPL? ") == [("power", True, (), ())]
    assert calls(grammar, "OUTP? (@1:3)") == [("output", True, (), ((1, 2, 3),))]


def test_path_after_a_semicolon(grammar: ScpiGrammar) -> None:
    found = calls(grammar, ":FREQ:CENT 1e9;SPAN 1e6;*OPC?;SPAN?;:SWE:POIN 5;POIN?")
    assert [f[0] for f in found] == ["center", "span", "opc", "span", "points", "points"]


def test_path_does_not_reach_up(grammar: ScpiGrammar) -> None:
    assert errors(grammar, ":FREQ:CENT 1e9;SWE:POIN 5") == [-113]


def test_numeric_suffixes(grammar: ScpiGrammar) -> None:
    assert calls(grammar, ":TRAC3:TYPE AVER") == [("type", False, (3,), ("AVER",))]
    assert calls(grammar, ":TRACE:TYPE average") == [("type", False, (1,), ("AVER",))]
    assert errors(grammar, ":TRAC7:TYPE?") == [-114]
    assert errors(grammar, ":SENS2:FREQ:CENT?") == [-114]


def test_lists_strings_and_switches(grammar: ScpiGrammar) -> None:
    assert calls(grammar, "LIST:FREQ 1 GHz, 2e9,3e9 Hz")[0][3] == ((1e9, 2e9, 3e9),)
    assert calls(grammar, 'DISP:TEXT "a;b,(c"')[0][3] == ("a;b,(c",)
    assert calls(grammar, "OUTP ON, (@2)")[0][3] == (True, (2,))
    assert calls(grammar, "OUTP 0")[0][3] == (False, None)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("FOO:BAR 1", -113),
        ("FREQ:CENT", -109),
        ("FREQ:CENT 1,2", -108),
        ("FREQ:CENT.1", -103),
        ("FREQ:CENT HIGH", -104),
        ("FREQ:CENT nan", -120),
        ("FREQ:CENT -INF", -120),
        ("FREQ:CENT 1e99999", -123),
        ("FREQ:CENT 1.2.3", -121),
        ("FREQ:CENT 5 GV", -131),
        ("SWE:POIN 5 Hz", -138),
        ("SWE:POIN MAX", -104),
        ("TRAC1:TYPE FOO", -141),
        ("TRAC1:TYPE 3", -104),
        ("OUTP PERHAPS", -141),
        ("OUTP ON, (1)", -104),
        (":FREQ:SPAN:FULL?", -113),
        ("FREQ:CENTERFREQUENCY 1", -112),
        ("FREQ:CENT \xb5", -101),
        ("!?", -102),
    ],
)
def test_what_is_refused(grammar: ScpiGrammar, message: str, code: int) -> None:
    assert errors(grammar, message) == [code]


def test_an_error_ends_the_message(grammar: ScpiGrammar) -> None:
    parsed = grammar.parse("*OPC?;FOO;:FREQ:CENT 1e9")
    assert [type(item) for item in parsed] == [Call, ScpiError]


def test_nothing_is_said_by_an_empty_message(grammar: ScpiGrammar) -> None:
    assert grammar.parse("") == grammar.parse(" ; ;") == []


@pytest.mark.parametrize(
    ("token", "unit", "value"),
    [
        ("1.5 GHz", "Hz", 1.5e9),
        ("3ms", "s", 3e-3),
        ("2.0vp", "V", 2.0),
        ("-10dBm", "dBm", -10.0),
        ("1 mW", "dBm", 0.0),
        ("10 uW", "dBm", -20.0),
        ("180 deg", "rad", math.pi),
        (".5", "", 0.5),
        ("5.", "", 5.0),
        ("1 E3", "", None),
    ],
)
def test_numbers_with_units(token: str, unit: str, value: float | None) -> None:
    if value is None:
        with pytest.raises(ScpiError):
            parse_number(token, unit)
    else:
        assert parse_number(token, unit) == pytest.approx(value)


def test_extremes_stand_for_numbers() -> None:
    assert [HERTZ.parse(word) for word in ("min", "MAXimum", "DEF")] == ["MIN", "MAX", "DEF"]


def test_two_commands_of_one_header_are_a_mistake() -> None:
    with pytest.raises(DefinitionError, match="same header"):
        ScpiGrammar([Command(":A[:B]", "one", (), None), Command(":A", "two", (), None)])
