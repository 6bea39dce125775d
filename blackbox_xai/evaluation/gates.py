"""Laws that an explainer must obey on any model, tested on the model at hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from blackbox_xai._checks import check_int
from blackbox_xai._inputs import n_rows, take_rows
from blackbox_xai._parallel import Progress
from blackbox_xai.adapters import as_model
from blackbox_xai.evaluation.checks import Checks, Gate
from blackbox_xai.evaluation.probes import (
    Players,
    ProbedMasker,
    ProbedModel,
    cloned,
    reordered,
    unused,
)
from blackbox_xai.evaluation.runs import Runs, runs_of
from blackbox_xai.evaluation.targets import Explainer, target_output
from blackbox_xai.protocols import FloatArray, IntArray, MaskedInput, Masker
from blackbox_xai.results import Explanation

__all__ = ["check"]

_EXACT = 1e-6
_SMALL = 0.02  # of the largest attribution: what regression leaves on features without effect
_TINY = 1e-300


def check(
    explainer: Explainer,
    model: Any,
    inputs: Any,
    masker: Masker,
    *,
    output: int | str | None = None,
    n_inputs: int = 5,
    n_jobs: int = 1,
    progress: bool | Progress = False,
) -> Checks:
    """Test whether an explainer obeys laws that hold on any model.

    Parameters
    ----------
    explainer : object
        A local explainer of this library.
    model : object
        Anything ``as_model`` takes.
    inputs : array, frame or list
        Inputs to explain.
    masker : Masker
        How features are hidden.
    output : int or str, optional
        Output tested. None: the one with the highest mean score.
    n_inputs : int
        The first so many inputs are used; each costs seven explanations.
    n_jobs : int
        Workers; the numbers do not depend on it.
    progress : bool or callable
        True shows a bar on a terminal; a callable receives ``(done, total)`` runs.

    Returns
    -------
    Checks

    Raises
    ------
    InputError
        When an argument cannot be used.
    ModelError
        When the model fails.

    Notes
    -----
    *constant*: of a model that never changes, nothing is attributed. *half*, *mirrored* and
    *linearity*: attributions of ``f / 2``, of ``-f`` (``1 - f`` for probabilities) and of
    the mean of ``f`` and ``f**2`` follow from those of ``f`` and ``f**2``; they catch absolute and
    normalised values.
    *efficiency*: attributions add up to the score minus the base; only explainers that promise it
    can fail. *dummy*: a feature that changes nothing gets nothing. *symmetry*: two features that do
    the same get the same. *order*: attributions do not depend on the order of the features. The
    last three are tested on features that are hidden or kept as a whole (methods that draw values
    of their own are tested in that mode), within 2 % of the largest attribution. Where another seed
    gives other values, these three and linearity (what a sampling method learns of one score need
    not hold of another) are tested within three times that difference, or three standard errors of
    a difference if that is more. The laws are those of Sundararajan et al. (2017) and Lundberg and
    Lee (2017).

    Passing is necessary, not sufficient: occlusion passes although redundant features hide from it.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> masker = bx.TabularMasker(np.zeros((1, 3)))
    >>> checks = check(bx.ExactShapley(), lambda X: X[:, 0] * X[:, 1], np.ones((2, 3)), masker)
    >>> checks.passed, sorted({gate.status for gate in checks.gates})
    (True, ['pass'])
    """
    black_box = as_model(model)
    n = min(check_int("n_inputs", n_inputs, minimum=1), n_rows(inputs))
    chosen = take_rows(inputs, 0, n)
    column, name, cost = target_output(black_box, chosen, masker, output)
    with runs_of(explainer, masker, n_jobs=n_jobs, n_runs=7, progress=progress) as runs:
        probes = _Probes(runs, ProbedModel(black_box, column), chosen)
        base = probes.players(_as_they_are)
        again = probes.players(_as_they_are, seed_offset=1)
        luck = _luck(again, base)
        gates = _model_gates(probes.functions(), explainer, luck)
        gates += _player_gates(probes, base, max(luck, _SMALL))
    return Checks(
        method=type(explainer).__name__,
        output=name,
        gates=tuple(gates),
        reseed_error=float(np.median(_errors(again, base))),
        n=n,
        cost=cost + runs.cost,
    )


@dataclass(frozen=True, eq=False)
class _Run:
    """Attributions of one input, and the largest of their standard errors; 0 if there are none."""

    values: FloatArray
    error: float

    @classmethod
    def of(cls, one: Explanation) -> _Run:
        """Return what is needed of an explanation of one output."""
        errors = np.zeros(1) if one.std_err is None else one.std_err[:, 0]
        return cls(one.values[:, 0], float(np.nan_to_num(errors, posinf=0.0).max()))

    @property
    def size(self) -> float:
        """The largest attribution."""
        return max(float(np.abs(self.values).max()), _TINY)

    def reordered(self, places: IntArray) -> _Run:
        """Return the same with the features in another order."""
        return _Run(self.values[places], self.error)


class _Probes:
    """Runs of one explainer under probes."""

    def __init__(self, runs: Runs, model: ProbedModel, inputs: Any) -> None:
        self._runs, self._model, self._inputs = runs, model, inputs

    def functions(self) -> list[Explanation]:
        """Explain the functions of ``ProbedModel``; none under a link, which they need not bear."""
        if getattr(self._runs.explainer, "link", "identity") != "identity":
            return []
        return self._runs.explain(self._model, self._inputs, ProbedModel.NAMES)

    def players(self, change: Any, *, seed_offset: int = 0) -> list[_Run]:
        """Explain the model with other players."""
        done = self._runs.explain(
            self._model,
            self._inputs,
            ProbedModel.NAMES[:1],
            masker=ProbedMasker(self._runs.masker, change),
            seed_offset=seed_offset,
        )
        return [_Run.of(one) for one in done]


def _as_they_are(masked: MaskedInput) -> Players:
    return reordered(masked, np.arange(_width(masked)))


def _model_gates(own: list[Explanation], explainer: Any, luck: float) -> list[Gate]:
    """Return the gates that one run on ``ProbedModel`` decides."""
    laws = {
        "constant": "nothing is attributed for a model that never changes",
        "half": "half the score has half the attributions",
        "mirrored": "the negative score has the negative attributions",
        "linearity": "the mean of two scores has the mean of their attributions",
        "efficiency": "attributions and base add up to the score",
    }
    if not own:
        reason = "the explainer has a link, under which the law does not hold"
        return [Gate(name=name, law=law, reason=reason) for name, law in laws.items()]
    found: dict[str, list[float]] = {name: [] for name in laws}
    for one in own:
        f, half, mirrored, constant, squared, averaged = one.values.T
        size = max(float(np.abs(f).max()), _TINY)
        rest = f.sum() + one.base[0] - one.scores[0]
        gaps = (constant, half - f / 2, mirrored + f, averaged - (f + squared) / 2, rest)
        for name, gap in zip(laws, gaps, strict=True):
            found[name].append(float(np.abs(gap).max()) / size)
    allowed = dict.fromkeys(laws, _EXACT) | {"linearity": max(luck, _EXACT)}
    gates = [_gate(name, laws[name], errors, allowed[name]) for name, errors in found.items()]
    if gates[-1].status == "fail" and not getattr(explainer, "efficient", False):
        reason = "the method does not promise it"
        gates[-1] = replace(gates[-1], status="not applicable", reason=reason)
    return gates


def _player_gates(probes: _Probes, base: list[_Run], tolerance: float) -> list[Gate]:
    """Return the gates that need a run of their own."""
    dummy = [abs(float(run.values[-1])) / run.size for run in probes.players(unused)]
    even = len({len(run.values) for run in base}) == 1
    strongest = int(np.mean([np.abs(run.values) for run in base], axis=0).argmax()) if even else 0
    twice = cloned(strongest)
    twins, again = probes.players(twice), probes.players(twice, seed_offset=1)
    apart = [abs(float(run.values[-1] - run.values[strongest])) / run.size for run in twins]
    rng = np.random.default_rng(0)
    orders = {d: rng.permutation(d) for d in sorted({len(run.values) for run in base})}
    mixed = probes.players(lambda masked: reordered(masked, orders[_width(masked)]))
    restored = _errors([run.reordered(np.argsort(orders[len(run.values)])) for run in mixed], base)
    return [
        _gate("dummy", "a feature that changes nothing gets nothing", dummy, tolerance),
        _gate(
            "symmetry",
            "two features that do the same get the same",
            apart,
            max(_luck(again, twins), _SMALL),
        ),
        _gate("order", "the order of the features does not matter", restored, tolerance),
    ]


def _gate(name: str, law: str, errors: list[float], tolerance: float) -> Gate:
    value = float(np.median(errors))
    status = "pass" if value <= tolerance else "fail"
    return Gate(
        name=name, law=law, value=value, worst=max(errors), tolerance=tolerance, status=status
    )


def _errors(runs: list[_Run], base: list[_Run]) -> list[float]:
    """Return the largest difference on each input, relative to its largest attribution."""
    pairs = zip(runs, base, strict=True)
    return [float(np.abs(a.values - b.values).max()) / b.size for a, b in pairs]


def _luck(again: list[_Run], base: list[_Run]) -> float:
    """Return how far apart luck may bring two runs, relative to the largest attribution.

    Thrice what another seed does, or what the method says it may: one other seed may happen to
    agree, and two runs differ by the root of 2 of their standard error. What no seed changes is
    not a matter of luck.
    """
    seeds = _errors(again, base)
    if max(seeds) == 0:
        return 0.0
    said = [2**0.5 * run.error / run.size for run in base]
    return 3 * max(float(np.median(seeds)), float(np.median(said)))


def _width(masked: MaskedInput) -> int:
    return len(masked.feature_names)
