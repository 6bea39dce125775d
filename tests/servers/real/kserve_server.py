"""KServe with v1, v2 and binary tensors: python kserve_server.py FOLDER PORT GRPC_PORT KIND."""

import sys

import joblib
import kserve
import numpy as np
from kserve.utils.utils import get_predict_input, get_predict_response


def answer(model, rows):
    return model.predict(rows) if kind == "labels" else model.predict_proba(rows)


class Served(kserve.Model):
    def __init__(self, name, model):
        super().__init__(name)
        self.model = model
        self.ready = True

    def predict(self, payload, headers=None):
        rows = np.asarray(get_predict_input(payload))
        return get_predict_response(payload, answer(self.model, rows), self.name)


if __name__ == "__main__":
    folder, port, grpc_port, kind = sys.argv[1:]
    sys.argv = sys.argv[:1]
    server = kserve.ModelServer(http_port=int(port), grpc_port=int(grpc_port), workers=1)
    server.start([Served("bc", joblib.load(f"{folder}/model.joblib"))])
