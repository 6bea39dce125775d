"""Fitted estimators: the right method, the right columns, one thread, and files."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

import blackbox_xai as bx
from blackbox_xai.adapters.estimator import serial
from blackbox_xai.errors import AnswerError, InputError, LoadError, PredictError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
TWO = np.where(X[:, 0] > 0, "yes", "no")
THREE = np.array(["a", "b", "c"])[np.digitize(X[:, 1], [-0.5, 0.5])]
FRAME = pd.DataFrame(
    {"age": RNG.integers(18, 80, 80), "income": RNG.random(80), "city": RNG.choice(["a", "b"], 80)}
)


@pytest.fixture(scope="module")
def pipeline():
    columns = make_column_transformer(
        (OneHotEncoder(), ["city"]), (StandardScaler(), ["age", "income"])
    )
    forest = RandomForestClassifier(8, max_depth=4, n_jobs=2, random_state=0)
    return make_pipeline(columns, forest).fit(FRAME, TWO)


@pytest.mark.parametrize(
    ("estimator", "y", "names", "scale", "method"),
    [
        (LogisticRegression(), TWO, ("no", "yes"), "probability", "predict_proba"),
        (LogisticRegression(), THREE, ("a", "b", "c"), "probability", "predict_proba"),
        (LinearSVC(), TWO, ("yes",), "score", "decision_function"),
        (RidgeClassifier(), THREE, ("a", "b", "c"), "score", "decision_function"),
        (SVC(decision_function_shape="ovo"), THREE, None, "score", "decision_function"),
        (LinearRegression(), X[:, 0], None, "value", "predict"),
        (LinearRegression(), X[:, :2], None, "value", "predict"),
        (IsolationForest(n_estimators=5, random_state=0), None, None, "score", "decision_function"),
    ],
)
def test_each_kind_of_estimator_answers_by_its_best_method(estimator, y, names, scale, method):
    model = bx.as_model(estimator.fit(X, y))
    expected = getattr(estimator, method)(X).reshape(len(X), -1)
    np.testing.assert_array_equal(model.predict(X), expected)
    assert (model.output_names, model.scale) == (names, scale)


def test_the_scale_chooses_the_method():
    fitted = LogisticRegression().fit(X, TWO)
    margin = bx.as_model(fitted, scale="score")
    np.testing.assert_array_equal(margin.predict(X)[:, 0], fitted.decision_function(X))
    assert margin.output_names == ("yes",)
    assert bx.as_model(fitted, output_names=["n", "y"]).output_names == ("n", "y")


@pytest.mark.parametrize("forest", [True, False])
def test_several_targets_stand_side_by_side(forest):
    y = np.c_[TWO, THREE]
    base = RandomForestClassifier(4, random_state=0) if forest else LogisticRegression()
    fitted = (base if forest else MultiOutputClassifier(base)).fit(X, y)
    model = bx.as_model(fitted)
    np.testing.assert_array_equal(model.predict(X), np.hstack(fitted.predict_proba(X)))
    assert model.output_names == ("0: no", "0: yes", "1: a", "1: b", "1: c")


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (LogisticRegression, {}, "LogisticRegression is not fitted. Call fit"),
        (
            lambda: make_pipeline(StandardScaler(), LogisticRegression()),
            {},
            "Pipeline is not fitted",
        ),
        (
            lambda: KMeans(2, n_init=1).fit(X),
            {},
            "KMeans is a clusterer whose predict returns labels",
        ),
        (
            lambda: LogisticRegression().fit(X, TWO),
            {"scale": "value"},
            "Leave scale out to use its",
        ),
        (
            lambda: LinearSVC().fit(X, TWO),
            {"scale": "probability"},
            "LinearSVC has no predict_proba",
        ),
        (lambda: StandardScaler().fit(X), {}, "StandardScaler has no predict; it has none"),
        (lambda: RandomForestRegressor, {}, "got the class RandomForestRegressor"),
    ],
)
def test_estimators_without_scores_are_refused(make, settings, message):
    with pytest.raises(InputError, match=message):
        bx.as_model(make(), **settings)


def test_a_classifier_that_only_predicts_labels_is_refused():
    class Labels(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            return np.full(len(X), self.classes_[0])

    with pytest.raises(InputError, match=r"is a classifier .*Wrap it in CalibratedClassifierCV"):
        bx.as_model(Labels().fit(X, TWO))


def test_an_estimator_of_another_library_needs_no_base_class():
    class Foreign:
        classes_ = np.array(["l", "r"])

        def predict_proba(self, X):
            p = 1 / (1 + np.exp(-np.asarray(X)[:, 0]))
            return np.c_[1 - p, p]

    model = bx.as_model(Foreign())
    assert (model.output_names, model.scale) == (("l", "r"), "probability")
    assert model.predict(X).shape == (80, 2)


def test_wrong_classes_count_is_refused():
    with pytest.raises(AnswerError, match=r"expected \(80, 3\) from output_names"):
        bx.as_model(LogisticRegression().fit(X, TWO), output_names=["a", "b", "c"]).predict(X)


# --- columns --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inputs",
    [
        FRAME,
        FRAME[["city", "income", "age"]],
        FRAME.to_numpy(),
        FRAME.to_numpy().tolist(),
        pl.from_pandas(FRAME),
        pl.from_pandas(FRAME).select("income", "city", "age"),
    ],
    ids=["frame", "permuted", "array", "lists", "polars", "permuted polars"],
)
def test_columns_are_brought_into_the_order_of_fitting(pipeline, inputs):
    expected = pipeline.predict_proba(FRAME)
    np.testing.assert_allclose(bx.as_model(pipeline).predict(inputs), expected, atol=1e-12)


def test_a_permuted_frame_is_right_where_scikit_learn_would_refuse():
    fitted = LogisticRegression().fit(FRAME[["age", "income"]], TWO)
    swapped = FRAME[["income", "age"]]
    expected = fitted.predict_proba(FRAME[["age", "income"]])
    np.testing.assert_array_equal(bx.as_model(fitted).predict(swapped), expected)
    polars = pl.from_pandas(swapped)
    np.testing.assert_array_equal(bx.as_model(fitted).predict(polars), expected)
    array = FRAME[["age", "income"]].to_numpy()
    np.testing.assert_array_equal(bx.as_model(fitted).predict(array), expected)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (FRAME.drop(columns="age"), "inputs lack the model's columns 'age'"),
        (FRAME.rename(columns={"age": "Age"}), "columns 'age'; unknown to it: 'Age'"),
        (FRAME.assign(extra=1), "columns that the model does not know: 'extra'. Drop them first"),
        (pd.concat([FRAME, FRAME[["age"]]], axis=1), "more than one column named 'age'. Keep one"),
        (FRAME.to_numpy()[:, :2], "have 2 columns, but the model was fitted on 3: .*'age'"),
    ],
)
def test_columns_that_do_not_fit_are_named(pipeline, inputs, message):
    with pytest.raises(InputError, match=message):
        bx.as_model(pipeline).predict(inputs)


def test_a_wrong_width_is_refused_before_the_model_is_asked():
    fitted = LogisticRegression().fit(X, TWO)
    with pytest.raises(InputError, match="inputs have 5 columns, but the model was fitted on 3"):
        bx.as_model(fitted).predict(np.zeros((2, 5)))
    with pytest.raises(InputError, match="inputs have 1 columns, but the model was fitted on 3"):
        bx.as_model(fitted).predict(pd.DataFrame({"a": [1.0]}))


def test_an_unseen_category_and_a_missing_value_are_named_by_row(pipeline):
    unseen = FRAME.astype({"city": object})
    unseen.loc[17, "city"] = "zz"
    with pytest.raises(PredictError, match=r"failed on row 17: ValueError: .*'zz'"):
        bx.as_model(pipeline).predict(unseen)
    missing = X.copy()
    missing[17, 1] = np.nan
    with pytest.raises(PredictError, match=r"failed on row 17 \(column 1 is nan\)"):
        bx.as_model(LogisticRegression().fit(X, TWO)).predict(missing)


def test_a_model_that_takes_missing_values_gets_them():
    fitted = HistGradientBoostingClassifier(max_iter=3).fit(X, TWO)
    missing = X.copy()
    missing[17, 1] = np.nan
    np.testing.assert_array_equal(
        bx.as_model(fitted).predict(missing), fitted.predict_proba(missing)
    )


def test_texts_and_sparse_matrices():
    sparse = pytest.importorskip("scipy.sparse")
    texts = make_pipeline(TfidfVectorizer(), LogisticRegression())
    texts.fit(["good film", "bad film", "good", "bad"], [1, 0, 1, 0])
    scores = bx.as_model(texts, batch_size=2).predict(["good good", "film", "bad"])
    assert scores[0, 1] > scores[1, 1] > scores[2, 1]
    rows = sparse.coo_matrix(np.where(X > 0, X, 0))
    fitted = LogisticRegression().fit(rows.tocsr(), TWO)
    scores = bx.as_model(fitted, batch_size=7).predict(rows)
    np.testing.assert_allclose(scores, fitted.predict_proba(rows.tocsr()), atol=1e-12)


# --- one thread, no side effects ------------------------------------------------------------


def test_inner_threads_are_left_to_the_caller_and_the_estimator_stays_as_it_is(pipeline):
    search = GridSearchCV(pipeline, {"randomforestclassifier__max_depth": [2]}, cv=2, n_jobs=None)
    search.fit(FRAME, TWO)
    alone = serial(search)
    assert alone.best_estimator_[-1].n_jobs == 1
    assert search.best_estimator_[-1].n_jobs == 2
    assert alone.best_estimator_[-1].estimators_ is search.best_estimator_[-1].estimators_
    np.testing.assert_allclose(alone.predict_proba(FRAME), search.predict_proba(FRAME), atol=1e-12)
    assert bx.as_model(pipeline)._answering[-1].n_jobs == 1
    quiet = LogisticRegression().fit(X, TWO)
    assert serial(quiet) is quiet


def test_pickled_models_answer_the_same_bits(pipeline):
    model = bx.as_model(pipeline)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(FRAME), model.predict(FRAME))
    np.testing.assert_array_equal(copy.deepcopy(model).predict(FRAME), model.predict(FRAME))


def test_fingerprints_follow_what_was_learnt():
    one = LogisticRegression().fit(X, TWO)
    other = LogisticRegression(C=0.1).fit(X, TWO)
    same = LogisticRegression().fit(X, TWO)
    assert bx.as_model(one).fingerprint() == bx.as_model(same).fingerprint()
    assert bx.as_model(one).fingerprint() != bx.as_model(other).fingerprint()
    assert bx.as_model(one).fingerprint() != bx.as_model(one, scale="score").fingerprint()
    assert bx.as_model(one).fingerprint() == bx.as_model(copy.deepcopy(one)).fingerprint()
    saved = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(one))))
    assert bx.as_model(one).fingerprint() == bx.as_model(saved).fingerprint()


def test_the_fingerprint_of_a_text_model_outlives_the_process(tmp_path):
    texts = make_pipeline(TfidfVectorizer(stop_words="english"), LogisticRegression())
    fitted = texts.fit(["good film", "bad film"], [1, 0])
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(fitted))
    model = bx.as_model(fitted)
    before = model.fingerprint()
    model.predict(["good"])
    assert model.fingerprint() == before
    script = (
        "import pickle, blackbox_xai as bx\n"
        "model = bx.as_model(pickle.load(open('m.pkl', 'rb')))\n"
        "model.predict(['good'])\n"
        "print(model.fingerprint())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert done.stdout.strip() == before


# --- files ----------------------------------------------------------------------------------

skops_io = pytest.importorskip("skops.io")


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(3, random_state=0),
        GradientBoostingClassifier(n_estimators=3),
        HistGradientBoostingClassifier(max_iter=3),
        KNeighborsClassifier(3),
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        MLPClassifier((4,), max_iter=400, random_state=0, tol=1e-2),
    ],
    ids=lambda e: type(e).__name__,
)
def test_skops_files_of_scikit_learn_open_without_being_trusted(estimator, tmp_path):
    path = tmp_path / "m.skops"
    skops_io.dump(estimator.fit(X, TWO), path)
    model = bx.as_model(path)
    np.testing.assert_array_equal(model.predict(X), estimator.predict_proba(X))


def test_a_skops_file_that_names_foreign_code_is_refused(tmp_path):
    path = tmp_path / "m.skops"
    pipe = make_pipeline(FunctionTransformer(json.dumps), LogisticRegression())
    pipe.steps[-1] = ("logisticregression", LogisticRegression().fit(X, TWO))
    skops_io.dump(pipe, path)
    with pytest.raises(LoadError, match=r"types that are not on the reviewed list: .*json.*dumps"):
        bx.as_model(path)


def test_skops_files_that_are_damaged_or_bombs(tmp_path):
    path = tmp_path / "m.skops"
    path.write_bytes(b"no zip")
    with pytest.raises(LoadError, match="is no zip file"):
        bx.as_model(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
    with pytest.raises(LoadError, match="is no skops archive"):
        bx.as_model(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * (65 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(LoadError, match=r"unpacks to 68157440 bytes in 1 parts"):
        bx.as_model(path)
    with pytest.raises(LoadError, match="cannot be opened: No such file"):
        bx.as_model(tmp_path / "absent.skops")


@pytest.mark.parametrize("suffix", [".pkl", ".joblib"])
def test_a_pickle_is_opened_only_when_trusted_and_says_so(tmp_path, suffix):
    fitted = LogisticRegression().fit(X, TWO)
    path = tmp_path / f"m{suffix}"
    path.write_bytes(pickle.dumps(fitted))
    with pytest.raises(LoadError, match="pass trust_pickle=True to load_model"):
        bx.load_model(path)
    with pytest.warns(UserWarning, match=rf"Opened the pickle m{suffix} \(sha256 [0-9a-f]{{64}}\)"):
        model = bx.load_model(path, trust_pickle=True, output_names=["n", "y"])
    np.testing.assert_array_equal(model.predict(X), fitted.predict_proba(X))
    assert model.output_names == ("n", "y")


def test_a_pickle_that_is_not_trusted_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (io.open, (str(tmp_path / "sprung"), "w"))

    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(LoadError):
        bx.load_model(path)
    with pytest.raises(LoadError):
        bx.as_model(path)
    assert not (tmp_path / "sprung").exists()


def test_files_of_other_kinds_are_refused(tmp_path):
    with pytest.raises(LoadError, match=r"m.h5 must end in .skops, .joblib, .pickle, .pkl"):
        bx.load_model(tmp_path / "m.h5")
    broken = tmp_path / "m.pkl"
    broken.write_bytes(b"\x80\x04garbage")
    with (
        pytest.warns(UserWarning, match="Opened"),
        pytest.raises(LoadError, match="cannot be unpickled"),
    ):
        bx.load_model(broken, trust_pickle=True)
    with pytest.raises(LoadError, match="is no file"):
        bx.load_model((tmp_path / "dir.skops").mkdir() or tmp_path / "dir.skops")
