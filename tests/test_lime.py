"""LIME against its limits: closed forms, brute-force regressions, counted rows, error bars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import blackbox_xai as bx
from blackbox_xai.coalitions.bins import net_size, quartile_laws, sobol_points
from blackbox_xai.coalitions.quartiles import cut_at_quartiles
from blackbox_xai.coalitions.shapley import all_subsets
from blackbox_xai.coalitions.subsets import (
    balanced_subsets,
    binomial_sizes,
    cosine_kernel,
    size_weights,
    stratified_draws,
    uniform_sizes,
)
from blackbox_xai.errors import InputError
from blackbox_xai.maskers import numbers
from blackbox_xai.solvers.additive import fit_contrasts
from blackbox_xai.solvers.nets import net_factor
from blackbox_xai.solvers.ridge import fit_ridge, held_out_r2, linear_r2
from toys import Spy

UNJUDGED = "ignore:(Only|The linear surrogate):UserWarning"


def lime_regression(z: Any, scores: Any, width: float, alpha: float) -> Any:
    """Weighted ridge regression as LIME defines it, written out: intercept, then weights."""
    d = z.shape[1]
    w = np.exp(-((1 - np.sqrt(z.sum(axis=1) / d)) ** 2) / (2 * width**2))
    design = np.column_stack([np.ones(len(z)), z])
    gram = design.T @ (design * w[:, None]) + alpha * np.diag([0.0] + [1.0] * d)
    return np.linalg.solve(gram, design.T @ (w * scores))


def game(z: Any) -> Any:
    return 3 * z[:, 0] - z[:, 1] * z[:, 2] + 2 * z[:, 3] * z[:, 0] + 0.5


def test_all_coalitions_give_limes_regression_exactly() -> None:
    z = all_subsets(5).astype(float)
    law = binomial_sizes(5) * cosine_kernel(5, 0.25)
    share = law @ np.arange(6) / law.sum() / 5
    expected = lime_regression(z, game(z), 0.25, 4 * share * (1 - share) * law.sum() * 32 / 1000)
    spy = Spy(game)
    why = bx.Lime(n_samples=1000).explain(spy, np.ones(5), bx.TabularMasker(np.zeros((1, 5))))
    np.testing.assert_allclose(why.values[:, 0], expected[1:], rtol=1e-9)
    np.testing.assert_allclose(why.base[0], expected[0], rtol=1e-9)
    assert (why.std_err == 0).all()
    assert why.diagnostics["exact"]
    assert spy.rows == why.cost.rows == 32


@pytest.mark.filterwarnings(UNJUDGED)
@pytest.mark.parametrize(("compat", "sizes"), [(None, binomial_sizes), ("lime", uniform_sizes)])
def test_sampled_text_weights_cover_the_exact_ones(compat: Any, sizes: Any) -> None:
    d = 10
    rng = np.random.default_rng(0)
    w, pairs = rng.normal(size=d), np.triu(rng.normal(size=(d, d)), 1) / 2
    words = [f"w{i}" for i in range(d)]

    def score(z: Any) -> Any:
        return z @ w + np.einsum("ni,ij,nj->n", z, pairs, z)

    def model(texts: Any) -> Any:
        return score(np.array([[word in t.split() for word in words] for t in texts], float))

    z = all_subsets(d).astype(float)
    law = sizes(d) * cosine_kernel(d, 0.25)
    exact = fit_ridge(z, score(z)[:, None], alpha=1e-9, weights=size_weights(law / law.sum(), d))
    hits, errors = [], []
    for seed in range(20):
        why = bx.Lime(n_samples=200, alpha=1e-6, compat=compat, random_state=seed).explain(
            model, " ".join(words), bx.TextMasker()
        )
        hits.append(np.abs(why.values - exact.coef) <= 1.96 * why.std_err)
        errors.append(why.values - exact.coef)
        assert why.cost.rows <= 200
    assert 0.88 <= np.mean(hits) <= 0.995
    assert np.abs(np.mean(errors, axis=0)).max() < 0.2


def test_the_pull_of_the_penalty_is_part_of_the_errors() -> None:
    words = [f"w{i}" for i in range(12)]
    weights = np.random.default_rng(0).normal(size=12)

    def model(texts: Any) -> Any:
        z = np.array([[word in text.split() for word in words] for text in texts], dtype=float)
        return 1 / (1 + np.exp(-z @ weights))

    def explain(n: int, seed: int) -> Any:
        lime = bx.Lime(n_samples=n, compat="lime", random_state=seed)
        return lime.explain(model, " ".join(words), bx.TextMasker())

    limit = explain(5000, 0).values  # all coalitions; the penalty no longer counts
    runs = [explain(200, seed) for seed in range(25)]
    pulled = np.mean([np.sign(limit) * (run.values - limit) for run in runs])
    hits = [np.abs(run.values - limit) <= 1.96 * run.std_err for run in runs]
    assert pulled < 0
    assert 0.9 <= np.mean(hits) < 0.995


def bins_truth(background: Any, x: Any, model: Any, width: float, n: int = 60_000) -> Any:
    """Limit of lime's tabular coefficients, by plain sampling and weighting."""
    rng = np.random.default_rng(1)
    edges = np.percentile(background, (25, 50, 75), axis=0)
    d = background.shape[1]
    rows, z = np.empty((n, d)), np.empty((n, d))
    for j in range(d):
        bins = np.searchsorted(edges[:, j], background[:, j])
        drawn = rng.choice(bins, n)
        ends = np.r_[background[:, j].min(), edges[:, j], background[:, j].max()]
        for b in range(4):
            inside = background[bins == b, j]
            at = np.flatnonzero(drawn == b)
            value = rng.normal(inside.mean(), inside.std(), size=(20, len(at)))
            fits = (value >= ends[b]) & (value <= ends[b + 1])
            rows[at, j] = value[np.argmax(fits, axis=0), np.arange(len(at))]
        z[:, j] = drawn == np.searchsorted(edges[:, j], x[j])
    w = np.exp(-(d - z.sum(axis=1)) / (2 * width**2))
    design = np.column_stack([np.ones(n), z])
    return np.linalg.solve(design.T @ (design * w[:, None]), design.T @ (w * model(rows)))


