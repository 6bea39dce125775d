"""The contract that every adapter keeps, and the door that chooses one."""

from __future__ import annotations

import pickle
import threading
import warnings

import numpy as np
import onnx_models as om
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression

import blackbox_xai as bx
from blackbox_xai.adapters import Adapter, CallableModel
from blackbox_xai.adapters.answers import check_scores
from blackbox_xai.adapters.blame import first_failing
from blackbox_xai.errors import AnswerError, InputError, Interrupted, LoadError, PredictError
from blackbox_xai.ledger import Ledger

X = np.random.default_rng(0).normal(size=(50, 3))


class Spy:
    """Sums of the columns; counts what it is asked."""

    def __init__(self):
        self.sizes = []

    def __call__(self, batch):
        self.sizes.append(len(batch))
        return np.asarray(batch, float).sum(axis=1)


class Poisoned:
    """Fails on rows whose first column is 7; counts rows."""

    def __init__(self, error=None):
        self.error = error or ValueError("bad row")
        self.rows = 0
        self.calls = 0

    def __call__(self, batch):
        self.rows += len(batch)
        self.calls += 1
        if (np.asarray(batch)[:, 0] == 7).any():
            raise self.error
        return batch[:, 0]


# --- the door -------------------------------------------------------------------------------


def test_each_kind_of_model_finds_its_adapter(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(om.linear(np.ones((3, 1))))
    fitted = LinearRegression().fit(X, X[:, 0])
    assert type(bx.as_model(lambda batch: batch)) is bx.CallableModel
    assert type(bx.as_model(fitted)) is bx.SklearnModel
    assert type(bx.as_model(path)) is bx.OnnxModel
    assert type(bx.as_model(path.read_bytes())) is bx.OnnxModel
    assert type(bx.as_model("http://localhost:1/v2/models/m")).__name__ == "HttpModel"


def test_an_adapter_is_returned_as_it_is_and_does_not_swallow_settings():
    model = bx.as_model(Spy(), output_names=["a"], scale="value", batch_size=7)
    assert bx.as_model(model) is model
    assert bx.as_model(model, output_names=("a",), scale="value", batch_size=7) is model
    for setting in ({"output_names": ["b"]}, {"scale": "score"}, {"batch_size": 8}):
        with pytest.raises(InputError, match=f"{next(iter(setting))} is .*made"):
            bx.as_model(model, **setting)


def test_objects_with_a_predict_method_are_called_through_it():
    class Booster:
        def predict(self, batch):
            return batch[:, 0]

    np.testing.assert_array_equal(bx.as_model(Booster()).predict(X), X[:, :1])


def test_foreign_models_that_keep_the_protocol():
    class Foreign:
        output_names = ("a", "b")
        scale = "value"
        parallel = "processes"

        def predict(self, inputs):
            return np.asarray(inputs)[:, :2]

    model = bx.as_model(Foreign())
    assert (model.output_names, model.scale, model.parallel) == (("a", "b"), "value", "processes")
    np.testing.assert_array_equal(model.predict(X), X[:, :2])


@pytest.mark.parametrize("thing", [3, None, object(), [1, 2]])
def test_what_is_no_model_is_refused(thing):
    with pytest.raises(InputError, match="model must be a function, a fitted estimator"):
        bx.as_model(thing)


def test_a_class_is_no_model():
    with pytest.raises(InputError, match="got the class LogisticRegression"):
        bx.as_model(LogisticRegression)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"scale": "logit"}, "scale must be one of 'probability', 'score', 'value', got 'logit'"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size must be an integer, got 2.5"),
        ({"output_names": "yes"}, "output_names must be a sequence of names, got one text 'yes'"),
        ({"output_names": []}, "output_names must be distinct and at least one"),
        ({"output_names": ["a", "a"]}, "output_names must be distinct"),
    ],
)
def test_settings_are_checked(setting, message):
    with pytest.raises(InputError, match=message):
        bx.as_model(Spy(), **setting)


