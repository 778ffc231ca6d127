"""Pictures and exports of runs."""

import csv
import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.io import netcdf_file

from magnon_lab.runs import EvaluationRow, RunError, StepRow
from magnon_lab.runs.export import export
from magnon_lab.runs.plot import run_png

FREQUENCIES = np.linspace(4.3e9, 4.65e9, 11)


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draw a run, check that a PNG was written, and return the figure."""
    figures = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: (figures.append(self), save(self, *a, **k))
    )

    def draw(run):
        path = run_png(run, tmp_path / "picture.png")
        assert path.read_bytes().startswith(b"\x89PNG")
        assert [other.name for other in tmp_path.glob("*.part")] == []
        return figures[-1]

    return draw


@pytest.fixture
def trained(run, make_block):
    for step in range(6):
        evaluations = [
            EvaluationRow(
                step=step,
                split=split,
                loss=1.5 / (step + 1),
                accuracy=step / 10,
                n=4,
                confusion=np.array([[1, 2], [3, 4]]),
            )
            for split in ("validation", "test")
            if step % 2
        ]
        run.record_step(
            StepRow(
                step=step,
                ring_measurements=5 * (step + 1),
                loss=1 / (step + 1) ** 2,
                accuracy=step / 10,
                loss_kind="measured",
            ),
            evaluations,
            make_block(5 * step, 5),
        )
    run.set_frequencies(FREQUENCIES)
    return run


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def texts(figure):
    return [text.get_text() for text in figure.texts]


def test_a_training_is_drawn_against_ring_measurements(trained, drawn):
    trained.finish(
        "finished", summary={"baselines": {"ridge": 0.7, "no ring": {"accuracy": 0.8, "loss": 2}}}
    )
    figure = drawn(trained)
    loss, accuracy = figure.axes
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("Loss", "Accuracy")
    assert accuracy.get_xlabel() == "Ring measurements"
    assert loss.get_yscale() == "log"
    of_steps = lines(loss)["of the step (measured)"]
    assert of_steps.get_xdata().tolist() == [5, 10, 15, 20, 25, 30]
    np.testing.assert_allclose(of_steps.get_ydata(), 1 / np.arange(1, 7) ** 2)
    test = lines(accuracy)["test"]
    assert list(test.get_xdata()) == [10, 20, 30]
    assert list(test.get_ydata()) == [0.1, 0.3, 0.5]
    assert lines(accuracy)["baseline ridge"].get_ydata()[0] == 0.7
    assert lines(accuracy)["baseline no ring"].get_ydata()[0] == 0.8
    assert lines(loss)["baseline no ring"].get_ydata()[0] == 2
    assert "baseline ridge" not in lines(loss)
    assert "train · pgt" in figure.get_suptitle()
    assert trained.id in figure.get_suptitle()
    assert "SIMULATED BENCH" in texts(figure)


def test_a_long_training_is_thinned(trained, drawn, monkeypatch):
    monkeypatch.setattr("magnon_lab.runs.plot.MOST_STEPS", 3)
    loss, _ = drawn(trained).axes
    assert lines(loss)["of the step (measured)"].get_xdata().tolist() == [5, 15, 25]
    assert list(lines(loss)["test"].get_xdata()) == [10, 20, 30]


def test_a_training_without_figures_yet(run, drawn):
    run.record_step(StepRow(step=0, ring_measurements=5))
    run.record_evaluation(EvaluationRow(step=0, split="test", loss=1.0, accuracy=0.5, n=2))
    loss, _ = drawn(run).axes
    assert list(lines(loss)) == ["test"]


@pytest.fixture
def measured(runs, make_block):
    """Make a run on a real bench of the given blocks."""
    opened = []

    def measure(procedure, *blocks, frequencies=FREQUENCIES, **summary):
        run = runs.create(procedure, {}, "", 0, False)
        opened.append(run)
        run.start()
        if frequencies is not None:
            run.set_frequencies(frequencies)
        run.record_measurements(make_block(**block) for block in blocks)
        run.finish("finished", summary=summary)
        return run

    yield measure
    for run in opened:
        run.close()


def test_a_spectrum_is_drawn_over_frequency(measured, drawn):
    # The same was asked each time; a read-back that varies is no sweep.
    values = np.full((3, 2), 5.0)
    run = measured(
        "spectrum", {"n": 3, "requested": values, "realised": values + np.arange(3)[:, None] / 50}
    )
    figure = drawn(run)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Frequency (GHz)", "Power (dBm)")
    *traces, mean = axes.get_lines()
    np.testing.assert_allclose(traces[0].get_xdata(), FREQUENCIES / 1e9)
    expected = run.measurements()["traces_dbm"]
    np.testing.assert_array_equal([line.get_ydata() for line in traces], expected)
    np.testing.assert_allclose(mean.get_ydata(), expected.mean(axis=0), rtol=1e-6)
    assert "mean of 3 traces" in mean.get_label()
    assert "SIMULATED BENCH" not in texts(figure)


def test_without_frequencies_points_are_counted(measured, drawn):
    run = measured("spectrum", {"n": 1}, frequencies=None)
    (axes,) = drawn(run).axes
    assert axes.get_xlabel() == "Point"
    assert len(axes.get_lines()) == 1


def test_a_gain_sweep_is_drawn_as_an_image(measured, drawn):
    attenuation = np.array([20.0, 10.0, 10.0, 15.0])[:, None]
    traces = np.arange(4)[:, None] + np.linspace(-90, -80, 11)
    run = measured(
        "gain_sweep",
        {
            "n": 4,
            "knobs": ("attenuation_db",),
            "requested": attenuation,
            "realised": attenuation + 0.05,
            "traces_dbm": traces,
        },
        threshold_attenuation_db=12.5,
    )
    image, peak, _ = drawn(run).axes
    assert image.get_ylabel() == "Loop attenuation (dB)"
    (mesh,) = image.collections
    rows = mesh.get_array().reshape(3, 11)
    # Repeats at one attenuation are averaged in their row.
    np.testing.assert_allclose(rows, traces[[1, 3, 0]] + [[0.5], [0], [0]], rtol=1e-6)
    assert peak.get_lines()[0].get_ydata().tolist() == [10.05, 10.05, 15.05, 20.05]
    assert peak.get_lines()[0].get_xdata().tolist() == [-79, -78, -77, -80]
    assert peak.get_lines()[1].get_ydata()[0] == 12.5
    assert "12.5 dB" in peak.get_title()


def test_several_swept_knobs_are_drawn_over_the_number(measured, drawn):
    run = measured("own", {"first": 3, "n": 4})
    image, peak, _ = drawn(run).axes
    assert image.get_ylabel() == "Measurement"
    assert peak.get_lines()[0].get_ydata().tolist() == [3, 4, 5, 6]


def test_many_traces_are_thinned(measured, drawn, monkeypatch):
    monkeypatch.setattr("magnon_lab.runs.plot.MOST_TRACES", 4)
    run = measured("own", {"n": 30})
    _, peak, _ = drawn(run).axes
    assert len(peak.get_lines()[0].get_ydata()) == 4


def test_a_run_without_data_cannot_be_drawn(run, make_block, tmp_path):
    with pytest.raises(RunError, match="neither steps nor traces to draw yet"):
        run_png(run, tmp_path / "x.png")
    run.record_measurements(make_block(traces_dbm=None))
    with pytest.raises(RunError, match="neither steps nor traces to draw yet"):
        run_png(run, tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()


def test_a_picture_that_cannot_be_written(trained, tmp_path):
    with pytest.raises(RunError, match=r"nowhere/x\.png cannot be used: No such file"):
        run_png(trained, tmp_path / "nowhere" / "x.png")


# Exports


def table(path):
    text = path.read_text(encoding="utf-8").splitlines()
    comments = [line for line in text if line.startswith("#")]
    return comments, list(csv.DictReader(line for line in text if not line.startswith("#")))


def test_csv_holds_steps_evaluations_and_settings(trained, tmp_path):
    written = export(trained, tmp_path / "out" / "here", "csv")
    assert [path.name for path in written] == ["steps.csv", "evaluations.csv", "measurements.csv"]
    assert sorted(path.name for path in (tmp_path / "out" / "here").iterdir()) == sorted(
        path.name for path in written
    )
    comments, steps = table(written[0])
    assert f"# Magnon Lab, run {trained.id}, procedure train" in comments
    assert "# bench: simulated" in comments
    np.testing.assert_array_equal([float(row["loss"]) for row in steps], trained.steps()["loss"])
    assert steps[0]["loss_kind"] == "measured"
    comments, evaluations = table(written[1])
    assert "# bench: simulated" in comments
    assert len(evaluations) == 6
    assert json.loads(evaluations[0]["confusion"]) == [[1, 2], [3, 4]]
    comments, measurements = table(written[2])
    assert "# bench: simulated" in comments
    found = trained.measurements()
    np.testing.assert_array_equal(
        [float(row["realised drive_power_dbm"]) for row in measurements], found["realised"][:, 1]
    )
    np.testing.assert_array_equal(
        [float(row["requested attenuation_db"]) for row in measurements], found["requested"][:, 0]
    )


def test_npz_holds_everything(trained, tmp_path):
    (path,) = export(trained, tmp_path / "out.npz", "npz")
    with np.load(path) as data:
        assert data["simulated"]
        assert str(data["bench_kind"]) == "simulated"
        assert json.loads(str(data["info"]))["id"] == trained.id
        assert data["knobs"].tolist() == ["attenuation_db", "drive_power_dbm"]
        np.testing.assert_array_equal(data["frequencies_hz"], FREQUENCIES)
        for name, values in trained.measurements().items():
            np.testing.assert_array_equal(data[f"measurements_{name}"], values)
        for name, values in trained.steps().items():
            np.testing.assert_array_equal(data[f"steps_{name}"], values)
        assert data["evaluations_split"].tolist() == ["validation", "test"] * 3
        assert data["evaluations_accuracy"].tolist() == [0.1, 0.1, 0.3, 0.3, 0.5, 0.5]
        np.testing.assert_array_equal(data["confusion_0"], [[1, 2], [3, 4]])


def test_netcdf_holds_the_same_with_dimensions_and_units(trained, tmp_path):
    (archive,) = export(trained, tmp_path / "out.npz", "npz")
    (path,) = export(trained, tmp_path / "out.nc", "nc")
    with np.load(archive) as data, netcdf_file(path, mmap=False) as found:
        assert json.loads(found.info)["id"] == trained.id
        assert (found.simulated, found.bench_kind) == (1, b"simulated")
        variables = found.variables
        assert set(variables) == {name for name in data if data[name].ndim}
        for name, variable in variables.items():
            if variable.typecode() == "c":
                told = [b"".join(row).rstrip(b"\0").decode() for row in variable[:]]
                assert told == data[name].tolist()
            else:
                np.testing.assert_array_equal(variable[:], data[name])
        traces = variables["measurements_traces_dbm"]
        assert (traces.dimensions, traces.units) == (("measurement", "point"), b"dBm")
        assert variables["measurements_requested"].dimensions == ("measurement", "knob")
        assert variables["steps_loss"].dimensions == ("step",)


def test_a_run_on_real_instruments_says_so(measured, tmp_path):
    run = measured("spectrum", {"n": 2})
    (path,) = export(run, tmp_path / "out.npz", "npz")
    with np.load(path) as data:
        assert not data["simulated"]
        assert str(data["bench_kind"]) == "real instruments"
    comments, rows = table(export(run, tmp_path / "out", "csv")[2])
    assert "# bench: real instruments" in comments
    assert len(rows) == 2


def test_an_empty_run_can_be_exported(run, tmp_path):
    for path in export(run, tmp_path / "out", "csv"):
        assert table(path)[1] == []
    (path,) = export(run, tmp_path / "out.npz", "npz")
    with np.load(path) as data:
        assert data["measurements_number"].shape == (0,)
    (path,) = export(run, tmp_path / "out.nc", "nc")
    with netcdf_file(path, mmap=False) as found:
        assert not found.variables


def test_exports_that_cannot_be(trained, tmp_path):
    with pytest.raises(RunError, match="no export format 'hdf5': known are csv, nc, npz"):
        export(trained, tmp_path / "x", "hdf5")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file cannot be used"):
        export(trained, tmp_path / "file", "csv")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunError, match="folder cannot be used"):
        export(trained, tmp_path / "folder", "npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "runs"]
