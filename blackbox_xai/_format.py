"""How numbers, units and names are written, in plots, reports and on the terminal alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

__all__ = [
    "MISSING",
    "clean_text",
    "counted",
    "cut_text",
    "interval",
    "joined",
    "number",
    "percent",
    "rest_label",
    "signed",
    "told_apart",
    "unit_label",
    "with_error",
]

MISSING = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
_JOINERS = "\u200c\u200d"
_MAX_DECIMALS = 5
_Z95 = 1.959963984540054


def number(value: float | None, std_err: float | None = None) -> str:
    """Write ``value`` with the digits its standard error earns, else with three.

    Parameters
    ----------
    value : float or None
        None and NaN are written as a dash.
    std_err : float, optional
        Standard error in the unit of ``value``; two significant digits of it decide the decimals,
        of which there are never more than five.

    Returns
    -------
    str
        With U+2212 as minus and commas between thousands; never a negative zero.

    Examples
    --------
    >>> number(0.123456), number(1234567.0), number(-0.0001, std_err=0.02)
    ('0.123', '1,234,567', '0.000')
    >>> number(0.123456, std_err=0.0123), number(float("nan"))
    ('0.123', '–')
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "\N{INFINITY}" if value > 0 else _MINUS + "\N{INFINITY}"
    size = std_err if std_err and math.isfinite(std_err) and std_err > 0 else None
    decimals = _decimals(size, 2) if size else _decimals(value, 3)
    tiny = decimals > _MAX_DECIMALS and abs(value) < 1e-3
    if value and (tiny or abs(value) >= 1e15):
        return _minus(f"{value:.2e}")
    text = f"{value:,.{min(max(decimals, 0), _MAX_DECIMALS)}f}"
    if not any(c in "123456789" for c in text):
        text = text.lstrip("-")
    return _minus(text)


def signed(value: float | None, std_err: float | None = None) -> str:
    """Write ``value`` with its sign, as ``number`` does otherwise.

    Examples
    --------
    >>> signed(0.5), signed(-0.25), signed(0.0)
    ('+0.500', '−0.250', '0')
    """
    text = number(value, std_err)
    positive = value is not None and value > 0 and any(c in "123456789\N{INFINITY}" for c in text)
    return "+" + text if positive else text


def with_error(value: float | None, std_err: float | None = None) -> str:
    """Write ``value`` with its sign and, where there is an error, the half of its 95 % interval.

    Examples
    --------
    >>> with_error(0.123456, 0.0123), with_error(-0.5), with_error(0.5, 0.0)
    ('+0.123 ± 0.024', '−0.500', '+0.500')
    """
    text = signed(value, std_err)
    if not std_err or not math.isfinite(std_err):
        return text
    return f"{text} \N{PLUS-MINUS SIGN} {number(_Z95 * std_err, std_err)}"


def _decimals(size: float, digits: int) -> int:
    """Return the decimals that show ``digits`` significant digits of ``size``."""
    if size == 0:
        return 0
    return digits - 1 - math.floor(math.log10(abs(size)))


def _minus(text: str) -> str:
    return text.replace("-", _MINUS)


def unit_label(scale: str, output: str, link: str | None = None) -> str:
    """Return the unit of an axis: what is measured, and of which output.

    Examples
    --------
    >>> unit_label("probability", "malignant"), unit_label("probability", "malignant", "logit")
    ('probability of malignant', 'log-odds of malignant')
    >>> unit_label("value", "price")
    'units of price'
    """
    if link == "logit":
        return f"log-odds of {output}"
    if scale == "probability":
        return f"probability of {output}"
    return f"score of {output}" if scale == "score" else f"units of {output}"


def percent(share: float) -> str:
    """Return a share as a percentage with at most three digits.

    Examples
    --------
    >>> percent(0.05), percent(0.6314), percent(1.0)
    ('5 %', '63.1 %', '100 %')
    """
    return f"{100 * share:.3g} %"


def rest_label(count: int) -> str:
    """Return the name of what is summed into one bar.

    Examples
    --------
    >>> rest_label(21), rest_label(1)
    ('21 other features', '1 other feature')
    """
    return f"{count:,} other feature{'s' * (count != 1)}"


def clean_text(text: object, *, lines: bool = False) -> str:
    r"""Return ``text`` without characters that act instead of being seen.

    Every blank becomes a space (with ``lines``, line ends stay); control characters, direction
    marks and halves of characters become U+FFFD. Joiners stay: scripts and emoji need them.

    Examples
    --------
    >>> clean_text("a\u202eb\x00c\u00a0d")
    'a�b�c d'
    """
    return "".join(_seen(c, lines=lines) for c in str(text))


def _seen(character: str, *, lines: bool) -> str:
    if character.isprintable() or character in _JOINERS or (lines and character == "\n"):
        return character
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"


def cut_text(text: str, limit: int) -> str:
    """Return ``text`` cut at the end to ``limit`` characters.

    Examples
    --------
    >>> cut_text("a long name", 7)
    'a long…'
    """
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def told_apart(names: Sequence[str], limit: int) -> tuple[str, ...]:
    """Return names of which the first ``limit`` characters tell which is which, as far as may be.

    Only names that are longer and begin alike are changed: what they share in the middle is left
    out. The end is not cut.

    Parameters
    ----------
    names : sequence of str
        Distinct names.
    limit : int
        Characters that will be seen at least; 8 or more.

    Examples
    --------
    >>> told_apart(["value_of_product_group_01_in_euros", "value_of_product_group_02"], 16)
    ('value…up_01_in_euros', 'value…up_02')
    >>> told_apart(["age", "a_name_longer_than_sixteen"], 16)
    ('age', 'a_name_longer_than_sixteen')
    """
    head = limit // 3
    short = list(names)
    ranked = sorted((name, place) for place, name in enumerate(names) if len(name) > limit)
    shared = [_alike(first[0], second[0]) for first, second in pairwise(ranked)]
    for at, (name, place) in enumerate(ranked):
        alike = max([*shared[max(at - 1, 0) : at], *shared[at : at + 1]], default=0)
        if alike >= limit - 1:
            short[place] = name[:head] + "\N{HORIZONTAL ELLIPSIS}" + name[alike - limit // 4 :]
    return tuple(short)


def _alike(first: str, second: str) -> int:
    """Return how many characters two texts have in common before they differ."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))


def interval(value: float, std_err: float) -> tuple[float, float]:
    """Return the ends of the 95 % interval, in the unit of ``value``.

    Examples
    --------
    >>> low, high = interval(1.0, 0.5)
    >>> round(low, 2), round(high, 2)
    (0.02, 1.98)
    """
    return value - _Z95 * std_err, value + _Z95 * std_err


def counted(n: int, noun: str) -> str:
    """Return ``n`` with its noun in the right number.

    Examples
    --------
    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{n:,} {noun}{'s' * (n != 1)}"


def joined(words: Sequence[str]) -> str:
    """Return ``words`` as a list in a sentence.

    Examples
    --------
    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