# --- batches and books ----------------------------------------------------------------------


@given(n=st.integers(1, 60), size=st.integers(1, 70))
def test_batches_cover_all_rows_in_order_and_are_counted(n, size):
    spy = Spy()
    scores, cost = bx.as_model(spy, batch_size=size).predict_counted(X[:n] if n <= 50 else X)
    n = min(n, 50)
    np.testing.assert_array_equal(scores[:, 0], X[:n].sum(axis=1))
    assert sum(spy.sizes) == n == cost.rows
    assert len(spy.sizes) == cost.calls == -(-n // size)
    assert max(spy.sizes) <= size


@pytest.mark.parametrize(
    ("row_bytes", "rows"),
    [(0, 4096), (240, 4096), (1024, 4096), (2048, 2048), (4 << 20, 1), (1 << 30, 1)],
)
def test_the_default_batch_is_a_rule_of_sizes(row_bytes, rows):
    assert bx.as_model(Spy()).rows_per_batch(row_bytes) == rows


@pytest.mark.parametrize(
    "inputs",
    [
        X,
        X.tolist(),
        np.asfortranarray(X),
        X[::-1],
        X.astype(object),
        pd.DataFrame(X),
        pl.DataFrame(X),
        list(X),
        tuple(X),
    ],
    ids=["array", "lists", "fortran", "reversed", "object", "pandas", "polars", "rows", "tuple"],
)
def test_inputs_in_any_container(inputs):
    scores = bx.as_model(Spy(), batch_size=7).predict(inputs)
    expected = X[::-1] if isinstance(inputs, np.ndarray) and inputs.strides[0] < 0 else X
    np.testing.assert_allclose(scores[:, 0], expected.sum(axis=1))


def test_sparse_inputs_stay_sparse():
    sparse = pytest.importorskip("scipy.sparse")
    for form in (sparse.csr_matrix, sparse.coo_array, sparse.csc_matrix):
        model = bx.as_model(lambda batch: np.asarray(batch.sum(axis=1)).ravel(), batch_size=7)
        np.testing.assert_allclose(model.predict(form(X))[:, 0], X.sum(axis=1))


def test_no_rows_give_no_scores_when_their_number_is_known():
    spy = Spy()
    assert bx.as_model(spy, output_names=["a"]).predict(X[:0]).shape == (0, 1)
    assert spy.sizes == []
    with pytest.raises(InputError, match="inputs must have at least one row, got 0"):
        bx.as_model(spy).predict(X[:0])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("one text", "inputs must be a batch, got one text 'one text'. Put it in a list"),
        (3.0, "inputs must be an array, frame or list, got 3.0"),
        (np.float64(3), "got a scalar"),
        ([[1, 2], [3]], "rows of equal length"),
    ],
)
def test_inputs_that_are_no_batch(inputs, message):
    with pytest.raises(InputError, match=message):
        bx.as_model(Spy()).predict(inputs)


# --- answers --------------------------------------------------------------------------------


def answering(answer, **settings):
    return bx.as_model(lambda batch: answer, **settings)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.zeros(49), r"scores of shape \(49,\) for 50 rows; expected \(50,\) or \(50, k\)"),
        (np.zeros((51, 2)), r"scores of shape \(51, 2\) for 50 rows"),
        (np.zeros((50, 0)), r"scores of shape \(50, 0\)"),
        (np.zeros((50, 2, 2)), r"scores of shape \(50, 2, 2\)"),
        (0.5, r"scores of shape \(\) for 50 rows"),
        (None, "returned .*None.* of type object, not scores"),
        (["yes"] * 50, "of type <U3, not scores. Pass its predict_proba"),
        ([[1.0], [1.0, 2.0]], "answer is no score matrix"),
        (np.zeros(50, int), "look like class labels"),
        (np.zeros(50, bool), "look like class labels"),
        (np.full(50, 1 + 1j), "of type complex128, not scores"),
        (np.full((50, 2), np.nan), "returned nan for row 0, output 0; scores must be finite"),
        (np.zeros(50, int).astype(object), "of type object, not scores"),
        (np.ma.array(np.zeros(50), mask=np.arange(50) == 17), "returned nan for row 17, output 0"),
        (np.ma.array(np.zeros(50, int), mask=np.arange(50) == 17), "returned nan for row 17"),
    ],
)
def test_answers_that_are_no_scores_are_refused(answer, message):
    with pytest.raises(AnswerError, match=message):
        answering(answer).predict(X)


