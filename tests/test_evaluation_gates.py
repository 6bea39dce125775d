"""Gates, sanity, stability, agreement: right explainers pass, wrong ones are found out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

import blackbox_xai as bx
from blackbox_xai.errors import InputError
from blackbox_xai.evaluation import (
    agreement,
    check,
    nearby,
    permuted_labels,
    permuted_weights,
    sanity,
    stability,
)
from blackbox_xai.evaluation.agreement import similarity, spearman
from blackbox_xai.evaluation.probes import NoiseModel, ProbedModel, cloned, reordered, unused
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.protocols import FloatArray, MaskedInput
from blackbox_xai.results import Attribution
from blackbox_xai.values import Query, Steps, ValueFunction
from toys import Spy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 5))
MASKER = bx.TabularMasker(RNG.normal(size=(4, 5)))


def model(inputs: Any) -> FloatArray:
    z = np.asarray(inputs)
    return np.tanh(z[:, 0] * z[:, 1] + z[:, 2] - 0.5 * z[:, 3])


@dataclass(frozen=True, kw_only=True)
class Wrong(LocalExplainer):
    """Occlusion with one of the faults that the gates are there for."""

    fault: str = ""
    efficient = True

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        d = v.n_features
        scores = yield Query(np.vstack([np.ones((1, d), bool), ~np.eye(d, dtype=bool)]))
        drops = scores[0] - scores[1:]
        base = scores[0] - drops.sum(axis=0)
        if self.fault == "absolute":
            drops = np.abs(drops)
        if self.fault == "normalised":
            drops = drops / np.abs(drops).max(axis=0)
        if self.fault == "ignores the model":
            drops = np.tile(np.arange(1.0, d + 1)[:, None], (1, drops.shape[1]))
        if self.fault == "does not add up":
            base = base + 1
        if self.fault == "prefers the first":
            drops = drops * np.linspace(1, 0.5, d)[:, None]
        if self.fault == "spreads":
            drops = drops + 0.1 * np.abs(drops).max(axis=0)
        return Attribution(values=drops, base=base)


@pytest.mark.parametrize(
    "explainer",
    [
        bx.ExactShapley(),
        bx.Occlusion(),
        bx.KernelShap(budget=60),
        bx.PermutationShapley(budget=200),
        bx.Lime(n_samples=300),
        bx.Rise(n_samples=200),
    ],
)
def test_right_explainers_pass(explainer: Any) -> None:
    checks = check(explainer, model, X, MASKER)
    assert checks.passed, str(checks)
    expected = "pass" if explainer.efficient else "not applicable"
    assert {gate.name: gate.status for gate in checks.gates}["efficiency"] == expected


@pytest.mark.parametrize(
    ("fault", "failed"),
    [
        ("", set()),
        ("absolute", {"mirrored", "linearity", "efficiency"}),
        ("normalised", {"half", "linearity", "efficiency"}),
        ("ignores the model", {"constant", "half", "mirrored", "dummy", "symmetry", "order"}),
        ("does not add up", {"efficiency"}),
        ("prefers the first", {"symmetry", "order", "efficiency"}),
        ("spreads", {"mirrored", "linearity", "dummy", "efficiency"}),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_faults_are_found(fault: str, failed: set[str]) -> None:
    checks = check(Wrong(fault=fault), model, X, MASKER)
    found = {gate.name for gate in checks.gates if gate.status == "fail"}
    assert failed <= found, str(checks)
    assert checks.passed == (not fault)
    if not fault:
        assert not found


@pytest.mark.parametrize("seed", [3, 6, 12])
def test_sampling_that_says_how_far_off_it_may_be_is_not_blamed_for_it(seed: int) -> None:
    """The laws hold of the values sampled, and of the samples within their errors."""
    rng = np.random.default_rng(1)
    inputs, weights = rng.normal(size=(60, 40)), rng.normal(size=40)

    def crossed(rows: Any) -> Any:
        rows = rows * weights
        return np.tanh(rows[:, ::2] * rows[:, 1::2]).sum(axis=1) + rows[:, :5].sum(axis=1)

    explainer = bx.Shapley(budget=600 + 20 * seed, random_state=seed)
    masker = bx.TabularMasker(inputs[:30])
    checks = check(explainer, crossed, inputs[30 + seed :], masker, n_inputs=3)
    assert {gate.name for gate in checks.gates if gate.status != "pass"} == set()
    assert {gate.name: gate.tolerance for gate in checks.gates}["linearity"] > 0.01
    same_for_any_seed = check(bx.Occlusion(), crossed, inputs[30:], masker, n_inputs=2)
    tolerances = {gate.name: gate.tolerance for gate in same_for_any_seed.gates}
    assert (tolerances["linearity"], tolerances["order"]) == (1e-6, 0.02)


@pytest.mark.parametrize("kind", ["image", "text", "frame"])
def test_gates_work_for_inputs_of_any_kind(kind: str) -> None:
    rng = np.random.default_rng(1)
    if kind == "image":
        inputs: Any = [rng.random((6, 6)) for _ in range(2)]
        masker: Any = bx.ImageMasker(bx.Grid(rows=2, columns=2), fill=0.0)

        def scored(images: Any) -> Any:
            return images[:, :3].mean(axis=(1, 2))

    elif kind == "text":
        inputs, masker = ["one good film", "a very good, long film"], bx.TextMasker()

        def scored(texts: Any) -> Any:
            return np.array([len(text) / 50 for text in texts])

    else:
        inputs = pd.DataFrame({"a": [1.0, 2.0], "c": ["u", "v"], "n": [1, 2]})
        masker = bx.TabularMasker(inputs)

        def scored(rows: Any) -> Any:
            return rows["a"] * (rows["c"] == "u") + rows["n"]

    checks = check(bx.ExactShapley(), scored, inputs, masker)
    assert checks.passed
    assert all(gate.status == "pass" for gate in checks.gates)


def test_a_link_leaves_the_laws_of_scores_aside() -> None:
    def probability(inputs: Any) -> Any:
        return 1 / (1 + np.exp(-model(inputs)))

    adapter = bx.as_model(probability, scale="probability")
    checks = check(bx.Shapley(budget=300, link="logit"), adapter, X, MASKER, n_inputs=2)
    status = {gate.name: gate.status for gate in checks.gates}
    assert status["half"] == "not applicable"
    assert status["dummy"] == "pass"


def test_the_cost_of_a_check_is_counted() -> None:
    spy = Spy(model)
    checks = check(bx.Occlusion(), spy, X, MASKER, n_inputs=3)
    assert checks.n == 3
    assert checks.reseed_error == 0
    assert spy.rows == checks.cost.rows
    stored = json.loads(json.dumps(checks.to_dict(), allow_nan=False))
    assert stored["passed"] is True
    assert len(checks.to_frame()) == 8
    assert repr(checks).startswith("Checks of Occlusion on 3 inputs")


@pytest.mark.parametrize(("output", "name"), [(1, "b"), (-2, "a"), ("b", "b"), (None, "a")])
def test_an_output_is_chosen_by_place_name_or_score(output: Any, name: str) -> None:
    two = bx.as_model(
        lambda inputs: np.column_stack([model(inputs) + 2, model(inputs)]), output_names=["a", "b"]
    )
    assert check(bx.Occlusion(), two, X, MASKER, output=output, n_inputs=2).output == name


@pytest.mark.parametrize("output", [3, "cat", True])
def test_unknown_outputs_are_refused(output: Any) -> None:
    with pytest.raises(InputError, match="output must be one of"):
        check(bx.Occlusion(), model, X, MASKER, output=output)


def test_probed_scores_follow_from_the_original() -> None:
    probed = ProbedModel(bx.as_model(model), 0).predict(X)
    f = model(X)
    expected = np.column_stack([f, f / 2, -f, np.full(20, 0.5), f**2, (f + f**2) / 2])
    np.testing.assert_allclose(probed, expected)
    probability = bx.as_model(lambda inputs: np.abs(model(inputs)), scale="probability")
    np.testing.assert_allclose(ProbedModel(probability, 0).predict(X)[:, 2], 1 - np.abs(f))


def scores_of(masked: MaskedInput) -> Any:
    return ValueFunction(bx.as_model(model), masked)


def test_probed_players_have_known_shapley_values() -> None:
    rng = np.random.default_rng(1)
    masked = MASKER.bind(X[0])
    kept = rng.random((16, 6)) < 0.5
    v = scores_of(masked)
    np.testing.assert_array_equal(scores_of(unused(masked))(kept), v(kept[:, :5]))
    both = kept[:, :5].copy()
    both[:, 2] &= kept[:, 5]
    np.testing.assert_array_equal(scores_of(cloned(2)(masked))(kept), v(both))
    order = np.array([3, 1, 4, 0, 2])
    players = reordered(masked, order)
    assert players.feature_names == ("x3", "x1", "x4", "x0", "x2")
    straight = np.empty((16, 5), dtype=bool)
    straight[:, order] = kept[:, :5]
    np.testing.assert_array_equal(scores_of(players)(kept[:, :5]), v(straight))
    for one in (unused(masked), cloned(2)(masked), players):
        assert isinstance(one, MaskedInput)
        assert one.varies.shape == (4, len(one.feature_names))


@pytest.mark.parametrize(
    "batch",
    [
        X,
        X.tolist(),
        pd.DataFrame(X),
        pl.DataFrame(X),
        ["a", "b", "\ud800"],
        np.array([["a", 1]], object),
    ],
)
def test_noise_depends_on_the_row_alone(batch: Any) -> None:
    n = len(batch)
    scores = NoiseModel(3).predict(batch)[:, 0]
    assert ((scores >= 0) & (scores < 1)).all()
    assert len(set(scores)) == n
    np.testing.assert_array_equal(NoiseModel(3).predict(batch[n - 1 :])[:, 0], scores[-1:])
    assert (NoiseModel(4).predict(batch)[:, 0] != scores).all()


def classifier() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(200, 12))
    labels = (inputs @ np.linspace(-2, 2, 12) > 0).astype(int)
    return LogisticRegression().fit(inputs, labels), inputs, labels


def test_explanations_that_depend_on_the_model_pass_sanity() -> None:
    estimator, inputs, labels = classifier()
    masker = bx.TabularMasker(inputs[:20])
    forgot = [permuted_labels(estimator, inputs, labels, random_state=i) for i in range(8)]
    spy = Spy(estimator.predict_proba)
    found = sanity(bx.Occlusion(), spy, inputs, masker, randomised={"labels": forgot}, n_inputs=15)
    assert found.models == ("noise", "labels")
    assert found.estimate("noise").high < 0.2
    assert found.passed
    np.testing.assert_allclose(found.ceiling, 1)
    assert found.to_dict()["passed"] is True
    assert repr(found).startswith("Sanity of Occlusion on 15 inputs")


def test_several_models_of_a_kind_are_averaged_and_paid() -> None:
    weights = np.random.default_rng(1).normal(size=(3, 5))
    forgot = [lambda rows, w=w: rows @ w for w in weights]
    apart = {f"model {i}": one for i, one in enumerate(forgot)}
    found = [
        sanity(bx.ExactShapley(), model, X, MASKER, randomised=others, n_inputs=4)
        for others in ({"all": forgot}, apart)
    ]
    np.testing.assert_allclose(found[0].similarity[1], found[1].similarity[1:].mean(axis=0))
    assert found[0].cost.rows == found[1].cost.rows
    with pytest.raises(InputError, match="one or more models of each kind"):
        sanity(bx.ExactShapley(), model, X, MASKER, randomised={"all": []})


def test_explanations_that_ignore_the_model_fail_sanity() -> None:
    estimator, inputs, _ = classifier()
    found = sanity(
        Wrong(fault="ignores the model"), estimator, inputs, bx.TabularMasker(inputs[:5])
    )
    assert found.rows()[0]["similarity"] == pytest.approx(1)
    assert found.rows()[0]["status"] == "not applicable"  # floor and ceiling are the same
    same = sanity(
        bx.Occlusion(),
        estimator,
        inputs,
        bx.TabularMasker(inputs[:5]),
        randomised={"itself": estimator},
    )
    assert same.estimate("itself").low > 0.9
    assert not same.passed
    masker = bx.TabularMasker(inputs[:5])
    with pytest.raises(InputError, match="must not have the name 'noise'"):
        sanity(bx.Occlusion(), estimator, inputs, masker, randomised={"noise": estimator})
    with pytest.raises(InputError, match="model must be one of"):
        same.estimate("labels")


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_shuffled_onnx_weights_keep_the_graph(share: float) -> None:
    rng = np.random.default_rng(1)
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.neural_network import MLPClassifier

    inputs = rng.normal(size=(100, 6)).astype(np.float32)
    labels = (inputs[:, 0] > 0).astype(int)
    network = MLPClassifier((5, 5), max_iter=30, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        network.fit(inputs, labels)
    raw = skl2onnx.to_onnx(network, inputs[:1], options={"zipmap": False}).SerializeToString()
    mixed = permuted_weights(raw, share=share, random_state=3)
    import onnx

    before, after = (onnx.load_model_from_string(one) for one in (raw, mixed))
    changed = []
    for a, b in zip(before.graph.initializer, after.graph.initializer, strict=True):
        x, y = onnx.numpy_helper.to_array(a), onnx.numpy_helper.to_array(b)
        assert (a.name, x.shape, x.dtype) == (b.name, y.shape, y.dtype)
        np.testing.assert_array_equal(np.sort(x.ravel()), np.sort(y.ravel()))
        if (x != y).any():
            changed.append(a.name)
    assert "coefficient2" in changed
    assert ("coefficient" in changed) == (share == 1.0)
    assert (
        np.abs(bx.as_model(mixed).predict(inputs) - bx.as_model(raw).predict(inputs)).max() > 0.01
    )
    assert permuted_weights(raw, share=share, random_state=3) == mixed


def test_weights_in_constant_nodes_are_shuffled_and_biases_go_with_them() -> None:
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    arrays = {
        "b": np.arange(36, dtype=np.float32),
        "w": np.arange(1296, dtype=np.float32).reshape(36, 36),
        "shape": np.array([-1, 6, 6], dtype=np.int64),
        "end": np.arange(6, dtype=np.float32),
    }
    constants = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array, name))
        for name, array in arrays.items()
    ]
    nodes = [
        *constants,
        helper.make_node("Add", ["x", "b"], ["h"]),
        helper.make_node("MatMul", ["h", "w"], ["g"]),
        helper.make_node("Reshape", ["g", "shape"], ["r"]),
        helper.make_node("Add", ["r", "end"], ["y"]),
    ]
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 36])
    out = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, 6, 6])
    made = helper.make_model(
        helper.make_graph(nodes, "g", [value], [out]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )

    def stored(raw: bytes) -> dict[str, FloatArray]:
        graph = onnx.load_model_from_string(raw).graph
        tensors = [node.attribute[0].t for node in graph.node if node.op_type == "Constant"]
        return {one.name: numpy_helper.to_array(one) for one in tensors}

    every = stored(permuted_weights(made.SerializeToString(), random_state=1))
    assert {name for name, a in arrays.items() if (every[name] != a).any()} == {"b", "w", "end"}
    last = stored(permuted_weights(made.SerializeToString(), share=0.5, random_state=1))
    assert {name for name, a in arrays.items() if (last[name] != a).any()} == {"end"}


def test_trees_forget_in_onnx_too(tmp_path: Any) -> None:
    rng = np.random.default_rng(1)
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.ensemble import RandomForestClassifier

    inputs = rng.normal(size=(200, 4)).astype(np.float32)
    labels = (inputs[:, 0] > 0).astype(int)
    forest = RandomForestClassifier(10, random_state=0).fit(inputs, labels)
    path = tmp_path / "forest.onnx"
    path.write_bytes(skl2onnx.to_onnx(forest, inputs[:1]).SerializeToString())
    mixed = bx.as_model(permuted_weights(path))
    right = (bx.as_model(path).predict(inputs).argmax(axis=1) == labels).mean()
    assert right > 0.95
    assert (mixed.predict(inputs).argmax(axis=1) == labels).mean() < 0.8


def test_models_that_cannot_be_randomised_are_refused(tmp_path: Any) -> None:
    with pytest.raises(InputError, match="model must be an ONNX model"):
        permuted_weights(b"nothing")
    with pytest.raises(InputError, match="model must be an ONNX model"):
        permuted_weights(tmp_path / "missing.onnx")
    with pytest.raises(InputError, match="estimator must have fit"):
        permuted_labels(model, X, X[:, 0])
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 2])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, 2])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out]
    )
    with pytest.raises(InputError, match="holds no numbers that were learnt"):
        permuted_weights(onnx.helper.make_model(graph).SerializeToString())


def test_the_worst_neighbour_counts() -> None:
    steps = iter([0.0, 0.0, 0.3, 1.0])

    def neighbour(x: FloatArray, rng: np.random.Generator) -> FloatArray:
        return x + next(steps)

    found = stability(
        bx.Occlusion(), model, X, MASKER, neighbour=neighbour, n_neighbours=2, n_inputs=2, n_seeds=1
    )
    base = [one.values[:, 0] for one in bx.Occlusion().explain_many(model, X[:2], MASKER)]
    moved = X[:2] + np.array([[0.3], [1.0]])
    near = [one.values[:, 0] for one in bx.Occlusion().explain_many(model, moved, MASKER)]
    pairs = list(zip(base, near, strict=True))
    change = [np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in pairs]
    assert found.neighbours is not None
    np.testing.assert_allclose(found.neighbours[2], change)
    np.testing.assert_allclose(found.neighbours[0], [spearman(a, b) for a, b in pairs])
    output = np.abs(model(X[:2]) - model(moved)) / np.abs(model(X[:2]))
    np.testing.assert_allclose(found.neighbours[3], np.array(change) / np.maximum(output, 0.01))


def test_stability_under_seeds_and_neighbours() -> None:
    fixed = stability(bx.Occlusion(), model, X, MASKER, neighbour=nearby(X, 0.05))
    assert fixed.estimate("reseeded", "rank correlation").mean == pytest.approx(1)
    assert fixed.estimate("reseeded", "relative change").mean == 0
    assert 0 < fixed.estimate("neighbours", "relative change").mean < 1
    assert fixed.neighbours is not None
    further = stability(bx.Occlusion(), model, X, MASKER, neighbour=nearby(X, 0.5))
    change = [one.estimate("neighbours", "relative change").mean for one in (fixed, further)]
    assert change[0] < change[1]
    noisy = stability(bx.Rise(n_samples=30), model, X, MASKER)
    less = stability(bx.Rise(n_samples=2000), model, X, MASKER)
    change = [one.estimate("reseeded", "relative change").mean for one in (noisy, less)]
    assert change[0] > 3 * change[1]
    assert noisy.neighbours is None
    with pytest.raises(InputError, match="change must be one of"):
        noisy.estimate("neighbours", "relative change")
    with pytest.raises(InputError, match="measure must be one of"):
        noisy.estimate("reseeded", "speed")
    assert len(fixed.to_frame()) == 7
    assert json.dumps(fixed.to_dict(), allow_nan=False)
    assert repr(noisy).startswith("Stability of Rise on 10 inputs")


@pytest.mark.parametrize("library", [pd, pl])
def test_neighbours_of_frames_move_floats_only(library: Any) -> None:
    frame = library.DataFrame({"a": [0.0, 2.0], "n": [1, 2], "s": ["u", "v"]})
    move = nearby(frame)
    near = move(frame[:1], np.random.default_rng(0))
    assert near["a"].to_numpy()[0] != 0
    assert abs(near["a"].to_numpy()[0]) < 0.5
    assert (near["n"].to_numpy()[0], near["s"].to_numpy()[0]) == (1, "u")
    masker = bx.TabularMasker(frame)

    def scored(rows: Any) -> Any:
        return rows["a"].to_numpy() + rows["n"].to_numpy()

    found = stability(bx.Occlusion(), scored, frame, masker, neighbour=move)
    assert found.neighbours is not None
    with pytest.raises(InputError, match="columns of floats"):
        nearby(library.DataFrame({"n": [1, 2]}))
    with pytest.raises(InputError, match="reference must hold floats"):
        nearby(np.array([[1, 2]]))


def test_agreement_beside_chance_and_ceiling() -> None:
    def methods(seed: int) -> dict[str, Any]:
        explainers = {
            "exact": bx.ExactShapley(),
            "occlusion": bx.Occlusion(),
            "rise": bx.Rise(n_samples=50, random_state=seed),
        }
        return {name: e.explain_many(model, X, MASKER) for name, e in explainers.items()}

    found = agreement(methods(0), reseeded=methods(1), k=2)
    assert found.estimate("exact", "exact", "rank correlation").mean == pytest.approx(1)
    assert found.ceiling is not None
    np.testing.assert_allclose(found.ceiling[:, 0], 1)
    assert found.ceiling[4, 2] < 1
    np.testing.assert_allclose(found.chance, [0.4, 0.2, 0.2, 0.1, 0, 0.5], atol=0.06)
    assert found.estimate("exact", "occlusion", "feature").low > 0.4
    np.testing.assert_array_equal(found.values, found.values.transpose(0, 2, 1, 3))
    assert len(found.to_frame()) == 18
    assert json.dumps(found.to_dict(), allow_nan=False)
    assert found.plot() is not None
    assert repr(found).startswith("Agreement on 20 inputs, top 2")
    for bad, message in [
        ({"reseeded": {"exact": methods(0)["exact"]}}, "reseeded must have the methods"),
        ({"k": 0}, "k must be at least 1"),
        ({"explanations": []}, "explanations must be a mapping"),
        ({"explanations": methods(0) | {"few": methods(0)["exact"][:3]}}, "one for each of 20"),
    ]:
        with pytest.raises(InputError, match=message):
            agreement(**({"explanations": methods(0)} | bad))
    with pytest.raises(InputError, match="other must be one of"):
        found.estimate("exact", "lime", "feature")
    with pytest.raises(InputError, match="measure must be one of"):
        found.estimate("exact", "rise", "speed")


def test_agreement_by_hand() -> None:
    rng = np.random.default_rng(1)
    a, b = np.array([4.0, -3.0, 2.0, 0.0]), np.array([-3.0, -4.0, 0.5, 1.0])
    np.testing.assert_allclose(similarity(a, b, 2), [1, 0, 0.5, 0, 0.2, 0.5], atol=1e-12)
    from scipy.stats import spearmanr

    x, y = rng.integers(0, 5, (2, 30)).astype(float)
    assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)
    assert np.isnan(spearman(np.ones(3), np.arange(3.0)))
    assert np.isnan(similarity(np.ones(1), np.ones(1), 5)[4:]).all()


@pytest.mark.parametrize("test", [check, sanity, stability])
def test_progress_is_told_and_workers_change_nothing(test: Any) -> None:
    told: list[tuple[int, int]] = []
    one = test(
        bx.Rise(n_samples=40),
        model,
        X,
        MASKER,
        n_inputs=9,
        progress=lambda done, total: told.append((done, total)),
    )
    total = told[-1][1]
    assert told == [(i + 1, total) for i in range(total)]
    two = test(bx.Rise(n_samples=40), model, X, MASKER, n_inputs=9, n_jobs=2)
    assert one.rows() == two.rows()
