"""Agreement with shap's KernelExplainer and ExactExplainer, all coalitions, on three real models.

A network, a support vector machine and a forest with 10 or 13 features. Run
``make bench-shapley``, or this file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from shapley_problems import build, load

MODELS = ("diab_mlp", "wine_svc", "wine_rf")
ROWS, INPUTS = 10, 3


def theirs(folder):
    import shap

    for name in MODELS:
        problem = load(folder / f"{name}-0.pkl")
        background, xs = problem.background[:ROWS], problem.xs[:INPUTS]
        masker = shap.maskers.Independent(background, max_samples=ROWS)
        exact = shap.ExactExplainer(problem.f, masker)(xs).values
        kernel = shap.KernelExplainer(problem.f, background).shap_values(
            xs, nsamples=2 ** xs.shape[1], l1_reg=False, silent=True
        )
        np.savez(folder / f"{name}-shap.npz", exact=exact, kernel=kernel)


def main():
    from shapley_accuracy import environment

    import blackbox_xai as bx

    folder = Path(tempfile.gettempdir()) / "bench-shapley"
    folder.mkdir(exist_ok=True)
    build(folder, MODELS)
    subprocess.run(
        [str(environment("shap", folder)), __file__, str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    explainers = {
        "ExactShapley": bx.ExactShapley(),
        "KernelShap": bx.KernelShap(budget=2**13 * ROWS),
        "Shapley": bx.Shapley(budget=2**13 * ROWS),
    }
    worst = 0.0
    for name in MODELS:
        problem = load(folder / f"{name}-0.pkl")
        peer = np.load(folder / f"{name}-shap.npz")
        masker = bx.TabularMasker(problem.background[:ROWS])
        for kind, explainer in explainers.items():
            whys = explainer.explain_many(problem.f, problem.xs[:INPUTS], masker)
            values = np.array([why.values[:, 0] for why in whys])
            gaps = {how: abs(values - peer[how]).max() for how in ("exact", "kernel")}
            worst = max(worst, *gaps.values())
            print(
                f"{name:10}{kind:14}largest difference: shap exact {gaps['exact']:.1e}, "
                f"shap kernel {gaps['kernel']:.1e}",
                flush=True,
            )
    if worst > 1e-6:
        raise SystemExit(f"values differ by {worst:.1e}")


if __name__ == "__main__":
    if sys.argv[1:]:
        theirs(Path(sys.argv[1]))
    else:
        main()