@pytest.mark.filterwarnings(UNJUDGED)
def test_tabular_compat_has_limes_limit_and_honest_errors() -> None:
    rng = np.random.default_rng(0)
    background = rng.normal(size=(300, 5)) ** 3
    x = background[7]

    def model(rows: Any) -> Any:
        return np.tanh(rows[:, 0]) + (rows[:, 1] > 0) * np.tanh(rows[:, 2]) + 0.3 * rows[:, 3]

    truth = bins_truth(background, x, model, 0.75 * np.sqrt(5))
    masker = bx.TabularMasker(background)
    runs = [
        bx.Lime(n_samples=1024, compat="lime", random_state=s).explain(model, x, masker)
        for s in range(8)
    ]
    values = np.stack([run.values[:, 0] for run in runs])
    np.testing.assert_allclose(values.mean(axis=0), truth[1:], atol=0.06)
    np.testing.assert_allclose(np.mean([run.base[0] for run in runs]), truth[0], atol=0.06)
    error = np.stack([run.std_err[:, 0] for run in runs])
    assert np.mean(np.abs(values - values.mean(axis=0)) <= 1.96 * error) >= 0.9
    assert {run.cost.rows for run in runs} == {1024}


@pytest.mark.filterwarnings(UNJUDGED)
def test_mixed_frames_are_drawn_in_their_own_types() -> None:
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 70, 200),
            "income": rng.lognormal(size=200),
            "town": pd.Categorical(rng.choice(["a", "b", "c"], 200)),
            "same": np.ones(200),
        }
    )
    seen = []

    def model(rows: Any) -> Any:
        seen.append(rows)
        return 2.0 * (rows["town"] == "b").to_numpy() + 0.1 * rows["age"].to_numpy()

    x = frame.iloc[[int(np.argmax(frame["town"] == "b"))]]
    masker = bx.TabularMasker(frame)
    why = bx.Lime(n_samples=2048, compat="lime").explain(model, x, masker)
    assert why.values[2, 0] == pytest.approx(2.0, abs=0.1)
    assert np.abs(why.values[[1, 3], 0]).max() < 0.1
    assert all((rows.dtypes == frame.dtypes).all() for rows in seen)
    near = bx.Lime(n_samples=512, around=0.5).explain(model, x, masker)
    assert near.values[0, 0] == pytest.approx(0.1 * frame["age"].std(ddof=0), rel=0.05)
    assert near.values[2, 0] == pytest.approx(2.0, abs=0.1)


