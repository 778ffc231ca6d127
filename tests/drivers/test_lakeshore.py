"""The gaussmeter against its command protocol."""

import pytest
from pymeasure.test import expected_protocol

from drivers.lakeshore import LakeShore425


@pytest.fixture
def meter(clock):
    """Open a meter that waits by the stepped clock for a given protocol."""

    class Meter(LakeShore425):
        def __init__(self, adapter, **kwargs):
            super().__init__(adapter, **kwargs)
            self.clock = clock

    return lambda *pairs: expected_protocol(Meter, list(pairs))


@pytest.mark.parametrize(
    ("attribute", "message", "reply", "value"),
    [
        ("id", "*IDN?", "LSCI,MODEL425,4250022,1.0\r", "LSCI,MODEL425,4250022,1.0"),
        ("field", "RDGFIELD?", "+920.000E-04", 0.092),
        ("auto_range_enabled", "AUTO?", "1", True),
        ("relative_enabled", "REL?", "0", False),
        ("probe_type", "TYPE?", "40", 40),
        ("unit", "UNIT?", "2", "T"),
        ("range", "RANGE?", "3", 3500),
    ],
)
def test_queries(meter, clock, attribute, message, reply, value):
    with meter((message, reply)) as gaussmeter:
        assert getattr(gaussmeter, attribute) == value
    assert clock.slept == [0.03]


@pytest.mark.parametrize("reply", ["OL", "NO PROBE", "", "+9.91E37", "1.0,2.0"])
def test_a_field_that_is_no_number_is_an_error_never_zero(meter, reply):
    with (
        meter(("RDGFIELD?", reply)) as gaussmeter,
        pytest.raises(ConnectionError, match="number as reply"),
    ):
        _ = gaussmeter.field


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda meter: setattr(meter, "auto_range_enabled", False), "AUTO 0"),
        (lambda meter: setattr(meter, "relative_enabled", True), "REL 1"),
        (lambda meter: meter.auto_range(), "AUTO 1"),
    ],
)
def test_commands(meter, call, message):
    with meter((message, None)) as gaussmeter:
        call(gaussmeter)


@pytest.mark.parametrize("attribute", ["auto_range_enabled", "relative_enabled"])
def test_bad_switches_are_refused(meter, attribute):
    with meter() as gaussmeter, pytest.raises(ValueError, match="switch"):
        setattr(gaussmeter, attribute, 2)


def test_prepare_leaves_nothing_to_the_last_user(meter):
    with meter(("UNIT 2", None), ("RDGMODE 1,0,1", None), ("REL 0", None)) as gaussmeter:
        gaussmeter.prepare()


def test_measure(meter, clock):
    with meter(("RDGFIELD?", "0.091"), ("RDGFIELD?", "0.093")) as gaussmeter:
        assert gaussmeter.measure(2) == pytest.approx((0.092, 0.001))
    assert clock.slept == [0.03, 0.1, 0.03, 0.1]


def test_measure_can_be_aborted(meter):
    answers = iter([False, True])
    with meter(("RDGFIELD?", "0.091")) as gaussmeter:
        assert gaussmeter.measure(3, has_aborted=lambda: next(answers)) == (0.091, 0.0)
        with pytest.raises(RuntimeError, match="before the first reading"):
            gaussmeter.measure(3, has_aborted=lambda: True)
        with pytest.raises(ValueError, match="number of readings 0"):
            gaussmeter.measure(0)
