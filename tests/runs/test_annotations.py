"""What people write on a run, what they ask of it with a value, and how far it is."""

import pytest

from magnon_lab.runs import RunFile, StepRow


@pytest.mark.parametrize(
    ("configuration", "step", "measured", "part"),
    [
        ({"steps": 8, "budget": 0}, 2, 10, 0.25),
        ({"steps": 0, "budget": 20}, 2, 10, 0.5),
        ({"steps": 8, "budget": 20}, 2, 30, 1.0),
        ({}, 2, 10, None),
        ({"steps": 8}, None, 0, None),
    ],
)
def test_which_part_is_done(runs, configuration, step, measured, part):
    with runs.create("train", configuration, "", 0, True) as run:
        run.start()
        if step is not None:
            run.record_step(StepRow(step=step, ring_measurements=measured))
        assert run.part_done() == run.summary().part_done == part


def test_tags_and_a_note_from_any_process_in_any_state(run, runs):
    with RunFile.open(run.folder) as viewer:
        assert viewer.annotations() == ((), "")
        viewer.annotate(tags=["film A", "good", "film A"])
        viewer.annotate(note="field \u00b5T off")
    run.finish("finished")
    run.annotate(tags=["film A"])
    [line] = runs.list()
    assert line.annotations == (("film A",), "field \u00b5T off")
    assert line.configuration == {"estimator": "pgt"}


def test_a_request_with_what_to_set(run):
    with RunFile.open(run.folder) as viewer:
        viewer.request("set", {"attenuation_db": 12.5})
        viewer.request("pause")
    first, second = run.pending_requests()
    assert (first.kind, first.data) == ("set", {"attenuation_db": 12.5})
    assert second.data == {}


def test_steps_are_counted_without_looking_at_each(run):
    assert run.summary().steps == 0
    for step in (3, 4, 5):
        run.record_step(StepRow(step=step, ring_measurements=step))
    assert run.summary().steps == 3
