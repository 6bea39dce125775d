"""Colours, axes and labels that all plots share; matplotlib is imported when something is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from blackbox_xai._format import clean_text, told_apart
from blackbox_xai.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

__all__ = ["CATEGORIES", "DARK", "LIGHT", "MARKERS", "Palette"]

CATEGORIES = (
    "#0072B2",
    "#D55E00",
    "#00795A",
    "#A6437F",
    "#8A6D00",
    "#5B5BD6",
    "#7A4B2A",
    "#5F6B73",
)
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
_LABEL_POINTS = 10.0
_TOLD_APART = 24  # characters that the narrowest column of names shows
_CJK_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Arial Unicode MS",
)


@dataclass(frozen=True, kw_only=True)
class Palette:
    """Colours of a plot; every colour is repeated by a side, a sign or a shape.

    Parameters
    ----------
    raises, lowers : str
        Colours of features that raise and lower the output.
    text, faint : str
        Colours of text, and of lines that only guide the eye.
    ground : str
        Colour behind the marks.
    """

    raises: str = "#b35900"
    lowers: str = "#00629f"
    text: str = "#1c2024"
    faint: str = "#8b949e"
    ground: str = "#ffffff"

    def of(self, value: float) -> str:
        """Return the colour of a value by its sign."""
        return self.lowers if value < 0 else self.raises


LIGHT = Palette()
DARK = Palette(
    raises="#ff9f4a", lowers="#6cb8ec", text="#e6e9ec", faint="#7d8790", ground="#14171a"
)


def choose_palette(palette: Palette | None, ax: Axes) -> Palette:
    """Return ``palette``, or the light or dark one, whichever suits the ground of ``ax``."""
    if palette is not None:
        return palette
    return DARK if _brightness(ax.get_facecolor()) < 0.4 else LIGHT


def readable_on(ground: Any) -> str:
    """Return the colour of text, light or dark, that stands out from ``ground``."""
    return "#1c2024" if _brightness(ground) > 0.45 else "#ffffff"


def _brightness(colour: Any) -> float:
    """Return how bright a colour is, 0 to 1."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def choose_axes(ax: Axes | None, width: float, height: float) -> Axes:
    """Return ``ax``, or the axes of a new figure of this size in inches."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(width, height), layout="constrained")
    return figure.add_subplot()


def diverging(palette: Palette) -> Colormap:
    """Return a colour map from ``lowers`` over white to ``raises``."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        "blackbox", [palette.lowers, "#ffffff", palette.raises]
    )


def symmetric_limit(values: Any) -> float:
    """Return the largest absolute finite value, or 1 when all are 0: limits are ``-/+`` this."""
    import numpy as np

    finite = np.abs(np.asarray(values, dtype=float))
    finite = finite[np.isfinite(finite)]
    largest = float(finite.max()) if finite.size else 0.0
    return largest or 1.0


def plain(text: object) -> str:
    """Return ``text`` so that matplotlib shows it letter for letter: no mathematics, no codes."""
    drawable = "".join(_glyph(c) for c in clean_text(text))
    return drawable.replace("$", r"\$")


@lru_cache(maxsize=4096)
def _glyph(character: str) -> str:
    if ord(character) < 128:
        return character
    return (
        character if any(ord(character) in chars for chars in _charmaps()) else "\N{WHITE SQUARE}"
    )


def font_families() -> list[str]:
    """Return the font families to draw with: the default, then one for East Asian scripts."""
    from matplotlib import font_manager, rcParams

    installed = {font.name for font in font_manager.fontManager.ttflist}
    wanted = [*rcParams["font.family"], "DejaVu Sans"]
    return [*dict.fromkeys(wanted), *[name for name in _CJK_FONTS if name in installed][:1]]


@lru_cache(maxsize=1)
def _charmaps() -> list[frozenset[int]]:
    from matplotlib import font_manager

    families = [font_manager.FontProperties(family=[name]) for name in font_families()]
    paths = sorted({str(font_manager.findfont(family)) for family in families})
    return [frozenset(font_manager.get_font(path).get_charmap()) for path in paths]


