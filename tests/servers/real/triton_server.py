"""Triton: python triton_server.py FOLDER PORT GRPC_PORT METRICS_PORT KIND."""

import sys

import joblib
import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

if __name__ == "__main__":
    folder, port, grpc_port, metrics_port, kind = sys.argv[1:]
    model = joblib.load(f"{folder}/model.joblib")

    @batch
    def infer(X):
        if kind == "labels":
            return {"labels": model.predict(X)[:, None].astype(np.int64)}
        return {"probabilities": model.predict_proba(X)}

    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=int(port),
        grpc_address="127.0.0.1",
        grpc_port=int(grpc_port),
        metrics_port=int(metrics_port),
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="bc",
            infer_func=infer,
            inputs=[Tensor(name="X", dtype=np.float64, shape=(30,))],
            outputs=[
                Tensor(name="labels", dtype=np.int64, shape=(1,))
                if kind == "labels"
                else Tensor(name="probabilities", dtype=np.float64, shape=(2,))
            ],
            config=ModelConfig(max_batch_size=16),
        )
        triton.serve()