@pytest.mark.filterwarnings(UNJUDGED)
def test_outside_the_training_range_and_missing_values_have_bins_of_their_own() -> None:
    background = np.random.default_rng(0).normal(size=(100, 3))
    background[::4, 1] = np.nan

    def model(rows: Any) -> Any:
        return np.isnan(rows[:, 1]) * 1.0 + rows[:, 0]

    lime = bx.Lime(n_samples=1024, compat="lime")
    why = lime.explain(model, [50.0, np.nan, 0.0], bx.TabularMasker(background))
    assert why.values[1, 0] == pytest.approx(1.0, abs=0.1)
    assert why.values[0, 0] > 0.5  # the highest bin, though x lies far beyond it


@pytest.mark.filterwarnings(UNJUDGED)
@pytest.mark.parametrize("unit", [1e-60, 1e150])
@pytest.mark.parametrize("settings", [{"compat": "lime"}, {"around": 0.5}, {}])
def test_scores_may_have_any_unit(unit: float, settings: Any) -> None:
    data = np.random.default_rng(0).normal(size=(60, 3))
    lime, masker = bx.Lime(n_samples=300, **settings), bx.TabularMasker(data)

    def explained(unit: float) -> Any:
        return lime.explain(lambda X: unit * X @ np.array([1.0, 0.0, -2.0]), data[0], masker)

    usual, other = explained(1.0), explained(unit)
    np.testing.assert_allclose(other.values / unit, usual.values, atol=1e-5)
    np.testing.assert_allclose(other.std_err / unit, usual.std_err, rtol=1e-3, atol=1e-9)


def test_around_the_input_is_the_slope_in_standard_deviations() -> None:
    background = np.random.default_rng(0).normal(size=(500, 4)) * [1.0, 2.0, 5.0, 0.0]
    why = bx.Lime(n_samples=256, around=0.1, alpha=1e-9).explain(
        lambda X: X @ [1.0, -1.0, 0.0, 3.0], np.ones(4), bx.TabularMasker(background)
    )
    expected = [background[:, 0].std(), -background[:, 1].std(), 0.0, 0.0]
    np.testing.assert_allclose(why.values[:, 0], expected, atol=1e-6)


def test_all_outputs_come_from_one_set_of_rows() -> None:
    spy = Spy(lambda z: np.column_stack([z[:, 0], 2 * z[:, 1], -z.sum(axis=1)]))
    masker = bx.TabularMasker(np.zeros((1, 20)))
    together = bx.Lime(n_samples=300).explain(spy, np.ones(20), masker)
    assert spy.rows == 300
    alone = bx.Lime(n_samples=300).explain(spy, np.ones(20), masker, outputs=[1])
    np.testing.assert_allclose(together.values[:, 1], alone.values[:, 0], atol=1e-12)


def test_a_poor_or_global_fit_is_said_in_plain_words() -> None:
    masker = bx.TabularMasker(np.random.default_rng(0).normal(size=(100, 30)))
    with pytest.warns(UserWarning, match="not its neighbourhood") as caught:
        why = bx.Lime(n_samples=600, compat="lime").explain(lambda X: X.sum(1), np.ones(30), masker)
    assert [str(w.message) for w in caught] == why.diagnostics["warnings"]
    assert why.diagnostics["share_near"] < 0.01
    assert why.diagnostics["n_effective_if_weighted"] < why.diagnostics["n_effective"] == 599

    def parity(z: Any) -> Any:
        return np.prod(2 * z[:, :3] - 1, axis=1)

    with pytest.warns(UserWarning, match="0% of the score's variance"):
        bx.Lime(n_samples=600).explain(parity, np.ones(20), bx.TabularMasker(np.zeros((1, 20))))


