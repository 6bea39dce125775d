"""Maps: quality against its formulas, places of new rows, peers' stress and trust."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE, Isomap, smacof, trustworthiness
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import KNeighborsClassifier

import blackbox_xai as bx
from blackbox_xai.errors import InputError
from blackbox_xai.points.neighbours import nearest
from blackbox_xai.projection.affinity import affinities, perplexity_weights
from blackbox_xai.projection.descent import descend
from blackbox_xai.projection.field import repulsion, repulsive_field
from blackbox_xai.projection.scaling import place_by_distance


def by_isomap(**settings: Any) -> bx.EstimatorProjection:
    return bx.EstimatorProjection(Isomap(n_neighbors=10), **settings)


ALL = (bx.PCAProjection, bx.MDSProjection, bx.TSNEProjection, by_isomap)


@pytest.fixture(scope="module")
def digits() -> Any:
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    return X[order] / 16, y[order]


def test_quality_follows_the_formulas() -> None:
    rng = np.random.default_rng(0)
    points, places = rng.normal(size=(60, 5)), rng.normal(size=(60, 2))
    quality = bx.map_quality(points, places, n_neighbors=5)
    assert quality.trustworthiness[0] == pytest.approx(
        trustworthiness(points, places, n_neighbors=5), abs=1e-12
    )
    assert quality.continuity[0] == pytest.approx(
        trustworthiness(places, points, n_neighbors=5), abs=1e-12
    )
    near = [
        set(nearest(side, side, 5, skip_self=True)[0][i])
        for side in (points, places)
        for i in range(60)
    ]
    recall = np.mean([len(near[i] & near[60 + i]) / 5 for i in range(60)])
    assert quality.knn_recall[0] == pytest.approx(recall, abs=1e-12)
    wanted, shown = pairwise_distances(points), pairwise_distances(places)
    scale = (wanted * shown).sum() / (shown**2).sum()
    stress = np.sqrt(((wanted - scale * shown) ** 2).sum() / (wanted**2).sum())
    assert quality.stress[0] == pytest.approx(stress, abs=1e-9)


def test_a_random_map_is_called_bad_and_a_copy_perfect() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(300, 2))
    perfect = bx.map_quality(points, -5 * points)
    assert perfect.trustworthiness[0] == perfect.continuity[0] == perfect.knn_recall[0] == 1
    assert perfect.shepard[0] == pytest.approx(1)
    assert perfect.stress[0] == pytest.approx(0, abs=1e-6)
    assert (perfect.point_trust == 1).all()
    chance = bx.map_quality(points, rng.normal(size=(300, 2)))
    assert chance.point_trust.mean() == pytest.approx(chance.trustworthiness[0])
    assert abs(chance.trustworthiness[0] - 0.5) < 0.05
    assert abs(chance.shepard[0]) < 0.05


def test_sampled_rows_agree_with_all_rows_within_their_error(digits: Any) -> None:
    X, _ = digits
    places = bx.PCAProjection().fit_transform(X)
    whole = bx.map_quality(X, places, max_rows=len(X)).to_dict()
    part = bx.map_quality(X, places, max_rows=300).to_dict()
    assert part["rows_checked"] == 300
    for name in ("trustworthiness", "continuity", "knn_recall", "shepard", "stress"):
        gap = abs(whole[name]["value"] - part[name]["value"])
        assert gap < 4 * part[name]["se"] + 1e-3, name


@given(st.integers(1, 30), st.integers(0, 100))
def test_nearest_is_brute_force(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 4, size=(40, 3)).astype(float)
    indices, distances = nearest(points, points, k, skip_self=True)
    every = pairwise_distances(points)
    np.fill_diagonal(every, np.inf)
    np.testing.assert_allclose(distances, np.sort(every, axis=1)[:, :k], atol=1e-12)
    np.testing.assert_allclose(np.take_along_axis(every, indices, 1), distances, atol=1e-12)


@given(st.floats(1.5, 12), st.integers(0, 50))
def test_perplexity_is_as_asked(perplexity: float, seed: int) -> None:
    distances = np.random.default_rng(seed).exponential(size=(5, 15)) + 0.01
    weights = perplexity_weights(distances, perplexity)
    entropy = -(weights * np.log(np.maximum(weights, 1e-300))).sum(1)
    np.testing.assert_allclose(np.exp(entropy), perplexity, rtol=1e-4)


def test_equal_distances_get_equal_weights() -> None:
    assert perplexity_weights(np.zeros((2, 4)), 2.0).tolist() == [[0.25] * 4] * 2


def test_the_field_is_the_sum_over_all_points() -> None:
    cloud = np.random.default_rng(0).normal(size=(400, 2)) * 12
    gap = cloud[:, None] - cloud
    near = 1 / (1 + (gap**2).sum(-1))
    push = (gap * (near**2)[..., None]).sum(1)
    got = repulsive_field(cloud).at(cloud)
    assert np.abs(got[:, :2] - push).max() < 0.15 * np.abs(push).max()
    assert np.abs(got[:, :2] - push).mean() < 0.02 * np.abs(push).max()
    assert got[:, 2] == pytest.approx(near.sum(1), rel=0.1)
    assert got[:, 2].mean() == pytest.approx(near.sum(1).mean(), rel=0.02)


def test_the_repulsion_leaves_out_what_a_point_sees_of_itself() -> None:
    cloud = np.random.default_rng(0).normal(size=(400, 2)) * 12
    gap = cloud[:, None] - cloud
    near = 1 / (1 + (gap**2).sum(-1))
    push = (gap * (near**2)[..., None]).sum(1)
    scale = (repulsion(cloud) * push).sum() / (push**2).sum()  # 1 / Z, by least squares
    assert 1 / scale == pytest.approx(near.sum() - 400, rel=0.03)


@pytest.mark.parametrize("few", [0, 400], ids=["field", "all pairs"])
def test_the_descent_follows_the_gradient(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blackbox_xai.projection.descent._FEW", few)
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 4))
    graph = affinities(*nearest(points, points, 20, skip_self=True), 6.0)
    places = rng.normal(size=(60, 2)) * 3
    dense = graph.toarray()

    def divergence(y: Any) -> Any:
        near = 1 / (1 + pairwise_distances(y) ** 2)
        np.fill_diagonal(near, 0)
        kept = dense > 0
        return (dense[kept] * np.log(dense[kept] / (near / near.sum())[kept])).sum()

    step = 1e-5
    slope = np.zeros_like(places)
    for i in range(60):
        for axis in range(2):
            up, down = places.copy(), places.copy()
            up[i, axis] += step
            down[i, axis] -= step
            slope[i, axis] = (divergence(up) - divergence(down)) / (2 * step)
    rate = 1e-3
    moved = descend(graph, places, n_iter=1, exaggeration=1.0, momentum=0.0, learning_rate=rate)
    went = (places - moved) / rate / 1.2
    went += slope.mean(0) - went.mean(0)
    cosine = (went * slope).sum() / np.sqrt((went**2).sum() * (slope**2).sum())
    assert cosine > 0.98
    lower = descend(graph, places, n_iter=50, exaggeration=1.0, momentum=0.5)
    assert divergence(lower) < divergence(places)


def test_tsne_is_as_trustworthy_as_scikit_learn(digits: Any) -> None:
    X, y = digits[0][:420], digits[1][:420]
    ours = bx.TSNEProjection(standardize=False).fit(X)
    theirs = TSNE(random_state=0, init="pca", n_jobs=1).fit_transform(X).astype(float)
    peer = bx.map_quality(X, theirs)
    assert ours.quality().trustworthiness[0] > peer.trustworthiness[0] - 0.005
    assert ours.quality().knn_recall[0] > peer.knn_recall[0] - 0.02
    labels = KNeighborsClassifier(10)
    hits = [labels.fit(m, y).score(m, y) for m in (ours.embedding_, theirs)]
    assert hits[0] > hits[1] - 0.015


def test_new_rows_land_among_their_kind(digits: Any) -> None:
    X, y = digits[0][:600], digits[1][:600]
    tsne = bx.TSNEProjection(standardize=False).fit(X[:450])
    labels = KNeighborsClassifier(10).fit(tsne.embedding_, y[:450])
    assert labels.score(tsne.transform(X[450:]), y[450:]) > 0.9


def test_mds_has_less_stress_than_smacof(digits: Any) -> None:
    X = digits[0][:400]
    mds = bx.MDSProjection(standardize=False).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = smacof(pairwise_distances(X), n_init=1, random_state=0)[0]
    assert mds.quality().stress[0] < bx.map_quality(X, theirs).stress[0]
    again = mds.transform(X[:50])
    gap = np.sqrt(((again - mds.embedding_[:50]) ** 2).sum(1))
    assert np.median(gap) < 0.15 * mds.embedding_.std()


def test_placing_by_distance_finds_a_known_place() -> None:
    rng = np.random.default_rng(0)
    anchors, hidden = rng.normal(size=(50, 2)), rng.normal(size=(7, 2))
    found = place_by_distance(
        pairwise_distances(hidden, anchors), anchors, np.zeros((7, 2)) + 0.1, n_iter=500
    )
    np.testing.assert_allclose(found, hidden, atol=1e-6)


def test_classical_scaling_recovers_a_plane() -> None:
    plane = np.random.default_rng(0).normal(size=(30, 2))
    distances = pairwise_distances(plane)
    places = bx.ClassicalMDS().fit_transform(distances)
    np.testing.assert_allclose(pairwise_distances(places), distances, atol=1e-9)


@pytest.mark.parametrize("projection", ALL)
def test_no_place_depends_on_the_rest_of_the_call(projection: Any, digits: Any) -> None:
    X = digits[0][:300]
    fitted = projection().fit(X[:200])
    together = fitted.transform(X[200:])
    alone = np.concatenate([fitted.transform(X[[i]]) for i in range(200, 300)])
    assert (together == alone).all()


@pytest.mark.parametrize("projection", ALL)
def test_the_same_seed_gives_the_same_map(projection: Any, digits: Any) -> None:
    X = digits[0][:120]
    first = projection(random_state=5).fit_transform(X)
    assert (clone(projection(random_state=5)).fit_transform(X) == first).all()
    table = projection().set_output(transform="pandas").fit(X).transform(X)
    assert table.columns.tolist() == ["map x", "map y"]


@pytest.mark.parametrize("projection", ALL[:3])
@pytest.mark.parametrize(
    "X",
    [
        np.zeros((10, 3)),
        np.eye(3),
        np.repeat(np.random.default_rng(0).normal(size=(3, 4)), 20, axis=0),
        np.random.default_rng(0).normal(size=(5, 1)),
        np.random.default_rng(0).normal(size=(4, 50)),
    ],
    ids=["constant", "three rows", "duplicates", "one column", "wide"],
)
def test_degenerate_data_still_give_finite_maps(projection: Any, X: Any) -> None:
    fitted = projection().fit(X)
    assert np.isfinite(fitted.embedding_).all()
    assert np.isfinite(fitted.transform(X[:1])).all()
    if len(X) > 3:
        assert np.isfinite(fitted.quality().trustworthiness).all()


@pytest.mark.parametrize("library", [pd, pl])
def test_frames_with_categories(library: Any) -> None:
    columns = {"age": [1.0, 2.0, 3.0, 50.0], "sex": ["m", "f", "m", "f"]}
    frame = library.DataFrame(columns)
    pca = bx.PCAProjection().fit(frame)
    assert pca.points_.shape == (4, 3)
    swapped = frame[["sex", "age"]]
    np.testing.assert_array_equal(pca.transform(swapped), pca.transform(frame))


def test_explanations_and_features_of_a_callable_are_spaces(digits: Any) -> None:
    masker = bx.TabularMasker(np.zeros((1, 3)))
    many = bx.ExactShapley().explain_many(
        lambda X: X @ [1.0, -2.0, 0.0], np.eye(3)[[0, 0, 1, 1]], masker
    )
    places = bx.PCAProjection(standardize=False).fit_transform(many)
    assert np.ptp(places[:2], axis=0).max() == 0
    assert np.abs(places[0] - places[2]).max() > 1
    texts = ["a", "bb", "ccc", "dddd"]
    lengths = bx.PCAProjection(features=lambda xs: [[len(x)] for x in xs]).fit(texts)
    assert np.diff(np.abs(np.diff(lengths.embedding_[:, 0]))).max() < 1e-12


@pytest.mark.parametrize(
    ("X", "words"),
    [
        (np.array([[0.0, 1.0], [np.nan, 2.0], [1.0, 1.0]]), r"nan in column 'x0', row 1"),
        (pd.DataFrame({"age": [1.0, np.inf, 2.0]}), r"inf in column 'age', row 1"),
        (np.zeros((2, 3)), "at least 3 rows to make a map, got 2"),
        (["a", "b", "c"], "features="),
    ],
)
def test_bad_data_are_named(X: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        bx.PCAProjection().fit(X)


def test_bad_settings_are_named(digits: Any) -> None:
    X = digits[0][:20]
    for bad in (
        bx.TSNEProjection(perplexity=0),
        bx.TSNEProjection(n_iter=0),
        bx.MDSProjection(n_epochs=1.5),
        bx.PCAProjection(random_state=-1),
        bx.PCAProjection(features=lambda X: X[:3]),
    ):
        with pytest.raises(InputError):
            bad.fit(X)
    with pytest.raises(InputError, match="must have 64 columns, got 3"):
        bx.PCAProjection().fit(X).transform(np.zeros((2, 3)))
    with pytest.raises(InputError, match="symmetric"):
        bx.ClassicalMDS().fit(np.arange(9.0).reshape(3, 3))
    wide = bx.ExactShapley().explain(sum_rows, np.ones(3), bx.TabularMasker(np.zeros((1, 3))))
    slim = bx.ExactShapley().explain(sum_rows, np.ones(2), bx.TabularMasker(np.zeros((1, 2))))
    with pytest.raises(InputError, match="share features"):
        bx.explanation_points([wide, slim])


def sum_rows(X: Any) -> Any:
    return X.sum(1)


def test_progress_counts_steps(digits: Any) -> None:
    seen: list[tuple[int, int]] = []
    bx.TSNEProjection(n_iter=5, progress=lambda done, total: seen.append((done, total))).fit(
        digits[0][:50]
    )
    assert seen[-1] == (105, 105)
    assert "not meaningful" in bx.TSNEProjection(n_iter=5).fit(digits[0][:50]).caption()


class _Skewed:
    """Places rows wherever it is told."""

    def __init__(self, places: Any) -> None:
        self.places = places

    def fit_transform(self, X: Any) -> Any:
        return self.places


def test_an_estimator_makes_the_map_and_is_not_changed(digits: Any) -> None:
    X, _ = digits
    isomap = Isomap(n_neighbors=10)
    ours = bx.EstimatorProjection(isomap, standardize=False).fit(X[:300])
    assert not hasattr(isomap, "embedding_")
    np.testing.assert_allclose(ours.embedding_, isomap.fit_transform(ours.points_))
    assert ours.caption().startswith("Isomap")
    clone(ours).fit(X[:50])
    weights = perplexity_weights(*(np.sort(pairwise_distances(X[300:301], X[:300]))[:, :5], 2.5))
    near = np.argsort(pairwise_distances(X[300:301], X[:300]))[0, :5]
    np.testing.assert_allclose(ours.transform(X[300:301]), weights @ ours.embedding_[near])


@pytest.mark.parametrize(
    ("estimator", "sentence"),
    [
        (Isomap, "must be an object with a method fit_transform"),
        (KNeighborsClassifier(), "must be an object with a method fit_transform"),
        (Isomap(n_neighbors=3, n_components=1), r"got \(20, 1\). Ask it for two dimensions"),
        (_Skewed(np.full((20, 2), np.nan)), "must give finite places"),
    ],
)
def test_estimators_that_make_no_map_are_refused(estimator: Any, sentence: str) -> None:
    X = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(InputError, match=sentence):
        bx.EstimatorProjection(estimator).fit(X)


@given(seed=st.integers(0, 1000), q=st.integers(1, 6))
def test_classical_scaling_places_new_rows_where_they_are(seed: int, q: int) -> None:
    rng = np.random.default_rng(seed)
    plane = rng.normal(size=(12 + q, 2))
    distances = pairwise_distances(plane)
    mds = bx.ClassicalMDS().fit(distances[:12, :12])
    places = mds.transform(distances[12:, :12])
    np.testing.assert_allclose(
        pairwise_distances(places, mds.embedding_), distances[12:, :12], atol=1e-6
    )
    np.testing.assert_array_equal(places[:1], mds.transform(distances[12:13, :12]))
    with pytest.raises(InputError, match=r"must have shape \(q, 12\)"):
        mds.transform(distances[12:, :5])
    with pytest.raises(InputError, match="finite and not negative"):
        mds.transform(-1 - distances[12:, :12])


def test_wide_rows_find_their_place_along_the_main_axes_where_these_keep_enough() -> None:
    rng = np.random.default_rng(0)
    groups = 4 * rng.normal(size=(3, 120))
    label = np.arange(240) % 3
    X = groups[label] + 0.3 * rng.normal(size=(240, 3)) @ rng.normal(size=(3, 120))
    tsne = bx.TSNEProjection(standardize=False, n_iter=60).fit(X[:180])
    assert tsne._narrow.shape == (180, 50)
    places = tsne.transform(X[180:])
    near = KNeighborsClassifier(5).fit(tsne.embedding_, label[:180])
    assert near.score(places, label[180:]) == 1.0
    np.testing.assert_array_equal(places[:3], tsne.transform(X[180:183]))
    noise = bx.TSNEProjection(n_iter=5).fit(rng.normal(size=(300, 300)))
    assert noise._narrow is noise.points_


def test_tables_without_rows_are_refused() -> None:
    X, y = np.zeros((6, 2)), np.arange(6) % 2
    with pytest.raises(InputError, match=r"X must have rows and columns, got shape \(0, 2\)"):
        bx.knn_shapley(X[:0], y[:0], X, y)
    with pytest.raises(InputError, match=r"X must have rows and columns, got shape \(0, 2\)"):
        bx.PCAProjection().fit(X + np.arange(6)[:, None]).transform(X[:0])
