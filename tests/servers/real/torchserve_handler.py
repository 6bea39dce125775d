"""The handler of TorchServe: rows in the JSON envelope ``instances``, lists of scores out."""

import os

import joblib
import numpy as np


class Scores:
    def __init__(self):
        self.model = None

    def initialize(self, context):
        self.model = joblib.load(f"{context.system_properties['model_dir']}/model.joblib")

    def handle(self, requests, context):
        return [self.answer(request.get("body") or request.get("data")) for request in requests]

    def answer(self, message):
        rows = np.asarray(message["instances"], float)
        if os.environ["KIND"] == "labels":
            return self.model.predict(rows).tolist()
        return self.model.predict_proba(rows).tolist()


service = Scores()


def handle(requests, context):
    """What TorchServe calls; without requests to begin with."""
    if service.model is None:
        service.initialize(context)
    return None if requests is None else service.handle(requests, context)
