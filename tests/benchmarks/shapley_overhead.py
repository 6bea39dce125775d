"""Overhead of Shapley explainers beside shap's: everything but the model, in processor time.

A linear model with one product of three features, 30 features, 100 background rows, 2,048
coalitions for each of 20 inputs. Prints microseconds for each coalition of 100 rows, memory, and
predict calls. Run ``make bench-shapley``, or this file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # threads that wait for work count as processor time

import numpy as np

D, ROWS, COALITIONS, INPUTS = 30, 100, 2048, 20


def setting():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=D)
    return weights, rng.normal(size=(ROWS, D)), rng.normal(size=(INPUTS, D))


class Model:
    def __init__(self, weights):
        self.weights, self.rows, self.calls, self.seconds = weights, 0, 0, 0.0

    def __call__(self, inputs):
        began = time.process_time()
        self.rows += len(inputs)
        self.calls += 1
        scores = inputs @ self.weights + inputs[:, 0] * inputs[:, 1] * inputs[:, 2]
        self.seconds += time.process_time() - began
        return scores


def mask_and_predict(f, xs, background):
    """Write the rows and predict them, 64 coalitions at a time: no explainer can do less."""
    rng = np.random.default_rng(0)
    kept = rng.random((COALITIONS, D)) < 0.5
    for x in xs:
        for a in range(0, COALITIONS, 64):
            f(np.where(kept[a : a + 64, None], x, background).reshape(-1, D))


def ours(f, xs, background):
    import blackbox_xai as bx

    explainer = bx.Shapley(budget=COALITIONS * ROWS)
    explainer.explain_many(f, xs, bx.TabularMasker(background))


def shap_kernel(f, xs, background):
    import shap

    explainer = shap.KernelExplainer(f, background)
    explainer.shap_values(xs, nsamples=COALITIONS - 2, l1_reg=False, silent=True)


def measure(name, run):
    weights, background, xs = setting()
    best = np.inf
    for _ in range(3):
        f = Model(weights)
        began = time.process_time()
        run(f, xs, background)
        best = min(best, time.process_time() - began - f.seconds)
    tracemalloc.start()
    run(Model(weights), xs, background)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()  # tracing slows what is measured next
    print(
        f"{name:28}{1e6 * best / INPUTS / COALITIONS:10.1f} us/coalition{peak:10.1f} MiB"
        f"{f.calls:8} calls{f.rows:10} rows",
        flush=True,
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["shap"]:
        measure("shap KernelExplainer", shap_kernel)
        raise SystemExit
    sys.path.insert(0, str(Path(__file__).parent))
    from shapley_accuracy import environment

    folder = Path(tempfile.gettempdir()) / "bench-shapley"
    folder.mkdir(exist_ok=True)
    measure("mask and predict", mask_and_predict)
    measure("Shapley", ours)
    subprocess.run(
        [str(environment("shap", folder)), __file__, "shap"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
    )
