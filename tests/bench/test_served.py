"""A bench on TCP sockets: simulated, and as if real, with no laboratory role and in real time."""

import time

import numpy as np
import pytest

from magnon_lab.bench import Bench, BenchFile, InstrumentError, write_served_bench
from magnon_lab.simulation import serve, shipped_definition


@pytest.fixture(scope="module")
def server():
    server = serve(shipped_definition(), seed=4)
    yield server
    server.close()


@pytest.fixture
def served(shipped, server, tmp_path) -> BenchFile:
    write_served_bench(shipped, server.resources, tmp_path / "served.yaml")
    return BenchFile.load(tmp_path / "served.yaml")


ROWS = np.array([[-10.0, 4.465e9, 11.0], [-20.0, 4.46e9, 12.5]])


def test_a_served_bench_starts_measures_and_is_left_safe(served, shipped, server) -> None:
    with Bench(served, seed=9) as bench:
        assert bench.simulated
        assert all(line.ok for line in bench.check())
        bench.start()
        over_tcp = bench.measure(ROWS, numbers=[1, 2])
        assert bench.harm() == ()
    assert all(outcome.ok for outcome in bench.outcomes)
    assert not server.laboratory.instruments["field"].values["output"]
    assert server.laboratory.instruments["attenuator"].values["attenuation"] == 60.0
    with Bench(shipped, seed=9) as bench:
        bench.start()
        in_process = bench.measure(ROWS, numbers=[1, 2])
    # Number and seed key the noise, wherever the laboratory runs; the magnet's ramp ends alike.
    np.testing.assert_allclose(over_tcp.traces_dbm, in_process.traces_dbm, atol=0.5)


def test_a_bench_without_a_laboratory_role_keeps_the_wall_s_time(server, served, tmp_path) -> None:
    text = served.text
    start = text.index("  laboratory:")
    end = text.index("path:")
    text = text[:start] + text[end:]
    for old, new in (("field_mt: 92.0", "field_mt: 2.0"), ("field_s: 0.5", "field_s: 0.05")):
        assert old in text
        text = text.replace(old, new)
    real = BenchFile.parse(text, tmp_path / "real.yaml")
    assert not real.simulated
    server.laboratory.clock.set(server.laboratory.clock.now(), "real")
    try:
        with Bench(real, seed=1) as bench:
            started = time.monotonic()
            bench.start()
            assert time.monotonic() - started > 2.0 / 20 + 0.35  # the ramp, and a valid read-back
            taken = bench.measure(ROWS)
            assert taken.complete
            assert np.diff(taken.bench_time_s) > 0.022
            assert 0 < bench.clock.now() < time.monotonic() - started + 10
    finally:
        server.laboratory.clock.set(server.laboratory.clock.now(), "virtual")
    assert all(outcome.ok for outcome in bench.outcomes)


def test_a_laboratory_that_is_gone_is_told_and_every_step_is_still_tried(shipped, tmp_path) -> None:
    server = serve(shipped_definition(), seed=4)
    write_served_bench(shipped, server.resources, tmp_path / "served.yaml")
    text = (
        (tmp_path / "served.yaml").read_text().replace("resource:", "timeout_s: 0.5\n    resource:")
    )
    text += "guard: {give_up_s: 0.5}\n"
    with Bench(BenchFile.parse(text)) as bench:
        bench.start()
        server.close()
        with pytest.raises(InstrumentError, match=r"try 3 of 3 .*cannot be reached"):
            bench.measure(ROWS)
        assert [outcome.ok for outcome in bench.outcomes] == [False] * 6
        assert "cannot be reached" in bench.outcomes[0].text