@pytest.mark.filterwarnings(UNJUDGED)
def test_the_same_bits_for_any_batch_size() -> None:
    masker = bx.TabularMasker(np.random.default_rng(0).normal(size=(3, 12)))
    lime = bx.Lime(n_samples=150, random_state=3)
    bits = set()
    for size in (1, 7, None, None):
        model = bx.CallableModel(lambda X: np.array([np.tanh(r).sum() for r in X]), batch_size=size)
        why = lime.explain(model, np.ones(12), masker)
        bits.add((why.values.tobytes(), why.std_err.tobytes()))
    assert len(bits) == 1


@pytest.mark.filterwarnings(UNJUDGED)
@pytest.mark.parametrize("text", ["", "!!!", "one", "\N{GRINNING FACE} ok", "日本語のテキスト"])
def test_short_and_foreign_texts_are_explained(text: str) -> None:
    def model(texts: Any) -> Any:
        return np.array([len(t) / 2 for t in texts])

    why = bx.Lime(n_samples=50).explain(model, text, bx.TextMasker())
    assert np.isfinite(why.values).all()
    assert len(why.values) >= 1


def test_one_feature_and_many() -> None:
    one = bx.Lime(alpha=1e-9).explain(lambda X: 2 * X[:, 0], [3.0], bx.TabularMasker([[1.0]]))
    assert one.values[0, 0] == pytest.approx(4.0, abs=1e-6)
    many = bx.Lime(n_samples=1200).explain(
        lambda X: X[:, 77], np.ones(500), bx.TabularMasker(np.zeros((1, 500)))
    )
    assert np.argmax(many.values[:, 0]) == 77


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_samples": 0}, "n_samples must be at least 3, got 0. One row is the input itself"),
        ({"n_samples": 2.5}, "n_samples must be an integer"),
        ({"kernel_width": 0}, "kernel_width must be a number above 0"),
        ({"alpha": -1}, "alpha must be a number above 0"),
        ({"compat": "shap"}, "compat must be one of 'lime', got 'shap'"),
        ({"around": 0}, "around must be a number above 0"),
        ({"around": 1.0, "compat": "lime"}, "give one of them"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bx.Lime(**settings).explain(
            lambda X: X.sum(axis=1), np.ones(3), bx.TabularMasker(np.zeros((1, 3)))
        )


def test_drawing_values_needs_single_columns_of_a_table() -> None:
    grouped = bx.TabularMasker(np.zeros((1, 3)), groups={"ab": [0, 1]})
    with pytest.raises(InputError, match="Use a masker without groups"):
        bx.Lime(compat="lime").explain(lambda X: X.sum(axis=1), np.ones(3), grouped)
    with pytest.raises(InputError, match="around draws rows of a table"):
        bx.Lime(around=1.0).explain(lambda t: np.full(len(t), 0.5), "a b", bx.TextMasker())


@given(st.integers(1, 12), st.integers(1, 60), st.integers(0, 10_000))
def test_balanced_subsets_have_their_sizes_and_even_coverage(d: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, d + 1, m)
    kept, groups = balanced_subsets(sizes, d, rng)
    assert kept.sum(axis=1).tolist() == sizes.tolist()
    assert (np.diff(groups) >= 0).all()
    if d % 2 == 0:
        halves, _ = balanced_subsets(np.full(2 * m, d // 2), d, rng)
        assert (halves[::2] == ~halves[1::2]).all()


def test_balanced_subsets_are_uniform_over_their_size() -> None:
    kept, _ = balanced_subsets(np.full(30_000, 3), 5, np.random.default_rng(0))
    codes, counts = np.unique(kept @ (1 << np.arange(5)), return_counts=True)
    assert len(codes) == 10
    assert np.abs(counts - 3000).max() < 250


@given(st.integers(1, 200), st.integers(0, 1000))
def test_stratified_draws_keep_their_shares(n: int, seed: int) -> None:
    law = np.array([0.5, 0.0, 0.3, 0.2])
    counts = np.bincount(stratified_draws(law, n, np.random.default_rng(seed)), minlength=4)
    assert counts[1] == 0
    assert np.abs(counts - n * law).max() < 1 + 1e-9


def test_sobol_points_fill_every_interval_and_repeat_by_seed() -> None:
    points = sobol_points(7, 1000, np.random.default_rng(0))
    assert points.shape == (7, 1000)
    assert 0 < points.min() < points.max() < 1
    for net in (points[:, :256], points[:, 256:512]):
        counts = np.stack([np.histogram(line, 256, (0, 1))[0] for line in net])
        assert (counts == 1).all()
    assert sobol_points(7, 1000, np.random.default_rng(0)).tobytes() == points.tobytes()


def test_bins_follow_the_data_and_values_stay_inside() -> None:
    rng = np.random.default_rng(0)
    data = np.column_stack([rng.normal(size=400), np.repeat([1.0, 2.0], 200), np.ones(400)])
    laws = quartile_laws(cut_at_quartiles(data, np.full(400, 1 / 400)), data[0], 1.0)
    np.testing.assert_allclose(laws.shares[0], [0.25, 0.25, 0.25, 0.25, 0])
    drawn = laws.draw(sobol_points(3, 4096, rng))
    edges = np.percentile(data[:, 0], (25, 50, 75))
    assert (np.searchsorted(edges, drawn.values[0]) == drawn.bins[0]).all()
    assert data[:, 0].min() <= drawn.values[0].min() <= drawn.values[0].max() <= data[:, 0].max()
    assert set(drawn.values[1].round(9)) <= {1.0, 2.0}
    assert set(drawn.values[2]) == {1.0}
    assert drawn.values[0].mean() == pytest.approx(data[:, 0].mean(), abs=0.02)


def test_values_are_the_quantiles_of_a_truncated_normal_law() -> None:
    rng = np.random.default_rng(1)
    data = np.column_stack([rng.normal(size=300), rng.exponential(size=300) ** 3])
    cut = cut_at_quartiles(data, np.full(300, 1 / 300))
    points = np.tile(np.linspace(0, 1, 4096, endpoint=False), (2, 1))
    drawn = quartile_laws(cut, data[0], 1.0).draw(points)
    for j in range(2):
        ends = np.percentile(data[:, j], (0, 25, 50, 75, 100))
        for b in range(4):
            own = data[np.digitize(data[:, j], ends[1:4], right=True) == b, j]
            law = stats.norm(own.mean(), own.std())
            low, high = law.cdf(ends[b]), law.cdf(ends[b + 1])
            inside = drawn.bins[j] == b
            exact = law.ppf(low + (high - low) * (4 * points[j, inside] - b))
            found = drawn.values[j, inside]
            np.testing.assert_allclose(found, exact, atol=2e-5 * own.std(), rtol=1e-9)


@pytest.mark.filterwarnings(UNJUDGED)
def test_the_background_is_measured_once_for_all_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []

    def spy(background: Any, weights: Any) -> Any:
        measured.append(background.shape)
        return cut_at_quartiles(background, weights)

    monkeypatch.setattr(numbers, "cut_at_quartiles", spy)
    data = np.random.default_rng(0).normal(size=(50, 3))
    lime, masker = bx.Lime(n_samples=200, compat="lime"), bx.TabularMasker(data)
    many = lime.explain_many(lambda X: X.sum(axis=1), data[:4], masker)
    assert measured == [(50, 3)]
    alone = lime.explain(lambda X: X.sum(axis=1), data[0], bx.TabularMasker(data))
    np.testing.assert_array_equal(many[0].values, alone.values)


def test_contrasts_are_those_of_the_main_effects() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]])
    own = np.array([[False, True, False], [True, False, False]])
    levels = np.stack([rng.choice(3, 20_000, p=row) for row in shares]).astype(np.int8)
    effect = np.array([1.0, 5.0, 2.0])
    scores = effect[levels[0]] - 2.0 * levels[1]
    fit = fit_contrasts(levels, shares, own, scores[:, None])
    others = (0.2 * 1.0 + 0.5 * 2.0) / 0.7
    np.testing.assert_allclose(fit.effects[:, 0], [5.0 - others, 2.0], atol=2e-3)
    np.testing.assert_allclose(fit.mean, [0.2 + 1.5 + 1.0 - 0.8], atol=2e-3)


