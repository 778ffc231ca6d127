"""Reference measurements keep to numbers of their own."""

import numpy as np
import pytest

from magnon_lab.runs import MeasurementBlock


def block(number: int, purpose: str) -> MeasurementBlock:
    return MeasurementBlock(
        numbers=[number], purpose=purpose, knobs=("attenuation_db",), requested=[[12.0]],
        realised=[[12.0]], traces_dbm=np.zeros((1, 5), np.float32), flags=[0], bench_time_s=[0.0],
    )  # fmt: skip


def test_a_reference_is_kept_beside_the_others_and_repeated_in_its_place(run) -> None:
    run.set_frequencies(np.arange(5.0))
    run.record_measurements(block(0, "training"))
    for _ in range(2):  # a resumed run takes it again
        run.record_measurements(block(-1, "reference"))
    assert run.measurements(columns=("number",))["number"].tolist() == [-1, 0]
    assert run.measurements(purpose="reference", columns=("number",))["number"].tolist() == [-1]
    assert run.measurements(first=0, columns=("number",))["number"].tolist() == [0]


@pytest.mark.parametrize(("number", "purpose"), [(-1, "training"), (1, "reference")])
def test_numbers_of_one_kind_are_not_taken_for_the_other(run, number, purpose) -> None:
    with pytest.raises(ValueError, match="from 0 up, or below 0 for 'reference'"):
        run.record_measurements(block(number, purpose))