@pytest.mark.parametrize("bad", ["n/a", None, 1 + 1j])
def test_an_entry_that_is_no_number_names_its_row_in_the_inputs(bad):
    def model(batch):
        scores = np.full((len(batch), 2), 0.5, dtype=object)
        scores[batch[:, 0] == 7, 1] = bad
        return scores

    rows = X.copy()
    rows[17, 0] = 7
    with pytest.raises(AnswerError, match="for row 17, which is no score") as caught:
        bx.as_model(model, batch_size=8).predict(rows)
    assert caught.value.rows == (17,)


@pytest.mark.parametrize("kind", [np.ma.array, lambda scores: scores.astype(object)])
def test_floats_in_another_wrapping_are_an_answer(kind):
    scores = answering(kind(np.arange(50.0))).predict(X)
    np.testing.assert_array_equal(scores[:, 0], np.arange(50.0))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_names_its_row_in_the_inputs(bad):
    def model(batch):
        scores = np.zeros((len(batch), 2))
        scores[batch[:, 0] == 7, 1] = bad
        return scores

    rows = X.copy()
    rows[17, 0] = 7
    with pytest.raises(AnswerError, match=rf"returned {bad} for row 17, output 1") as caught:
        bx.as_model(model, batch_size=8).predict(rows)
    assert caught.value.rows == (17,)


@pytest.mark.parametrize("form", [np.float16, np.float32, np.int64])
def test_scores_are_float64_and_owned(form):
    buffer = np.ones((50, 2), form)
    scores = answering(buffer, scale="value").predict(X)
    assert scores.dtype == np.float64
    scores[:] = 5
    assert (buffer == 1).all()


def test_a_view_of_a_buffer_that_is_used_again():
    buffer = np.empty(8)

    def model(batch):
        buffer[: len(batch)] = batch[:, 0]
        return buffer[: len(batch)]

    np.testing.assert_array_equal(bx.as_model(model, batch_size=8).predict(X), X[:, :1])


def test_integer_scores_are_taken_when_the_unit_is_said():
    np.testing.assert_array_equal(
        answering(np.arange(50), scale="value").predict(X)[:3, 0], [0, 1, 2]
    )
    np.testing.assert_array_equal(answering(np.ones((50, 2), int)).predict(X)[0], [1, 1])


def test_the_predict_of_a_classifier_is_refused_even_when_its_labels_are_floats():
    fitted = LogisticRegression().fit(X, (X[:, 0] > 0).astype(float))
    with pytest.raises(AnswerError, match=r"look like class labels\. Pass the fitted classifier"):
        bx.as_model(fitted.predict).predict(X)
    meant = bx.as_model(fitted.predict, scale="value")
    np.testing.assert_array_equal(meant.predict(X)[:, 0], fitted.predict(X))
    model = bx.as_model(fitted.predict_proba)
    assert (model.scale, model.output_names) == ("probability", ("0.0", "1.0"))
    np.testing.assert_array_equal(model.predict(X), fitted.predict_proba(X))


def test_the_number_of_outputs_is_fixed_by_names_or_the_first_answer():
    with pytest.raises(AnswerError, match=r"shape \(50, 3\); expected \(50, 2\) from output_names"):
        answering(np.zeros((50, 3)), output_names=["a", "b"]).predict(X)
    model = bx.as_model(
        lambda batch: np.zeros((len(batch), 2 if len(batch) == 7 else 3)), batch_size=7
    )
    with pytest.raises(
        AnswerError, match="returned 3 scores a row for rows 49 to 49, but 2 before"
    ):
        model.predict(X)
    assert model.predict(X[:7]).shape == (7, 2)


