"""Where parts of an input lie, how the score drops without them, and the map they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blackbox_xai.coalitions.boxes import cover, hidden_by
from blackbox_xai.layouts import ImageLayout
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray, MaskedInput, PixelInput
from blackbox_xai.results import Attribution
from blackbox_xai.values import Query, Steps, ValueFunction

__all__ = ["Field", "drops_of", "hidden_drops", "over_fills"]

_BLOCK = 64


@dataclass(frozen=True, eq=False)
class Field:
    """The grid of places that boxes lie on: pixels of an image, or features in a line."""

    shape: tuple[int, int]
    labels: IntArray
    n_features: int
    fill_weights: FloatArray
    view: MaskedInput | None

    @classmethod
    def of(cls, v: ValueFunction, *, by_pixel: bool) -> Field:
        """Return the pixels of an image where asked for and possible, else the features."""
        layout = v.masked.layout
        if by_pixel and isinstance(v.masked, PixelInput) and isinstance(layout, ImageLayout):
            height, width = layout.labels.shape
            view = v.masked.pixels()
            flat = layout.labels.ravel()
            return cls((height, width), flat, v.n_features, v.masked.fill_weights, view)
        line = np.arange(v.n_features)
        return cls((1, v.n_features), line, v.n_features, v.masked.fill_weights, None)

    def attribution(
        self, boxes: IntArray, drops: FloatArray, base: FloatArray, *, leaves: bool
    ) -> Attribution:
        """Spread the drops ``(m, r, k)`` of boxes over the places they cover."""
        counts = np.maximum(cover(boxes, *self.shape), 1)
        m, r, k = drops.shape
        maps = np.zeros((self.shape[0] * self.shape[1], r * k))
        flat = drops.reshape(m, r * k)
        for a in range(0, m, _BLOCK):
            hidden = hidden_by(boxes[a : a + _BLOCK], *self.shape)
            maps += hidden.T.astype(np.float64) @ flat[a : a + _BLOCK]
        maps /= counts[:, None]
        inside = self.labels >= 0
        sizes = np.bincount(self.labels[inside], minlength=self.n_features)
        by_feature = np.zeros((self.n_features, r * k))
        np.add.at(by_feature, self.labels[inside], maps[inside])
        by_feature /= np.maximum(sizes, 1)[:, None]
        per_fill = by_feature.reshape(-1, r, k).transpose(1, 0, 2)
        values, std_err = over_fills(per_fill, self.fill_weights)
        heatmap = None
        if self.view is not None:
            heatmap = np.einsum("prk,r->pk", maps.reshape(-1, r, k), self.fill_weights)
            heatmap = heatmap.reshape(*self.shape, k)
        diagnostics = (
            {"n_parts": m, "smallest_part": _smallest(boxes)} if leaves else {"n_parts": m}
        )
        return Attribution(values, base, std_err, diagnostics, heatmap)


def _smallest(boxes: IntArray) -> int:
    """Return the number of places in the smallest box."""
    return int(((boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])).min())


def drops_of(
    v: ValueFunction, field: Field, boxes: IntArray, full: FloatArray
) -> Steps[FloatArray]:
    """Return the drop when each box is hidden by each fill, shape ``(m, r, k)``."""
    if field.view is None:
        return (yield from hidden_drops(v, hidden_by(boxes, *field.shape), full))
    r, parts = v.n_fills, []
    for a in range(0, len(boxes), _BLOCK):
        kept = ~hidden_by(boxes[a : a + _BLOCK], *field.shape)
        fills = np.tile(np.arange(r), len(kept))
        scores = yield Query(np.repeat(kept, r, axis=0), fills, field.view)
        parts.append((full - scores).reshape(len(kept), r, -1))
    return np.concatenate(parts)


def hidden_drops(v: ValueFunction, hidden: BoolArray, full: FloatArray) -> Steps[FloatArray]:
    """Return the drop when each set of features is hidden by each fill, shape ``(m, r, k)``.

    Rows whose hidden features do not differ from the fill are not sent: their drop is 0.
    """
    changes = hidden.astype(np.float32) @ v.masked.varies.T.astype(np.float32) > 0
    part, fill = np.nonzero(changes)
    drops = np.zeros((*changes.shape, len(full)))
    if len(part):
        drops[part, fill] = full - (yield Query(~hidden[part], fill))
    return drops


def over_fills(per_fill: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray | None]:
    """Return mean and standard error over fills of values ``(r, d, k)``."""
    mean = np.einsum("rdk,r->dk", per_fill, weights)
    if len(weights) == 1:
        return mean, None
    spread = np.einsum("rdk,r->dk", (per_fill - mean) ** 2, weights)
    n_effective = 1 / (weights**2).sum()
    return mean, np.sqrt(spread / max(n_effective - 1, 1e-9))
