"""Do attributions say what the model does? Scores beside those of maps that need no explainer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from blackbox_xai._checks import check_int, shown
from blackbox_xai._inputs import n_rows, row
from blackbox_xai._parallel import Progress, child_rng, pmap, progress_hook
from blackbox_xai.adapters import as_model
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import InputError
from blackbox_xai.evaluation.instance import METRICS, Measured, Plan, measure
from blackbox_xai.evaluation.references import REFERENCES
from blackbox_xai.evaluation.results import Faithfulness
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, Masker
from blackbox_xai.results import Explanation
from blackbox_xai.values import Query, Steps, ValueFunction, drive

__all__ = ["faithfulness"]

_WINDOW = 8


def faithfulness(
    explanations: Sequence[Explanation] | Mapping[str, Sequence[Explanation]],
    model: Any,
    inputs: Any,
    masker: Masker,
    *,
    output: int | str | None = None,
    n_steps: int = 20,
    n_subsets: int = 50,
    max_fills: int = 100,
    references: Sequence[str] = REFERENCES,
    confidence: float = 0.95,
    random_state: int = 0,
    n_jobs: int = 1,
    progress: bool | Progress = False,
) -> Faithfulness:
    """Measure how faithful explanations are to the model, beside maps that need no explainer.

    Parameters
    ----------
    explanations : sequence of Explanation, or mapping of str to such
        One explanation for each input; several methods by name.
    model : object
        The model explained; anything ``as_model`` takes.
    inputs : array, frame or list
        The inputs explained, in the same order.
    masker : Masker
        How features are hidden: use the masker of the explanations.
    output : int or str, optional
        Output evaluated. None: on each input the one with the highest score of those explained.
    n_steps : int
        Steps of the deletion and insertion curves.
    n_subsets : int
        Random sets of features drawn for each of the two additive measures.
    max_fills : int
        Fills (background rows) each coalition is scored under; if the masker has more, that many
        are drawn for each input. Fewer cost less, and measure how the score changes against the
        rows drawn rather than against the whole background.
    references : sequence of {"random", "input only", "occlusion"}
        Reference maps evaluated beside the explanations.
    confidence : float
        Coverage of the bootstrap intervals.
    random_state : int
        Seed.
    n_jobs : int
        Workers; the numbers do not depend on it.
    progress : bool or callable
        True shows a bar on a terminal; a callable receives ``(done, total)``.

    Returns
    -------
    Faithfulness

    Raises
    ------
    InputError
        When explanations and inputs do not belong together, or a setting cannot be used.
    ModelError
        When the model fails.

    Notes
    -----
    *Deletion* and *insertion* (Petsiuk et al. 2018): area under the score as features are hidden,
    or shown, most important first. *ABPC* (Samek et al. 2017): insertion minus deletion, which is
    the area between hiding the least and the most important first; 0 for a random map.
    *Comprehensiveness* and *sufficiency* (DeYoung et al. 2020): mean loss of score without, and
    with nothing but, the 1, 5, 10, 20 and 50 % most important features. *Faithfulness correlation*
    (Bhatt et al. 2020): between the sum of attributions of a random quarter of the features and
    the loss without them. *Infidelity* (Yeh et al. 2019): share of the loss without random sets
    that no multiple of their attributions explains. A metric that is not defined on an input,
    because the score never changes there, is NaN and counted.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> X = np.random.default_rng(0).normal(size=(5, 6))
    >>> model, masker = lambda X: X @ np.arange(6.0), bx.TabularMasker(np.zeros((1, 6)))
    >>> whys = bx.ExactShapley().explain_many(model, X, masker)
    >>> result = faithfulness(whys, model, X, masker)
    >>> round(result.estimate("ExactShapley", "faithfulness_correlation").mean, 6)
    1.0
    >>> result.difference("ExactShapley", "random", "abpc").sign
    1
    """
    plan = _plan(n_steps, n_subsets, max_fills, references)
    named = _named(explanations)
    n = n_rows(inputs)
    _check_together(named, n, plan.references)
    check_int("random_state", random_state, minimum=0)
    if not 0 < confidence < 1:
        raise InputError(f"confidence must lie between 0 and 1, got {shown(confidence)}.")
    black_box = as_model(model)
    jobs = [_attributions(named, i, output) for i in range(n)]
    tasks = [
        [(i, row(inputs, i), *jobs[i]) for i in range(start, min(start + _WINDOW, n))]
        for start in range(0, n, _WINDOW)
    ]
    shared = (black_box, masker, plan, random_state)
    found = _run(shared, tasks, n_jobs, progress)
    measured = [one for one, _ in found]
    scores = np.stack([one.scores for one in measured], axis=2)
    curves = np.stack([one.curves for one in measured], axis=2)
    return Faithfulness(
        methods=(*named, *plan.references),
        references=plan.references,
        metrics=METRICS,
        scores=scores,
        share=np.linspace(0, 1, plan.n_steps + 1),
        deletion=curves[0],
        insertion=curves[1],
        outputs=tuple(name for name, _ in jobs),
        scale=black_box.scale,
        same_masker=all(one.masker == masker.describe() for many in named.values() for one in many),
        confidence=confidence,
        cost=sum((cost for _, cost in found), Ledger()),
    )


def _plan(n_steps: int, n_subsets: int, max_fills: int, references: Sequence[str]) -> Plan:
    unknown = [name for name in references if name not in REFERENCES]
    if isinstance(references, str) or unknown:
        raise InputError(f"references must be among {REFERENCES}, got {shown(references)}.")
    return Plan(
        n_steps=check_int("n_steps", n_steps, minimum=1),
        n_subsets=check_int("n_subsets", n_subsets, minimum=2),
        max_fills=check_int("max_fills", max_fills, minimum=1),
        references=tuple(references),
    )


def _named(explanations: Any) -> dict[str, list[Explanation]]:
    """Return the explanations of each method by name."""
    if isinstance(explanations, Mapping):
        named = {str(name): list(many) for name, many in explanations.items()}
    else:
        many = list(explanations)
        named = {getattr(many[0], "method", ""): many} if many else {}
    for name, many in named.items():
        if not many or not all(isinstance(one, Explanation) for one in many):
            raise InputError(f"explanations of {name!r} must be finished explanations.")
    if not named:
        raise InputError("explanations must hold at least one explanation, got none.")
    return named


def _check_together(
    named: Mapping[str, list[Explanation]], n: int, references: Sequence[str]
) -> None:
    for name, many in named.items():
        if name in references:
            raise InputError(f"explanations must not be named {name!r}, as a reference map is.")
        if len(many) != n:
            raise InputError(
                f"explanations of {name!r} must be one for each of {n} inputs, got {len(many)}."
            )


def _attributions(
    named: Mapping[str, list[Explanation]], i: int, output: int | str | None
) -> tuple[str, list[Explanation]]:
    """Return the output evaluated on input ``i``, and the explanations of the input."""
    every = [many[i] for many in named.values()]
    first = every[0]
    name = first.output_names[first.output_index(output)]
    for method, one in zip(named, every, strict=True):
        if name not in one.output_names:
            raise InputError(
                f"explanations of {method!r} lack the output {name!r} on input {i}; it has "
                f"{shown(one.output_names)}. Choose one with output=."
            )
        if one.feature_names != first.feature_names:
            raise InputError(
                f"explanations of {method!r} have other features than those of the first method "
                f"on input {i}."
            )
    return name, every


def _run(
    shared: Any, tasks: Sequence[Any], n_jobs: int, progress: bool | Progress
) -> list[tuple[Measured, Ledger]]:
    """Measure all inputs, in windows, and return what was found in their order."""
    total = sum(len(task) for task in tasks)
    found: dict[int, list[tuple[Measured, Ledger]]] = {}
    show, close = progress_hook(progress, "faithfulness")
    try:
        backend = shared[0].parallel
        for i, window in pmap(_window, shared, tasks, n_jobs=n_jobs, backend=backend):
            found[i] = window
            show(sum(len(one) for one in found.values()), total)
    finally:
        close()
    return [one for i in sorted(found) for one in found[i]]


def _window(
    shared: tuple[Adapter, Masker, Plan, int],
    task: Sequence[tuple[int, Any, str, list[Explanation]]],
) -> list[tuple[Measured, Ledger]]:
    """Measure a few inputs side by side; their queries share batches."""
    model, masker, plan, seed = shared
    runs = []
    for i, x, output, every in task:
        masked = masker.bind(x)
        if masked.feature_names != every[0].feature_names:
            raise InputError(
                f"masker gives input {i} other features than its explanation has. Use the masker "
                "that the explanations were made with."
            )
        v = ValueFunction(model, masked)
        values = [one.values[:, one.output_names.index(output)] for one in every]
        runs.append((v, _measured(v, output, values, plan, child_rng(seed, i))))
    measured = drive(runs)
    return [(one, v.cost) for one, (v, _) in zip(measured, runs, strict=True)]


def _measured(
    v: ValueFunction,
    output: str,
    values: list[FloatArray],
    plan: Plan,
    rng: np.random.Generator,
) -> Steps[Measured]:
    """Keep the output that is evaluated, then measure."""
    whole = yield Query(np.ones((1, v.n_features), dtype=bool))
    names = v.model.name_outputs(whole.shape[1])
    if output not in names:
        raise InputError(f"model has no output {output!r}; it has {shown(names)}.")
    v.keep_outputs(np.array([names.index(output)]))
    return (yield from measure(values, v.masked, plan, rng))