@given(st.integers(0, 1000))
def test_ridge_is_the_weighted_normal_equation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z, y, w = rng.normal(size=(40, 3)), rng.normal(size=(40, 2)), rng.random(40) + 0.1
    fit = fit_ridge(z, y, alpha=0.7, weights=w)
    design = np.column_stack([np.ones(40), z])
    gram = design.T @ (design * w[:, None]) + np.diag([0, 0.7, 0.7, 0.7])
    expected = np.linalg.solve(gram, design.T @ (y * w[:, None]))
    np.testing.assert_allclose(fit.coef, expected[1:], atol=1e-9)
    np.testing.assert_allclose(fit.intercept, expected[0], atol=1e-9)


def test_held_out_fit_is_lower_for_noise_and_missing_for_a_constant() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(60, 20))
    y = np.column_stack([rng.normal(size=60), z[:, 0], np.ones(60)])
    fit = fit_ridge(z, y, alpha=1e-3)
    assert fit.r2[0] > 0.2 > 0 > fit.held_out_r2[0]
    assert fit.r2[1] == pytest.approx(1.0)
    assert fit.held_out_r2[1] == pytest.approx(1.0, abs=1e-6)
    assert np.isnan(fit.r2[2])
    np.testing.assert_allclose(held_out_r2(z, y[:, :2], alpha=1e-3), fit.held_out_r2[:2])
    assert linear_r2(z, y[:, 1:2], np.eye(20)[:, :1])[0] == pytest.approx(1.0)


