"""The value function ``v(kept) -> scores`` of one input."""

from __future__ import annotations

import numpy as np

from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import BudgetError, InputError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray, MaskedInput
from blackbox_xai.values.job import Job
from blackbox_xai.values.paying import drive
from blackbox_xai.values.query import Link, Query, Rows, Steps
from blackbox_xai.values.watch import Watch

__all__ = ["ValueFunction"]


class ValueFunction:
    """Scores coalitions of one input: the only caller of ``predict`` for local methods.

    Parameters
    ----------
    model : Adapter
        The black box.
    masked : MaskedInput
        One input, bound by a masker.
    budget : int, optional
        Model rows that may be spent; a query that would need more raises before it is sent.
    link : callable, optional
        Applied to the scores of every row, before the mean over fills.
    outputs : ndarray of int, optional
        Columns of the scores to keep. None keeps all.
    watch : Watch, optional
        Told of every input that is sent.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> masked = bx.TabularMasker(np.zeros((1, 2))).bind(np.array([1.0, 2.0]))
    >>> v = ValueFunction(bx.as_model(lambda X: X.sum(1)), masked, budget=10)
    >>> v(np.array([[True, False], [True, True]]))[:, 0]
    array([1., 3.])
    >>> v.cost.rows
    2
    """

    def __init__(
        self,
        model: Adapter,
        masked: MaskedInput,
        *,
        budget: int | None = None,
        link: Link | None = None,
        outputs: IntArray | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.model = model
        self.masked = masked
        self.budget = budget
        self.link = link
        self.outputs = outputs
        self.watch = watch
        self.cost = Ledger()
        self.asked = 0
        self.n_features = len(masked.feature_names)
        self.n_fills = masked.n_fills
        self._memo: dict[bytes, FloatArray] = {}

    def __call__(self, kept: BoolArray | FloatArray) -> FloatArray:
        """Return the mean scores ``(m, k)`` of coalitions ``(m, d)``."""
        return drive([(self, _once(Query(kept)))])[0]

    @property
    def budget_left(self) -> int | None:
        """Model rows that may still be spent; None when there is no limit."""
        return None if self.budget is None else self.budget - self.asked

    def job(self, query: Query | Rows) -> Job:
        """Return the work that ``query`` still needs.

        Raises
        ------
        InputError
            When the coalitions do not fit the input.
        BudgetError
            When the rows needed are more than the budget leaves; nothing is sent.
        """
        if isinstance(query, Query):
            self._check_kept(query)
        job = Job(self, query)
        if self.budget is not None and job.n_rows > self.budget - self.asked:
            raise BudgetError(
                f"The next step needs {job.n_rows} model rows, but {self.budget - self.asked} "
                f"of the budget of {self.budget} are left. Raise the budget or ask for less."
            )
        return job

    def _check_kept(self, query: Query) -> None:
        kept, masked = query.kept, query.view or self.masked
        d = len(masked.feature_names)
        if kept.ndim != 2 or kept.shape[1] != d:
            raise InputError(
                f"kept must have shape (m, {d}), one column for each feature, got {kept.shape}."
            )
        if kept.dtype != np.bool_ and not masked.soft:
            raise InputError(f"kept must be bool for this masker, got {kept.dtype}.")

    def keep_outputs(self, outputs: IntArray) -> None:
        """Keep only these columns from now on, also of what was paid for already.

        Raises
        ------
        InputError
            When the link has no finite value for one of them.
        """
        self.outputs = outputs
        self._memo = {key: scores[outputs] for key, scores in self._memo.items()}
        if self.link is not None and not all(np.isfinite(s).all() for s in self._memo.values()):
            raise InputError(
                "link must give a finite number for every score, which it does not for that of x. "
                "The logit is for probabilities, 0 to 1."
            )

    def charge(self, cost: Ledger, asked: int = 0) -> None:
        """Add ``cost`` to what this input has cost, and ``asked`` rows to what the budget counts.

        The budget counts rows that a prediction log answers as well, so that a run that was
        resumed takes the same decisions as one that was not.
        """
        self.cost = self.cost + cost
        self.asked += asked

    def recall(self, key: bytes) -> FloatArray | None:
        """Return the mean scores of a coalition paid for earlier, or None."""
        return self._memo.get(key)

    def remember(self, key: bytes, scores: FloatArray) -> None:
        """Keep the mean scores of a coalition."""
        self._memo[key] = scores


def _once(query: Query) -> Steps[FloatArray]:
    scores = yield query
    return scores