def test_probabilities_leave_the_unit_interval_only_as_scores():
    def model(batch):
        return batch[:, :2]

    rows = np.array([[0.2, 0.8], [0.5, -0.5]])
    with pytest.raises(AnswerError, match=r"-0\.5 for row 1, output 1, which is no probability"):
        bx.as_model(model, scale="probability").predict(rows)
    np.testing.assert_array_equal(bx.as_model(model, scale="score").predict(rows), rows)


def test_frames_and_series_as_answers():
    model = bx.as_model(lambda frame: frame[["a"]])
    np.testing.assert_array_equal(model.predict(pd.DataFrame({"a": [1.0], "b": [2.0]})), [[1.0]])
    model = bx.as_model(lambda frame: frame["b"])
    np.testing.assert_array_equal(model.predict(pd.DataFrame({"a": [1.0], "b": [2.0]})), [[2.0]])


def test_check_scores_keeps_the_row_numbers_of_the_inputs():
    with pytest.raises(AnswerError) as caught:
        check_scores([1.0, np.nan], 2, 10, None)
    assert caught.value.rows == (11,)


# --- models that misbehave ------------------------------------------------------------------


def test_a_model_that_writes_into_its_input_does_not_reach_ours():
    def model(batch):
        if isinstance(batch, list):
            for item in batch:
                item[:] = 0
            return np.zeros(len(batch))
        batch[:] = 0
        return np.zeros(len(batch))

    for inputs in (X.copy(), X.copy().astype(object), [row.copy() for row in X]):
        bx.as_model(model, batch_size=7).predict(inputs)
        np.testing.assert_array_equal(np.array(inputs, float), X)
    frame = pd.DataFrame(X)

    def overwrite(batch):
        batch.iloc[:, 0] = 0.0
        return batch[1]

    bx.as_model(overwrite).predict(frame)
    np.testing.assert_array_equal(frame.to_numpy(), X)


@pytest.mark.parametrize("size", [1, 8, 50, None])
@pytest.mark.parametrize("place", [0, 17, 49])
def test_the_one_row_that_fails_is_named(size, place):
    rows = X.copy()
    rows[place, 0] = 7
    model = Poisoned()
    with pytest.raises(PredictError, match=f"failed on row {place}: ValueError: bad row") as caught:
        bx.as_model(model, batch_size=size).predict(rows)
    assert caught.value.rows == (place,)
    assert isinstance(caught.value.__cause__, ValueError)
    cost = caught.value.cost
    assert (cost.rows, cost.calls) == (model.rows, model.calls)
    assert cost.rows <= 2 * 50 + 3
    assert cost.failures >= 1


def test_a_model_that_fails_on_every_row_is_not_blamed_on_one():
    def model(batch):
        raise RuntimeError("out of order")

    with pytest.raises(
        PredictError, match="failed on rows 0 to 49: RuntimeError: out of order"
    ) as e:
        bx.as_model(model).predict(X)
    assert e.value.rows == tuple(range(50))
    assert e.value.cost.calls == 3


def test_the_odd_cell_of_the_failing_row_is_named():
    def model(frame):
        if frame.isna().any(axis=None):
            raise ValueError("no NaN please")
        return frame["age"]

    frame = pd.DataFrame({"age": np.arange(30.0), "city": ["a"] * 30})
    frame.loc[17, "city"] = None
    with pytest.raises(PredictError, match=r"failed on row 17 \(column 'city' is (None|nan)\)"):
        bx.as_model(model).predict(frame)


@given(n=st.integers(1, 300), data=st.data())
def test_the_search_finds_any_single_row_at_the_price_of_one_batch(n, data):
    bad = data.draw(st.integers(0, n - 1))
    asked = []

    def fails(start, stop):
        asked.append(stop - start)
        return start <= bad < stop

    assert first_failing(fails, n) == bad
    assert len(asked) <= np.log2(n) + 4
    assert sum(asked) <= n + 3


