"""LIME on tables and texts: error to the limit, stability over seeds, overhead, beside lime's.

Run ``make bench-local``, or this file. A random forest on the breast cancer data; lime's own
samples and ours estimate the same limit, taken from 65,536 of ours. Overhead is CPU time outside
``predict``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from local_sides import interpreter, records_of

PEERS = ["lime==0.2.0.1", "scikit-learn"]
ROWS = (410, 500, 520)
MANY = 65_536


class Timed:
    """Counts the CPU time spent in a function."""

    def __init__(self, function):
        self.function, self.seconds, self.rows = function, 0.0, 0

    def __call__(self, inputs):
        began = time.process_time()
        scores = self.function(inputs)
        self.seconds += time.process_time() - began
        self.rows += len(inputs)
        return scores


def forest():
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import RandomForestClassifier

    X, y = load_breast_cancer(return_X_y=True)
    model = RandomForestClassifier(100, random_state=0).fit(X[:400], y[:400])
    return X, model.predict_proba


def words(n):
    return " ".join(f"word{i}" for i in range(n))


def count_letters(texts):
    lengths = np.fromiter(map(len, texts), float, len(texts))
    return np.column_stack([lengths, -lengths]) / 1e4


def ours():
    import blackbox_xai as bx

    def table(X):
        masker = bx.TabularMasker(X)

        def explain(predict, x, n, seed):
            lime = bx.Lime(n_samples=n, compat="lime", random_state=seed)
            return lime.explain(predict, x, masker, outputs=[1]).values[:, 0]

        return explain

    def text(predict, document, n, seed):
        lime = bx.Lime(n_samples=n, compat="lime", random_state=seed)
        return lime.explain(predict, document, bx.TextMasker(), outputs=[1]).values[:, 0]

    return table, text


def peer():
    from lime.lime_tabular import LimeTabularExplainer
    from lime.lime_text import LimeTextExplainer

    def table(X):
        def explain(predict, x, n, seed):
            explainer = LimeTabularExplainer(X, random_state=seed)
            found = explainer.explain_instance(x, predict, num_samples=n, num_features=X.shape[1])
            values = np.zeros(X.shape[1])
            for j, weight in found.local_exp[1]:
                values[j] = weight
            return values

        return explain

    def text(predict, document, n, seed):
        explainer = LimeTextExplainer(bow=False, random_state=seed)
        found = explainer.explain_instance(document, predict, num_samples=n, num_features=10)
        return np.array([weight for _, weight in found.local_exp[1]])

    return table, text


def measure(side, options):
    table, text = ours() if side == "ours" else peer()
    X, predict = forest()
    explain = table(X[:400])
    for i in ROWS:
        for n in (options.n, *((MANY,) if side == "ours" else ())):
            for seed in range(options.seeds if n != MANY else 1):
                values = explain(predict, X[i], n, seed)
                show({"what": "values", "row": i, "n": n, "seed": seed, "values": values.tolist()})
    rng = np.random.default_rng(0)
    data, weights = rng.normal(size=(400, 30)), np.linspace(-1, 1, 30)

    def linear(rows):
        scores = rows @ weights
        return np.column_stack([-scores, scores])

    explain = table(data)
    overhead("table, d = 30, 5,000 samples", explain, linear, data[0], 5000)
    overhead("text, 200 words, 5,000 samples", text, count_letters, words(200), 5000)


def overhead(name, explain, predict, x, n):
    """Print the least CPU time outside predict of a few runs, in milliseconds."""
    spent = []
    for seed in range(7):
        timed = Timed(predict)
        began = time.process_time()
        explain(timed, x, n, seed)
        spent.append(1e3 * (time.process_time() - began - timed.seconds))
    show({"what": "overhead", "name": name, "ms": min(spent), "rows": timed.rows})


def show(record):
    print(json.dumps(record), flush=True)


def accuracy(records, truth):
    """Return relative RMSE to the limit, and Jaccard index of the top five between seeds."""
    errors, agreement = [], []
    for i in ROWS:
        own = [np.array(r["values"]) for r in records if r["row"] == i]
        errors += [((values - truth[i]) ** 2).mean() / (truth[i] ** 2).mean() for values in own]
        tops = [set(np.argsort(-np.abs(values))[:5].tolist()) for values in own]
        agreement += [len(a & b) / len(a | b) for n, a in enumerate(tops) for b in tops[:n]]
    return np.sqrt(np.mean(errors)), np.mean(agreement)


def report(sides, options):
    limit = {r["row"]: np.array(r["values"]) for r in sides["ours"] if r.get("n") == MANY}
    print(f"{'':<34}{'ours':>10}{'lime':>10}{'ratio':>8}")
    found = {}
    for side, records in sides.items():
        found[side] = accuracy([r for r in records if r.get("n") == options.n], limit)
    for row, name in enumerate((f"relative RMSE, n = {options.n}", "Jaccard of top 5 over seeds")):
        a, b = found["ours"][row], found["lime"][row]
        print(f"{name:<34}{a:>10.3f}{b:>10.3f}{a / b:>8.2f}")
    times = {
        side: {r["name"]: r for r in records if r["what"] == "overhead"}
        for side, records in sides.items()
    }
    for name, own in times["ours"].items():
        other = times["lime"][name]
        print(f"{name + ', ms':<34}{own['ms']:>10.1f}{other['ms']:>10.1f}", end="")
        print(f"{own['ms'] / other['ms']:>8.3f}   rows {own['rows']} / {other['rows']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1024)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--peers", default=Path(tempfile.gettempdir()) / "blackbox-xai-local-lime")
    parser.add_argument("--run", choices=["ours", "lime"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        warnings.simplefilter("ignore")
        measure(options.run, options)
        return
    pythons = {"ours": sys.executable, "lime": interpreter(options.peers, PEERS)}
    report(records_of(__file__, pythons), options)


if __name__ == "__main__":
    main()