def text_width(text: str, points: float = _LABEL_POINTS) -> float:
    """Return the width of ``text`` in inches, its outer blanks included, with room for hinting."""
    return (_ink_width(f"|{text}|", points) - _ink_width("||", points)) * 1.04


@lru_cache(maxsize=4096)
def _ink_width(text: str, points: float) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=font_families(), size=points)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72


def fit(text: object, inches: float, points: float = _LABEL_POINTS) -> str:
    """Return ``text`` cut at the end with an ellipsis so that it is at most ``inches`` wide."""
    whole = clean_text(text)
    if text_width(plain(whole), points) <= inches:
        return plain(whole)
    low, high = 0, len(whole)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(plain(whole[:middle]) + "…", points) <= inches:
            low = middle
        else:
            high = middle - 1
    return plain(whole[:low].rstrip()) + "…"


def wrap(text: object, inches: float, points: float = _LABEL_POINTS, lines: int = 3) -> str:
    """Return ``text`` broken into at most ``lines`` lines of ``inches``; the last one is cut."""
    words, line = clean_text(text).split(" "), ""
    done: list[str] = []
    for at, word in enumerate(words):
        longer = f"{line} {word}".strip()
        if line and text_width(plain(longer), points) > inches:
            if len(done) == lines - 1:
                line = " ".join([line, *words[at:]])
                break
            done.append(line)
            longer = word
        line = longer
    return "\n".join(fit(part, inches, points) for part in [*done, line])


def write_title(ax: Axes, text: str, *, own: bool) -> None:
    """Write a title that stays inside the figure: above everything on a figure of our own."""
    figure = ax.get_figure(root=True)
    if figure is None:
        raise InputError("ax must belong to a figure.")
    if own:
        wide = figure.get_figwidth() - 0.3
        left = 0.15 / figure.get_figwidth()
        fonts = font_families()
        figure.suptitle(wrap(text, wide, 11), x=left, ha="left", fontsize=11, family=fonts)
    else:
        wide = ax.get_position().width * figure.get_figwidth()
        ax.set_title(wrap(text, wide, 11), loc="left", fontsize=11, family=font_families())


def label_axis(axis: Any, text: str, inches: float) -> None:
    """Write the label of an x- or y-axis within ``inches``."""
    axis.set_label_text(wrap(text, inches), family=font_families())


def name_rows(ax: Axes, names: Sequence[str], inches: float) -> None:
    """Write one name for each row 0, 1, ... on the left, and put the first row on top."""
    labels = [_fit_row(label, inches) for label in told_apart(names, _TOLD_APART)]
    ax.set_yticks(range(len(names)), labels, family=font_families(), fontsize=_LABEL_POINTS)
    ax.set_ylim(len(names) - 0.4, -0.6)


def _fit_row(label: str, inches: float) -> str:
    """Return a label cut to its width; of "name = value" the name is cut, while there is room."""
    name, sign, value = label.rpartition(" = ")
    tail = sign + value
    room = inches - text_width(plain(tail))
    return fit(name, room) + plain(tail) if sign and room > inches / 2 else fit(label, inches)


def bare(ax: Axes, palette: Palette) -> None:
    """Take away the frame but for the line below, and colour what is left."""
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="y", length=0, colors=palette.text)
    ax.tick_params(axis="x", colors=palette.text)
    ax.spines["bottom"].set_color(palette.faint)


def minus_ticks(axis: Any) -> None:
    """Write tick labels with a true minus, without offsets or a negative zero."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def tick(value: float) -> str:
    """Return a short label of a round number."""
    text = f"{value:.6g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        text = f"{mantissa}e{int(exponent)}"
    elif abs(value) >= 1e4 and math.isfinite(value):
        text = f"{value:,.6g}"
    return "0" if text in ("-0", "0") else text.replace("-", "\N{MINUS SIGN}")
