"""Shipped tasks, and a user's own data with errors that name the place."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from magnon_lab.learning.tasks import TaskError, make_task


def rows_of(task):
    return [len(task.x_train), len(task.x_validation), len(task.x_test)]


def test_digits_are_split_the_same_way_always():
    task, again = make_task("digits", seed=0), make_task("digits", seed=5)
    assert rows_of(task) == [1200, 200, 397]
    assert (task.inputs, len(task.classes)) == (64, 10)
    for one, other in zip(task[1:7], again[1:7], strict=True):
        np.testing.assert_array_equal(one, other)
    together = np.concatenate([task.x_train, task.x_validation, task.x_test])
    assert len(np.unique(together, axis=0)) == 1797
    np.testing.assert_allclose(task.x_train.mean(axis=0), 0.0, atol=1e-5)


def test_spirals_are_seeded_and_beyond_a_linear_boundary():
    task = make_task("spirals", seed=3)
    np.testing.assert_array_equal(task.x_test, make_task("spirals", seed=3).x_test)
    assert not np.array_equal(task.x_test, make_task("spirals", seed=4).x_test)
    linear = LogisticRegression().fit(task.x_train, task.y_train)
    assert linear.score(task.x_test, task.y_test) == pytest.approx(0.77, abs=0.04)


def test_rows_of_digits_are_the_same_images():
    rows, whole = make_task("digit_rows"), make_task("digits")
    assert (rows.shape, rows.inputs) == ((8, 8), 64)
    np.testing.assert_array_equal(rows.x_test.reshape(-1, 64), whole.x_test)
    np.testing.assert_array_equal(rows.y_test, whole.y_test)


@pytest.mark.parametrize(("name", "bits"), [("parity", 3), ("parity2", 2), ("parity6", 6)])
def test_parity_is_that_of_the_bits_and_beyond_a_linear_boundary(name, bits):
    task = make_task(name, seed=1)
    assert (task.name, task.inputs) == (name, bits)
    ones = (task.x_test > 0).sum(axis=1)
    np.testing.assert_array_equal(task.y_test, ones % 2)
    assert len(np.unique(task.x_train > 0, axis=0)) == 2**bits
    linear = LogisticRegression().fit(task.x_train, task.y_train)
    assert linear.score(task.x_test, task.y_test) < 0.7


@pytest.mark.parametrize(
    ("name", "features", "classes"), [("wine", 13, 3), ("breast_cancer", 30, 2)]
)
def test_tables_are_standardised_and_split_by_the_seed(name, features, classes):
    task = make_task(name, seed=2)
    assert (task.inputs, len(task.classes)) == (features, classes)
    np.testing.assert_allclose(task.x_train.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(task.x_train.std(axis=0), 1.0, atol=1e-4)
    for labels in (task.y_train, task.y_validation, task.y_test):
        assert len(np.unique(labels)) == classes
    assert not np.array_equal(task.y_test, make_task(name, seed=3).y_test)


def test_an_archive_of_sequences_keeps_its_tokens(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 5, 3)) + 4.0
    np.savez(tmp_path / "sequences.npz", x=x, y=np.arange(60) % 3)
    task = make_task(tmp_path / "sequences.npz")
    assert task.shape == (5, 3)
    np.testing.assert_allclose(task.x_train.mean(axis=0), 0.0, atol=1e-5)


@pytest.fixture
def clouds():
    rng = np.random.default_rng(0)
    y = np.repeat([3, 7], 60)
    x = rng.normal(0.0, 2.0, (120, 3)) + y[:, None]
    x[:, 2] = 5.0  # a column that never moves
    return x, y


def test_an_archive_of_the_users_is_standardised_split_and_renumbered(tmp_path, clouds):
    path = tmp_path / "clouds.npz"
    np.savez(path, x=clouds[0], y=clouds[1])
    task = make_task(path, seed=1)
    assert rows_of(task) == [78, 18, 24]
    assert task.classes == ("3", "7")
    assert set(np.unique(task.y_train)) == {0, 1}
    np.testing.assert_allclose(task.x_train.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(task.x_train.std(axis=0), [1.0, 1.0, 0.0], atol=1e-5)
    assert abs(task.y_test.mean() - 0.5) < 0.01


def test_a_table_of_the_users_gives_the_same_task_as_the_archive(tmp_path, clouds):
    x, y = clouds
    np.savez(tmp_path / "clouds.npz", x=x, y=y)
    lines = [f"{a!r},{b},{c!r},{d!r}" for (a, c, d), b in zip(x.tolist(), y, strict=True)]
    (tmp_path / "clouds.csv").write_text("first,kind,second,third\n" + "\n".join(lines) + "\n")
    table = make_task(tmp_path / "clouds.csv", seed=1, label="kind")
    archive = make_task(tmp_path / "clouds.npz", seed=1)
    np.testing.assert_array_equal(table.x_train, archive.x_train)
    np.testing.assert_array_equal(table.y_test, archive.y_test)


def test_images_are_flattened(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", x=rng.normal(size=(40, 4, 4)), y=np.arange(40) % 2)
    assert make_task(tmp_path / "a.npz").inputs == 16


X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 2


def with_nan():
    x = X.copy()
    x[4, 1] = np.nan
    return x


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, "key 'y' is missing; it needs .* it has x"),
        ({"x": with_nan(), "y": Y}, "row 5, column 2 is nan; 1 of 40 values are not finite"),
        ({"x": np.where(X == 6.0, np.inf, X), "y": Y}, "row 4, column 1 is inf"),
        ({"x": X, "y": Y[1:]}, r"y has shape \(19,\); x \(20, 2\) needs y \(20,\)"),
        ({"x": X, "y": np.eye(20)}, r"y has shape \(20, 20\)"),
        ({"x": X[:, 0], "y": Y}, r"x has shape \(20,\); needs \(n, features\)"),
        ({"x": X, "y": Y + 0.5}, "label of row 1 is 0.5; labels are whole numbers"),
        ({"x": X, "y": np.where(Y == 1, np.nan, 0.0)}, "label of row 2 is nan"),
        ({"x": X, "y": 0 * Y}, "holds 1 class, .* at least 2 .*every label is 0"),
        ({"x": X, "y": np.array(["a", "b"] * 10)}, "y holds <U1, numbers are needed"),
        ({"x": X, "y": (np.arange(20) == 3).astype(int)}, "class 1 has 1 samples"),
        ({"x": X[:, :0], "y": Y}, "has labels but no feature"),
        ({"x": np.array([["a"]] * 20), "y": Y}, "x holds <U1"),
    ],
)
def test_what_is_wrong_in_an_archive_is_named(tmp_path, arrays, message):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    with pytest.raises(TaskError, match=message) as told:
        make_task(path)
    assert str(path) in str(told.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "no label column 'label'; its columns are a, b"),
        ("a,label\n1,0\n2\n", "row 2 has 1 entries, the header has 2"),
        ("a,label\n1,0\nlow,1\n", "row 2, column 'a': 'low' is not a number"),
        ("a,label\n1,0\nnan,1\n" + "1,0\n0,1\n" * 8, "row 2, column 'a' is nan"),
        ("a,label\n1,0\n2,0.25\n", "label of row 2 is 0.25"),
        ("a,label\n", "holds 0 class"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(tmp_path, text, message):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(TaskError, match=message):
        make_task(path)


def test_a_file_that_is_missing_damaged_or_of_another_kind_is_named(tmp_path):
    with pytest.raises(TaskError, match=r"absent.npz does not exist"):
        make_task(tmp_path / "absent.npz")
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    with pytest.raises(TaskError, match=r"cannot be read as an \.npz archive"):
        make_task(tmp_path / "bad.npz")
    np.savez(tmp_path / "objects.npz", x=np.array([{}] * 20), y=Y)
    with pytest.raises(TaskError, match=r"cannot be read as an \.npz archive"):
        make_task(tmp_path / "objects.npz")
    with pytest.raises(TaskError, match="'parity1' is not known; known are digits, "):
        make_task("parity1")
