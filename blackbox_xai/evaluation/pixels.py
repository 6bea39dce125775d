"""Faithfulness of maps of an image, pixel by pixel, under two ways of hiding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import check_int, shown
from blackbox_xai._inputs import n_rows
from blackbox_xai._parallel import Progress, child_rng, progress_hook
from blackbox_xai.adapters import as_model
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import InputError
from blackbox_xai.evaluation.bootstrap import Estimate, mean_interval
from blackbox_xai.evaluation.metrics import area, cut_sizes, keep_least, keep_most, ranks
from blackbox_xai.evaluation.tables import Tabled
from blackbox_xai.layouts import ImageLayout
from blackbox_xai.ledger import Ledger
from blackbox_xai.maskers.fills import BlurFill, GreyFill
from blackbox_xai.maskers.image import ImageMasker
from blackbox_xai.maskers.masked_image import MaskedImage
from blackbox_xai.protocols import FloatArray, IntArray
from blackbox_xai.results import Explanation
from blackbox_xai.values import ValueFunction

__all__ = ["PixelFaithfulness", "pixel_faithfulness"]

_FILLS = ("grey", "blur")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class PixelFaithfulness(Tabled):
    """How faithful maps of images are, beside random maps of the same segments.

    Parameters
    ----------
    methods : tuple of str
        The explained methods, then "random".
    fills : tuple of str
        Ways in which pixels are hidden.
    share : ndarray of shape (s,)
        Share of pixels hidden.
    most_first, least_first : ndarray of shape (a, f, n, s)
        Scores relative to that of the whole image, as pixels are hidden, most or least
        important first.
    confidence : float
        Coverage of the intervals.
    cost : Ledger
        Queries spent.
    """

    methods: tuple[str, ...]
    fills: tuple[str, ...]
    share: FloatArray
    most_first: FloatArray
    least_first: FloatArray
    confidence: float
    cost: Ledger

    @property
    def relevance_gain(self) -> FloatArray:
        """Area between the two curves, the mean over fills, shape ``(a, n)``; 0 for chance."""
        gap: FloatArray = area(self.share, self.least_first - self.most_first).mean(axis=1)
        return gap

    def estimate(self, method: str) -> Estimate:
        """Return the mean relevance gain of a method and its interval."""
        return mean_interval(self._of(method), confidence=self.confidence)

    def difference(self, method: str, other: str) -> Estimate:
        """Return the mean difference of two methods on the same images, and its interval."""
        gap = self._of(method) - self._of(other)
        return mean_interval(gap, confidence=self.confidence)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each method."""
        rows = []
        for a, method in enumerate(self.methods):
            found = self.estimate(method)
            row: dict[str, Any] = {"method": method, "relevance gain": found.mean}
            row |= {"low": found.low, "high": found.high, "n": found.n}
            for f, fill in enumerate(self.fills):
                row[f"deletion, {fill}"] = float(area(self.share, self.most_first[a, f]).mean())
                row[f"insertion, {fill}"] = float(area(self.share, self.least_first[a, f]).mean())
            over = None
            if method != "random":
                over = ("unclear", "better", "worse")[self.difference(method, "random").sign]
            rows.append({k: None if v != v else v for k, v in row.items()} | {"over random": over})
        return rows

    def __repr__(self) -> str:
        """Return the size and the table."""
        n = self.most_first.shape[2]
        return f"PixelFaithfulness on {n} images, {self.cost.rows} rows\n{self}"

    def _of(self, method: str) -> FloatArray:
        if method not in self.methods:
            raise InputError(f"method must be one of {shown(self.methods)}, got {shown(method)}.")
        gain: FloatArray = self.relevance_gain[self.methods.index(method)]
        return gain


