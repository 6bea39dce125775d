"""Do the measures of faithfulness recover explanations of known quality?

Run: ``python tests/benchmarks/evaluation_ladder.py``. Attributions that are right by construction
(many antithetic orders) stand beside spoilt copies of them. ``t`` is the mean advantage of the
right ones over random ones in standard errors; "wins" is the share of inputs on which they score
better than a spoilt copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import blackbox_xai as bx
from blackbox_xai.evaluation import Faithfulness, faithfulness
from blackbox_xai.results import Explanation

N = 30
LOWER_IS_BETTER = ("sufficiency", "infidelity", "deletion")


def spoilt(whys: list[Explanation], rng: np.random.Generator) -> dict[str, list[Explanation]]:
    """Return right explanations and worse ones."""

    def changed(change: Callable[[np.ndarray], np.ndarray]) -> list[Explanation]:
        return [replace(why, values=change(why.values)) for why in whys]

    return {
        "right": whys,
        "noise .5 sd": changed(lambda v: v + 0.5 * v.std(axis=0) * rng.normal(size=v.shape)),
        "noise 2 sd": changed(lambda v: v + 2 * v.std(axis=0) * rng.normal(size=v.shape)),
        "absolute": changed(np.abs),
        "negative": changed(np.negative),
        "tripled": changed(lambda v: 3 * v),
    }


def report(name: str, result: Faithfulness) -> None:
    """Print one problem."""
    print(f"\n{name}: {result.scores.shape[2]} inputs, {result.cost.rows} rows")
    others = [m for m in result.methods if m not in ("right", "random")]
    print(f"{'metric':26}{'t':>7}" + "".join(f"{other:>13}" for other in others) + "   wins over")
    for q, metric in enumerate(result.metrics):
        sign = -1 if metric in LOWER_IS_BETTER else 1
        of = {m: sign * result.scores[a, q] for a, m in enumerate(result.methods)}
        gain = of["right"] - of["random"]
        t = np.nanmean(gain) / (np.nanstd(gain, ddof=1) / len(gain) ** 0.5)
        wins = [np.nanmean((of["right"] > of[o]) + 0.5 * (of["right"] == of[o])) for o in others]
        print(f"{metric:26}{t:7.1f}" + "".join(f"{win:13.2f}" for win in wins))


def main() -> None:
    """Run a forest on 30 columns and a network on 64 pixels."""
    cancer, digits = load_breast_cancer(), load_digits()
    forest = RandomForestClassifier(100, random_state=0).fit(cancer.data[::2], cancer.target[::2])
    network = make_pipeline(StandardScaler(), MLPClassifier((64, 32), max_iter=300, random_state=0))
    network.fit(digits.data[::2], digits.target[::2])
    for name, model, data in (("forest", forest, cancer.data), ("network", network, digits.data)):
        masker = bx.TabularMasker(data[::2].mean(axis=0, keepdims=True))
        inputs = data[1::2][:N]
        orders = bx.PermutationShapley(budget=8000)
        whys = orders.explain_many(model, inputs, masker)
        maps = spoilt(list(whys), np.random.default_rng(0))
        report(name, faithfulness(maps, model, inputs, masker))


if __name__ == "__main__":
    main()
