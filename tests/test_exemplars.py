"""Prototypes, nearest exemplars and data values against brute force and planted truth."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import blackbox_xai as bx
from blackbox_xai.errors import InputError
from blackbox_xai.exemplars.selection import (
    criticisms,
    mean_discrepancy,
    rbf_kernel,
    refine_for_outputs,
)
from toys import Spy


def wine_model() -> tuple[Any, Any, Any]:
    X, y = load_wine(return_X_y=True, as_frame=True)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    return model, X, y


def test_prototypes_imitate_the_model_better_than_random_rows() -> None:
    model, X, _ = wine_model()
    found = bx.prototypes(model, X, n_prototypes=6, random_state=1)
    assert found.fidelity[0] > max(found.random_fidelity, found.majority_fidelity)
    assert found.fidelity[0] > 0.85
    assert found.class_coverage == 1
    assert found.weights.sum() == pytest.approx(1)
    one = bx.prototypes(model, X, n_prototypes=1, random_state=1)
    assert 0 <= found.mmd2 < one.mmd2
    assert len({*found.indices.tolist(), *found.criticisms.tolist()}) == 6 + 5
    assert found.scores == pytest.approx(bx.as_model(model).predict(X.iloc[found.indices]))


def test_prototypes_ask_the_model_once_a_row_and_keep_their_seed() -> None:
    X = np.random.default_rng(0).normal(size=(90, 3))
    spy = Spy(lambda X: X[:, 0])
    first = bx.prototypes(spy, X, n_prototypes=4)
    assert spy.rows == 90 == first.cost.rows
    again = bx.prototypes(spy, X, n_prototypes=4)
    assert (again.indices == first.indices).all()
    assert np.isfinite(first.fidelity[0])
    assert np.isnan(first.class_coverage)


def test_a_constant_model_has_no_fidelity_to_speak_of() -> None:
    X = np.random.default_rng(0).normal(size=(40, 2))
    found = bx.prototypes(lambda X: np.zeros(len(X)), X, n_prototypes=3)
    assert np.isnan(found.fidelity[0])


@pytest.mark.parametrize("select", [bx.k_medoids, bx.protodash, bx.mmd_critic])
def test_each_choice_is_of_distinct_rows_with_weights(select: Any) -> None:
    points = np.random.default_rng(0).normal(size=(60, 2))
    indices, weights = select(points, 7)
    assert len(set(indices.tolist())) == 7
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()


def test_discrepancy_orders_the_methods() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(120, 2))
    dash = mean_discrepancy(points, *bx.protodash(points, 8))
    critic = mean_discrepancy(points, *bx.mmd_critic(points, 8))
    chance = np.mean(
        [
            mean_discrepancy(points, rng.choice(120, 8, replace=False), np.full(8, 1 / 8))
            for _ in range(20)
        ]
    )
    assert dash < chance
    assert critic < chance
    kernel = rbf_kernel(points)
    indices, weights = bx.protodash(points, 8)
    spread = np.zeros(120)
    spread[indices] = weights
    gap = spread - 1 / 120
    assert dash == pytest.approx(gap @ kernel @ gap, abs=1e-12)


def test_mmd_critic_is_greedy_by_brute_force() -> None:
    points = np.random.default_rng(3).normal(size=(25, 2))
    chosen: list[int] = []
    for _ in range(4):
        rest = [i for i in range(25) if i not in chosen]
        costs = [
            mean_discrepancy(
                points, np.array([*chosen, i]), np.full(len(chosen) + 1, 1 / (len(chosen) + 1))
            )
            for i in rest
        ]
        chosen.append(rest[int(np.argmin(costs))])
    assert bx.mmd_critic(points, 4)[0].tolist() == chosen


def test_medoids_are_the_best_pair_of_a_small_cloud() -> None:
    points = np.random.default_rng(1).normal(size=(14, 2))
    distances = np.sqrt(((points[:, None] - points) ** 2).sum(-1))
    best = min(distances[:, pair].min(1).sum() for pair in combinations(range(14), 2))
    indices, _ = bx.k_medoids(points, 2)
    assert distances[:, indices].min(1).sum() == pytest.approx(best)


def test_the_first_criticism_is_the_extreme_of_the_witness() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(size=(40, 2)), 9 + rng.normal(size=(15, 2))])
    indices, weights = bx.k_medoids(points[:40], 3)
    found = criticisms(points, indices, weights, 60)
    kernel = rbf_kernel(points)
    witness = np.abs(kernel.mean(1) - kernel[:, indices] @ weights)
    witness[indices] = 0
    assert found[0] == witness.argmax()
    assert (found[:10] >= 40).any()
    assert len(set(found.tolist()) | set(indices.tolist())) == 55


def test_refining_never_predicts_worse() -> None:
    rng = np.random.default_rng(0)
    points, scores = rng.normal(size=(80, 3)), rng.random((80, 2))

    def error(chosen: Any) -> float:
        gap = ((points[:, None] - points[chosen]) ** 2).sum(-1).argmin(1)
        return float(((scores - scores[chosen[gap]]) ** 2).sum())

    start = rng.choice(80, 6, replace=False)
    refined = refine_for_outputs(points, scores, start)
    assert error(refined) < error(start)
    assert len(set(refined.tolist())) == 6


def utility(labels: Any, distances: Any, truth: Any, k: int, rows: tuple[int, ...]) -> float:
    nearest = sorted(rows, key=lambda i: (distances[i], i))[:k]
    return sum(labels[i] == truth for i in nearest) / k


@settings(max_examples=20)
@given(st.integers(1, 4), st.integers(0, 1000))
def test_knn_shapley_is_the_shapley_value_of_the_knn_utility(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 6
    X, y = rng.normal(size=(n, 1)), rng.integers(0, 2, n)
    X_valid, y_valid = rng.normal(size=(1, 1)), rng.integers(0, 2, 1)
    distances = np.abs((X - X_valid)[:, 0])
    expected = np.zeros(n)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        for size in range(n):
            for rows in combinations(others, size):
                gain = utility(y, distances, y_valid[0], k, (*rows, i))
                gain -= utility(y, distances, y_valid[0], k, rows)
                expected[i] += gain / (n * comb(n - 1, size))
    values = bx.knn_shapley(X, y, X_valid, y_valid, n_neighbors=k)
    np.testing.assert_allclose(values, expected, atol=1e-12)


def test_flipped_labels_are_found() -> None:
    rng = np.random.default_rng(0)
    X, y = load_breast_cancer(return_X_y=True)
    order = rng.permutation(len(y))
    X, y = X[order], y[order]
    flipped = rng.random(len(y)) < 0.1
    noisy = np.where(flipped, 1 - y, y)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(X, noisy)
    alone = roc_auc_score(flipped, bx.label_issues(X, noisy))
    together = roc_auc_score(flipped, bx.label_issues(X, noisy, model=model))
    assert together >= 0.985
    assert together > alone - 0.005
    worth = bx.knn_shapley(X[:400], noisy[:400], X[400:], y[400:])
    assert roc_auc_score(flipped[:400], -worth) > 0.95


def test_nearest_exemplars_by_input_output_and_explanation() -> None:
    model, X, y = wine_model()
    index = bx.NearestExemplars(n_exemplars=3).fit(X, y)
    found = index.query(X.iloc[:5])
    assert found.indices[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert (found.distances[:, 0] < 1e-9).all()
    assert found.label_agreement is not None
    assert (found.label_agreement >= 1 / 3).all()
    far = index.query(X.iloc[:1] * 10)
    assert (far.percentiles == 100).all()
    by_output = bx.NearestExemplars(features=bx.as_model(model).predict).fit(X)
    assert by_output.points_.shape == (len(X), 3)
    masker = bx.TabularMasker(np.zeros((1, 2)))
    many = bx.ExactShapley().explain_many(lambda X: X.sum(1), np.arange(8.0).reshape(4, 2), masker)
    by_reason = bx.NearestExemplars(n_exemplars=1).fit(many)
    assert by_reason.query(many[2:3]).indices.tolist() == [[2]]


def test_group_influence_finds_the_group_that_matters_and_its_noise() -> None:
    y = np.r_[np.zeros(50), np.full(5, 10.0)]

    def refit(rows: Any, seed: int) -> float:
        noise = np.random.default_rng([seed, len(rows)]).normal()
        return float(y[rows].mean() + 0.01 * noise)

    groups = {"odd": np.arange(50, 55), "usual": np.arange(5)}
    found = bx.group_influence(refit, groups, n_rows=55, n_repeats=5)
    assert found.names == ("odd", "usual")
    assert found.effects[0] == pytest.approx(50 / 55, abs=0.03)
    assert abs(found.effects[1]) < 0.15
    assert 0.001 < found.noise < 0.05
    assert (found.std_err > 0).all()
    threads = bx.group_influence(refit, groups, n_rows=55, n_repeats=5, n_jobs=2)
    assert (threads.effects == found.effects).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda X: bx.prototypes(np.sum, X, n_prototypes=0), "n_prototypes"),
        (lambda X: bx.prototypes(np.sum, X, n_prototypes=30), "need at least 35"),
        (lambda X: bx.knn_shapley(X, [0], X, [0]), r"y must have shape \(10,\), got \(1,\)"),
        (
            lambda X: bx.label_issues(X, ["a"] * 10, model=lambda X: np.full((len(X), 2), 0.5)),
            "label 'a'",
        ),
        (lambda X: bx.NearestExemplars(n_exemplars=10).fit(X), "more than n_exemplars = 10"),
        (lambda X: bx.NearestExemplars().fit(X, [1]), "y must have shape"),
        (lambda X: bx.group_influence(len, {"a": [99]}, n_rows=10), "outside 0 to 9"),
        (lambda X: bx.group_influence(len, {"a": []}, n_rows=10), "must list row indices"),
        (lambda X: bx.group_influence(len, {"a": range(10)}, n_rows=10), "nothing is left"),
        (
            lambda X: bx.NearestExemplars(n_exemplars=1).fit(pd.DataFrame({"a": [1, None, 2]})),
            "column 'a'",
        ),
    ],
)
def test_bad_input_is_named(call: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call(np.arange(20.0).reshape(10, 2))
