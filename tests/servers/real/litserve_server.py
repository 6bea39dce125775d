"""LitServe: python litserve_server.py FOLDER PORT KIND."""

import sys

import joblib
import litserve
import numpy as np


class Served(litserve.LitAPI):
    def setup(self, device):
        self.model = joblib.load(f"{sys.argv[1]}/model.joblib")

    def decode_request(self, request):
        return np.asarray(request["input"], float)

    def predict(self, rows):
        return (
            self.model.predict(rows) if sys.argv[3] == "labels" else self.model.predict_proba(rows)
        )

    def encode_response(self, scores):
        return {"output": scores.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Served(), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False)
