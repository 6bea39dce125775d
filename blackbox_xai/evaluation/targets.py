"""Which explainer and which output of a model are tested."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import InputError
from blackbox_xai.protocols import Masker
from blackbox_xai.results import Explanation

__all__ = ["Explainer", "target_output"]


class Explainer(Protocol):
    """What is tested: frozen settings with a seed, and ``explain_many``."""

    random_state: int

    def explain_many(
        self, model: Any, xs: Any, masker: Masker, *, outputs: Any = None
    ) -> list[Explanation]:
        """Explain many inputs."""


def target_output(model: Adapter, inputs: Any, output: int | str | None) -> tuple[int, str]:
    """Return position and name of the output to test; None: that with the highest mean score.

    Raises
    ------
    InputError
        When the model has no such output.
    """
    scores = model.predict(inputs)
    names = model.name_outputs(scores.shape[1])
    if output is None:
        best = int(scores.mean(axis=0).argmax())
        return best, names[best]
    if isinstance(output, str) and output in names:
        return names.index(output), output
    k = len(names)
    if isinstance(output, int | np.integer) and not isinstance(output, bool) and -k <= output < k:
        return int(output) % k, names[int(output) % k]
    raise InputError(f"output must be one of {shown(names)} or a position, got {shown(output)}.")