def test_the_search_gives_up_when_the_failure_does_not_come_back():
    assert first_failing(lambda start, stop: False, 100) is None


class Unpicklable(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} {second}")
        self.lock = threading.Lock()


@pytest.mark.parametrize(
    "error", [Unpicklable("a", "b"), SystemExit(3), StopIteration("x"), KeyError("k")]
)
def test_any_exception_becomes_ours_and_travels(error):
    rows = X.copy()
    rows[3, 0] = 7
    with pytest.raises(PredictError, match=f"failed on row 3: {type(error).__name__}") as caught:
        bx.as_model(Poisoned(error)).predict(rows)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.rows, again.cost) == (
        str(caught.value),
        caught.value.rows,
        caught.value.cost,
    )


def test_long_and_odd_messages_of_a_model_stay_on_one_line():
    rows = X.copy()
    rows[3, 0] = 7
    with pytest.raises(PredictError) as caught:
        bx.as_model(Poisoned(ValueError("a\n\x1b[31m" + "z" * 5000))).predict(rows)
    text = str(caught.value)
    assert len(text) < 400
    assert text.isprintable()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("bad row")])
@pytest.mark.parametrize("recorded", [True, False])
def test_what_was_answered_before_ctrl_c_or_a_failure_is_kept(error, recorded):
    rows = X.copy()
    rows[17, 0] = 7
    model = bx.as_model(Poisoned(error), batch_size=8)
    if recorded:
        model = bx.RecordedModel(model, probe=False)
    with pytest.raises((Interrupted, PredictError)) as caught:
        model.predict(rows)
    assert isinstance(caught.value, KeyboardInterrupt) == isinstance(error, KeyboardInterrupt)
    partial = caught.value.partial
    assert [part is None for part in partial] == [False] * 16 + [True] * 34
    np.testing.assert_array_equal(np.concatenate(partial[:16]), rows[:16, 0])


def test_warnings_and_prints_of_a_model_pass(capsys):
    def model(batch):
        print("scoring")
        warnings.warn("old model", stacklevel=1)
        return batch[:, 0]

    with pytest.warns(UserWarning, match="old model"):
        bx.as_model(model).predict(X)
    assert capsys.readouterr().out == "scoring\n"


def test_several_threads_share_one_adapter():
    model = bx.as_model(Spy(), batch_size=7)
    found = [None] * 8

    def work(i):
        found[i] = model.predict_counted(X + i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, (scores, cost) in enumerate(found):
        np.testing.assert_array_equal(scores[:, 0], (X + i).sum(axis=1))
        assert (cost.rows, cost.calls) == (50, 8)


def test_adapters_can_be_pickled():
    model = CallableModel(Spy(), output_names=["a"])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.output_names == ("a",)


def test_streams_hand_out_batches_as_they_come():
    model = bx.as_model(Spy(), batch_size=20)
    steps = model.stream(X)
    assert [start for start, _ in iter(lambda: next(steps, (None, None)), (None, None))] == [
        0,
        20,
        40,
    ]


def test_a_subclass_writes_one_method():
    class Half(Adapter):
        def _predict_batch(self, batch):
            return batch / 2

    scores, cost = Half(output_names=["a", "b", "c"]).predict_counted(X)
    np.testing.assert_array_equal(scores, X / 2)
    assert cost == Ledger(1, 50, seconds=cost.seconds)
    assert Half().name_outputs(1) == ("output",)
    assert Half().name_outputs(2) == ("output 0", "output 1")
    assert Half().fingerprint() is None


@pytest.mark.parametrize("name", ["m.pkl", "m.joblib", "m.pickle"])
def test_pickles_are_not_opened_by_as_model(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(LoadError, match="runs code when it is opened"):
        bx.as_model(tmp_path / name)