def test_held_out_fit_is_that_of_five_regressions() -> None:
    rng = np.random.default_rng(3)
    z = (rng.random((203, 4)) < 0.6).astype(np.float64)
    y = z @ rng.normal(size=(4, 2)) + rng.normal(size=(203, 2))
    left = np.zeros(2)
    for fold in np.split(np.arange(203), [203 * i // 5 for i in range(1, 5)]):
        rest = np.setdiff1d(np.arange(203), fold)
        fit = fit_ridge(z[rest], y[rest], alpha=2.5)
        left += ((y[fold] - fit.intercept - z[fold] @ fit.coef) ** 2).sum(axis=0)
    expected = 1 - left / ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(held_out_r2(z, y, alpha=2.5), expected, rtol=1e-10)
    single = held_out_r2(z.astype(np.float32), y, alpha=2.5)
    np.testing.assert_allclose(single, expected, atol=1e-5)


def test_grouped_errors_see_that_copies_are_no_evidence() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 1))
    y = z + rng.normal(size=(200, 1))
    alone = fit_ridge(z, y, alpha=1e-9)
    copies = np.repeat(np.arange(200), 5)
    naive = fit_ridge(z[copies], y[copies], alpha=1e-9)
    honest = fit_ridge(z[copies], y[copies], alpha=1e-9, groups=copies)
    assert naive.std_err[0, 0] < 0.5 * alone.std_err[0, 0]
    assert honest.std_err[0, 0] == pytest.approx(alone.std_err[0, 0], rel=0.02)


@pytest.mark.parametrize("text", ["", "!!!", "one"])
def test_a_text_of_one_token_is_explained(text):
    def length(batch):
        return [float(len(t)) for t in batch]

    why = bx.Lime().explain(length, text, bx.TextMasker())
    assert why.values[:, 0] == pytest.approx([len(text)], rel=0.02, abs=1e-9)
    lime = bx.Lime(compat="lime", n_samples=1000).explain(length, text, bx.TextMasker())
    mean, penalty = 1 / (1 + 999 * np.exp(-8)), 1 / (1 + 999 * np.exp(-8))
    shrunk = mean * (1 - mean) / (mean * (1 - mean) + penalty)
    assert lime.values[:, 0] == pytest.approx([len(text) * shrunk])


