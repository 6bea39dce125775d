"""Owen values: Shapley values that respect a hierarchy of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._checks import check_choice, check_int, shown
from blackbox_xai.errors import InputError
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.explainers.shapley.links import any_link
from blackbox_xai.explainers.shapley.plan import chain_plan, default_rows, describe_plan
from blackbox_xai.explainers.shapley.rounds import run_round
from blackbox_xai.protocols import BoolArray, IntArray
from blackbox_xai.results import Attribution
from blackbox_xai.values import Link, Query, Steps, ValueFunction

__all__ = ["OwenShapley"]


@dataclass(frozen=True, kw_only=True)
class OwenShapley(LocalExplainer):
    """Owen values: features enter in orders that never break up a group.

    Every group, and every group within a group, joins as a block. The values of a group's
    features sum to the Shapley value of the group among its neighbours.

    Parameters
    ----------
    hierarchy : sequence
        Nested sequences of feature names or positions that hold every feature once, such as
        ``[["age", "sex"], ["income", ["rent", "loan"]]]``.
    budget : int, optional
        Model rows for one input. None: as for ``Shapley``.
    link : {"identity", "logit"} or callable
        Applied to the scores of every row, before the mean over the background.
    random_state : int
        Seed.

    Notes
    -----
    Orders are drawn for each background row anew and walked forth and back. With two or more
    orders for each row, standard errors come from the spread of the orders of one row; with one,
    from the spread over the rows, which overstates.

    References
    ----------
    Owen (1977), Values of Games with a Priori Unions. Winter (1989), A Value for Cooperative
    Games with Levels Structure of Cooperation.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> model = lambda X: 4 * X[:, 0] * X[:, 1] * X[:, 2]
    >>> why = bx.OwenShapley(hierarchy=[[0, 1], 2], budget=2000).explain(
    ...     model, np.ones(3), bx.TabularMasker(np.zeros((1, 3))))
    >>> why.values[:, 0].round()
    array([1., 1., 2.])
    """

    hierarchy: Any = None
    budget: int | None = None
    link: Any = "identity"

    def _check(self) -> None:
        super()._check()
        if self.budget is not None:
            check_int("budget", self.budget, minimum=1)
        if not callable(self.link):
            check_choice("link", self.link, ("identity", "logit"))
        if self.hierarchy is None:
            raise InputError(
                'OwenShapley needs hierarchy=, such as [["age", "sex"], "income"]: which features '
                "join as a block. Without groups, use Shapley."
            )
        if isinstance(self.hierarchy, str) or not isinstance(self.hierarchy, Sequence):
            raise InputError(
                "hierarchy must be nested sequences of feature names or positions, got "
                f"{shown(self.hierarchy)}."
            )

    def _max_rows(self) -> int | None:
        return self.budget

    def _link(self) -> Link | None:
        return any_link(self.link)

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        levels = tree_levels(self.hierarchy, v.masked.feature_names)
        full = (yield Query(np.ones((1, v.n_features), dtype=bool)))[0]
        varies = np.asarray(v.masked.varies)
        rows = (self.budget or default_rows(varies)) - 1
        plan = chain_plan(varies, v.masked.fill_weights, rows, rng)
        hidden = np.full((v.n_fills, len(full)), np.nan)

        def orders(varies: BoolArray, rng: np.random.Generator) -> IntArray:
            return tree_orders(levels, varies, rng)

        found = yield from run_round(
            v, plan, full, hidden, seed=self.random_state, rng=rng, orders=orders
        )
        note = describe_plan(plan, varies)
        note["orders_per_fill"] = plan.repeats
        known = not np.isnan(found.variance).any()
        return Attribution(
            found.values, found.base, np.sqrt(found.variance) if known else None, note
        )


def tree_levels(hierarchy: Any, names: Sequence[str]) -> IntArray:
    """Return the group of each feature at each level, shape ``(levels, d)``, coarse first.

    Raises
    ------
    InputError
        When the hierarchy does not hold every feature exactly once.
    """
    paths: dict[int, list[int]] = {}
    _walk(hierarchy, (), paths, list(names))
    missing = [name for j, name in enumerate(names) if j not in paths]
    if missing:
        raise InputError(f"hierarchy must hold every feature once; missing: {shown(missing, 200)}.")
    depth = max(len(path) for path in paths.values())
    ids: dict[tuple[int, ...], int] = {}
    levels = np.zeros((depth, len(names)), dtype=np.intp)
    for j, path in paths.items():
        for level in range(depth):
            levels[level, j] = ids.setdefault(tuple(path[: level + 1]), len(ids))
    return levels


def _walk(node: Any, path: tuple[int, ...], paths: dict[int, list[int]], names: list[str]) -> None:
    for position, child in enumerate(node):
        here = (*path, position)
        if isinstance(child, str | int | np.integer) and not isinstance(child, bool):
            feature = _feature(child, names)
            if feature in paths:
                raise InputError(
                    f"hierarchy must hold every feature once; {names[feature]!r} stands twice."
                )
            paths[feature] = list(here)
        elif isinstance(child, Sequence):
            _walk(child, here, paths, names)
        else:
            raise InputError(f"hierarchy must hold feature names or positions, got {shown(child)}.")


def _feature(child: str | int | np.integer[Any], names: list[str]) -> int:
    if isinstance(child, str):
        if child not in names:
            raise InputError(f"hierarchy names {child!r}; features are {shown(names, 200)}.")
        return names.index(child)
    if not 0 <= child < len(names):
        raise InputError(f"hierarchy holds {child}; features count from 0 to {len(names) - 1}.")
    return int(child)


def tree_orders(levels: IntArray, varies: BoolArray, rng: np.random.Generator) -> IntArray:
    """Return the place of each varying feature in random orders that keep groups together."""
    f, d = varies.shape
    keys = rng.random((f, int(levels.max()) + 1))
    order = np.lexsort([keys[:, level] for level in levels[::-1]], axis=-1)
    place = np.cumsum(np.take_along_axis(varies, order, axis=1), axis=1) - 1
    by_feature = np.empty((f, d), dtype=np.intp)
    np.put_along_axis(by_feature, order, place, axis=1)
    return by_feature[varies].reshape(f, -1)
