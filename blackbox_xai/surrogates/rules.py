"""A tree as rules: to be read, or to be run elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._tables import Table
from blackbox_xai.errors import InputError
from blackbox_xai.protocols import IntArray
from blackbox_xai.surrogates.languages import PYTHON, SQL, Words, clean, plain
from blackbox_xai.surrogates.lines import Lines
from blackbox_xai.surrogates.nodes import Nodes

__all__ = ["Rules"]


@dataclass(frozen=True)
class _Split:
    """``column <= threshold``, or for a category ``column != category``."""

    column: int
    threshold: float
    category: int

    @property
    def is_category(self) -> bool:
        return self.category >= 0


@dataclass(frozen=True, eq=False)
class Rules:
    """What a tree asks and says, in the words of the table it was learnt on.

    Parameters
    ----------
    nodes : Nodes
    lines : Lines
    table : Table
    output_names : tuple of str
    order : ndarray of int
        Leaves in the order of their numbers.
    """

    nodes: Nodes
    lines: Lines
    table: Table
    output_names: tuple[str, ...]
    order: IntArray

    def __str__(self) -> str:
        """Return indented rules."""
        return "\n".join(self._text(0, 0))

    def _text(self, node: int, depth: int) -> Iterator[str]:
        pad = "    " * depth
        if self.nodes.left[node] < 0:
            yield f"{pad}leaf {self._leaf(node)}: {self._said(node)}"
            return
        split = self.split(node)
        yes, no = int(self.nodes.left[node]), int(self.nodes.right[node])
        if split.is_category:
            yes, no = no, yes
        yield f"{pad}if {self.phrase(split, True)}:"
        yield from self._text(yes, depth + 1)
        yield f"{pad}else:  # {self.phrase(split, False)}"
        yield from self._text(no, depth + 1)

    def _leaf(self, node: int) -> int:
        return int(np.flatnonzero(self.order == node)[0])

    def split(self, node: int) -> _Split:
        """Return what an inner node asks."""
        column, category = self.table.design_columns()[self.nodes.feature[node]]
        return _Split(column, float(self.nodes.threshold[node]), category)

    def phrase(self, split: _Split, holds: bool) -> str:
        """Return a condition in words; ``holds`` False is its opposite."""
        name = clean(self.table.names[split.column])
        if split.is_category:
            categories = self.table.columns[split.column].categories or ()
            value = categories[split.category]
            return f"{name} {'=' if holds else '!='} {clean(value)}"
        return f"{name} {'<=' if holds else '>'} {split.threshold:.10g}"

    def _said(self, node: int) -> str:
        parts = [
            f"{clean(name)} = {self.formula(node, c)}" for c, name in enumerate(self.output_names)
        ]
        return ", ".join(parts)

    def formula(self, node: int, output: int) -> str:
        """Return what a leaf says of one output, rounded for reading."""
        said = f"{self.lines.intercept[node, output]:.4g}"
        for slot, column in enumerate(self.lines.column[node]):
            if column < 0:
                continue
            coef = self.lines.coef[node, slot, output]
            said += f" {'-' if coef < 0 else '+'} {abs(coef):.4g} * {self._term(int(column))}"
        if np.isfinite(self.lines.low[node, output]):
            low, high = self.lines.low[node, output], self.lines.high[node, output]
            said += f" (within {low:.4g} to {high:.4g})"
        return said

    def _term(self, design_column: int) -> str:
        column, category = self.table.design_columns()[design_column]
        name = clean(self.table.names[column])
        if category < 0:
            return name
        return f"[{name} = {clean((self.table.columns[column].categories or ())[category])}]"

    def python(self, name: str = "surrogate") -> str:
        """Return the source of a function ``name(row) -> list``, equal to ``predict``.

        ``row`` maps column names to values.
        """
        if not name.isidentifier():
            raise InputError(f"name must be an identifier, got {name!r}.")
        body = "\n".join(self._python(0, 1))
        return f"def {name}(row):\n{body}\n"

    def _python(self, node: int, depth: int) -> Iterator[str]:
        pad = "    " * depth
        if self.nodes.left[node] < 0:
            outputs = range(len(self.output_names))
            said = ", ".join(self._expression(node, c, PYTHON) for c in outputs)
            yield f"{pad}return [{said}]"
            return
        yes, no = int(self.nodes.left[node]), int(self.nodes.right[node])
        yield f"{pad}if {self._condition(self.split(node), PYTHON)}:"
        yield from self._python(yes, depth + 1)
        yield from self._python(no, depth)

    def sql(self, output: int = 0) -> str:
        """Return an SQL ``CASE`` expression for one output, equal to ``predict``."""
        return self._sql(0, output)

    def _sql(self, node: int, output: int) -> str:
        if self.nodes.left[node] < 0:
            return self._expression(node, output, SQL)
        condition = self._condition(self.split(node), SQL)
        yes = self._sql(int(self.nodes.left[node]), output)
        no = self._sql(int(self.nodes.right[node]), output)
        return f"CASE WHEN {condition} THEN {yes} ELSE {no} END"

    def _condition(self, split: _Split, words: Words) -> str:
        """Return the condition under which a row goes left."""
        column = words.column(self.table.names[split.column])
        if split.is_category:
            value = (self.table.columns[split.column].categories or ())[split.category]
            return f"{column} {words.differs} {words.literal(value)}"
        return f"{column} <= {split.threshold!r}"

    def _expression(self, node: int, output: int, words: Words) -> str:
        said = repr(float(self.lines.intercept[node, output]))
        for slot, design_column in enumerate(self.lines.column[node]):
            if design_column < 0:
                continue
            coef = float(self.lines.coef[node, slot, output])
            column, category = self.table.design_columns()[design_column]
            term = words.column(self.table.names[column])
            if category >= 0:
                value = (self.table.columns[column].categories or ())[category]
                term = words.indicator(term, words.literal(value))
            said += f" + {coef!r} * {term}"
        low, high = float(self.lines.low[node, output]), float(self.lines.high[node, output])
        return words.clipped(said, low, high) if np.isfinite(low) else said

    def json(self) -> str:
        """Return the tree as JSON: names, splits, leaves."""
        tree = {
            "columns": [
                {
                    "name": column.name,
                    "categories": None
                    if column.categories is None
                    else [plain(c) for c in column.categories],
                }
                for column in self.table.columns
            ],
            "outputs": list(self.output_names),
            "root": self._node(0),
        }
        return json.dumps(tree, ensure_ascii=False)

    def _node(self, node: int) -> dict[str, Any]:
        if self.nodes.left[node] >= 0:
            return {**self._asked(self.split(node)), **self._children(node)}
        leaf: dict[str, Any] = {
            "leaf": self._leaf(node),
            "value": self.lines.intercept[node].tolist(),
        }
        terms = [
            {**self._where(int(column)), "coef": self.lines.coef[node, slot].tolist()}
            for slot, column in enumerate(self.lines.column[node])
            if column >= 0
        ]
        if terms:
            leaf["terms"] = terms
            leaf["low"], leaf["high"] = (
                self.lines.low[node].tolist(),
                self.lines.high[node].tolist(),
            )
        return leaf

    def _children(self, node: int) -> dict[str, Any]:
        left, right = int(self.nodes.left[node]), int(self.nodes.right[node])
        return {"then": self._node(left), "else": self._node(right)}

    def _asked(self, split: _Split) -> dict[str, Any]:
        if split.is_category:
            value = (self.table.columns[split.column].categories or ())[split.category]
            return {"column": self.table.names[split.column], "differs_from": plain(value)}
        return {"column": self.table.names[split.column], "at_most": split.threshold}

    def _where(self, design_column: int) -> dict[str, Any]:
        column, category = self.table.design_columns()[design_column]
        found: dict[str, Any] = {"column": self.table.names[column]}
        if category >= 0:
            found["equals"] = plain((self.table.columns[column].categories or ())[category])
        return found
