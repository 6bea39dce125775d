"""BentoML: bentoml serve bentoml_server:Scores; FOLDER and KIND come from the environment."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service
class Scores:
    def __init__(self):
        self.model = joblib.load(f"{os.environ['FOLDER']}/model.joblib")

    @bentoml.api
    def predict(self, rows: np.ndarray) -> np.ndarray:
        if os.environ["KIND"] == "labels":
            return self.model.predict(rows)
        return self.model.predict_proba(rows)
