"""The value function and the loop that pays: right scores, exact counts, failures kept apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blackbox_xai as bx
from blackbox_xai.adapters import as_model
from blackbox_xai.errors import BudgetError, InputError, Interrupted, PredictError
from blackbox_xai.values import Query, Steps, ValueFunction, Watch, drive, drive_all
from toys import Game, Linear, Spy


def squares(inputs: Any) -> Any:
    """Two outputs that are not linear in the inputs."""
    return np.stack([(inputs**2).sum(1), inputs.prod(1)], axis=1)


def brute(game: Game, kept: Any) -> Any:
    """Mean scores of one coalition, row by row."""
    rows = np.where(kept, game.x, game.fills)
    return (squares(rows) * game.fill_weights[:, None]).sum(0)


def game_of(d: int, r: int, seed: int = 0) -> Game:
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(r))
    return Game(rng.normal(size=d), rng.normal(size=(r, d)), weights)


@given(
    d=st.integers(1, 6),
    r=st.integers(1, 7),
    m=st.integers(1, 20),
    chunk=st.integers(1, 3000),
    batch_size=st.integers(1, 50),
    seed=st.integers(0, 999),
)
def test_scores_and_bits_do_not_depend_on_chunks_or_batches(
    d: int, r: int, m: int, chunk: int, batch_size: int, seed: int
) -> None:
    game = game_of(d, r, seed)
    kept = np.random.default_rng(seed).random((m, d)) < 0.5
    expected = np.stack([brute(game, row) for row in kept])
    reference = ValueFunction(as_model(squares), game)(kept)
    np.testing.assert_allclose(reference, expected, atol=1e-12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blackbox_xai.values.paying._CHUNK_BYTES", chunk)
        again = ValueFunction(as_model(squares, batch_size=batch_size), game)(kept)
    assert (again == reference).all()


def test_equal_coalitions_are_paid_once_and_the_full_one_costs_a_row() -> None:
    spy = Spy(squares)
    v = ValueFunction(as_model(spy), game_of(3, 5))
    kept = np.array([[1, 1, 1], [1, 0, 0], [1, 0, 0], [1, 1, 1]], dtype=bool)
    first = v(kept)
    assert spy.rows == 1 + 5 == v.cost.rows
    assert spy.calls == 1 == v.cost.calls
    assert (v(kept) == first).all()
    assert spy.rows == 6
    assert v.cost.cache_hits == 2 * 5 + 4 * 5


def test_the_full_coalition_may_stand_anywhere_in_a_query() -> None:
    game = game_of(3, 5)
    kept = np.array([[1, 0, 0], [1, 1, 1], [0, 0, 0], [0, 1, 1]], dtype=bool)
    spy = Spy(squares)
    found = ValueFunction(as_model(spy), game)(kept)
    np.testing.assert_allclose(found, [brute(game, row) for row in kept], atol=1e-12)
    assert spy.rows == 1 + 3 * 5


def test_a_query_over_budget_is_not_sent() -> None:
    spy = Spy(squares)
    v = ValueFunction(as_model(spy), game_of(3, 5), budget=11)
    v(np.array([[1, 1, 1], [1, 0, 0]], dtype=bool))
    with pytest.raises(BudgetError, match=r"needs 10 model rows, but 5 of the budget of 11"):
        v(np.array([[0, 1, 0], [0, 0, 1]], dtype=bool))
    assert spy.rows == 6
    v(np.array([[0, 1, 0]], dtype=bool))
    assert v.budget_left == 0


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (np.ones((1, 4), bool), r"kept must have shape \(m, 3\).*got \(1, 4\)"),
        (np.ones(3, bool), r"kept must have shape \(m, 3\).*got \(3,\)"),
        (np.full((1, 3), 0.5), "kept must be bool"),
    ],
)
def test_coalitions_that_do_not_fit_are_refused(kept: Any, words: str) -> None:
    spy = Spy(squares)
    with pytest.raises(InputError, match=words):
        ValueFunction(as_model(spy), game_of(3, 2))(kept)
    assert spy.calls == 0


def test_the_link_is_applied_to_rows_before_the_mean() -> None:
    game = game_of(2, 4)
    v = ValueFunction(as_model(Linear([1.0, 2.0])), game, link=np.exp)
    none = np.zeros((1, 2), bool)
    expected = (np.exp(game.fills @ [1.0, 2.0]) * game.fill_weights).sum()
    np.testing.assert_allclose(v(none)[0, 0], expected, rtol=1e-12)


def test_rows_under_named_fills() -> None:
    game = game_of(3, 4)
    kept = np.array([[1, 0, 0], [0, 0, 1]], dtype=bool)

    def steps() -> Steps[Any]:
        scores = yield Query(kept, np.array([2, 0]))
        return scores

    scores = drive([(ValueFunction(as_model(squares), game), steps())])[0]
    rows = np.where(kept, game.x, game.fills[[2, 0]])
    np.testing.assert_array_equal(scores, squares(rows))


def asking(kept: Any, times: int = 1) -> Steps[Any]:
    """An explainer that asks ``times`` times and returns the last scores."""
    for _ in range(times):
        scores = yield Query(kept)
    return scores


def test_several_inputs_share_batches() -> None:
    spy = Spy(squares)
    model = as_model(spy, batch_size=1000)
    games = [game_of(3, 5, seed) for seed in range(4)]
    kept = np.array([[1, 0, 0], [0, 1, 0]], dtype=bool)
    runs = [(ValueFunction(model, game), asking(kept)) for game in games]
    for game, scores in zip(games, drive(runs), strict=True):
        np.testing.assert_allclose(scores, [brute(game, row) for row in kept], atol=1e-12)
    assert spy.calls == 1
    costs = [v.cost for v, _ in runs]
    assert [cost.rows for cost in costs] == [10] * 4
    assert sum(cost.calls for cost in costs) == 1


class FailsOn:
    """Raises when a row holds the poisoned value."""

    def __call__(self, inputs: Any) -> Any:
        bad = np.flatnonzero((inputs == 666.0).any(1))
        if len(bad):
            raise PredictError(f"row {bad[0]} is poisoned", bad)
        return squares(inputs)


def test_a_poisoned_input_fails_alone() -> None:
    model = as_model(FailsOn(), batch_size=10_000)
    games = [game_of(3, 5, seed) for seed in range(3)]
    games[1] = Game([666.0, 0.0, 0.0], games[1].fills)
    kept = np.array([[1, 0, 0], [0, 1, 0]], dtype=bool)
    outcomes = drive_all([(ValueFunction(model, game), asking(kept)) for game in games])
    assert isinstance(outcomes[1], PredictError)
    for i in (0, 2):
        expected = [brute(games[i], row) for row in kept]
        np.testing.assert_allclose(outcomes[i], expected, atol=1e-12)
    with pytest.raises(PredictError, match="poisoned"):
        drive([(ValueFunction(model, games[1]), asking(kept))])


def test_a_budget_that_is_too_small_for_one_input_leaves_the_others_alone() -> None:
    model = as_model(squares)
    kept = np.array([[1, 0, 0], [0, 1, 0]], dtype=bool)
    runs = [(ValueFunction(model, game_of(3, 5), budget=b), asking(kept)) for b in (10, 9)]
    outcomes = drive_all(runs)
    assert isinstance(outcomes[0], np.ndarray)
    assert isinstance(outcomes[1], BudgetError)


def test_ctrl_c_hands_out_what_was_finished() -> None:
    asked = []

    def impatient(inputs: Any) -> Any:
        asked.append(len(inputs))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return squares(inputs)

    model = as_model(impatient)
    first, second = game_of(3, 2, 0), game_of(3, 2, 1)
    other = np.array([[0, 1, 1]], dtype=bool)

    def twice() -> Steps[Any]:
        yield Query(np.array([[1, 0, 0]], dtype=bool))
        scores = yield Query(other)
        return scores

    runs: Any = [
        (ValueFunction(model, first), asking(other)),
        (ValueFunction(model, second), twice()),
    ]
    with pytest.raises(Interrupted) as caught:
        drive(runs)
    np.testing.assert_allclose(caught.value.partial[0], [brute(first, other[0])], atol=1e-12)
    assert caught.value.partial[1] is None


def test_no_coalitions_ask_nothing() -> None:
    spy = Spy(squares)
    v = ValueFunction(as_model(spy), game_of(3, 2))
    assert v(np.zeros((0, 3), bool)).shape[0] == 0
    assert spy.calls == 0


class EvensAreUnlike:
    """A detector that finds every row unlike the data whose first cell is the input's."""

    def __init__(self, x: Any) -> None:
        self.x = x
        self.seen = 0

    def p_values(self, inputs: Any) -> Any:
        self.seen += len(inputs)
        return np.where(inputs[:, 0] == self.x[0], 0.01, 0.9)


