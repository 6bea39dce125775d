"""Fits the model that a server serves, in that server's environment, and writes what it says.

Run as ``python train.py FOLDER``. Probabilities are written beside the model, since another version
of scikit-learn may fit another forest.
"""

import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main(folder):
    data = load_breast_cancer()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    model.fit(data.data[:400], data.target[:400])
    held_out = data.data[400:]
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib")
    names = np.array([str(name) for name in data.feature_names])
    np.savez(folder / "truth.npz", X=held_out, p=model.predict_proba(held_out), names=names)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
