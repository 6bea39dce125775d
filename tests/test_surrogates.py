"""Surrogates: exact where they can be, honest where they cannot."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.metrics import r2_score
from sklearn.tree import DecisionTreeRegressor

import blackbox_xai as bx
from blackbox_xai._tables import learn_table
from blackbox_xai.errors import BudgetError, InputError
from blackbox_xai.surrogates.copies import row_weights
from blackbox_xai.surrogates.lines import evaluate, fit_lines
from blackbox_xai.surrogates.measuring import agreement, explained
from blackbox_xai.surrogates.nodes import cut, grow, refit, route, shrink, tidy
from blackbox_xai.surrogates.sampling import mixed, neighbours, realistic, unlike
from blackbox_xai.surrogates.search import STANDING, STRENGTHS, Plan, preferred, select
from toys import Spy

mpl.use("Agg")


def rows(n: int = 200, d: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(n, d))


def stairs(X: np.ndarray) -> np.ndarray:
    return np.where(X[:, 0] <= 0.5, np.where(X[:, 1] <= 0.3, 1.0, 2.0), 5.0)


def mixed_frame(n: int = 240, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            'it\'s "a"': rng.normal(size=n),
            "colour": rng.choice(["red", "o'brien", 'say "hi"', "x\\y"], size=n),
            "count": rng.integers(0, 40, size=n),
            "member": rng.choice([True, False], size=n),
        }
    )


def frame_model(frame: pd.DataFrame) -> np.ndarray:
    z = frame['it\'s "a"'].to_numpy() + 2.0 * (frame["colour"] == "o'brien").to_numpy()
    z = z + 0.1 * frame["count"].to_numpy() * frame["member"].to_numpy() - 1.0
    p = 1 / (1 + np.exp(-z))
    return np.stack([1 - p, p], axis=1)


# --- the tree itself ---------------------------------------------------------------------------


def test_a_tree_is_recovered_by_a_tree() -> None:
    tree = bx.SurrogateTree(max_leaves=3).fit(stairs, rows(400))
    held_out = rows(1000, seed=1)
    assert r2_score(stairs(held_out), tree.predict(held_out)[:, 0]) > 0.97
    assert tree.n_leaves_ == 3
    assert {round(t, 1) for t in tree.nodes_.threshold[tree.nodes_.feature >= 0]} == {0.5, 0.3}
    assert tree.fidelity_.r2 > 0.97


def test_first_splits_of_a_large_tree_are_the_small_tree() -> None:
    X = rows(300, 4)
    y = np.sin(6 * X[:, :1]) + X[:, 1:2] * X[:, 2:3]
    weights = np.ones(len(X))

    def of(size: int):
        return grow(X, y, weights, max_leaves=size, min_leaf=5, rng=np.random.default_rng(3))

    large = of(32)
    for size in (1, 2, 5, 13, 31):
        small, part = of(size), cut(large, size)
        for name in ("feature", "threshold", "left", "right"):
            np.testing.assert_array_equal(getattr(small, name), getattr(part, name))
        assert len(part.leaves) == size


def test_node_values_are_weighted_means_and_shrinkage_follows_its_formula() -> None:
    X, rng = rows(150, 2), np.random.default_rng(0)
    y, w = rng.normal(size=(150, 2)), rng.uniform(0.5, 2.0, size=150)
    nodes = refit(grow(X, y, w, max_leaves=6, min_leaf=5, rng=rng), X, y, w)
    at = route(nodes, X)
    for leaf in nodes.leaves:
        here = at == leaf
        np.testing.assert_allclose(nodes.value[leaf], np.average(y[here], axis=0, weights=w[here]))
    np.testing.assert_allclose(nodes.value[0], np.average(y, axis=0, weights=w))
    shrunk = shrink(nodes, 7.0)
    parent = {int(c): i for i in range(len(nodes.left)) for c in (nodes.left[i], nodes.right[i])}
    for leaf in nodes.leaves:
        path = [int(leaf)]
        while path[-1] != 0:
            path.append(parent[path[-1]])
        said = nodes.value[0].copy()
        for above, below in zip(path[::-1], path[::-1][1:], strict=False):
            step = nodes.value[below] - nodes.value[above]
            said += step / (1 + 7.0 / nodes.weight[above])
        np.testing.assert_allclose(shrunk.value[leaf], said)


def test_thresholds_are_rounded_to_a_hundredth_of_the_spread() -> None:
    X = rows(200, 1) * 1000
    nodes = grow(X, X**2, np.ones(200), max_leaves=8, min_leaf=5, rng=np.random.default_rng(0))
    inner = nodes.feature >= 0
    rounded = tidy(nodes, X.std(axis=0)).threshold[inner]
    np.testing.assert_array_equal(rounded, np.round(rounded, 0))
    assert np.abs(rounded - nodes.threshold[inner]).max() <= 0.5


def test_large_numbers_do_not_collapse_in_single_precision() -> None:
    X = 1.7e9 + np.arange(200.0)[:, None]
    tree = bx.SurrogateTree(max_leaves=2, queries=0).fit(
        lambda X: (X[:, 0] > 1.7e9 + 99.5) * 1.0, X
    )
    assert tree.fidelity_.r2 > 0.95


def test_linear_leaves_are_exact_on_lines_and_stay_in_range() -> None:
    X = rows(400, 3)

    def two_lines(X):
        return np.where(X[:, 0] <= 0.5, 3 * X[:, 1], 10 - 4 * X[:, 2])

    tree = bx.SurrogateTree(max_leaves=2, leaf="linear", queries=1000).fit(two_lines, X)
    assert tree.evaluate(two_lines, rows(500, seed=5)).r2 > 0.985
    far = tree.predict(np.array([[0.2, 50.0, 0.0], [0.9, 0.0, -50.0]]))[:, 0]
    assert far[0] <= 3.0
    assert far[1] <= 10.0


def test_sparse_lines_equal_ridge_on_the_columns_they_chose() -> None:
    X, rng = rows(80, 4), np.random.default_rng(1)
    y = (2 * X[:, [1]] - 3 * X[:, [3]]) + 0.01 * rng.normal(size=(80, 1))
    w = np.ones(80)
    one = refit(grow(X, y, w, max_leaves=1, min_leaf=5, rng=rng), X, y, w)
    lines = fit_lines(one, X, y, w, 2)
    assert set(lines.column[0]) == {1, 3}
    z = (X - X.mean(0)) / X.std(0)
    part = z[:, lines.column[0]]
    beta = np.linalg.solve(part.T @ part / 80 + 0.01 * np.eye(2), part.T @ (y - y.mean()) / 80)
    np.testing.assert_allclose(lines.coef[0, :, 0] * X.std(0)[lines.column[0]], beta[:, 0])
    said = np.clip(y.mean() + part @ beta, *np.quantile(y, [0.01, 0.99]))
    np.testing.assert_allclose(evaluate(lines, np.zeros(80, int), X), said)


# --- queries -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("queries", "max_queries", "expected"), [(300, None, 400), (300, 250, 250), (0, None, 100)]
)
def test_queries_are_counted_and_bounded(queries, max_queries, expected) -> None:
    spy = Spy(stairs)
    tree = bx.SurrogateTree(queries=queries, max_queries=max_queries).fit(spy, rows(100))
    assert spy.rows == tree.cost_.rows == expected
    assert spy.calls == tree.cost_.calls
    tree.stability(2)
    assert spy.rows == expected


def test_a_budget_below_the_reference_rows_is_refused_before_anything_is_sent() -> None:
    spy = Spy(stairs)
    with pytest.raises(BudgetError, match="= 99 does not cover the 100 distinct rows of X"):
        bx.SurrogateTree(max_queries=99).fit(spy, rows(100))
    assert spy.rows == 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(12, 60), m=st.integers(1, 200))
def test_synthetic_rows_are_valid_rows(seed: int, n: int, m: int) -> None:
    frame = mixed_frame(n, seed)
    table, codes = learn_table(frame)
    near = neighbours(table, codes, 5)
    made, parents = mixed(table, codes, near, m, np.random.default_rng(seed), step=0.7)
    assert made.shape == (m, 4)
    assert parents.shape == (m, 3)
    assert (made >= codes.min(0)).all()
    assert (made <= codes.max(0)).all()
    back = table.decode(made)
    assert list(back.dtypes) == list(frame.dtypes)
    assert set(back["colour"]) <= set(frame["colour"])
    np.testing.assert_array_equal(table.encode(back)[:, 1:], made[:, 1:])
    counts = np.bincount(parents[:, 0], minlength=n)
    assert counts.max() - counts.min() <= 1
    assert all(b in near[a] and c in near[a] for a, b, c in parents)


def test_copies_are_put_to_the_model_once_and_answered_as_one() -> None:
    X = rows(100)
    spy = Spy(stairs)
    tree = bx.SurrogateTree(queries=200, max_queries=300).fit(spy, np.concatenate([X, X[::-1]]))
    assert spy.rows == tree.cost_.rows == 300
    once = bx.SurrogateTree(queries=200).fit(stairs, X)
    np.testing.assert_allclose(tree.predict(rows(50, seed=1)), once.predict(rows(50, seed=1)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 300), kinds=st.integers(1, 300))
def test_weights_of_copies_sum_to_the_rows_and_lie_between_alike_and_as_counted(
    seed: int, n: int, kinds: int
) -> None:
    drawn = np.random.default_rng(seed).integers(kinds, size=n)
    group = np.unique(drawn, return_inverse=True)[1]
    weight = row_weights(group)
    assert np.isclose(weight.sum(), n)
    counts = np.bincount(group)
    total = np.bincount(group, weight)
    low, high = np.minimum(counts, counts.mean()), np.maximum(counts, counts.mean())
    assert (total >= low - 1e-9).all()
    assert (total <= high + 1e-9).all()


def test_a_bootstrap_counts_like_its_distinct_rows_and_cells_as_often_as_they_occur() -> None:
    rng = np.random.default_rng(0)
    resampled = np.unique(rng.integers(2000, size=2000), return_inverse=True)[1]
    total = np.bincount(resampled, row_weights(resampled))
    assert total.max() < 1.15 * total.min()
    cells = np.repeat([0, 1, 2], [700, 200, 100])
    np.testing.assert_allclose(row_weights(cells), 1.0, atol=0.02)


def test_synthetic_rows_come_closer_until_they_look_real() -> None:
    rng = np.random.default_rng(0)
    groups = 20 * rng.normal(size=(5, 4))  # of 12 rows each: wider moves end between them
    table, codes = learn_table((groups[:, None] + rng.normal(size=(5, 12, 4))).reshape(60, 4))
    alike = np.ones(60)
    made, parents, share = realistic(table, codes, alike, 400, 0)
    assert made.shape == (400, 4)
    assert parents.shape == (400, 3)
    far = mixed(table, codes, neighbours(table, codes, 15), 400, np.random.default_rng(0), step=0.7)
    assert share <= 0.07 < 0.3 < unlike(codes, far[0])


def test_synthetic_rows_stand_unless_something_is_surely_better() -> None:
    def tree(noise: float, gain: float, plan: int, scale: float = 1.0) -> tuple[str, float]:
        lost = np.ones((3, len(STRENGTHS), 10))
        lost[0] += 1.0
        lost[plan, 0] = 1.0 - gain
        lost[plan, 0] += noise * np.where(np.arange(10) % 2, 1, -1)
        p, s = preferred(scale * lost, plans, STRENGTHS)
        return plans[p].name, STRENGTHS[s]

    plans = [Plan("none", synthetic=False), Plan("mixed"), Plan("weighted", reference_share=0.7)]
    assert tree(0.3, 0.3, 2) == ("mixed", STANDING)
    assert tree(0.01, 0.1, 2) == ("weighted", 0.0)
    assert tree(0.3, 0.12, 0) == ("none", 0.0)  # likely is enough: no tree far behind a plain one
    assert tree(0.3, 0.05, 0) == ("mixed", STANDING)
    assert tree(1e-5, 0.1, 2, 0.01) == ("mixed", STANDING)  # sure, but a hundredth of R2
    assert tree(1e-5, 0.6, 2, 0.001) == ("weighted", 0.0)  # less still, but most of what is lost


def test_other_rows_of_the_same_kind_lead_to_nearly_the_same_tree() -> None:
    data = load_breast_cancer()
    model = RandomForestClassifier(60, random_state=0).fit(data.data[:250], data.target[:250])
    held_out, rng = data.data[450:], np.random.default_rng(0)
    truth = model.predict_proba(held_out)

    def disagreement(queries: int) -> float:
        said = []
        for _ in range(4):
            X = data.data[250:450][rng.integers(200, size=200)]
            tree = bx.SurrogateTree(queries=queries).fit(model.predict_proba, X)
            said.append(tree.predict(held_out))
        pairs = [((a - b) ** 2).sum(1).mean() for i, a in enumerate(said) for b in said[i + 1 :]]
        return float(np.mean(pairs) / truth.var(axis=0).sum())

    with_queries = disagreement(4000)
    assert with_queries < 0.09
    assert with_queries < 0.6 * disagreement(0)


def test_the_model_receives_frames_like_those_given() -> None:
    frame = mixed_frame()

    def strict(inputs):
        assert isinstance(inputs, pd.DataFrame)
        assert list(inputs.columns) == list(frame.columns)
        assert list(inputs.dtypes) == list(frame.dtypes)
        return frame_model(inputs)

    bx.SurrogateTree(queries=200).fit(strict, frame)


def test_queries_resemble_the_data_and_help() -> None:
    data = load_breast_cancer()
    model = RandomForestClassifier(60, random_state=0).fit(data.data[:250], data.target[:250])
    settings = {"max_leaves": 16, "random_state": 0}
    asked = bx.SurrogateTree(**settings, queries=2000).fit(model.predict_proba, data.data[250:400])
    plain = bx.SurrogateTree(**settings, queries=0).fit(model.predict_proba, data.data[250:400])
    held_out = data.data[400:]
    assert asked.unrealistic_ <= 0.08
    assert np.isnan(plain.unrealistic_)
    gain = asked.evaluate(model.predict_proba, held_out).r2
    assert gain > plain.evaluate(model.predict_proba, held_out).r2
    assert asked.stability(4).disagreement < plain.stability(4).disagreement


def test_it_is_never_far_behind_a_plain_tree() -> None:
    data = load_diabetes()
    model = GradientBoostingRegressor(random_state=0).fit(data.data[:220], data.target[:220])
    X, held_out = data.data[220:330], data.data[330:]
    for size in (4, 16):
        plain = DecisionTreeRegressor(max_leaf_nodes=size, min_samples_leaf=5, random_state=0)
        behind = r2_score(model.predict(held_out), plain.fit(X, model.predict(X)).predict(held_out))
        tree = bx.SurrogateTree(max_leaves=size, queries=2000).fit(model.predict, X)
        assert tree.evaluate(model.predict, held_out).r2 > behind - 0.03


def test_copies_of_rows_are_neither_neighbours_nor_in_two_folds() -> None:
    X = np.repeat(rows(40), 4, axis=0)
    noise = dict(zip(map(bytes, X), np.random.default_rng(1).normal(size=160), strict=True))
    tree = bx.SurrogateTree(max_leaves=16, queries=0).fit(
        lambda X: np.array([noise[bytes(x)] for x in X]), X
    )
    assert tree.fidelity_.r2 < 0.1  # a row whose copy is in the training folds would be known
    asked = bx.SurrogateTree(queries=400).fit(stairs, X)
    parents = X[asked.material_.parents]
    assert (parents[:, 0] != parents[:, 1]).any(axis=1).all()


def test_no_fold_sees_a_synthetic_row_made_from_a_row_held_out() -> None:
    tree = bx.SurrogateTree(queries=300).fit(stairs, rows(60))
    material, held_out = tree.material_, np.arange(60) % 3 == 0
    used, weights = select(material, Plan("both"), held_out)
    np.testing.assert_array_equal(used[:60], ~held_out)
    seen = [not held_out[list(parents)].any() for parents in material.parents]
    np.testing.assert_array_equal(used[60:], seen)
    assert 0 < sum(seen) < 300
    assert (weights == 1).all()
    half, shares = select(material, Plan("one", reference_share=0.7), held_out)
    np.testing.assert_array_equal(half, used)
    assert shares[:40].sum() / shares.sum() == pytest.approx(0.7)


# --- fidelity ----------------------------------------------------------------------------------


def test_fidelity_is_honest_about_noise() -> None:
    X = rows(300, 4)
    noise = dict(zip(map(bytes, X), np.random.default_rng(1).normal(size=300), strict=True))
    tree = bx.SurrogateTree(max_leaves=16, queries=0).fit(
        lambda X: np.array([noise[bytes(x)] for x in X]), X
    )
    assert tree.fidelity_.r2 < 0.05
    assert tree.fidelity_.gap > 0.1
    assert tree.curve_.one_se == 1


def test_cross_fitted_fidelity_agrees_with_fidelity_on_fresh_rows() -> None:
    def curved(X):
        return np.sin(5 * X[:, 0]) + X[:, 1] ** 2

    tree = bx.SurrogateTree(queries=1000).fit(curved, rows(400))
    fresh = tree.evaluate(curved, rows(4000, seed=9))
    assert fresh.how == "held-out rows"
    assert tree.fidelity_.how == "cross-fitted"
    assert abs(fresh.r2 - tree.fidelity_.r2) < 0.05
    low, high = fresh.r2_interval
    assert low < fresh.r2 < high
    assert high - low < 0.05


def test_numbers_of_fidelity_are_those_of_their_definitions() -> None:
    frame = mixed_frame()
    tree = bx.SurrogateTree(queries=300).fit(frame_model, frame)
    other = mixed_frame(500, 7)
    found, f, g = tree.evaluate(frame_model, other), frame_model(other), tree.predict(other)
    assert found.r2 == pytest.approx(1 - ((f - g) ** 2).sum() / ((f - f.mean(0)) ** 2).sum())
    assert found.r2_by_output == pytest.approx([r2_score(f[:, c], g[:, c]) for c in (0, 1)])
    same = (f.argmax(1) == g.argmax(1)).mean()
    most = np.bincount(f.argmax(1)).max() / 500
    assert (found.agreement, found.majority) == pytest.approx((same, most))
    assert found.kappa == pytest.approx((same - most) / (1 - most))
    assert sum(leaf.n_rows for leaf in found.leaves) == 500
    leaves = tree.apply(other)
    for leaf in found.leaves:
        here = leaves == leaf.leaf
        assert leaf.n_rows == here.sum()
        assert leaf.error == pytest.approx(np.abs(f - g)[here].mean())
        assert leaf.error_interval[0] <= leaf.error <= leaf.error_interval[1]
        assert leaf.flagged == (leaf.share > 0.05 and leaf.agreement < 0.8)
    assert "agreement" in str(found)
    assert found.to_dict()["n_rows"] == 500


def test_badly_imitated_regions_are_flagged() -> None:
    def rough(X):
        return np.where(X[:, 0] <= 0.5, 1.0, np.sin(200 * X[:, 1]))

    tree = bx.SurrogateTree(max_leaves=2, queries=0).fit(rough, rows(400))
    flagged = [leaf for leaf in tree.fidelity_.leaves if leaf.flagged]
    assert len(flagged) == 1
    assert flagged[0].error > 0.5
    assert "mimicked badly" in str(tree.fidelity_)


def test_agreement_without_and_with_one_label() -> None:
    assert all(np.isnan(agreement(None, None)))
    same, base, kappa = agreement(np.zeros(4, int), np.array([0, 0, 0, 1]))
    assert (same, base) == (0.75, 1.0)
    assert np.isnan(kappa)


def test_a_constant_model_has_no_r2_and_says_so() -> None:
    tree = bx.SurrogateTree(queries=50).fit(lambda X: np.full(len(X), 3e8), rows(50))
    assert np.isnan(tree.fidelity_.r2)
    assert all(np.isnan(tree.fidelity_.r2_interval))
    assert "R2 does not exist" in tree.fidelity_.message
    np.testing.assert_array_equal(tree.predict(rows(5)), np.full((5, 1), 3e8))
    assert np.isnan(explained(np.full((9, 2), 1e-30), np.zeros((9, 2))))
    tree.stability(2)
    tree.plot()


def test_auto_takes_the_fewest_leaves_within_one_standard_error() -> None:
    tree = bx.SurrogateTree(max_leaves="auto", queries=500).fit(stairs, rows(300))
    assert tree.n_leaves_ == tree.curve_.one_se <= tree.curve_.best
    assert tree.n_leaves_ in (3, 4)
    assert tree.curve_.r2[0] < 0.01 < tree.curve_.r2[2]


# --- rules -------------------------------------------------------------------------------------


@pytest.mark.parametrize("leaf", ["constant", "linear"])
def test_exported_rules_run_and_equal_predict(leaf: str) -> None:
    tree = bx.SurrogateTree(max_leaves=12, leaf=leaf, queries=500).fit(frame_model, mixed_frame())
    fresh = mixed_frame(200, 3)
    fresh.loc[0, "colour"] = "never seen"
    said = tree.predict(fresh)
    space: dict = {}
    exec(tree.rules_.python("twin"), space)  # the export is the thing under test
    records = fresh.to_dict("records")
    np.testing.assert_allclose([space["twin"](r) for r in records], said, rtol=1e-12, atol=1e-14)
    with closing(sqlite3.connect(":memory:")) as base:
        fresh.to_sql("t", base, index=False)
        for output in (0, 1):
            query = f"SELECT {tree.rules_.sql(output)} FROM t ORDER BY rowid"
            answers = np.array(base.execute(query).fetchall())[:, 0]
            np.testing.assert_allclose(answers, said[:, output], rtol=1e-12, atol=1e-14)
    stored = json.loads(tree.rules_.json())
    np.testing.assert_allclose(
        [walk(stored["root"], r) for r in records], said, rtol=1e-12, atol=1e-14
    )
    assert stored["outputs"] == list(tree.output_names_)
    with pytest.raises(InputError, match="name must be an identifier"):
        tree.rules_.python("import os")


def walk(node: dict, row: dict) -> list[float]:
    """Read the JSON of a tree independently of the library."""
    while "leaf" not in node:
        value = row[node["column"]]
        left = value <= node["at_most"] if "at_most" in node else value != node["differs_from"]
        node = node["then"] if left else node["else"]
    said = np.array(node["value"])
    for term in node.get("terms", []):
        value = row[term["column"]]
        amount = float(value == term["equals"]) if "equals" in term else float(value)
        said = said + np.array(term["coef"]) * amount
    return list(np.clip(said, node["low"], node["high"])) if "low" in node else list(said)


def test_rules_as_text_read_in_the_words_of_the_table() -> None:
    frame = mixed_frame().rename(columns={"count": "line\nbreak"})

    def model(frame):
        return (frame["colour"] == "red").to_numpy() * 2.0 + (frame["line\nbreak"] > 20).to_numpy()

    text = str(bx.SurrogateTree(max_leaves=4).fit(model, frame).rules_)
    assert "if colour = red:" in text
    assert "leaf 0" in text
    assert "leaf 3" in text
    assert text.index("leaf 0") < text.index("leaf 1") < text.index("leaf 2")
    assert "line\N{REPLACEMENT CHARACTER}break <= 20" in text


def test_a_tree_of_16_leaves_can_be_read() -> None:
    data = load_breast_cancer(as_frame=True)
    model = RandomForestClassifier(30, random_state=0).fit(data.data, data.target)
    tree = bx.SurrogateTree(max_leaves=16, queries=1000).fit(model.predict_proba, data.data[:200])
    ax = tree.plot()
    ax.figure.canvas.draw()
    boxes = [t for t in ax.texts if t.get_bbox_patch() is not None]
    assert len(boxes) == 15
    assert all("<= " in t.get_text() for t in boxes)
    assert {t.get_text().split("<= ")[1] for t in boxes} == {
        f"{t:.10g}" for t in tree.nodes_.threshold[tree.nodes_.feature >= 0]
    }
    extents = [t.get_window_extent() for t in boxes]
    assert not any(a.overlaps(b) for i, a in enumerate(extents) for b in extents[i + 1 :])
    percent = [t.get_text() for t in ax.texts if " %)" in t.get_text()]
    assert len(percent) == 16
    mpl.pyplot.close(ax.figure)


# --- containers, settings, bad input -----------------------------------------------------------


def test_arrays_and_frames_give_the_same_tree() -> None:
    X = np.round(rows(120, 3), 3)
    plain = bx.SurrogateTree(queries=200).fit(stairs, X)
    for frame in (pd.DataFrame(X, columns=list("abc")), pl.DataFrame(X, schema=list("abc"))):
        tree = bx.SurrogateTree(queries=200).fit(lambda f: stairs(f.to_numpy()), frame)
        np.testing.assert_array_equal(tree.predict(frame), plain.predict(X))


def test_polars_categories_come_back_as_they_were() -> None:
    frame = pl.from_pandas(mixed_frame())

    def model(inputs):
        assert isinstance(inputs, pl.DataFrame)
        assert inputs.schema == frame.schema
        return frame_model(inputs.to_pandas())

    tree = bx.SurrogateTree(queries=100).fit(model, frame)
    np.testing.assert_allclose(
        tree.predict(frame),
        bx.SurrogateTree(queries=100).fit(frame_model, mixed_frame()).predict(mixed_frame()),
    )


def test_same_seed_same_bits_for_any_number_of_jobs() -> None:
    tree = bx.SurrogateTree(queries=300).fit(stairs, rows(80))
    again = clone(tree).fit(stairs, rows(80))
    np.testing.assert_array_equal(tree.predict(rows(50)), again.predict(rows(50)))
    stable = tree.stability(3, n_jobs=2)
    assert stable == tree.stability(3, n_jobs=1)
    assert 0 < stable.leaf_rand <= 1
    assert 0 < stable.feature_overlap <= 1
    assert tree.plan_.name in tree.r2_by_sampler_


def test_settings_are_estimators_settings() -> None:
    tree = bx.SurrogateTree(max_leaves=5)
    assert tree.get_params()["max_leaves"] == 5
    assert tree.set_params(leaf="linear").leaf == "linear"
    with pytest.raises(TypeError):
        bx.SurrogateTree(max_leafs=5)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"leaf": "quadratic"}, "leaf must be one of 'constant', 'linear'"),
        ({"max_leaves": 0}, "max_leaves must be at least 1"),
        ({"queries": -1}, "queries must be at least 0"),
        ({"terms": 0}, "terms must be at least 1"),
        ({"categorical": ["nope"]}, "categorical names 'nope', which is no column"),
    ],
)
def test_bad_settings_are_named(setting, message) -> None:
    with pytest.raises(InputError, match=message):
        bx.SurrogateTree(**setting).fit(stairs, rows(50))


def test_bad_tables_are_named() -> None:
    X = rows(50)
    X[7, 1] = np.nan
    with pytest.raises(InputError, match="missing value in column 'x1', row 7"):
        bx.SurrogateTree().fit(stairs, X)
    frame = mixed_frame(30)
    frame.loc[4, "colour"] = None
    with pytest.raises(InputError, match="missing value in column 'colour', row 4"):
        bx.SurrogateTree().fit(frame_model, frame)
    with pytest.raises(InputError, match="at least 10 rows, got 3"):
        bx.SurrogateTree().fit(stairs, rows(3))
    with pytest.raises(InputError, match="X is sparse; pass"):
        bx.SurrogateTree().fit(stairs, csr_matrix(rows(20)))
    with pytest.raises(InputError, match="must hold real numbers, got complex128"):
        bx.SurrogateTree().fit(stairs, rows(20) + 1j)
    with pytest.raises(InputError, match="table of shape"):
        bx.SurrogateTree().fit(stairs, np.zeros(9))
    tree = bx.SurrogateTree(queries=0).fit(frame_model, mixed_frame(40))
    with pytest.raises(InputError, match="lacks the column 'colour'"):
        tree.predict(mixed_frame(5).drop(columns="colour"))
    with pytest.raises(InputError, match="two columns named 'a'"):
        bx.SurrogateTree().fit(stairs, pd.DataFrame(rows(20), columns=["a", "a", "b"]))
    with pytest.raises(InputError, match="must have 3 columns as in fit, got 2"):
        bx.SurrogateTree(queries=0).fit(stairs, rows(20)).predict(rows(5, 2))


@pytest.mark.parametrize(
    "X",
    [
        np.ones((30, 3)),
        np.repeat(rows(3), 10, axis=0),
        np.c_[rows(30, 1), np.zeros(30), np.ones(30)],
        rows(12, 40),
    ],
    ids=["constant", "duplicates", "constant columns", "fewer rows than columns"],
)
@pytest.mark.parametrize("leaf", ["constant", "linear"])
def test_poor_tables_still_give_a_tree(X: np.ndarray, leaf: str) -> None:
    tree = bx.SurrogateTree(leaf=leaf, queries=100).fit(stairs, X)
    assert np.isfinite(tree.predict(X)).all()


def test_numbers_can_be_read_as_categories() -> None:
    X = np.random.default_rng(0).integers(0, 6, size=(300, 2))
    tree = bx.SurrogateTree(max_leaves=2, categorical=[0]).fit(lambda X: (X[:, 0] == 3) * 1.0, X)
    assert "x0 = 3" in str(tree.rules_)
    assert tree.fidelity_.r2 > 0.99


# --- the other students ------------------------------------------------------------------------


def test_a_line_is_recovered_by_a_line() -> None:
    def line(X):
        return np.stack([X @ [1.0, -2.0, 0.0] + 1, X @ [0.0, 0.0, 3.0]], axis=1)

    student = bx.SurrogateLinear(queries=100).fit(line, rows())
    np.testing.assert_allclose(student.predict(rows(50, seed=3)), line(rows(50, seed=3)), atol=1e-5)
    assert student.fidelity_.r2 > 0.999999
    assert len(bx.SurrogateLinear(max_terms=1, queries=0).fit(line, rows()).terms_) == 1


def test_a_logistic_model_is_recovered_by_logistic() -> None:
    X = np.random.default_rng(0).normal(size=(300, 3))

    def logistic(X):
        return 1 / (1 + np.exp(-(X @ [2.0, -1.0, 0.0] + 0.5)))

    def both(X):
        return np.stack([1 - logistic(X), logistic(X)], axis=1)

    two = bx.SurrogateLinear(link="logistic", queries=0).fit(both, X)
    one = bx.SurrogateLinear(link="logistic", queries=0).fit(logistic, X)
    assert two.fidelity_.r2 > 0.995
    assert two.fidelity_.agreement > 0.98
    assert one.predict(X).shape == (300, 1)
    np.testing.assert_allclose(one.predict(X)[:, 0], two.predict(X)[:, 1], atol=1e-9)
    np.testing.assert_allclose(two.predict(X).sum(axis=1), 1.0)
    ratio = (two.coef_[:, 1] - two.coef_[:, 0])[:2]
    assert ratio[0] / ratio[1] == pytest.approx(-2.0, rel=0.02)
    with pytest.raises(InputError, match="needs a model that gives probabilities"):
        bx.SurrogateLinear(link="logistic").fit(lambda X: X[:, 0] * 9, X)


def test_a_sum_of_steps_needs_one_split_each() -> None:
    def steps(X):
        return 1.0 * (X[:, 0] > 0.5) + 2.0 * (X[:, 1] > 0.3) + 4.0 * (X[:, 2] > 0.7)

    total = bx.SurrogateSum(max_splits=3, queries=500).fit(steps, rows(300))
    fresh = rows(500, seed=4)
    assert len(total.trees_) == 3
    assert total.evaluate(steps, fresh).r2 > 0.97
    tree = bx.SurrogateTree(max_leaves=4, queries=500).fit(steps, rows(300))
    assert tree.evaluate(steps, fresh).r2 < total.evaluate(steps, fresh).r2 - 0.02
    space: dict = {}
    said = np.tile(total.base_, (5, 1))
    for rules in total.rules_:
        exec(rules.python("part"), space)  # the export is the thing under test
        said += [space["part"]({f"x{j}": v for j, v in enumerate(x)}) for x in fresh[:5]]
    np.testing.assert_allclose(total.predict(fresh[:5]), said)


def test_a_sum_settles_for_a_constant_model() -> None:
    total = bx.SurrogateSum(queries=0).fit(lambda X: np.ones(len(X)), rows(40))
    assert total.trees_ == ()
    assert np.isnan(total.fidelity_.r2)
    np.testing.assert_array_equal(total.predict(rows(3)), np.ones((3, 1)))


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_questions_can_be_read_on_any_ground(style: str) -> None:
    tree = bx.SurrogateTree(max_leaves=3, queries=50).fit(stairs, rows(60))
    with mpl.style.context(style):
        ax = tree.plot()
    boxes = [text for text in ax.texts if text.get_bbox_patch() is not None]
    assert len(boxes) == 2
    for text in boxes:
        ink = np.mean(mpl.colors.to_rgb(text.get_color()))
        box = np.mean(mpl.colors.to_rgb(text.get_bbox_patch().get_facecolor()))
        ground = np.mean(mpl.colors.to_rgb(ax.get_facecolor()))
        assert abs(ink - box) > 0.6
        assert abs(box - ground) < 0.2