def test_a_watch_judges_what_was_sent_and_costs_nothing() -> None:
    spy = Spy(squares)
    game = game_of(2, 50)
    detector = EvensAreUnlike(game.x)
    watch = Watch(detector)
    v = ValueFunction(as_model(spy), game, watch=watch)
    v(np.array([[1, 0], [0, 1]], dtype=bool))
    assert spy.rows == 100
    found = watch.result()
    assert found["n_inputs"] == detector.seen == 64
    assert found["share"] == pytest.approx(0.5)
    assert found["std_err"] == pytest.approx(0.5 / 8)
    for _ in range(20):
        Watch.see(watch, game.fills, 0, 50)
    assert watch.result()["n_inputs"] == detector.seen == 1000


@pytest.mark.parametrize("after_mean", [False, True])
@pytest.mark.parametrize(
    ("link", "words"),
    [
        (np.linalg.inv, r"link failed on scores of shape \(\d+, 1\).*must return one like it"),
        (lambda scores: scores.sum(axis=1), r"of shape \(1, 1\), got \(1,\)"),
        ("logit", "finite number for every score.*probabilities, 0 to 1"),
        (lambda scores: np.where(scores > 13, scores, np.inf), "link gave inf for a score of"),
    ],
)
def test_a_link_that_does_not_answer_like_its_scores_is_refused(
    link: Any, words: str, after_mean: bool
) -> None:
    masker = bx.TabularMasker(np.arange(8.0).reshape(4, 2))
    explainer = bx.Shapley(link=link, link_after_mean=after_mean)
    with pytest.raises(InputError, match=words):
        explainer.explain(lambda rows: rows.sum(axis=1), [5.0, 9.0], masker)


def test_a_link_need_not_suit_outputs_that_nobody_asked_for() -> None:
    masker, x = bx.TabularMasker(np.arange(8.0).reshape(4, 2)), [5.0, 9.0]

    def two(rows: Any) -> Any:
        return np.stack([rows[:, 0] / 20, rows[:, 1]], axis=1)

    why = bx.Shapley(link="logit").explain(two, x, masker, outputs=0)
    assert np.isfinite(why.values).all()
    with pytest.raises(InputError, match="link must give a finite number"):
        bx.Shapley(link="logit").explain(two, x, masker)


def test_an_input_whose_scores_have_no_link_leaves_the_others_alone() -> None:
    masker = bx.TabularMasker(np.array([[0.2, 0.5], [0.4, 0.9]]))
    xs = [[0.1, 1.0], [3.0, 0.1], [0.9, 0.3], [3.0, 3.0]]  # 3.0 * 0.5 is no probability
    with pytest.warns(RuntimeWarning, match="2 of 4 inputs"):
        found = bx.Shapley(link="logit").explain_many(
            lambda rows: rows[:, 0] * rows[:, 1], xs, masker, on_error="return"
        )
    assert [why is None for why in found] == [False, True, False, True]
