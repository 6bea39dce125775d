"""A text whose tokens are underlined by what they add to the prediction."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blackbox_xai._format import clean_text, signed
from blackbox_xai.errors import InputError
from blackbox_xai.plotting.folding import fold
from blackbox_xai.plotting.style import (
    Palette,
    choose_axes,
    choose_palette,
    fit,
    font_families,
    plain,
    symmetric_limit,
    text_width,
    write_title,
)
from blackbox_xai.protocols import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Piece", "right_to_left", "text", "text_pieces"]

Spans = Sequence[Sequence[tuple[int, int]]]
_LINE = 0.34  # inches
_WIDTH = 7.5
_MAX_LINES = 12
_POINTS = 11.0


@dataclass(frozen=True)
class Piece:
    """A stretch of the text: a token with its feature, or what stands between (feature -1)."""

    start: int
    stop: int
    feature: int


def text_pieces(content: str, spans: Spans) -> list[Piece]:
    """Cut ``content`` into tokens and what stands between them, in order, nothing left out.

    Parameters
    ----------
    content : str
        The text.
    spans : sequence
        For each feature the character spans ``(start, stop)`` that belong to it.

    Raises
    ------
    InputError
        When spans overlap or lie outside the text.

    Examples
    --------
    >>> text_pieces("so good!", [[(3, 7)]])
    [Piece(start=0, stop=3, feature=-1), Piece(start=3, stop=7, feature=0), \
Piece(start=7, stop=8, feature=-1)]
    """
    marked = sorted((a, b, i) for i, feature in enumerate(spans) for a, b in feature)
    pieces, at = [], 0
    for start, stop, feature in marked:
        if not at <= start <= stop <= len(content):
            raise InputError(
                f"spans must not overlap and lie within the text of {len(content)} characters, "
                f"got ({start}, {stop}) after character {at}."
            )
        if start > at:
            pieces.append(Piece(at, start, -1))
        pieces.append(Piece(start, stop, feature))
        at = stop
    if at < len(content):
        pieces.append(Piece(at, len(content), -1))
    return pieces


def right_to_left(content: str) -> bool:
    """Tell whether most letters of ``content`` are written from right to left.

    Examples
    --------
    >>> right_to_left("טוב מאוד ok"), right_to_left("good")
    (True, False)
    """
    kinds = [unicodedata.bidirectional(c) for c in content]
    return sum(kind in ("R", "AL") for kind in kinds) > sum(kind == "L" for kind in kinds)


def text(
    values: FloatArray,
    content: str,
    spans: Spans,
    *,
    std_err: FloatArray | None = None,
    unit: str = "output",
    ax: Axes | None = None,
    max_display: int = 10,
    palette: Palette | None = None,
    title: str | None = None,
) -> Axes:
    """Draw a text; the thicker the line under a token, the more it matters.

    A full line raises the output, a dashed line lowers it. Below, the largest attributions
    stand as signed numbers.

    Parameters
    ----------
    values, std_err : ndarray of shape (d,)
        Attribution and standard error of each feature, in ``unit``.
    content : str
        The text.
    spans : sequence
        Character spans of each feature.
    unit : str
        Unit of the attributions.
    ax, max_display, palette, title
        As for ``plot_explanation``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        When spans overlap or lie outside the text.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> ax = text(np.array([0.5, -0.2]), "so good", [[(0, 2)], [(3, 7)]], unit="score of praise")
    >>> [shown.get_text() for shown in ax.texts][:2]
    ['so', 'good']
    """
    own = ax is None
    width = _WIDTH if ax is None else _inches(ax)
    lines = list(_lines(content, text_pieces(content, spans), width - 0.2))
    hidden = sum(piece.stop - piece.start for line in lines[_MAX_LINES:] for piece, _ in line)
    lines = lines[:_MAX_LINES]
    names = [content[a[0][0] : a[-1][1]] if a else "" for a in spans]
    summary = _summary(values, names, std_err, max_display, unit, width - 0.2)
    if hidden:
        summary.insert(0, f"{hidden:,} more characters are not shown.")
    ax = choose_axes(ax, width, 0.8 + _LINE * len(lines) + 0.26 * len(summary))
    palette = choose_palette(palette, ax)
    ax.set_axis_off()
    height = _LINE * len(lines) + 0.26 * len(summary) + 0.1
    ax.set(xlim=(0, width), ylim=(-height, 0))
    _draw_lines(ax, content, lines, values, width, palette)
    for i, line in enumerate(summary):
        y = -_LINE * len(lines) - 0.22 - 0.26 * i
        ax.text(0.05, y, line, fontsize=9.5, color=palette.text, family=font_families())
    if title is not None:
        write_title(ax, title, own=own)
    return ax


def _inches(ax: Axes) -> float:
    return ax.get_window_extent().width / ax.figure.dpi


def _lines(
    content: str, pieces: Sequence[Piece], width: float
) -> Iterator[list[tuple[Piece, float]]]:
    """Yield lines of ``(piece, inches)``; pieces are broken only where they must be."""
    line: list[tuple[Piece, float]] = []
    used = 0.0
    for piece in _short(content, pieces, width):
        inches = text_width(_shown(content, piece), _POINTS)
        newline = "\n" in content[piece.start : piece.stop]
        if (line and used + inches > width) or newline:
            yield line
            line, used = [], 0.0
            if newline or not content[piece.start : piece.stop].strip():
                continue
        line.append((piece, inches))
        used += inches
    if line:
        yield line


def _short(content: str, pieces: Sequence[Piece], width: float) -> Iterator[Piece]:
    """Yield pieces that each fit into a line."""
    for piece in pieces:
        start = piece.start
        while text_width(_shown(content, Piece(start, piece.stop, 0)), _POINTS) > width:
            stop = start + 1
            while text_width(_shown(content, Piece(start, stop + 1, 0)), _POINTS) <= width:
                stop += 1
            yield Piece(start, stop, piece.feature)
            start = stop
        yield Piece(start, piece.stop, piece.feature)


def _shown(content: str, piece: Piece) -> str:
    return plain(content[piece.start : piece.stop].replace("\n", " ").replace("\t", " "))


def _draw_lines(
    ax: Axes,
    content: str,
    lines: Sequence[Sequence[tuple[Piece, float]]],
    values: FloatArray,
    width: float,
    palette: Palette,
) -> None:
    limit = symmetric_limit(values)
    from_right = right_to_left(content)
    for i, line in enumerate(lines):
        x, y = 0.05, -_LINE * (i + 1) + 0.1
        for piece, inches in line:
            left = width - x - inches if from_right else x
            label = _shown(content, piece)
            if label.strip():
                ax.text(
                    left, y, label, fontsize=_POINTS, color=palette.text, family=font_families()
                )
            value = float(values[piece.feature]) if piece.feature >= 0 else 0.0
            strength = abs(value) / limit
            if strength > 0.02 and label.strip():
                ax.plot(
                    [left + 0.01, left + inches - 0.01],
                    [y - 0.06, y - 0.06],
                    color=palette.of(value),
                    linewidth=0.8 + 4 * strength,
                    linestyle=(0, (1.2, 0.7)) if value < 0 else "-",
                    solid_capstyle="butt",
                )
            x += inches


def _summary(
    values: FloatArray,
    names: Sequence[str],
    std_err: FloatArray | None,
    max_display: int,
    unit: str,
    width: float,
) -> list[str]:
    """Return lines of text that name the largest attributions."""
    bars = fold(values, names, std_err, max_display=max_display)
    lines = [fit(f"Effect on {unit} (full line raises, dashed lowers):", width, 9.5)]
    line = ""
    for i, (name, value) in enumerate(zip(bars.names, bars.values, strict=True)):
        error = None if bars.std_err is None else float(bars.std_err[i])
        quoted = clean_text(name) if bars.index[i] < 0 else f"“{clean_text(name)}”"
        item = f"{fit(quoted, 2.2, 9.5)} {signed(float(value), error)}"
        longer = f"{line}   {item}" if line else item
        if line and text_width(longer, 9.5) > width:
            lines.append(line)
            longer = item
        line = longer
    return [*lines, line] if line else lines