@pytest.mark.filterwarnings(UNJUDGED)
@pytest.mark.parametrize(
    "settings", [{"compat": "lime", "n_samples": 2048}, {"around": 0.5, "n_samples": 400}]
)
def test_errors_count_how_well_points_are_spread(settings: Any) -> None:
    def model(z: Any) -> Any:
        return (z[:, :2] > 0.5).all(axis=1) + 0.7 * (z[:, 2:5] > 0.5).all(axis=1)

    background = np.random.default_rng(0).normal(size=(200, 8))
    masker = bx.TabularMasker(background)

    def fitted(seed: int, **others: Any) -> Any:
        explainer = bx.Lime(**{**settings, **others}, random_state=seed)
        return explainer.explain(model, background[0], masker)

    truth = fitted(999, n_samples=65_536).values
    runs = [fitted(s) for s in range(30)]
    known = np.abs(truth) > 1e-9
    hits = [(np.abs(run.values - truth) <= 1.96 * run.std_err)[known] for run in runs]
    assert 0.9 <= np.mean(hits) < 0.995


def test_nets_are_worth_more_than_random_rows_only_where_they_are() -> None:
    rng = np.random.default_rng(0)

    def factors(points: Any) -> Any:
        centred = points - 0.5
        pulls = centred / len(points.T) * 12
        residuals = (centred[0] * centred[1] * 6 + centred[2] ** 2 - 1 / 12)[None]
        variances = np.square(pulls) @ np.square(residuals).T
        return net_factor(pulls, residuals, variances, net_size(points.shape[1]))[0]

    spread = np.mean([factors(sobol_points(6, 1024, rng)) for _ in range(40)])
    random = np.mean([factors(rng.random((6, 1024))) for _ in range(40)])
    assert spread < 0.7 < 0.8 < random <= 1
    one = net_factor(np.ones((2, 5)), np.ones((1, 5)), np.ones((2, 1)), size=8)
    np.testing.assert_array_equal(one, [1.0])


@pytest.mark.parametrize("n_samples", [300, 1000])
def test_short_texts_have_limes_own_weights_the_input_being_one_sample(n_samples: int) -> None:
    def model(texts: Any) -> Any:
        good, film = (np.array([word in text for text in texts]) for word in ("good", "film"))
        return 0.2 + 0.7 * good - 0.1 * good * film

    z = np.array([[1, 1], [1, 0], [0, 1], [0, 0]])
    share = np.array([1, *(n_samples - 1) * np.array([0.25, 0.25, 0.5])])
    weights = share * np.exp(-((1 - np.sqrt(z.mean(axis=1))) ** 2) / (2 * 0.25**2))
    design = np.column_stack([np.ones(4), z])
    gram = design.T @ (design * weights[:, None]) + np.diag([0, 1, 1])
    expected = np.linalg.solve(gram, design.T @ (weights * [0.8, 0.9, 0.2, 0.2]))
    explainer = bx.Lime(compat="lime", n_samples=n_samples)
    why = explainer.explain(model, "good film", bx.TextMasker())
    np.testing.assert_allclose([why.base[0], *why.values[:, 0]], expected, rtol=1e-9)


def test_quartiles_and_deviations_are_those_of_the_weighted_background() -> None:
    data = np.arange(100.0)[:, None]
    weights = np.where(np.arange(100) < 20, 4.5, 0.125)  # nine tenths on the first fifth
    laws = quartile_laws(cut_at_quartiles(data, weights / weights.sum()), np.array([3.0]), 1.0)
    np.testing.assert_allclose(laws.shares[0], [0.25, 0.25, 0.25, 0.25, 0], atol=0.05)
    mean = (weights * data[:, 0]).sum() / weights.sum()
    deviation = np.sqrt((weights * (data[:, 0] - mean) ** 2).sum() / weights.sum())
    masker = bx.TabularMasker(data, weights=weights)
    why = bx.Lime(around=0.5, alpha=1e-9).explain(lambda rows: 2 * rows[:, 0], [3.0], masker)
    assert why.values[0, 0] == pytest.approx(2 * deviation, rel=1e-6)
