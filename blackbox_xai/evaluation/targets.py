"""Which explainer and which output of a model are tested."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai._inputs import n_rows, row
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import InputError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, Masker
from blackbox_xai.results import Explanation
from blackbox_xai.values import Query, Steps, ValueFunction, drive

__all__ = ["Explainer", "target_output"]


class Explainer(Protocol):
    """What is tested: frozen settings with a seed, and ``explain_many``."""

    @property
    def random_state(self) -> int:
        """Seed."""

    def explain_many(
        self, model: Any, xs: Any, masker: Masker, *, outputs: Any = None
    ) -> list[Explanation]:
        """Explain many inputs."""


def target_output(
    model: Adapter, inputs: Any, masker: Masker, output: int | str | None
) -> tuple[int, str, Ledger]:
    """Return position and name of the output to test, and the cost of finding it.

    None: the one with the highest mean score.

    Raises
    ------
    InputError
        When the model has no such output.
    """
    values = [ValueFunction(model, masker.bind(row(inputs, i))) for i in range(n_rows(inputs))]
    scores = np.concatenate(drive([(v, _whole(v.n_features)) for v in values]))
    cost = sum((v.cost for v in values), Ledger())
    names = model.name_outputs(scores.shape[1])
    k = len(names)
    if output is None:
        best = int(scores.mean(axis=0).argmax())
        return best, names[best], cost
    if isinstance(output, str) and output in names:
        return names.index(output), output, cost
    if isinstance(output, int | np.integer) and not isinstance(output, bool) and -k <= output < k:
        return int(output) % k, names[int(output) % k], cost
    raise InputError(f"output must be one of {shown(names)} or a position, got {shown(output)}.")


def _whole(d: int) -> Steps[FloatArray]:
    """Yield the query for the scores ``(1, k)`` of the input itself."""
    return (yield Query(np.ones((1, d), dtype=bool)))
