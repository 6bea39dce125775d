"""Saves the model for MLflow's scoring server: python mlflow_save.py FOLDER."""

import sys

import joblib
import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature

if __name__ == "__main__":
    folder = sys.argv[1]
    model = joblib.load(f"{folder}/model.joblib")
    held = np.load(f"{folder}/truth.npz")
    frame = pd.DataFrame(held["X"], columns=[str(name) for name in held["names"]])
    for name, function in (("probabilities", "predict_proba"), ("labels", "predict")):
        mlflow.sklearn.save_model(
            model,
            f"{folder}/{name}",
            signature=infer_signature(frame, getattr(model, function)(held["X"])),
            pyfunc_predict_fn=function,
            serialization_format="cloudpickle",
        )
