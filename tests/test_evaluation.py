"""Faithfulness: closed forms, brute force, and reference maps beside every score."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blackbox_xai as bx
from blackbox_xai.errors import InputError
from blackbox_xai.evaluation import (
    Faithfulness,
    faithfulness,
    localisation,
    mean_interval,
    pixel_faithfulness,
)
from blackbox_xai.evaluation.metrics import area, cut_sizes, infidelity, pearson, ranks, shares
from blackbox_xai.protocols import FloatArray
from blackbox_xai.results import Attribution, Explanation
from blackbox_xai.values import Query, Steps, ValueFunction
from toys import Linear, Spy

RNG = np.random.default_rng(0)
WEIGHTS = np.array([5.0, -3.0, 2.0, 1.0, -0.5, 0.0])
X = RNG.normal(size=(6, 6))
MASKER = bx.TabularMasker(np.zeros((1, 6)))
LINEAR = Linear(WEIGHTS)


def explained(values: FloatArray) -> list[Explanation]:
    """Return explanations of ``X`` with the given attributions ``(n, d)``."""
    done = bx.Occlusion().explain_many(LINEAR, X, MASKER)
    return [
        Explanation(**(vars(one) | {"values": row[:, None]}))
        for one, row in zip(done, values, strict=True)
    ]


TRUTH = explained(X * WEIGHTS)


def column(result: Faithfulness, method: str, metric: str) -> FloatArray:
    return result.scores[result.methods.index(method), result.metrics.index(metric)]


def test_scores_of_a_linear_model_are_known() -> None:
    result = faithfulness({"truth": TRUTH}, LINEAR, X, MASKER)
    contributions = np.sort(X * WEIGHTS, axis=1)[:, ::-1]
    left = np.pad(contributions[:, ::-1].cumsum(axis=1)[:, ::-1], ((0, 0), (0, 1)))
    deletion = ((left[:, 1:] + left[:, :-1]) / 2).mean(axis=1)
    shown = np.pad(contributions.cumsum(axis=1), ((0, 0), (1, 0)))
    insertion = ((shown[:, 1:] + shown[:, :-1]) / 2).mean(axis=1)
    np.testing.assert_allclose(column(result, "truth", "deletion"), deletion)
    np.testing.assert_allclose(column(result, "truth", "insertion"), insertion)
    np.testing.assert_allclose(column(result, "truth", "abpc"), insertion - deletion)
    top = [contributions[:, :k].sum(axis=1) for k in (1, 2, 3)]
    np.testing.assert_allclose(column(result, "truth", "comprehensiveness"), np.mean(top, axis=0))
    rest = [contributions[:, k:].sum(axis=1) for k in (1, 2, 3)]
    np.testing.assert_allclose(column(result, "truth", "sufficiency"), np.mean(rest, axis=0))
    np.testing.assert_allclose(column(result, "truth", "faithfulness_correlation"), 1)
    np.testing.assert_allclose(column(result, "truth", "infidelity"), 0, atol=1e-12)


def test_worse_attributions_score_worse() -> None:
    rng = np.random.default_rng(1)
    maps = {
        "truth": TRUTH,
        "noisy": explained(X * WEIGHTS + 2 * rng.normal(size=X.shape)),
        "absolute": explained(np.abs(X * WEIGHTS)),
        "negative": explained(-X * WEIGHTS),
    }
    result = faithfulness(maps, LINEAR, X, MASKER)
    for metric in ("abpc", "comprehensiveness", "faithfulness_correlation"):
        for other in ("noisy", "absolute", "negative", "random", "input only"):
            assert result.difference("truth", other, metric).mean > 0, (metric, other)
        means = [result.estimate(name, metric).mean for name in ("truth", "noisy", "negative")]
        assert means == sorted(means, reverse=True)
    assert result.estimate("negative", "infidelity").mean == pytest.approx(1)
    for metric in ("deletion", "sufficiency", "infidelity"):
        assert result.difference("truth", "negative", metric).sign == -1
    rows = {(row["metric"], row["method"]): row for row in result.rows()}
    assert rows["abpc", "truth"]["over random"] == "better"
    assert rows["infidelity", "negative"]["over occlusion"] == "worse"
    assert rows["abpc", "random"]["over random"] is None


def test_occlusion_of_a_linear_model_equals_the_truth() -> None:
    result = faithfulness({"truth": TRUTH}, LINEAR, X, MASKER, references=["occlusion"])
    assert result.methods == ("truth", "occlusion")
    np.testing.assert_allclose(result.scores[0], result.scores[1], atol=1e-12)


def test_a_random_map_has_no_area_between_its_curves() -> None:
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(300, 6))
    done = bx.Occlusion().explain_many(LINEAR, inputs, MASKER)
    result = faithfulness(done, LINEAR, inputs, MASKER, n_subsets=2, references=["random"])
    found = result.estimate("random", "abpc")
    assert found.low < 0 < found.high
    assert abs(found.mean) < 0.5


def test_a_constant_model_gives_undefined_correlations() -> None:
    def model(inputs: Any) -> Any:
        return np.zeros(len(inputs))

    done = bx.Occlusion().explain_many(model, X, MASKER)
    result = faithfulness(done, model, X, MASKER)
    found = result.estimate("Occlusion", "faithfulness_correlation")
    assert (found.n, found.n_undefined) == (0, 6)
    row = next(row for row in result.rows() if row["metric"] == "infidelity")
    assert row["mean"] is None
    assert row["undefined"] == 6
    assert (column(result, "Occlusion", "abpc") == 0).all()


def test_rows_are_counted_and_equal_coalitions_paid_once() -> None:
    spy = Spy(LINEAR)
    result = faithfulness({"truth": TRUTH}, spy, X, MASKER)
    assert result.cost.rows == spy.rows
    assert spy.rows <= len(X) * 2**6
    again = faithfulness({"truth": TRUTH, "same": TRUTH}, spy, X, MASKER)
    assert again.cost.rows == result.cost.rows


def test_numbers_do_not_depend_on_workers_or_neighbours() -> None:
    one = faithfulness({"truth": TRUTH}, LINEAR, X, MASKER, n_jobs=1)
    two = faithfulness({"truth": TRUTH}, LINEAR, X, MASKER, n_jobs=2)
    np.testing.assert_array_equal(one.scores, two.scores)
    few = faithfulness({"truth": TRUTH[:2]}, LINEAR, X[:2], MASKER)
    np.testing.assert_array_equal(few.scores, one.scores[:, :, :2])
    other = faithfulness({"truth": TRUTH}, LINEAR, X, MASKER, random_state=1)
    assert (other.scores[1] != one.scores[1]).any()


def test_a_large_background_is_sampled() -> None:
    rng = np.random.default_rng(1)
    masker = bx.TabularMasker(rng.normal(size=(500, 6)))
    spy = Spy(LINEAR)
    done = bx.Occlusion().explain_many(LINEAR, X[:1], masker)
    few = faithfulness(done, spy, X[:1], masker, max_fills=7, n_subsets=20)
    assert spy.rows == few.cost.rows <= 7 * (6 + 4 * 12 + 40) + 2
    result = faithfulness(done, LINEAR, X[:1], masker, max_fills=500)
    assert result.estimate("Occlusion", "faithfulness_correlation").mean > 0.99


@pytest.mark.parametrize("kind", ["image", "text"])
def test_images_and_texts_are_evaluated(kind: str) -> None:
    rng = np.random.default_rng(1)
    if kind == "image":
        inputs: Any = [rng.random((8, 8)) for _ in range(3)]
        masker: Any = bx.ImageMasker(bx.Grid(rows=4, columns=4), fill=0.0)

        def model(images: Any) -> Any:
            return images[:, :2, :2].mean(axis=(1, 2))

    else:
        inputs = ["one good film", "not so good, and long", "good"]
        masker = bx.TextMasker()

        def model(texts: Any) -> Any:
            return np.array([1.0 * ("good" in text) for text in texts])

    done = bx.ExactShapley(max_features=16).explain_many(model, inputs, masker)
    result = faithfulness(done, model, inputs, masker, n_subsets=10)
    means = {name: result.estimate(name, "comprehensiveness").mean for name in result.methods}
    assert means["ExactShapley"] == pytest.approx(max(means.values()))
    assert means["ExactShapley"] > means["random"] - 1e-12


def test_results_leave_as_tables_and_json() -> None:
    result = faithfulness({"truth": TRUTH}, LINEAR, X, MASKER)
    assert result.same_masker
    frame = result.to_frame()
    assert len(frame) == len(result.metrics) * len(result.methods)
    assert result.to_frame("polars").shape == frame.shape
    stored = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert stored["kind"] == "Faithfulness"
    assert np.shape(stored["deletion"]) == (4, 6, 21)
    assert repr(result).startswith("Faithfulness on 6 inputs")
    assert result.plot().get_legend() is not None
    blurred = faithfulness(TRUTH, LINEAR, X, bx.TabularMasker(np.ones((2, 6))))
    assert not blurred.same_masker


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"explanations": []}, "at least one explanation"),
        ({"explanations": {"a": []}}, "must be finished explanations"),
        ({"explanations": {"a": [None] * 6}}, "must be finished explanations"),
        ({"explanations": TRUTH[:2]}, "one for each of 6 inputs, got 2"),
        ({"explanations": {"random": TRUTH}}, "must not be named 'random'"),
        ({"output": "cat"}, "output"),
        ({"n_steps": 0}, "n_steps must be at least 1"),
        ({"n_subsets": 1}, "n_subsets must be at least 2"),
        ({"max_fills": 0}, "max_fills must be at least 1"),
        ({"confidence": 1}, "confidence must lie between 0 and 1"),
        ({"references": "random"}, "references must be among"),
        ({"references": ["gradient"]}, "references must be among"),
        (
            {"masker": bx.TabularMasker(np.zeros((1, 6)), feature_names=list("abcdef"))},
            "other feat",
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(arguments: dict[str, Any], message: str) -> None:
    usual = {"explanations": TRUTH, "model": LINEAR, "inputs": X, "masker": MASKER}
    with pytest.raises(InputError, match=message):
        faithfulness(**(usual | arguments))


def test_outputs_and_features_must_be_shared() -> None:
    two = Linear(np.column_stack([WEIGHTS, -WEIGHTS]))
    first = bx.Occlusion().explain_many(two, X, MASKER, outputs=[0])
    second = bx.Occlusion().explain_many(two, X, MASKER, outputs=[1])
    with pytest.raises(InputError, match="'b' lack the output 'output 0' on input 0"):
        faithfulness({"a": first, "b": second}, two, X, MASKER)
    grouped = bx.TabularMasker(np.zeros((1, 6)), groups={"g": [0, 1]})
    other = bx.Occlusion().explain_many(two, X, grouped, outputs=[0])
    with pytest.raises(InputError, match="'b' have other features"):
        faithfulness({"a": first, "b": other}, two, X, MASKER)
    with pytest.raises(InputError, match="model has no output 'output 0'"):
        faithfulness(first, LINEAR, X, MASKER)
    result = faithfulness(first, two, X, MASKER)
    with pytest.raises(InputError, match="method must be one of"):
        result.estimate("b", "abpc")
    with pytest.raises(InputError, match="metric must be one of"):
        result.estimate("Occlusion", "speed")


def test_each_input_is_judged_by_its_highest_output() -> None:
    two = Linear(np.column_stack([WEIGHTS, -WEIGHTS]))
    done = bx.Occlusion().explain_many(two, X, MASKER)
    result = faithfulness(done, two, X, MASKER)
    best = (X @ WEIGHTS < 0).astype(int)
    assert result.outputs == tuple(f"output {j}" for j in best)
    fixed = faithfulness(done, two, X, MASKER, output=1)
    np.testing.assert_allclose(
        column(fixed, "Occlusion", "abpc"), column(result, "Occlusion", "abpc"), atol=1e-9
    )


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.integers(0, 5))
def test_ranks_order_values_and_then_ties(values: list[float], seed: int) -> None:
    array = np.array(values)
    ties = np.random.default_rng(seed).random(len(values))
    order = np.argsort(ranks(array, ties))
    pairs = [(-array[j], ties[j]) for j in order]
    assert sorted(order) == list(range(len(values)))
    assert pairs == sorted(pairs)


def test_cuts_and_shares_hold_each_size_once() -> None:
    assert cut_sizes(3, 20).tolist() == [0, 1, 2, 3]
    assert cut_sizes(100, 4).tolist() == [0, 25, 50, 75, 100]
    assert shares(1).tolist() == [1]
    assert shares(200).tolist() == [2, 10, 20, 40, 100]


def test_arithmetic_of_the_metrics() -> None:
    assert area(np.array([0.0, 0.25, 1.0]), np.ones(3)) == 1
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50))
    assert pearson(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert np.isnan(pearson(a, np.full(50, 3.3)))
    betas = np.linspace(0, 3, 3001)
    brute = min(((beta * a - b - a) ** 2).mean() for beta in betas) / ((a + b) ** 2).mean()
    assert infidelity(a, a + b) == pytest.approx(brute, abs=1e-6)
    assert np.isnan(infidelity(a, np.zeros(50)))
    assert infidelity(np.zeros(50), b) == 1


def test_bootstrap_intervals_cover_the_mean() -> None:
    rng = np.random.default_rng(0)
    hits = [
        found.low <= 0 <= found.high
        for found in (
            mean_interval(rng.normal(size=n), seed=i) for i in range(150) for n in (6, 30)
        )
    ]
    assert 0.91 <= np.mean(hits) <= 0.98
    few = mean_interval(np.array([2.0, 3.0, 4.0, 7.0]))
    assert (few.mean, few.n, few.sign) == (4, 4, 0)
    assert np.isnan(few.low)
    assert mean_interval(np.array([np.nan])).n == 0


class Finer(bx.Occlusion):
    """Occlusion that also says which pixels of its segments matter."""

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        found = yield from super()._attribute(v, rng)
        yield Query(np.ones((1, v.n_features), dtype=bool))
        heat = np.zeros((8, 8, found.values.shape[1]))
        heat[1:3, 1:3] = 1
        return Attribution(values=found.values, base=found.base, heatmap=heat)


def test_pixel_faithfulness_prefers_maps_that_see_the_pixels() -> None:
    images = np.zeros((6, 8, 8))
    images[:, 1:3, 1:3] = 1

    def model(images: Any) -> Any:
        return images[:, 1:3, 1:3].mean(axis=(1, 2))

    masker = bx.ImageMasker(bx.Grid(rows=4, columns=4), fill=0.0)
    maps = {
        "segments": bx.Occlusion().explain_many(model, images, masker),
        "pixels": Finer().explain_many(model, images, masker),
    }
    spy = Spy(model)
    told: list[tuple[int, int]] = []
    found = pixel_faithfulness(
        maps, spy, images, n_steps=16, sigma=3.0, progress=lambda *step: told.append(step)
    )
    assert told == [(i, 6) for i in range(1, 7)]
    assert found.methods == ("segments", "pixels", "random")
    assert found.difference("pixels", "segments").mean > 0
    assert found.difference("segments", "random").mean > 0.2
    assert found.cost.rows == spy.rows
    assert found.rows()[1]["over random"] == "better"
    best, grey = found.most_first[1, 0, 0], found.least_first[1, 0, 0]
    np.testing.assert_allclose(best, [1.0, *([0.5] * 16)])
    np.testing.assert_allclose(grey, [*([1.0] * 16), 0.5])
    with pytest.raises(InputError, match="one for each of 2 images, got 6"):
        pixel_faithfulness(maps, model, images[:2])
    with pytest.raises(InputError, match="explanations of 'a' must be of images"):
        pixel_faithfulness({"a": TRUTH}, model, images)
    with pytest.raises(InputError, match=r"of images of shape \(8, 8\), got \(7, 8\)"):
        pixel_faithfulness(maps, model, images[:, 1:])
    with pytest.raises(InputError, match="method must be one of"):
        found.estimate("nobody")
    with pytest.raises(InputError, match="at least one explanation"):
        pixel_faithfulness([], model, [])


def test_reasons_are_found_where_they_are() -> None:
    from sklearn.metrics import average_precision_score

    names = [["x0", "x2"], ["x1"], [], ["x5"], ["x0"], ["x3"]]
    found = localisation({"truth": TRUTH}, names)
    truth = np.array([[f"x{j}" in own for j in range(6)] for own in names])
    values = X * WEIGHTS
    positive = np.maximum(values, 0)
    for i in range(6):
        pointing, mass, rank, precision = found.values[0, :, i]
        if not truth[i].any():
            assert np.isnan(found.values[0, :, i]).all()
            continue
        assert pointing == truth[i, values[i].argmax()]
        assert mass == pytest.approx(positive[i, truth[i]].sum() / positive[i].sum())
        top = np.argsort(-values[i])[: truth[i].sum()]
        assert rank == pytest.approx(truth[i, top].mean())
        assert precision == pytest.approx(average_precision_score(truth[i], values[i]))
    np.testing.assert_allclose(found.chance, truth.mean(axis=1))
    masks = localisation({"truth": TRUTH}, list(truth))
    np.testing.assert_array_equal(masks.values, found.values)
    assert found.estimate("truth", "mass").n_undefined == 1
    assert len(found.to_frame()) == 4
    assert repr(found).startswith("Localisation on 6 inputs")


def test_a_planted_patch_and_word_are_located() -> None:
    rng = np.random.default_rng(1)
    mask = np.zeros((8, 8), dtype=bool)
    mask[2:4, 2:4] = True

    def model(images: Any) -> Any:
        return images[:, mask].mean(axis=1)

    images = rng.random((5, 8, 8))
    masker = bx.ImageMasker(bx.Grid(rows=4, columns=4), fill=0.0)
    done = bx.Occlusion().explain_many(model, images, masker)
    found = localisation(done, [mask] * 5)
    np.testing.assert_allclose(found.values, 1)
    np.testing.assert_allclose(found.chance, 4 / 64)
    uniform = [Explanation(**(vars(one) | {"values": np.ones_like(one.values)})) for one in done]
    np.testing.assert_allclose(localisation(uniform, [mask] * 5).values, 4 / 64)
    with pytest.raises(InputError, match=r"reasons of input 0 must have shape \(8, 8\) or \(16,\)"):
        localisation(done, [mask[1:]] * 5)
    with pytest.raises(InputError, match="one for each of 2 reasons, got"):
        localisation(done, [mask] * 2)
    with pytest.raises(InputError, match="name 'age', which is no feature"):
        localisation(TRUTH[:1], [["age"]])
    with pytest.raises(InputError, match="method must be one of"):
        found.estimate("Lime", "mass")
    with pytest.raises(InputError, match="measure must be one of"):
        found.estimate("Occlusion", "beauty")
