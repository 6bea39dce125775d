"""Calibration: figures equal their definitions, chance is told from error, models get better."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.naive_bayes import GaussianNB

import blackbox_xai as bx
from blackbox_xai.calibration.corrections import Logistic, Temperature, softmax
from blackbox_xai.calibration.recalibration import METHODS
from blackbox_xai.calibration.reliability import debiased, measure_reliability, wilson
from blackbox_xai.errors import AnswerError, InputError
from toys import Spy

mpl.use("Agg")


def as_is(X: np.ndarray) -> np.ndarray:
    """The probabilities are the inputs."""
    return np.asarray(X)


def drawn(n: int, k: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and labels drawn from them: perfectly calibrated."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(k), size=n)
    return p, (rng.uniform(size=n)[:, None] > p.cumsum(1)).sum(1)


def sharpened(p: np.ndarray, power: float) -> np.ndarray:
    return p**power / (p**power).sum(1, keepdims=True)


# --- reliability -------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 200), st.integers(2, 5), st.integers(2, 20))
def test_the_parts_of_the_brier_score_add_up(seed: int, n: int, k: int, n_bins: int) -> None:
    p, y = drawn(n, k, seed)
    found = measure_reliability(p, y, n_bins=n_bins, rng=np.random.default_rng(0))
    parts = found.decomposition
    total = parts["reliability"] - parts["resolution"] + parts["uncertainty"] + parts["within_bins"]
    assert found.brier == pytest.approx(total)
    assert found.brier == pytest.approx(((p - np.eye(k)[y]) ** 2).sum(1).mean())
    assert found.nll == pytest.approx(log_loss(y, p, labels=range(k)))


def test_ece_and_bins_equal_their_definitions() -> None:
    p, y = drawn(400)
    found = bx.reliability(as_is, p, y, n_bins=10)
    confidence, right = p.max(1), p.argmax(1) == y
    ece = 0.0
    for b in found.bins:
        here = (confidence >= b.low) & (confidence < b.high)
        assert b.n_rows == here.sum()
        if b.n_rows:
            assert b.accuracy == pytest.approx(right[here].mean())
            assert b.confidence == pytest.approx(confidence[here].mean())
            assert b.interval[0] <= b.accuracy <= b.interval[1]
            ece += here.mean() * abs(b.accuracy - b.confidence)
    assert found.ece == pytest.approx(ece)
    assert found.ece_interval[0] < found.ece_interval[1]
    assert found.accuracy == pytest.approx(right.mean())


def test_chance_is_not_taken_for_miscalibration_nor_the_reverse() -> None:
    verdicts = []
    for seed in range(20):
        p, y = drawn(150, seed=seed)
        verdicts.append(bx.reliability(as_is, p, y).miscalibrated)
    assert np.mean(verdicts) <= 0.2
    p, y = drawn(1000)
    wrong = bx.reliability(as_is, sharpened(p, 4.0), y)
    assert wrong.miscalibrated
    assert wrong.ece_debiased > 0.1
    assert "more than chance" in str(wrong)


def test_the_debiased_error_of_a_calibrated_model_is_small() -> None:
    plain, corrected = [], []
    for seed in range(30):
        p, y = drawn(200, 2, seed)
        confidence, right = p.max(1), (p.argmax(1) == y) * 1.0
        corrected.append(debiased(confidence, right, 15) ** 2)
        found = measure_reliability(p, y, n_bins=15, rng=np.random.default_rng(0))
        plain.append(found.ece)
        assert found.ece_null == pytest.approx(0.07, abs=0.03)
    assert np.mean(plain) > 0.05
    assert np.sqrt(np.mean(corrected)) < 0.06


def test_wilson_equals_its_formula() -> None:
    for s, n in ((0, 5), (3, 7), (50, 50)):
        low, high = wilson(s, n)
        for edge in (low, high):  # the ends solve (p - s/n)^2 = z^2 p (1 - p) / n
            if 0 < edge < 1:
                assert (edge - s / n) ** 2 == pytest.approx(1.959964**2 * edge * (1 - edge) / n)


def test_labels_may_be_names_numbers_or_listed() -> None:
    p, y = drawn(100, 2)
    named = bx.as_model(as_is, output_names=["no", "yes"], scale="probability")
    words = np.array(["no", "yes"])[y]
    plain = bx.reliability(as_is, p, y)
    assert bx.reliability(named, p, words).nll == plain.nll
    assert bx.reliability(as_is, p, np.array([7, 9])[y], labels=[7, 9]).nll == plain.nll
    assert bx.reliability(lambda X: X[:, 1], p, y).nll == pytest.approx(plain.nll)
    assert bx.reliability(named, p, pd.Series(words)).accuracy == plain.accuracy


def test_the_plot_shows_every_filled_bin() -> None:
    p, y = drawn(200)
    found = bx.reliability(as_is, p, y)
    ax = found.plot()
    counts = [int(t.get_text()) for t in ax.texts]
    assert counts == [b.n_rows for b in found.bins if b.n_rows]
    assert sum(counts) == 200
    mpl.pyplot.close(ax.figure)


# --- recalibration -----------------------------------------------------------------------------


@pytest.mark.parametrize("power", [0.25, 4.0])
def test_the_temperature_is_found(power: float) -> None:
    p, y = drawn(3000)
    found = Temperature.learn(sharpened(p, power), y)
    assert found.temperature == pytest.approx(power, rel=0.1)


def test_logistic_solves_its_normal_equations() -> None:
    p, y = drawn(500)
    found = Logistic.learn(p, y)
    logs = np.log(np.clip(p, 1e-6, 1))
    gradient = logs.T @ (softmax(logs @ found.coef.T + found.intercept) - np.eye(3)[y])
    np.testing.assert_allclose(gradient + found.coef.T, 0, atol=0.5)


@pytest.mark.parametrize("method", METHODS)
def test_every_correction_gives_probabilities(method: str) -> None:
    p, y = drawn(60)
    model = bx.recalibrate(as_is, sharpened(p, 3.0), y, method=method)
    said = model.predict(p)
    np.testing.assert_allclose(said.sum(1), 1.0)
    assert (said >= 0).all()
    assert model.scale == "probability"
    parts = model.method.split(" and ")
    assert parts == [method] or (method == "auto" and len(parts) == 2 and set(parts) < set(METHODS))


def test_overconfidence_is_cured_and_confidence_that_holds_is_kept() -> None:
    p, y = drawn(800)
    fresh, labels = drawn(4000, seed=1)
    cured = bx.recalibrate(as_is, sharpened(p, 4.0), y)
    before = bx.reliability(as_is, sharpened(fresh, 4.0), labels)
    after = bx.reliability(cured, sharpened(fresh, 4.0), labels)
    assert before.ece_debiased > 0.15
    assert after.ece_debiased < 0.05
    assert after.nll < before.nll
    kept = bx.reliability(bx.recalibrate(as_is, p, y), fresh, labels)
    assert kept.nll < bx.reliability(as_is, fresh, labels).nll + 0.02
    assert set(cured.nll_by_method) == set(METHODS) - {"auto"}
    best = sorted(cured.nll_by_method, key=cured.nll_by_method.get)[:2]
    assert " and ".join(best) == cured.method


def test_a_corrected_model_is_a_model() -> None:
    data = load_breast_cancer()
    bayes = GaussianNB().fit(data.data[:200], data.target[:200])
    spy = Spy(bayes.predict_proba)
    model = bx.recalibrate(spy, data.data[200:350], data.target[200:350])
    assert spy.rows == 150
    scores, cost = model.predict_counted(data.data[350:])
    assert cost.rows == spy.rows - 150 == len(scores)
    assert bx.as_model(model) is model
    again = bx.recalibrate(model, data.data[200:350], data.target[200:350], method="none")
    np.testing.assert_array_equal(again.predict(data.data[350:]), scores)
    why = bx.Occlusion().explain(model, data.data[400], bx.TabularMasker(data.data[:20]))
    np.testing.assert_allclose(why.scores, model.predict(data.data[[400]])[0])
    raw = bx.reliability(bayes.predict_proba, data.data[350:], data.target[350:])
    assert bx.reliability(model, data.data[350:], data.target[350:]).nll < raw.nll


def test_one_probability_stays_one_probability() -> None:
    p, y = drawn(400, 2)
    single = bx.recalibrate(lambda X: sharpened(X, 3.0)[:, 1], p, y, method="temperature")
    double = bx.recalibrate(lambda X: sharpened(X, 3.0), p, y, method="temperature")
    assert single.predict(p).shape == (400, 1)
    np.testing.assert_allclose(single.predict(p)[:, 0], double.predict(p)[:, 1], rtol=1e-6)


def test_a_label_never_seen_keeps_its_probability() -> None:
    p, y = drawn(100)
    seen = y != 2
    for method in METHODS:
        said = bx.recalibrate(as_is, p[seen], y[seen], method=method).predict(p)
        assert np.isfinite(said).all()
        np.testing.assert_allclose(said.sum(1), 1.0)
    logistic = bx.recalibrate(as_is, p[seen], y[seen], method="logistic").predict(p)
    np.testing.assert_allclose(logistic[:, 2], p[:, 2])
    ones = bx.recalibrate(as_is, p[:20], np.zeros(20, int))
    assert np.isfinite(ones.predict(p)).all()


# --- error risk --------------------------------------------------------------------------------


def test_risk_points_at_errors_and_means_what_it_says() -> None:
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(3000, 2))
    y = (X[:, 0] + 0.4 * rng.normal(size=3000) > 0).astype(int)

    def model(X):  # as sure everywhere on the left half as it is good
        p = 1 / (1 + np.exp(-5 * X[:, 0]))
        return np.stack([1 - p, p], axis=1)

    spy = Spy(model)
    risk = bx.ErrorRisk().fit(spy, X[:1500], y[:1500])
    assert spy.rows == risk.cost_.rows == 1500
    assert risk.error_rate_ == (model(X[:1500]).argmax(1) != y[:1500]).mean()
    wrong = model(X[1500:]).argmax(1) != y[1500:]
    said = risk.predict(X[1500:])
    assert roc_auc_score(wrong, said) > 0.75
    assert said.mean() == pytest.approx(wrong.mean(), abs=0.03)
    assert wrong[risk.flag(X[1500:], 0.3)].mean() > 0.3 > wrong[said < 0.1].mean()


def test_neighbours_help_where_confidence_does_not() -> None:
    digits = load_digits()
    model = RandomForestClassifier(50, max_depth=6, random_state=0)
    model.fit(digits.data[:600], digits.target[:600])
    X, y = digits.data[600:1200], digits.target[600:1200]
    fresh, truth = digits.data[1200:], digits.target[1200:]
    risk = bx.ErrorRisk().fit(model.predict_proba, X, y)
    p = model.predict_proba(fresh)
    wrong = p.argmax(1) != truth
    assert roc_auc_score(wrong, risk.predict(fresh)) > roc_auc_score(wrong, 1 - p.max(1))


def test_the_risk_of_a_row_does_not_depend_on_the_others() -> None:
    p, y = drawn(300)
    risk = bx.ErrorRisk().fit(as_is, p, y)
    fresh = drawn(250, seed=3)[0]
    together = risk.predict(fresh)
    for i in (0, 100, 249):
        assert risk.predict(fresh[i : i + 1])[0] == together[i]
    order = np.argsort(risk.score_samples(fresh), kind="stable")
    assert (np.diff(together[order]) >= 0).all()


def test_a_reference_row_is_not_its_own_neighbour() -> None:
    X = np.repeat(np.arange(30.0)[:, None], 1, axis=1)
    y = np.arange(30) % 2
    risk = bx.ErrorRisk(n_neighbours=2).fit(lambda X: np.tile([0.3, 0.7], (len(X), 1)), X, y)
    # inner rows have two neighbours of the other label; the model says 1 everywhere
    inner = np.where(np.arange(30) % 2 == 0, 0.0, 1.0)[1:-1]
    np.testing.assert_array_equal(np.sort(risk.other_), np.sort(np.r_[inner, 0.5, 0.5]))


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, y: bx.reliability(lambda X: 3 * X, p, y), "must give probabilities; row 0"),
        (lambda p, y: bx.reliability(lambda X: X / 2, p, y), "must give probabilities; row 0"),
        (lambda p, y: bx.reliability(as_is, p, y + 5), "y has the label 5|y has the label"),
        (lambda p, y: bx.reliability(as_is, p, y[:-1]), "y must have 40 labels"),
        (lambda p, y: bx.reliability(as_is, p, y, n_bins=1), "n_bins must be at least 2"),
        (lambda p, y: bx.reliability(as_is, p, y, labels=["a"]), "labels must name the 3 outputs"),
        (lambda p, y: bx.recalibrate(as_is, p, y, method="platt"), "method must be one of 'auto'"),
        (lambda p, y: bx.recalibrate(as_is, p[:5], y[:5]), "at least 10 rows, got 5"),
        (lambda p, y: bx.ErrorRisk().fit(as_is, p[:9], y[:9]), "at least 20 rows, got 9"),
        (lambda p, y: bx.ErrorRisk(n_neighbours=0).fit(as_is, p, y), "n_neighbours must be at"),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:
    p, y = drawn(40)
    with pytest.raises(InputError, match=message):
        call(p, y)


def test_labels_instead_of_probabilities_are_refused() -> None:
    p, y = drawn(40)
    with pytest.raises(AnswerError, match="predict_proba"):
        bx.recalibrate(lambda X: np.array(["a", "b", "c"])[X.argmax(1)], p, y)
