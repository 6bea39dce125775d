"""pandas frames as blocks of columns, and back. pandas is never imported before the user does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from blackbox_xai.errors import InputError
from blackbox_xai.maskers._cells import is_missing
from blackbox_xai.maskers.coded import CodedBlock, Pool
from blackbox_xai.maskers.columns import RawBlock
from blackbox_xai.protocols import IntArray

__all__ = ["read", "row"]


def row(frame: Any) -> Any:
    """Return the values of a frame of one row: an array if one dtype holds them, else a list."""
    kinds = set(frame.dtypes)
    if len(kinds) == 1 and isinstance(next(iter(kinds)), np.dtype):
        return frame.to_numpy()[0]
    return [frame.iloc[:, j].array[0] for j in range(frame.shape[1])]


def read(
    frame: Any, names: tuple[str, ...], categorical: frozenset[str]
) -> tuple[tuple[RawBlock | CodedBlock, ...], Callable[[Any, int], Any]]:
    """Return the blocks of a frame, and a function that makes frames of their columns."""
    raw: dict[Any, list[int]] = {}
    coded: list[int] = []
    for j, dtype in enumerate(frame.dtypes):
        if not isinstance(dtype, np.dtype):
            coded.append(j)
        elif dtype.kind in "fiubmMO":
            raw.setdefault(dtype, []).append(j)
        else:
            raise InputError(f"background has the type {dtype} in column {names[j]!r}.")
    blocks: list[RawBlock | CodedBlock] = []
    for columns in raw.values():
        fill = np.array(frame.iloc[:, columns].to_numpy(), order="F")
        blocks.append(RawBlock.read(columns, names, fill, "F", categorical))
    if coded:
        codes, pools = zip(*(_pool(frame.iloc[:, j]) for j in coded), strict=True)
        chosen = tuple(names[j] for j in coded)
        fill = np.array(codes, np.int32).T
        blocks.append(CodedBlock(np.array(coded), chosen, fill, pools))
    return tuple(blocks), partial(_build, frame.columns, tuple(blocks))


def _build(labels: Any, blocks: tuple[RawBlock | CodedBlock, ...], batch: Any, n: int) -> Any:
    """Return the first ``n`` rows as a frame; numbers are not copied."""
    pandas = sys.modules["pandas"]
    if len(blocks) == 1 and isinstance(blocks[0], RawBlock):
        matrix = batch[0][:n]
        return pandas.DataFrame(matrix, columns=labels, dtype=matrix.dtype, copy=False)
    columns = {
        int(j): pandas.Series(column, dtype=column.dtype, copy=False)
        for block, buffer in zip(blocks, batch, strict=True)
        for j, column in zip(block.columns, block.show(buffer, n), strict=True)
    }
    frame = pandas.DataFrame({j: columns[j] for j in sorted(columns)}, copy=False)
    frame.columns = labels
    return frame


def _pool(series: Any) -> tuple[Any, Pool]:
    """Return the codes of a column and the pool that they point into."""
    pandas = sys.modules["pandas"]
    array = series.array
    if isinstance(series.dtype, pandas.CategoricalDtype):
        codes = np.asarray(array.codes)
        values = list(series.dtype.categories)
        entries = pandas.Categorical.from_codes([*range(len(values)), -1], dtype=series.dtype)
        known = {value: i for i, value in enumerate(values)}
        if (codes < 0).any():
            known[None] = len(values)
            codes = np.where(codes < 0, len(values), codes)
        return codes, Pool(known, partial(_make, entries), partial(_hold, entries), open=False)
    codes, _ = pandas.factorize(series, use_na_sentinel=False)
    first = np.unique(codes, return_index=True)[1]
    entries = array.take(first)
    known = {None if is_missing(value) else value: i for i, value in enumerate(entries)}
    return codes, Pool(known, partial(_make, entries), partial(_hold, entries), open=True)


def _hold(entries: Any, value: Any) -> Any:
    """Return ``value`` as the type of ``entries`` holds it."""
    return sys.modules["pandas"].array([value], dtype=entries.dtype)[0]


def _extend(entries: Any, *values: Any) -> Any:
    """Return ``entries`` with ``values`` added, in their type."""
    pandas = sys.modules["pandas"]
    added = pandas.array(list(values), dtype=entries.dtype)
    return type(entries)._concat_same_type([entries, added])


def _make(entries: Any, codes: IntArray, values: list[Any]) -> Any:
    return (_extend(entries, *values) if values else entries).take(codes)
