"""Coalitions whose neighbouring places are kept or hidden together."""

from __future__ import annotations

import numpy as np

from blackbox_xai.protocols import BoolArray, FloatArray

__all__ = ["spread_levels", "subsets_from_fields", "top_shares"]


def spread_levels(n: int, low: float, high: float, rng: np.random.Generator) -> FloatArray:
    """``n`` numbers spread evenly over ``low`` to ``high``, one in each stratum, shuffled."""
    strata = (rng.permutation(n) + rng.random(n)) / max(n, 1)
    return np.asarray(low + (high - low) * strata, dtype=np.float64)


def top_shares(fields: FloatArray, sizes: FloatArray, levels: FloatArray) -> BoolArray:
    """Keep the places where a field is highest, up to a share of the total size.

    Parameters
    ----------
    fields : ndarray of shape (n, d)
        One value for each place.
    sizes : ndarray of shape (d,)
        Size of each place.
    levels : ndarray of shape (n,)
        Share of the size to keep, 0 to 1.

    Returns
    -------
    ndarray of shape (n, d)
        A place is kept when most of it lies within the share.

    Examples
    --------
    >>> top_shares(np.array([[3.0, 1.0, 2.0]]), np.ones(3), np.array([0.7]))
    array([[ True, False,  True]])
    """
    order = np.argsort(-fields, axis=1, kind="stable")
    ordered = sizes[order]
    middle = (np.cumsum(ordered, axis=1) - ordered / 2) / sizes.sum()
    kept = np.empty(fields.shape, dtype=bool)
    np.put_along_axis(kept, order, middle <= levels[:, None], axis=1)
    return kept


def subsets_from_fields(
    centres: FloatArray,
    sizes: FloatArray,
    lengths: FloatArray,
    n: int,
    rng: np.random.Generator,
) -> BoolArray:
    """Random coalitions in smooth patches.

    Gaussian fields of several length scales over the places are cut at levels that keep 10 % to
    90 % of the total size.

    Parameters
    ----------
    centres : ndarray of shape (d, q)
        Where the places are.
    sizes : ndarray of shape (d,)
        How large they are.
    lengths : ndarray
        Length scales of the fields, in units of ``centres``; they take turns.
    n : int
        Number of coalitions.
    rng : Generator

    Returns
    -------
    ndarray of shape (n, d)
    """
    d = len(centres)
    distances = ((centres[:, None] - centres) ** 2).sum(axis=-1)
    fields = rng.standard_normal((n, d))
    for i, length in enumerate(lengths):
        covariance = np.exp(-distances / (2 * length**2)) + 1e-6 * np.eye(d)
        root = np.linalg.cholesky(covariance)
        fields[i :: len(lengths)] = fields[i :: len(lengths)] @ root.T
    return top_shares(fields, sizes, spread_levels(n, 0.1, 0.9, rng))
