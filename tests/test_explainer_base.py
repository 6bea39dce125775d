"""What all explainers share: outputs, seeds, windows, failures, Ctrl-C, progress."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import blackbox_xai as bx
from blackbox_xai.adapters import CallableModel
from blackbox_xai.errors import InputError, Interrupted, PredictError
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.explainers.outcomes import unfinished
from blackbox_xai.results import Attribution, Explanation
from blackbox_xai.values import Query, Steps, ValueFunction
from toys import Deadly, Linear, Spy

X = np.random.default_rng(0).normal(size=(20, 4))
BACKGROUND = np.random.default_rng(1).normal(size=(30, 4))
WEIGHTS = np.random.default_rng(2).normal(size=(4, 3))


@dataclass(frozen=True, kw_only=True)
class Shuffled(LocalExplainer):
    """Attributes random halves; every bit depends on the generator."""

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        kept = rng.random((5, v.n_features)) < 0.5
        scores = yield Query(kept)
        return Attribution(values=kept.T.astype(float) @ scores, base=scores[0])


def bits(explanations: Any) -> list[bytes]:
    return [e.values.tobytes() for e in explanations]


@pytest.fixture(scope="module")
def masker() -> Any:
    return bx.TabularMasker(BACKGROUND)


def test_the_same_bits_for_every_n_jobs_backend_and_batch_size(masker: Any) -> None:
    explainer = Shuffled(random_state=3)
    reference = bits(explainer.explain_many(Linear(WEIGHTS), X, masker))
    again = bits(explainer.explain_many(Linear(WEIGHTS), X, masker))
    assert again == reference
    for n_jobs in (2, 4):
        many = explainer.explain_many(Linear(WEIGHTS), X, masker, n_jobs=n_jobs)
        assert bits(many) == reference
    for batch_size in (1, 7):
        model = bx.as_model(Linear(WEIGHTS), batch_size=batch_size)
        assert bits(explainer.explain_many(model, X, masker)) == reference
    other = bits(Shuffled(random_state=4).explain_many(Linear(WEIGHTS), X, masker))
    assert other != reference


def test_worker_processes_give_the_same_bits(masker: Any) -> None:
    model = bx.as_model(Linear(WEIGHTS))
    reference = bits(bx.KernelShap(budget=400).explain_many(model, X, masker))
    model.parallel = "processes"
    many = bx.KernelShap(budget=400).explain_many(model, X, masker, n_jobs=2)
    assert bits(many) == reference


def test_what_a_killed_worker_had_under_way_is_done_again(masker: Any, tmp_path: Any) -> None:
    reference = bits(bx.KernelShap(budget=400).explain_many(Linear(WEIGHTS), X, masker))
    once = Deadly(WEIGHTS, poison=X[11, 0], once=tmp_path / "died")
    model = CallableModel(once, parallel="processes")
    assert bits(bx.KernelShap(budget=400).explain_many(model, X, masker, n_jobs=2)) == reference
    assert (tmp_path / "died").exists()


@pytest.mark.slow
def test_an_input_that_kills_every_worker_is_named_and_the_others_are_explained(
    masker: Any,
) -> None:
    model = CallableModel(Deadly(WEIGHTS, poison=X[11, 0]), parallel="processes")
    reference = bx.KernelShap(budget=400).explain_many(Linear(WEIGHTS), X, masker)
    with pytest.raises(
        PredictError, match=r"Input 11: The model ended the worker.*batch_size"
    ) as e:
        bx.KernelShap(budget=400).explain_many(model, X, masker, n_jobs=2)
    assert [i for i, done in enumerate(e.value.partial) if done is None] == [11]
    for done, right in zip(e.value.partial, reference, strict=True):
        if done is not None:
            np.testing.assert_allclose(done.values, right.values, rtol=0, atol=1e-12)


def test_a_model_that_cannot_be_sent_to_processes_is_refused(masker: Any) -> None:
    lock = __import__("threading").Lock()

    def locked(inputs: Any) -> Any:
        with lock:
            return inputs.sum(1)

    model = bx.as_model(locked)
    model.parallel = "processes"
    with pytest.raises(InputError, match=r"cannot be sent to worker processes.*n_jobs=1"):
        Shuffled().explain_many(model, X, masker, n_jobs=2)


def test_ledgers_add_up_to_what_a_spy_counted(masker: Any) -> None:
    spy = Spy(Linear(WEIGHTS))
    many = Shuffled().explain_many(bx.as_model(spy, batch_size=64), X, masker)
    assert many.cost.rows == spy.rows
    assert many.cost.calls == spy.calls
    assert spy.calls <= spy.rows / 64 + 2 * 2  # two windows of inputs, each two steps


@pytest.mark.parametrize(("n", "ends"), [(1, [1]), (10, [10]), (11, [5, 11]), (24, [8, 16, 24])])
def test_windows_of_inputs_are_even(masker: Any, n: int, ends: list[int]) -> None:
    seen = []
    xs = np.resize(X, (n, X.shape[1]))
    Shuffled().explain_many(
        Linear(WEIGHTS), xs, masker, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(end, n) for end in ends]


def test_outputs_are_chosen_by_name_place_or_score(masker: Any) -> None:
    model = bx.as_model(Linear(WEIGHTS), output_names=["a", "b", "c"])
    why = bx.ExactShapley().explain(model, X[0], masker)
    assert why.output_names == ("a", "b", "c")
    for wanted in ("c", 2, -1, ["c"], np.int64(2)):
        one = bx.ExactShapley().explain(model, X[0], masker, outputs=wanted)
        assert one.output_names == ("c",)
        np.testing.assert_allclose(one.values[:, 0], why.values[:, 2], atol=1e-12)
    many = bx.as_model(Linear(np.random.default_rng(0).normal(size=(4, 30))))
    top = bx.ExactShapley().explain(many, X[0], masker)
    assert len(top.output_names) == 5
    assert (np.diff(top.scores) <= 0).all()
    for wanted in ("d", 3, ["a", "a"], [], 1.5):
        with pytest.raises(InputError, match="outputs"):
            bx.ExactShapley().explain(model, X[0], masker, outputs=wanted)


class FailsOnNine:
    """Raises for rows that hold the value 9."""

    def __call__(self, inputs: Any) -> Any:
        bad = np.flatnonzero((inputs == 9.0).any(1))
        if len(bad):
            raise PredictError("nine is not scored", bad)
        return inputs.sum(1)


def test_what_was_finished_before_a_failure_is_kept(masker: Any) -> None:
    xs = X.copy()
    xs[17] = 9.0
    with pytest.raises(PredictError, match="nine is not scored") as caught:
        bx.ExactShapley().explain_many(FailsOnNine(), xs, masker)
    assert caught.value.input == 17
    assert str(caught.value).startswith("Input 17: nine is not scored. Rows are masked inputs")
    partial = caught.value.partial
    assert [i for i, e in enumerate(partial) if e is None] == [17]
    with pytest.warns(RuntimeWarning, match="19 of 20 inputs were explained"):
        kept = bx.ExactShapley().explain_many(FailsOnNine(), xs, masker, on_error="return")
    assert kept[17] is None
    for i in (0, 16, 18):
        np.testing.assert_allclose(kept[i].values[:, 0], xs[i] - BACKGROUND.mean(0), atol=1e-12)


def test_an_input_that_does_not_fit_fails_alone(masker: Any) -> None:
    xs = [X[0], X[1][:2], X[2]]
    with pytest.raises(InputError, match="must have 4 values") as caught:
        bx.ExactShapley().explain_many(Linear(WEIGHTS), xs, masker)
    assert str(caught.value).startswith("Input 1: x must have 4 values")
    assert [e is None for e in caught.value.partial] == [False, True, False]
    with pytest.warns(RuntimeWarning, match="2 of 3"):
        many = bx.ExactShapley().explain_many(Linear(WEIGHTS), xs, masker, on_error="return")
    assert [e is None for e in many] == [False, True, False]


def test_a_model_out_of_order_is_not_asked_for_every_input(masker: Any) -> None:
    spy = Spy(lambda X: X[:, :0])
    with pytest.warns(RuntimeWarning, match="0 of 20"):
        many = bx.ExactShapley().explain_many(spy, X, masker, on_error="return")
    assert many == [None] * 20
    assert spy.rows <= 16


@pytest.mark.parametrize("parallel", ["threads", "processes"])
def test_stopping_early_is_quiet(masker: Any, parallel: Any) -> None:
    xs = np.repeat(X, 3, axis=0)
    xs[2] = 9.0
    model = bx.as_model(FailsOnNine())
    model.parallel = parallel
    with pytest.raises(PredictError):
        bx.ExactShapley().explain_many(model, xs, masker, n_jobs=2)


def test_ctrl_c_keeps_finished_windows(masker: Any) -> None:
    seen = []

    def impatient(inputs: Any) -> Any:
        seen.append(len(inputs))
        if len(seen) == 4:
            raise KeyboardInterrupt
        return inputs.sum(1)

    with pytest.raises(Interrupted, match=r"10 of 20.*Stopped by: Interrupted\.$") as caught:
        Shuffled().explain_many(impatient, X, masker)
    done = [i for i, e in enumerate(caught.value.partial) if e is not None]
    assert done == list(range(10))
    seen.clear()
    with pytest.warns(RuntimeWarning, match="10 of 20"):
        many = Shuffled().explain_many(impatient, X, masker, on_error="return")
    assert sum(isinstance(e, Explanation) for e in many) == 10


def test_ctrl_c_is_called_the_same_wherever_it_is_caught() -> None:
    where = unfinished([None, 1], KeyboardInterrupt()), unfinished([None, 1], Interrupted())
    assert set(where) == {
        "1 of 2 inputs were explained; the rest are None. Stopped by: Interrupted."
    }


def test_progress_counts_inputs_and_changes_nothing(masker: Any) -> None:
    seen: list[tuple[int, int]] = []
    quiet = bits(Shuffled().explain_many(Linear(WEIGHTS), X, masker))
    loud = Shuffled().explain_many(
        Linear(WEIGHTS), X, masker, progress=lambda done, total: seen.append((done, total))
    )
    assert bits(loud) == quiet
    assert seen == [(10, 20), (20, 20)]
    assert bits(Shuffled().explain_many(Linear(WEIGHTS), X, masker, progress=True)) == quiet


@pytest.mark.parametrize("bad", [-1, 1.5, "0", True, None])
def test_a_bad_seed_is_refused(masker: Any, bad: Any) -> None:
    with pytest.raises(InputError, match="random_state"):
        Shuffled(random_state=bad).explain(Linear(WEIGHTS), X[0], masker)


@pytest.mark.parametrize(("name", "bad"), [("n_jobs", 0), ("on_error", "ignore")])
def test_bad_arguments_are_named(masker: Any, name: str, bad: Any) -> None:
    with pytest.raises(InputError, match=name):
        Shuffled().explain_many(Linear(WEIGHTS), X, masker, **{name: bad})


def test_a_misspelt_setting_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        Shuffled(random_sate=1)


def test_each_input_has_a_generator_of_its_own(masker: Any) -> None:
    same = np.repeat(X[:1], 12, axis=0)
    many = Shuffled().explain_many(Linear(WEIGHTS), same, masker)
    assert len(set(bits(many))) == len(same)
    alone = Shuffled().explain(Linear(WEIGHTS), X[0], masker)
    assert bits([alone]) == bits(many[:1])


def test_an_error_of_all_inputs_names_none(masker: Any) -> None:
    with pytest.raises(PredictError, match=r"^The model returned scores of shape") as caught:
        bx.ExactShapley().explain_many(lambda rows: rows[:, :0], X[:3], masker)
    assert caught.value.input is None
    with pytest.raises(InputError, match=r"^x must have 4 values"):
        bx.ExactShapley().explain_many(Linear(WEIGHTS), [X[0, :2]], masker)


def test_the_input_at_fault_survives_a_trip_between_processes() -> None:
    error = PredictError("nine is not scored", [3])
    error.input = 17
    back = pickle.loads(pickle.dumps(error))
    assert (str(back), back.input, back.rows) == (str(error), 17, (3,))


@pytest.mark.parametrize("thing", [None, X, bx.TabularMasker, "TabularMasker"])
def test_what_is_no_masker_is_refused_before_anything_is_sent(thing: Any) -> None:
    spy = Spy(Linear(WEIGHTS))
    for call in (bx.Lime().explain, bx.Lime().explain_many, bx.Lime().plan):
        with pytest.raises(InputError, match=r"masker must be a masker, such as TabularMasker"):
            call(spy, X[:1], thing)
    assert spy.rows == 0


def test_progress_is_a_switch_or_a_function(masker: Any) -> None:
    with pytest.raises(InputError, match="progress must be True, False or a function, got 'bar'"):
        bx.Lime().explain_many(Linear(WEIGHTS), X[:2], masker, progress="bar")


def test_the_short_way_takes_a_column_of_texts_and_a_list_of_numbers() -> None:
    texts = pd.Series(["good film", "bad film"], index=[7, 9])
    many = bx.explain(lambda batch: [float("good" in text) for text in batch], texts)
    assert [why.feature_names for why in many] == [("good", "film"), ("bad", "film")]
    np.testing.assert_allclose(many[0].values[:, 0], [1.0, 0.0], atol=1e-12)
    (why,) = bx.explain(Linear(WEIGHTS), [1.0, 2.0, 3.0, 4], background=BACKGROUND)
    moved = np.array([1.0, 2.0, 3.0, 4.0]) - BACKGROUND.mean(0)
    np.testing.assert_allclose(why.values, WEIGHTS * moved[:, None], atol=1e-12)
    row = pd.Series({"colour": "red", "size": "big"})
    frame = pd.DataFrame({"colour": ["red", "blue"], "size": ["big", "small"]})
    (why,) = bx.explain(
        lambda rows: (rows["colour"] == "red").to_numpy(float), row, background=frame
    )
    np.testing.assert_allclose(why.values[:, 0], [0.5, 0.0], atol=1e-12)


def test_a_sparse_batch_says_how_to_make_it_dense() -> None:
    with pytest.raises(InputError, match=r"inputs must be dense.*Pass inputs\.toarray\(\)"):
        bx.explain(Linear(WEIGHTS), sparse.csr_matrix(X), background=BACKGROUND)


@pytest.mark.parametrize("detector", [3, bx.OODDetector, bx.OODDetector()])
def test_what_detects_nothing_is_refused_before_anything_is_sent(detector):
    rows = []

    def model(inputs):
        rows.append(len(inputs))
        return inputs[:, 0]

    masker = bx.TabularMasker(np.zeros((2, 2)))
    with pytest.raises(InputError, match="detector must be a fitted detector"):
        bx.Occlusion().explain(model, [1.0, 2.0], masker, detector=detector)
    with pytest.raises(InputError, match="detector must be a fitted detector"):
        bx.Occlusion().explain_many(model, [[1.0, 2.0]], masker, detector=detector)
    assert rows == []


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_what_failed_inputs_cost_is_in_the_bill(n_jobs):
    rows = []
    background = np.abs(np.random.default_rng(0).normal(size=(50, 2)))

    def model(inputs):
        rows.append(len(inputs))
        if ((inputs[:, 0] == 7) & (inputs[:, 1] == background[:, 1].max())).any():
            raise RuntimeError("no service for sevens")
        return inputs.sum(axis=1)

    xs, masker = np.stack([np.arange(15.0), np.ones(15)], axis=1), bx.TabularMasker(background)
    with pytest.warns(RuntimeWarning, match="14 of 15"):
        many = bx.KernelShap().explain_many(model, xs, masker, on_error="return", n_jobs=n_jobs)
    assert many[7] is None
    assert many.cost.rows == sum(rows)
    assert many.lost.rows == sum(rows) - sum(why.cost.rows for why in many if why is not None)
    rows.clear()
    with pytest.raises(PredictError, match="no service for sevens") as error:
        bx.KernelShap().explain(model, xs[7], masker)
    assert error.value.cost.rows == sum(rows)
