"""The Occlusion explainer: which parts are hidden, and what it may cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from blackbox_xai._checks import check_int, shown
from blackbox_xai._format import counted
from blackbox_xai.coalitions.boxes import sliding_boxes, split, tiles
from blackbox_xai.errors import BudgetError, InputError
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.explainers.occlusion.field import Field, drops_of, hidden_drops, over_fills
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray
from blackbox_xai.results import Attribution
from blackbox_xai.values import Query, Steps, ValueFunction

__all__ = ["Occlusion"]

_FIRST_TILES = 4
_SMALLEST_TILE = 8
# Parts with less than this share of the largest effect are not looked into.
_NOTABLE = 0.1

Groups = Mapping[str, Sequence[str | int]]


@dataclass(frozen=True, kw_only=True)
class Occlusion(LocalExplainer):
    """The drop of the score when a part of the input is hidden.

    Parameters
    ----------
    windows : int or sequence of int, optional
        On images, sides of square windows that slide over the pixels; elsewhere, numbers of
        neighbouring features that are hidden together (n-grams of a text). The drop of a pixel or
        feature is the mean over all windows that cover it. None: each feature by itself.
    stride : int, optional
        Distance between windows. None: half a window on images, 1 elsewhere.
    groups : mapping of str to sequence, optional
        Features, by name or position, that are hidden together, such as columns that belong
        together; features in no group are hidden by themselves. A feature's value is the mean
        over its groups, and the drop of each group is in ``diagnostics["groups"]``.
    adaptive : bool
        Cut the input into 4 parts along each side, then halve again and again those with the
        largest effect, until ``budget`` is spent, parts have the size of the smallest window (8
        pixels, or one feature), or those left have under a tenth of the largest effect. The value
        of a feature is the drop of its smallest part.
    budget : int, optional
        Model rows spent at most. Needed for ``adaptive``; otherwise a plan that needs more is
        refused before it starts.

    Notes
    -----
    A drop is the score of the input minus the score with the part hidden, as the mean over fills.
    With several fills ``std_err`` is the standard error over fills, which are taken as draws.
    ``base`` is the score with everything hidden; drops add up to ``scores - base`` for additive
    models only. Windows give a ``heatmap``, and ``values`` are its means over the segments.

    References
    ----------
    Zeiler and Fergus (2014), Visualizing and Understanding Convolutional Networks, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> def good(texts):
    ...     return np.array([2.0 * ("very good" in text) for text in texts])
    >>> why = Occlusion(windows=2).explain(good, "a very good day", bx.TextMasker())
    >>> dict(zip(why.feature_names, why.values[:, 0].tolist()))
    {'a': 2.0, 'very': 2.0, 'good': 2.0, 'day': 2.0}
    >>> Occlusion().explain(good, "a very good day", bx.TextMasker()).values[:, 0].tolist()
    [0.0, 2.0, 2.0, 0.0]
    """

    windows: int | Sequence[int] | None = None
    stride: int | None = None
    groups: Groups | None = None
    adaptive: bool = False
    budget: int | None = None

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        del rng  # nothing is drawn
        full = (yield Query(np.ones((1, v.n_features), dtype=bool)))[0]
        nothing = Query(np.zeros((1, v.n_features), dtype=bool))
        if self.groups is not None:
            names, hidden = _membership(self.groups, v.masked.feature_names)
            self._afford(v, len(hidden))
            base = (yield nothing)[0]
            return (yield from _grouped(v, names, hidden, full, base))
        field = Field.of(v, by_pixel=self.windows is not None or self.adaptive)
        boxes = tiles(*field.shape, _FIRST_TILES) if self.adaptive else self._boxes(field)
        self._afford(v, len(boxes))
        base = (yield nothing)[0]
        drops = yield from drops_of(v, field, boxes, full)
        if self.adaptive:
            boxes, drops = yield from self._refine(v, field, full, boxes, drops)
        return field.attribution(boxes, drops, base, leaves=self.adaptive)

    def _sizes(self) -> tuple[int, ...]:
        if self.windows is None:
            return ()
        return (self.windows,) if isinstance(self.windows, int) else tuple(self.windows)

    def _boxes(self, field: Field) -> IntArray:
        height, width = field.shape
        boxes = []
        for size in self._sizes() or (1,):
            stride = self.stride or (max(size // 2, 1) if field.view is not None else 1)
            boxes.append(sliding_boxes(height, width, size, stride))
        return np.concatenate(boxes)

    def _afford(self, v: ValueFunction, n_parts: int) -> None:
        """Refuse what ``n_parts`` parts, and everything hidden, would cost beyond the budget."""
        left, rows = v.budget_left, (n_parts + 1) * v.n_fills
        if left is not None and rows > left:
            way_out = (
                "or a coarser masker" if self.adaptive else "a coarser masker, or adaptive=True"
            )
            raise BudgetError(
                f"Occlusion needs {rows} more model rows, ({n_parts} parts + 1) times "
                f"{counted(v.n_fills, 'fill')}, but {left} of the budget of {v.budget} are left. "
                f"Raise budget, take larger windows or strides, {way_out}."
            )

    def _refine(
        self,
        v: ValueFunction,
        field: Field,
        full: FloatArray,
        boxes: IntArray,
        drops: FloatArray,
    ) -> Steps[tuple[IntArray, FloatArray]]:
        smallest = min(self._sizes(), default=_SMALLEST_TILE if field.view is not None else 1)
        top, r = int(np.argmax(full)), v.n_fills
        left = (v.budget_left or 0) // r
        while True:
            effect = np.abs(drops[:, :, top] @ v.masked.fill_weights)
            chosen, parts = _worth_splitting(boxes, effect, smallest, left)
            if not parts:
                return boxes, drops
            found = yield from drops_of(v, field, np.concatenate(parts), full)
            left -= len(found)
            stay = np.setdiff1d(np.arange(len(boxes)), chosen)
            boxes = np.concatenate([boxes[stay], *parts])
            drops = np.concatenate([drops[stay], found])

    def _max_rows(self) -> int | None:
        return self.budget

    def _check(self) -> None:
        super()._check()
        for size in self._sizes():
            check_int("windows", size, minimum=1)
        if self.windows is not None and not self._sizes():
            raise InputError("windows must hold at least one size, or be None.")
        if self.stride is not None:
            check_int("stride", self.stride, minimum=1)
        if self.budget is not None:
            check_int("budget", self.budget, minimum=2, hint="The input itself is one row.")
        elif self.adaptive:
            raise InputError("adaptive=True refines until budget is spent; give a budget.")
        if self.groups is not None and (self.windows is not None or self.adaptive):
            raise InputError("groups say what is hidden together; leave windows and adaptive out.")


def _grouped(
    v: ValueFunction,
    names: list[str],
    hidden: BoolArray,
    full: FloatArray,
    base: FloatArray,
) -> Steps[Attribution]:
    """Return the drops of groups, shared by their features."""
    drops = yield from hidden_drops(v, hidden, full)
    share = hidden / hidden.sum(axis=0)
    values, std_err = over_fills(np.einsum("md,mrk->rdk", share, drops), v.masked.fill_weights)
    mean = np.einsum("mrk,r->mk", drops, v.masked.fill_weights)
    by_group = dict(zip(names, mean.tolist(), strict=True))
    return Attribution(values, base, std_err, {"n_parts": len(hidden), "groups": by_group})


def _worth_splitting(
    boxes: IntArray, effect: FloatArray, smallest: int, affordable: int
) -> tuple[list[int], list[IntArray]]:
    """Return which boxes to split, at most a quarter, those of largest effect, and their parts."""
    chosen: list[int] = []
    parts: list[IntArray] = []
    for i in np.argsort(-effect, kind="stable"):
        if effect[i] <= _NOTABLE * effect.max():
            break
        halves = split(boxes[i], smallest)
        if len(halves) == 1:
            continue
        if len(halves) > affordable or len(chosen) >= max(len(boxes) // 4, 1):
            break
        chosen.append(int(i))
        parts.append(halves)
        affordable -= len(halves)
    return chosen, parts


def _membership(groups: Groups, names: tuple[str, ...]) -> tuple[list[str], BoolArray]:
    """Return the names of the groups and which features they hide, lone features included."""
    place = {name: j for j, name in enumerate(names)}
    labels, rows = [], []
    for group, members in groups.items():
        row = np.zeros(len(names), dtype=bool)
        for member in [members] if isinstance(members, str) else members:
            j = place.get(member, member) if isinstance(member, str) else member
            whole = isinstance(j, int | np.integer) and not isinstance(j, bool)
            if not whole or not 0 <= int(j) < len(names):
                raise InputError(
                    f"groups[{group!r}] has the unknown feature {shown(member)}; features are "
                    f"{shown(names, 120)}."
                )
            row[int(j)] = True
        if not row.any():
            raise InputError(f"groups[{group!r}] is empty; name at least one feature.")
        labels.append(str(group))
        rows.append(row)
    grouped = np.any(rows, axis=0) if rows else np.zeros(len(names), dtype=bool)
    for free in np.flatnonzero(~grouped):
        labels.append(names[int(free)])
        rows.append(np.arange(len(names)) == free)
    return labels, np.array(rows)
