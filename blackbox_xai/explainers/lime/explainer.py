"""The LIME explainer: which neighbourhood, which kernel, which words of warning."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np

from blackbox_xai._checks import check_choice, check_int, check_positive
from blackbox_xai.coalitions.subsets import binomial_sizes, uniform_sizes
from blackbox_xai.errors import InputError
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.explainers.lime.hidden import hide_features
from blackbox_xai.explainers.lime.neighbourhood import Surrogate, judged
from blackbox_xai.explainers.lime.rows import draw_around, draw_bins
from blackbox_xai.layouts import TextLayout
from blackbox_xai.maskers.draws import DrawnRow
from blackbox_xai.maskers.tabular import MaskedRow
from blackbox_xai.results import Attribution
from blackbox_xai.values import Query, Steps, ValueFunction

__all__ = ["Lime"]

_HIDDEN_WIDTH = 0.25
_BINS_WIDTH = 0.75


@dataclass(frozen=True, kw_only=True)
class Lime(LocalExplainer):
    """A linear surrogate of the model around one input.

    By default features are hidden as the masker hides them, about half of them at a time and
    fewer the wider the kernel is not; a ridge regression on which features are kept gives their
    weights. The kernel is part of the law that samples are drawn from, so no sample is wasted on
    a weight near zero, and subsets come balanced over the features. When all subsets fit into
    ``n_samples`` the answer is exact.

    Parameters
    ----------
    n_samples : int
        Model rows spent at most, that of the input itself included.
    kernel_width : float, optional
        Width of the exponential kernel. None: 0.25 for hidden features (cosine distance), 0.75
        times the root of the number of columns with ``compat="lime"`` on tables.
    alpha : float
        Ridge penalty, in samples that keep a feature half of the time; with ``compat="lime"``
        samples are weighted by the kernel against it, as lime does.
    compat : {"lime"}, optional
        Estimate what the lime package (0.2) estimates: on tables, "in the same quartile bin as
        x, or not", with values drawn bin by bin from the background's law; on texts, the number
        of hidden words uniform. Only the sampling is better.
    around : float, optional
        On tables, draw rows around ``x`` instead: normal steps of this many standard deviations
        of the background. Coefficients are then changes of the score for one standard deviation.
        A choice for smooth models; for a tree, steps may be too short to cross a split.

    Warns
    -----
    UserWarning
        When the surrogate does not fit held-out samples, or hardly any sample is near the input.
        The same sentences are in ``diagnostics["warnings"]``.

    Notes
    -----
    ``base`` is the intercept: the surrogate's score with every feature hidden (or out of its bin,
    or at ``x``). ``diagnostics`` holds the R2 on the samples and on held-out samples, the share
    of samples that keep at least half of the input, and what the samples would be worth if they
    were weighted. With ``compat="lime"`` on tables the coefficients come from a regression on all
    bins, which has the same limit and less noise.

    References
    ----------
    Ribeiro, Singh, Guestrin (2016), "Why should I trust you?", equation 1.
    Garreau and von Luxburg (2020), Explaining the Explainer, theorem 3.1.
    Tan, Tian, Li (2023), GLIME, section 4 (sampling from the kernel).

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> masker = bx.TabularMasker(np.zeros((1, 3)))
    >>> why = Lime(alpha=1e-9).explain(lambda X: X @ [3.0, 0.0, -1.0], np.ones(3), masker)
    >>> (why.values[:, 0].round(6) + 0.0).tolist()
    [3.0, 0.0, -1.0]
    """

    n_samples: int = 1000
    kernel_width: float | None = None
    alpha: float = 1.0
    compat: Literal["lime"] | None = None
    around: float | None = None

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        full = (yield Query(np.ones((1, v.n_features), dtype=bool)))[0]
        surrogate = yield from self._surrogate(v, rng)
        attribution, warned = judged(surrogate, full)
        for sentence in warned:
            warnings.warn(sentence, UserWarning, stacklevel=2)
        return attribution

    def _surrogate(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Surrogate]:
        drawn = _drawn_row(v, self.compat, self.around)
        if drawn is not None and self.around is not None:
            return (
                yield from draw_around(
                    drawn, rng, n_samples=self.n_samples, width=self.around, alpha=self.alpha
                )
            )
        if drawn is not None:
            width = self.kernel_width or _BINS_WIDTH * np.sqrt(v.n_features)
            return (
                yield from draw_bins(
                    drawn, rng, n_samples=self.n_samples, kernel_width=width, alpha=self.alpha
                )
            )
        uniform = self.compat == "lime" and isinstance(v.masked.layout, TextLayout)
        return (
            yield from hide_features(
                v,
                rng,
                n_samples=self.n_samples,
                sizes=uniform_sizes if uniform else binomial_sizes,
                kernel_width=self.kernel_width or _HIDDEN_WIDTH,
                alpha=self.alpha,
                as_lime=self.compat == "lime",
            )
        )

    def _max_rows(self) -> int | None:
        return self.n_samples

    def _check(self) -> None:
        super()._check()
        check_int("n_samples", self.n_samples, minimum=3, hint="One row is the input itself.")
        check_positive("alpha", self.alpha)
        if self.kernel_width is not None:
            check_positive("kernel_width", self.kernel_width)
        if self.compat is not None:
            check_choice("compat", self.compat, ("lime",))
        if self.around is not None:
            check_positive("around", self.around)
        if self.compat is not None and self.around is not None:
            raise InputError("compat and around are two neighbourhoods; give one of them.")


def _drawn_row(v: ValueFunction, compat: str | None, around: float | None) -> DrawnRow | None:
    """Return the row to draw values for, or None where features are hidden."""
    if compat is None and around is None:
        return None
    if isinstance(v.masked, MaskedRow):
        if v.masked.features is not None:
            raise InputError(
                "compat and around draw single columns; the masker's groups have no values of "
                "their own. Use a masker without groups, or leave compat and around at None."
            )
        return DrawnRow(v.masked)
    if around is not None:
        raise InputError("around draws rows of a table; leave it at None for images and texts.")
    return None