def pixel_faithfulness(
    explanations: Sequence[Explanation] | Mapping[str, Sequence[Explanation]],
    model: Any,
    images: Any,
    *,
    channels: Literal["last", "first"] | None = None,
    output: int | str | None = None,
    n_steps: int = 25,
    sigma: float = 10.0,
    confidence: float = 0.95,
    random_state: int = 0,
    progress: bool | Progress = False,
) -> PixelFaithfulness:
    """Hide pixels by what maps say, and measure how the score falls: symmetric relevance gain.

    Pixels are hidden in equal steps, most important first and least important first, by grey and by
    a blur. The gain is the area between the two curves of the relative score, 0 for a random map
    under any way of hiding, which single deletion curves are not.

    Parameters
    ----------
    explanations : sequence of Explanation, or mapping of str to such
        One explanation for each image; several methods by name. A ``heatmap`` is used where a
        method has one, else attributions per pixel of their segment.
    model : object
        Anything ``as_model`` takes.
    images : sequence of array
        The images explained, in the same order.
    channels : {"last", "first"}, optional
        As for ``ImageMasker``.
    output : int or str, optional
        Output evaluated. None: on each image the one with the highest score of those explained.
    n_steps : int
        Steps of a curve; each costs four rows for each method and image.
    sigma : float
        Width of the blur, in pixels.
    confidence : float
        Coverage of the bootstrap intervals.
    random_state : int
        Seed.
    progress : bool or callable
        True shows a bar on a terminal; a callable receives ``(done, total)`` images.

    Returns
    -------
    PixelFaithfulness

    Raises
    ------
    InputError
        When explanations are not of these images.
    ModelError
        When the model fails.

    References
    ----------
    Blücher, Vielhaben, Strodthoff (2024), Decoupling Pixel Flipping and Occlusion Strategy for
    Consistent XAI Benchmarks. Petsiuk, Das, Saenko (2018), RISE, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> image = np.pad(np.ones((2, 2)), ((0, 4), (0, 4)))
    >>> model = lambda images: images[:, :2, :2].mean(axis=(1, 2))
    >>> masker = bx.ImageMasker(bx.Grid(rows=3, columns=3), fill=0.0)
    >>> whys = bx.ExactShapley().explain_many(model, [image], masker)
    >>> found = pixel_faithfulness(whys, model, [image])
    >>> found.estimate("ExactShapley").mean > 0.3
    True
    """
    check_int("n_steps", n_steps, minimum=1)
    check_int("random_state", random_state, minimum=0)
    named = _named(explanations, n_rows(images))
    black_box = as_model(model)
    n, cost = n_rows(images), Ledger()
    curves: list[list[FloatArray]] = []
    show, close = progress_hook(progress, "pixel_faithfulness")
    try:
        for i in range(n):
            every = [many[i] for many in named.values()]
            name = every[0].output_names[every[0].output_index(output)]
            rng = child_rng(random_state, i)
            maps = [_heat(one, name) for one in every] + [_random_heat(every[0], rng)]
            ties = rng.random(maps[0].size)
            rank = [ranks(heat.ravel(), ties) for heat in maps]
            curves.append([])
            for fill in (GreyFill(), BlurFill(sigma=sigma)):
                masked = _bound(images[i], fill, channels, maps[0].shape)
                found, spent = _curves(black_box, masked, rank, name, n_steps)
                curves[-1].append(found)
                cost += spent
            show(i + 1, n)
    finally:
        close()
    stacked = np.array(curves).transpose(2, 3, 1, 0, 4)  # (a, 2, f, n, s)
    return PixelFaithfulness(
        methods=(*named, "random"),
        fills=_FILLS,
        share=np.linspace(0, 1, n_steps + 1),
        most_first=stacked[:, 0],
        least_first=stacked[:, 1],
        confidence=confidence,
        cost=cost,
    )


def _named(explanations: Any, n: int) -> dict[str, list[Explanation]]:
    if not isinstance(explanations, Mapping):
        many = list(explanations)
        explanations = {many[0].method: many} if many else {}
    named = {str(name): list(many) for name, many in explanations.items()}
    for name, many in named.items():
        if len(many) != n or name == "random":
            raise InputError(
                f"explanations of {name!r} must be one for each of {n} images, got {len(many)}; "
                "no method may be named 'random'."
            )
        if not all(isinstance(one.layout, ImageLayout) for one in many):
            raise InputError(f"explanations of {name!r} must be of images.")
    if not named or n == 0:
        raise InputError("explanations must hold at least one explanation, got none.")
    return named


def _heat(one: Explanation, output: str) -> FloatArray:
    """Return the attribution of each pixel to an output, shape ``(height, width)``."""
    if output not in one.output_names:
        raise InputError(f"explanations lack the output {output!r}; they have {one.output_names}.")
    j = one.output_names.index(output)
    if one.heatmap is not None:
        fine: FloatArray = one.heatmap[..., j]
        return fine
    labels = _labels(one)
    sizes = np.bincount(labels[labels >= 0], minlength=len(one.values))
    return one.layout.paint(one.values[:, j] / np.maximum(sizes, 1))


def _random_heat(one: Explanation, rng: np.random.Generator) -> FloatArray:
    """Return a map with a random value for each segment."""
    return one.layout.paint(rng.standard_normal(len(one.values)))


def _labels(one: Explanation) -> IntArray:
    if not isinstance(one.layout, ImageLayout):
        raise InputError("explanations must be of images.")
    return one.layout.labels


def _bound(image: Any, fill: Any, channels: Any, shape: tuple[int, ...]) -> MaskedImage:
    """Return the image with each pixel a feature."""
    masker = ImageMasker(lambda x: np.zeros(x.shape[:2], dtype=int), fill, channels=channels)
    masked = masker.bind(image)
    if masked.labels.shape != shape:
        raise InputError(f"explanations are of images of shape {shape}, got {masked.labels.shape}.")
    return masked.pixels()


def _curves(
    model: Adapter, masked: MaskedImage, rank: list[IntArray], output: str, n_steps: int
) -> tuple[NDArray[np.float64], Ledger]:
    """Return curves ``(a, 2, s)`` of the relative score, and their cost."""
    n_pixels = masked.labels.size
    cuts = cut_sizes(n_pixels, n_steps)
    v = ValueFunction(model, masked)
    whole = v(np.ones((1, n_pixels), dtype=bool))
    names = model.name_outputs(whole.shape[1])
    if output not in names:
        raise InputError(f"model has no output {output!r}; it has {shown(names)}.")
    place = names.index(output)
    size = abs(float(whole[0, place])) or 1.0
    steps = np.linspace(0, 1, n_steps + 1)
    curves = []
    for one in rank:
        both = [keep_least(one, cuts), keep_most(one, n_pixels - cuts)]
        pair = [v(kept)[:, place] / size for kept in both]
        curves.append([np.interp(steps, cuts / n_pixels, curve) for curve in pair])
    return np.array(curves), v.cost
