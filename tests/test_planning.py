"""Plans: the cost of a run, before it is paid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from servers.faulty import Faulty, Plan

import blackbox_xai as bx
from blackbox_xai.adapters.http import Budget, HttpModel, Limits
from blackbox_xai.errors import InputError
from toys import Spy

X = np.random.default_rng(0).normal(size=(12, 5))
MASKER = bx.TabularMasker(X[4:])


def wavy(inputs: Any) -> Any:
    return np.sin(inputs).prod(1)


@pytest.mark.parametrize(
    "explainer",
    [
        bx.ExactShapley(),
        bx.KernelShap(budget=100),
        bx.PermutationShapley(budget=100),
        bx.Occlusion(),
        bx.Rise(n_samples=60),
        bx.Shapley(budget=300),
    ],
    ids=lambda explainer: type(explainer).__name__,
)
def test_a_plan_is_what_is_then_asked(explainer: Any) -> None:
    spy = Spy(wavy)
    model = bx.as_model(spy, batch_size=64)
    plan = explainer.plan(model, X[:4], MASKER)
    assert spy.rows == 0
    explainer.explain_many(model, X[:4], MASKER)
    assert (plan.rows, plan.requests) == (spy.rows, spy.calls)
    assert plan.seconds is None
    assert "Nothing was sent" in str(plan)


def test_early_stops_only_make_it_cheaper() -> None:
    spy = Spy(lambda inputs: inputs.sum(1))
    explainer = bx.Shapley(budget=2000, tol=0.5)
    plan = explainer.plan(spy, X[:2], MASKER)
    explainer.explain_many(spy, X[:2], MASKER)
    assert 0 < spy.rows <= plan.rows <= 4000


def test_requests_time_and_money_of_a_server() -> None:
    with Faulty(Plan()) as server:
        model = HttpModel(
            server.url,
            batch_size=10,
            limits=Limits(max_parallel=4),
            budget=Budget(per_row=0.01, per_request=0.5),
        )
        plan = bx.ExactShapley().plan(model, X[:4], MASKER, latency=2.0)
        assert server.requests == 0
    assert plan.cost == pytest.approx(0.01 * plan.rows + 0.5 * plan.requests)
    assert plan.seconds == 2.0 * -(-plan.requests // 4)
    with pytest.raises(InputError, match="latency"):
        bx.ExactShapley().plan(model, X[:4], MASKER, latency=0)
