"""Where does an image classifier look? ``python examples/image_superpixels.py``.

With a folder ``shared/models`` beside the repository (an ImageNet classifier as ONNX), a photograph
of a cat is explained; otherwise a handwritten digit and a classifier fitted here. The map is tested
on the model itself: hiding the superpixels it ranks highest has to cost more than hiding others.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from skimage.data import chelsea
from skimage.transform import resize
from sklearn.datasets import load_digits
from sklearn.svm import SVC

import blackbox_xai as bx

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "models"
Subject = tuple[bx.CallableModel, np.ndarray, bx.ImageMasker, int]


def cat() -> Subject:
    """Return an ImageNet classifier of RGB images, and a photograph."""
    photo = chelsea()[:, 75:375]
    image = np.rint(resize(photo, (224, 224), anti_aliasing=True, preserve_range=True))
    network = bx.as_model(FOLDER / "efficientnet-lite0.onnx", scale="probability", batch_size=8)

    def predict(images: np.ndarray) -> np.ndarray:
        return network.predict((images.astype(np.float32) / 128 - 127 / 128).transpose(0, 3, 1, 2))

    names = (FOLDER / "imagenet_classes.txt").read_text(encoding="utf-8").splitlines()
    model = bx.CallableModel(predict, scale="probability", output_names=names)
    grey = bx.ImageMasker(bx.Slic(n_segments=120), fill=127)
    return model, image.astype(np.uint8), grey, 250


def digit() -> Subject:
    """Return a classifier of handwritten digits, and a digit that it has not seen."""
    images, targets = load_digits(return_X_y=True)
    classifier = SVC(gamma=0.001).fit(images[200:], targets[200:])

    def predict(batch: np.ndarray) -> np.ndarray:
        return classifier.decision_function(batch.reshape(-1, 64))

    blank = bx.ImageMasker(bx.Grid(rows=4, columns=4), fill=0)
    return bx.CallableModel(predict, scale="score"), images[3].reshape(8, 8), blank, 150


def main() -> None:
    """Explain the answer with the highest score, draw it, and test the map."""
    model, image, masker, budget = cat() if FOLDER.is_dir() else digit()
    top = int(model.predict(image[None])[0].argmax())
    why = bx.SuperpixelGP(budget=budget).explain(model, image, masker, outputs=top)
    print(why)
    why.plot(title=f"What speaks for {why.output_names[0]}?").figure.savefig(
        "image_superpixels.png"
    )
    plt.close("all")
    assert why.cost.rows <= budget

    masked = masker.bind(image)
    ranked = np.argsort(-why.values[:, 0])
    fifth = len(ranked) // 5

    def score_without(hidden: np.ndarray) -> float:
        kept = np.ones(len(ranked), dtype=bool)
        kept[hidden] = False
        return float(model.predict(masked.apply(kept))[0, top])

    rng = np.random.default_rng(0)
    by_map = score_without(ranked[:fifth])
    by_chance = [score_without(rng.permutation(ranked)[:fifth]) for _ in range(10)]
    print(
        f"score {why.scores[0]:.2f}; without the fifth of the picture that the map ranks highest "
        f"{by_map:.2f}; without a fifth drawn by chance {np.mean(by_chance):.2f}"
    )
    assert by_map < min(by_chance)


if __name__ == "__main__":
    main()
