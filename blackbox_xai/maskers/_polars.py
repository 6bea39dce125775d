"""polars frames as blocks of columns, and back. polars is never imported before the user does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from blackbox_xai.errors import InputError
from blackbox_xai.maskers.coded import CodedBlock, Pool
from blackbox_xai.maskers.columns import RawBlock
from blackbox_xai.protocols import IntArray

__all__ = ["read"]


def read(
    frame: Any, names: tuple[str, ...], categorical: frozenset[str]
) -> tuple[tuple[RawBlock | CodedBlock, ...], Callable[[Any, int], Any]]:
    """Return the blocks of a frame, and a function that makes frames of their columns."""
    raw: dict[Any, list[int]] = {}
    coded: list[int] = []
    for j, series in enumerate(frame):
        if _is_plain(series):
            raw.setdefault(series.dtype, []).append(j)
        else:
            coded.append(j)
    blocks: list[RawBlock | CodedBlock] = []
    for columns in raw.values():
        fill = np.stack([frame.to_series(j).to_numpy() for j in columns]).T
        blocks.append(RawBlock.read(columns, names, fill, "F", categorical))
    if coded:
        read_pools = [_pool(frame.to_series(j), names[j]) for j in coded]
        codes, pools = zip(*read_pools, strict=True)
        chosen = tuple(names[j] for j in coded)
        blocks.append(CodedBlock(np.array(coded), chosen, np.array(codes, np.int32).T, pools))
    return tuple(blocks), partial(_build, tuple(frame.columns), tuple(blocks))


def _is_plain(series: Any) -> bool:
    polars = sys.modules["polars"]
    number = series.dtype.is_integer() or series.dtype.is_float() or series.dtype == polars.Boolean
    return bool(number and series.null_count() == 0 and series.to_numpy().dtype.kind in "fiub")


def _build(
    names: tuple[str, ...], blocks: tuple[RawBlock | CodedBlock, ...], batch: Any, n: int
) -> Any:
    """Return the first ``n`` rows as a frame."""
    polars = sys.modules["polars"]
    columns = {
        int(j): polars.Series(names[j], column)
        for block, buffer in zip(blocks, batch, strict=True)
        for j, column in zip(block.columns, block.show(buffer, n), strict=True)
    }
    return polars.DataFrame([columns[j] for j in sorted(columns)])


def _pool(series: Any, name: str) -> tuple[Any, Pool]:
    """Return the codes of a column and the pool that they point into."""
    polars = sys.modules["polars"]
    values = series.to_list()
    closed = series.dtype in (polars.Categorical, polars.Enum)
    try:
        listed = series.dtype.categories.to_list() if series.dtype == polars.Enum else []
        known = dict.fromkeys([*listed, *values])
    except TypeError as error:
        raise InputError(
            f"background has the type {series.dtype} in column {name!r}, which cannot be masked."
        ) from error
    codes = {value: i for i, value in enumerate(known)}
    entries = polars.Series(list(codes), dtype=series.dtype)
    pool = Pool(codes, partial(_make, entries), partial(_hold, entries), open=not closed)
    return [codes[value] for value in values], pool


def _hold(entries: Any, value: Any) -> Any:
    """Return ``value`` as the type of ``entries`` holds it."""
    return type(entries)([value], dtype=entries.dtype)[0]


def _extend(entries: Any, *values: Any) -> Any:
    """Return ``entries`` with ``values`` added, in their type."""
    return entries.append(type(entries)(list(values), dtype=entries.dtype))


def _make(entries: Any, codes: IntArray, values: list[Any]) -> Any:
    return (_extend(entries.clone(), *values) if values else entries).gather(codes)
