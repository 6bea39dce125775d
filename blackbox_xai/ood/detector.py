"""Is this input like the reference rows? Three views of strangeness, one calibrated answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils.validation import check_is_fitted

from blackbox_xai._checks import check_choice
from blackbox_xai._rowwise import by_blocks
from blackbox_xai.errors import InputError
from blackbox_xai.ood.base import Detector
from blackbox_xai.ood.features import Reader
from blackbox_xai.ood.members import Conditional, Member, Nearest, Range
from blackbox_xai.protocols import FloatArray

__all__ = ["OODDetector"]

_MEMBERS = ("conditional", "nearest", "range")
_WEIGHTS = {"conditional": 1.0, "nearest": 2.0, "range": 1.0}


@dataclass(frozen=True, eq=False)
class _Fitted:
    """One member and the columns it looks at."""

    member: Member
    columns: slice

    def score(self, features: FloatArray) -> FloatArray:
        return self.member.score(features[:, self.columns])


class OODDetector(OutlierMixin, Detector):  # type: ignore[misc]  # untyped base
    """Flags inputs unlike the reference, at a false-alarm rate that holds, and says why.

    Three members look at a row: *conditional* (does each column fit the others?), *nearest* (are
    there reference rows close by?), *range* (is any column outside everything seen?). Their
    conformal p-values are combined by the harmonic mean, where *nearest* counts twice because it
    alone needs no shape of the data, and the result is calibrated again.
    Images are looked at as pixels and as histograms of oriented gradients.

    Parameters
    ----------
    members : sequence of {"conditional", "nearest", "range"}
        Members used for tables, and for what ``features`` returns.
    alpha : float
        False-alarm rate of ``predict``.
    calibration : {"cross", "split"}
        "cross": every reference row calibrates members fitted without it (five fits). "split":
        a quarter of the rows is kept for calibration; its guarantee is exact.
    features : callable or transformer, optional
        Features of a batch, such as an encoder's; None: columns of tables, pixels of images.
    categorical : sequence of str or int, optional
        Columns of numbers that are to be read as categories.
    random_state : int

    Attributes
    ----------
    n_calibration_ : int
        Rows that p-values are ranked among.
    offset_ : float
        Score at which ``decision_function`` is 0; rows below it are flagged at ``self.alpha``.
    finest_ : float
        Smallest ``alpha`` that the number of calibration rows allows.

    References
    ----------
    Vovk (2015), Cross-conformal predictors. Bates, Candes, Lei, Romano, Sesia (2023), Testing for
    outliers with conformal p-values.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> X = np.random.default_rng(0).normal(size=(200, 1)) @ np.ones((1, 3))
    >>> X += np.random.default_rng(1).normal(scale=0.1, size=X.shape)
    >>> detector = bx.OODDetector().fit(X)
    >>> detector.predict([[0.5, 0.5, 0.5], [0.5, -0.5, 0.5]])
    array([ 1, -1])
    >>> int(detector.attribution([[0.5, -0.5, 0.5]]).argmax())
    1
    """

    reader_: Reader

    def __init__(
        self,
        *,
        members: Any = _MEMBERS,
        alpha: float = 0.05,
        calibration: str = "cross",
        features: Any = None,
        categorical: Any = None,
        random_state: int = 0,
    ) -> None:
        self.members = members
        self.alpha = alpha
        self.calibration = calibration
        self.features = features
        self.categorical = categorical
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> OODDetector:  # noqa: ARG002
        """Learn what inputs like ``X`` look like; ``y`` is ignored, as scikit-learn has it.

        Raises
        ------
        InputError
            For settings or rows that cannot be used.
        """
        if isinstance(self.members, str) or not len(self.members):
            raise InputError(f"members must be a sequence of names, got {self.members!r}.")
        for name in self.members:
            check_choice("members", name, _MEMBERS)
        self._learn(X, with_hog=True)
        return self

    def _member_names(self) -> tuple[str, ...]:
        return tuple(name for name, _, _ in _plan(self.reader_, tuple(self.members)))

    def _member_weights(self) -> FloatArray:
        kinds = [kind for _, kind, _ in _plan(self.reader_, tuple(self.members))]
        return np.array([_WEIGHTS[kind] for kind in kinds])

    def _fit_members(
        self,
        features: FloatArray,
        rng: np.random.Generator,
        targets: FloatArray | None,  # noqa: ARG002
    ) -> list[_Fitted]:
        learners: dict[str, Callable[[FloatArray], Member]] = {
            "conditional": partial(Conditional.learn, rng=rng),
            "nearest": Nearest.learn,
            "range": Range.learn,
        }
        return [
            _Fitted(learners[kind](features[:, columns]), columns)
            for _, kind, columns in _plan(self.reader_, tuple(self.members))
        ]

    def _score_members(self, members: list[_Fitted], features: FloatArray) -> FloatArray:
        def score(block: FloatArray) -> FloatArray:
            return np.stack([member.score(block) for member in members], axis=1)

        return by_blocks(score, features)

    def attribution(self, X: Any) -> FloatArray:
        """Return how strange each column of each row is, shape ``(n, d)``.

        The sum of squared standardised residuals given the other columns and of squared
        overshoots beyond the range, in units of a typical residual; 1 is ordinary. Images give
        one value for each number, laid out flat; with ``features``, one for each feature.

        Raises
        ------
        InputError
            When no member is "conditional" or "range", or for rows that cannot be used.
        """
        check_is_fitted(self)
        features = self.reader_.read(X)
        parts = [self._attributed(members, features) for members in self.members_]
        return self.reader_.by_column(np.mean(parts, axis=0))

    def _attributed(self, members: list[_Fitted], features: FloatArray) -> FloatArray:
        raw = slice(0, self.reader_.n_raw)
        found = []
        for fitted in members:
            if fitted.columns == raw and isinstance(fitted.member, Conditional):
                found.append(by_blocks(fitted.member.parts, features[:, raw]))
            elif fitted.columns == raw and isinstance(fitted.member, Range):
                found.append(fitted.member.parts(features[:, raw]) ** 2)
        if not found:
            raise InputError(
                "attribution needs the member 'conditional' or 'range'; members are "
                f"{tuple(self.members)}."
            )
        return np.asarray(np.sum(found, axis=0))


def _plan(reader: Reader, members: tuple[str, ...]) -> list[tuple[str, str, slice]]:
    """Return name, kind and columns of each member."""
    raw = slice(0, reader.n_raw)
    if not reader.with_hog:
        return [(kind, kind, raw) for kind in members]
    edges = slice(reader.n_raw, None)
    pixels = [("pixel " + kind, kind, raw) for kind in members if kind != "conditional"]
    return pixels + [("hog " + kind, kind, edges) for kind in members]
