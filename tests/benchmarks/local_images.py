"""Faithfulness of image maps per model row, side by side with lime, captum, dianna's formula, shap.

Run ``make bench-local``, or this file. Needs the ImageNet model in ``../shared/models``; without it
the script says so and ends. Makes an environment for the peers outside the repository; dianna needs
torch, spaCy and a package that must be compiled, so RISE is written here as it computes it. Prints
SRG, the area between the curves of deleting the least and the most important pixels first, in 25
steps, as the mean of a grey and a blurred fill: 0 for a random map. Random maps and a centre prior
stand beside.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from local_sides import interpreter, records_of

MODEL = Path(__file__).parents[3] / "shared" / "models" / "efficientnet-lite0.onnx"
PEERS = ["lime==0.2.0.1", "captum", "shap", "onnxruntime", "scikit-learn", "scikit-image"]
TORCH = ["torch"]
SIDE, STEPS = 224, 25
IMAGES = ("chelsea", "coffee", "camera", "motorcycle")


class Network:
    """The image model on pixels 0 to 255, channels last; counts its rows and seconds."""

    def __init__(self):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(MODEL), options, providers=["CPUExecutionProvider"]
        )
        self.rows, self.seconds = 0, 0.0

    def __call__(self, images):
        images = np.asarray(images, dtype=np.float32)
        began = time.process_time()
        parts = [
            self.session.run(None, {"image": ((part - 127.0) / 128.0).transpose(0, 3, 1, 2)})[0]
            for part in np.array_split(images, max(len(images) // 8, 1))
        ]
        self.seconds += time.process_time() - began
        self.rows += len(images)
        return np.concatenate(parts)


def load(name):
    import skimage.data
    import skimage.transform

    if name == "motorcycle":
        image = skimage.data.stereo_motorcycle()[0]
    elif name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        image = load_sample_image(f"{name}.jpg")
    else:
        image = getattr(skimage.data, name)()
    image = np.stack([image] * 3, axis=-1) if image.ndim == 2 else image[..., :3]
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = image[top : top + side, left : left + side]
    resized = skimage.transform.resize(
        square, (SIDE, SIDE), order=1, anti_aliasing=True, preserve_range=True
    )
    return np.clip(resized, 0, 255).astype(np.float32)


def srg(network, image, target, heat):
    """Area under least-first minus most-first deletion, mean of the two fills."""
    from scipy.ndimage import gaussian_filter

    whole = float(network(image[None])[0, target])
    order = np.argsort(-heat.ravel(), kind="stable")
    gaps = []
    for fill in (np.full_like(image, 127.0), gaussian_filter(image, (10, 10, 0))):
        areas = []
        for line in (order[::-1], order):
            batch = np.repeat(image[None], STEPS, axis=0)
            flat, filled = batch.reshape(STEPS, -1, 3), fill.reshape(-1, 3)
            for step in range(STEPS):
                gone = line[: round(len(line) * (step + 1) / STEPS)]
                flat[step, gone] = filled[gone]
            curve = np.r_[whole, network(batch)[:, target]] / whole
            areas.append(np.trapezoid(curve, dx=1 / STEPS))
        gaps.append(areas[0] - areas[1])
    return float(np.mean(gaps))


def centre_prior(network, image, target, rows, seed):
    down, across = np.mgrid[:SIDE, :SIDE]
    return -np.hypot(down - SIDE / 2, across - SIDE / 2)


def random_blocks(network, image, target, rows, seed):
    return np.kron(np.random.default_rng(seed).random((28, 28)), np.ones((8, 8)))


def ours():
    import blackbox_xai as bx

    def run(make, masker):
        def heat(network, image, target, rows, seed):
            why = make(rows, seed).explain(network, image, masker, outputs=[target])
            return why.paint()

        return heat

    grey = bx.ImageMasker(fill=127.0)
    fine = bx.ImageMasker(bx.Slic(n_segments=260), fill=127.0)
    regions = bx.ImageMasker(bx.Regions(), fill=127.0)
    means = bx.ImageMasker(fill=bx.MeanFill())
    both = bx.ImageMasker(fill=[bx.ColourFill(colour=127.0), bx.BlurFill()])
    stride = {120: 24, 500: 9, 1000: 6}
    return {
        "SuperpixelGP": run(lambda n, s: bx.SuperpixelGP(budget=n, random_state=s), grey),
        "SuperpixelGP, 260 segments": run(
            lambda n, s: bx.SuperpixelGP(budget=n, random_state=s), fine
        ),
        "SuperpixelGP, regions": run(
            lambda n, s: bx.SuperpixelGP(budget=n, random_state=s), regions
        ),
        "SuperpixelGP, segment means": run(
            lambda n, s: bx.SuperpixelGP(budget=n, random_state=s), means
        ),
        "SuperpixelGP, grey and blur": run(
            lambda n, s: bx.SuperpixelGP(budget=n, random_state=s), both
        ),
        "KernelShap": run(lambda n, s: bx.KernelShap(budget=n, random_state=s), grey),
        "Lime": run(lambda n, s: bx.Lime(n_samples=n, random_state=s), grey),
        "Rise": run(lambda n, s: bx.Rise(n_samples=n, random_state=s), grey),
        "Rise, prior": run(lambda n, s: bx.Rise(n_samples=n, prior="gp", random_state=s), grey),
        "Occlusion 32": run(lambda n, s: bx.Occlusion(windows=32, stride=stride.get(n, 9)), grey),
        "Occlusion adaptive": run(lambda n, s: bx.Occlusion(adaptive=True, budget=n), grey),
        "centre prior": centre_prior,
        "random blocks": random_blocks,
    }


def peers():
    from lime.lime_image import LimeImageExplainer

    def lime(network, image, target, rows, seed):
        explained = LimeImageExplainer(random_state=seed).explain_instance(
            image.astype(np.uint8), network, labels=(target,), top_labels=None, num_samples=rows
        )
        weights = np.zeros(explained.segments.max() + 1)
        for segment, weight in explained.local_exp[target]:
            weights[segment] = weight
        return weights[explained.segments]

    def dianna_rise(network, image, target, rows, seed):
        """RISE as published and as dianna computes it: mean of score times mask, not centred."""
        from skimage.transform import resize

        rng = np.random.default_rng(seed)
        heat, cell = np.zeros((SIDE, SIDE)), -(-SIDE // 8)
        for start in range(0, rows, 50):
            masks = []
            for _ in range(min(50, rows - start)):
                up = resize((rng.random((8, 8)) < 0.5) * 1.0, (9 * cell, 9 * cell), order=1)
                dy, dx = rng.integers(cell, size=2)
                masks.append(up[dy : dy + SIDE, dx : dx + SIDE])
            scores = network(image * np.stack(masks)[..., None])[:, target]
            heat += np.tensordot(scores, np.stack(masks), 1)
        return heat / rows / 0.5

    def shap_kernel(network, image, target, rows, seed):
        import shap
        from skimage.segmentation import slic

        labels = slic(image / 255.0, n_segments=50, start_label=0)

        def game(z):
            shown = z[:, labels][..., None] > 0.5
            return network(np.where(shown, image, 127.0))[:, target]

        np.random.seed(seed)  # noqa: NPY002  # shap draws from the global state
        d = labels.max() + 1
        explainer = shap.KernelExplainer(game, np.zeros((1, d)))
        values = explainer.shap_values(
            np.ones((1, d)), nsamples=rows - 2, l1_reg=False, silent=True
        )
        return np.asarray(values).ravel()[labels]

    found = {"lime": lime, "RISE as shipped": dianna_rise, "shap KernelExplainer": shap_kernel}
    try:
        found["captum Lime"] = captum_lime()
    except ImportError:
        print("captum or torch is missing; left out.", file=sys.stderr)
    return found


def captum_lime():
    import torch
    from captum.attr import Lime
    from skimage.segmentation import slic

    def heat(network, image, target, rows, seed):
        torch.manual_seed(seed)
        labels = torch.from_numpy(slic(image / 255.0, n_segments=50, start_label=0).astype(int))

        def forward(batch):
            return torch.from_numpy(network(batch.numpy()))

        values = Lime(forward).attribute(
            torch.from_numpy(image)[None],
            baselines=127.0,
            target=target,
            feature_mask=labels[None, :, :, None].expand(1, SIDE, SIDE, 3),
            n_samples=rows,
            perturbations_per_eval=50,
        )
        return values[0, ..., 0].numpy()

    return heat


def measure(methods, options):
    network = Network()
    for rows in options.rows:
        for name, method in methods.items():
            if options.only and name not in options.only:
                continue
            for image_name in options.images:
                image = load(image_name)
                target = int(np.argmax(network(image[None])[0]))
                for seed in range(options.seeds):
                    network.rows, network.seconds = 0, 0.0
                    began = time.process_time()
                    heat = method(network, image, target, rows, seed)
                    spent = time.process_time() - began - network.seconds
                    record = {
                        "method": name,
                        "budget": rows,
                        "image": image_name,
                        "seed": seed,
                        "rows": network.rows,
                        "ms_per_row": 1e3 * spent / max(network.rows, 1),
                        "srg": srg(network, image, target, heat),
                    }
                    print(json.dumps(record), flush=True)


def table(records, options):
    for budget in options.rows:
        print(f"\n{budget} rows" + " " * 20 + "".join(f"{i:>11}" for i in options.images), end="")
        print(f"{'mean SRG':>11}{'rows':>7}{'CPU ms a row outside':>22}")
        at = [r for r in records if r["budget"] == budget]
        for method in dict.fromkeys(r["method"] for r in at):
            own = [r for r in at if r["method"] == method]
            cells = [np.mean([r["srg"] for r in own if r["image"] == i]) for i in options.images]
            rows = max(r["rows"] for r in own)
            outside = np.mean([r["ms_per_row"] for r in own])
            print(f"{method:<28}" + "".join(f"{c:>11.3f}" for c in cells), end="")
            print(f"{np.mean(cells):>11.3f}{rows:>7}{outside:>22.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[120, 500])
    parser.add_argument("--images", nargs="+", default=list(IMAGES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--peers", default=Path(tempfile.gettempdir()) / "blackbox-xai-local-peers")
    parser.add_argument("--run", choices=["ours", "peers"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not MODEL.exists():
        print("The image model is not there; nothing to compare.")
        return
    if options.run:
        warnings.simplefilter("ignore")
        measure(ours() if options.run == "ours" else peers(), options)
        return
    pythons = {"ours": sys.executable, "peers": interpreter(options.peers, PEERS, TORCH)}
    sides = records_of(__file__, pythons)
    table([*sides["ours"], *sides["peers"]], options)


if __name__ == "__main__":
    main()
