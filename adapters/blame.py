"""Which row of a batch makes a model fail."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["first_failing"]


def first_failing(fails: Callable[[int, int], bool], n: int) -> int | None:
    """Return the first row that fails alone, or None when every row or no single row does.

    Parameters
    ----------
    fails : callable
        ``fails(a, b)`` runs rows ``a`` to ``b`` and tells whether they fail. It is called at most
        ``log2(n) + 4`` times with about ``n`` rows in all: what the failed batch cost.
    n : int
        Rows of the batch, which fails as a whole.

    Examples
    --------
    >>> first_failing(lambda a, b: a <= 5 < b, 8)
    5
    >>> first_failing(lambda a, b: True, 8) is None
    True
    """
    if n == 1:
        return 0
    if fails(0, 1):
        return None if fails(n - 1, n) else 0
    low, high = 1, n
    while high - low > 1:
        middle = (low + high) // 2
        if fails(low, middle):
            high = middle
        else:
            low = middle
    return low if fails(low, high) else None
