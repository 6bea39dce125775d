"""Which process describes the scores of all fills: the one that best foretells left-out pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from blackbox_xai.protocols import FloatArray
from blackbox_xai.solvers.evidence import left_out_error, likely_scales
from blackbox_xai.solvers.product_kernel import Sight
from blackbox_xai.solvers.shared_process import Belief

__all__ = ["Guess", "choose", "few_pairs"]

# What may be: how much more features that do much interact, the sum of the scales, whether
# features interact when hidden (negative), when kept (positive) or either way, and noise.
_WAYS = {
    "power": (0.0, 0.75, 1.5, 2.5),
    "strength": (1.25, 2.5, 5.0, 10.0, 20.0, 40.0),
    "shape": (-1.0, -0.5, 0.0, 0.5, 1.0),
    "noise": (0.0002, 0.001, 0.005),
}
_LEAST, _MOST = 0.02, 20.0  # of a feature's size, relative to the mean


@dataclass(frozen=True)
class Guess:
    """What is believed of a process, as places in the lists of what may be."""

    power: int = 2
    strength: int = 3
    shape: int = 2
    noise: int = 1

    def belief(
        self,
        sights: Sequence[Sight],
        alike: FloatArray,
        size: FloatArray,
        tilt: FloatArray | float = 1.0,
        *,
        even: bool,
    ) -> Belief:
        """Return the belief for some fills.

        Parameters
        ----------
        sights : sequence of Sight
        alike : ndarray of shape (d, 1 + f, 1 + f)
        size : ndarray of shape (d,)
            How much the features do.
        tilt : ndarray of shape (d,)
            Factors on the scales.
        even : bool
        """
        scales = np.clip(size / max(size.mean(), 1e-300), _LEAST, _MOST)
        scales = scales ** _WAYS["power"][self.power]
        scales *= _WAYS["strength"][self.strength] / scales.sum() * tilt
        shape = _WAYS["shape"][self.shape]
        hidden = np.vstack([np.zeros(len(size), bool), *(sight.active for sight in sights)]).T
        here = ~hidden if shape > 0 else hidden
        alone = alike * (here[:, :, None] & here[:, None, :])
        mixed = (1 - abs(shape)) * alike + abs(shape) * alone
        return Belief(mixed, scales, _WAYS["noise"][self.noise], even)


def choose(
    sights: Sequence[Sight],
    alike: FloatArray,
    size: FloatArray,
    *,
    even: bool,
    by_feature: bool,
) -> tuple[Guess, FloatArray]:
    """Return the guess that foretells left-out pairs best, and factors ``(d,)`` on its scales.

    From the usual guess, one thing at a time is changed as long as that helps.

    Parameters
    ----------
    sights : sequence of Sight
    alike : ndarray of shape (d, 1 + f, 1 + f)
    size : ndarray of shape (d,)
        How much the features do.
    even : bool
        Whether even parts of pairs are looked at.
    by_feature : bool
        Whether each feature's scale is then fitted by itself.
    """
    guess = _descend(
        lambda guess: left_out_error(sights, guess.belief(sights, alike, size, even=even))
    )
    start = guess.belief(sights, alike, size, even=even)
    found = likely_scales(sights, start) if by_feature else start
    return guess, found.scales / start.scales


def few_pairs(sight: Sight, most: int) -> Sight:
    """Return a sight of at most so many pairs, spread over their sizes."""
    pairs = len(sight.kept) // 2 - 1
    if pairs <= most:
        return sight
    some = np.linspace(0, pairs - 1, most).astype(np.intp)
    some = np.concatenate([some, pairs + some, [2 * pairs, 2 * pairs + 1]])
    return replace(sight, kept=sight.kept[some], scores=sight.scores[some])


def _descend(error: Callable[[Guess], float]) -> Guess:
    """Return the guess from which no single step leads to a smaller error."""
    known: dict[Guess, float] = {}

    def look(guess: Guess) -> float:
        if guess not in known:
            known[guess] = error(guess)
        return known[guess]

    best = Guess()
    before = None
    while best != before:
        before = best
        for name, step in [(name, step) for name in _WAYS for step in (1, -1)]:
            while (at := getattr(best, name) + step) in range(len(_WAYS[name])):
                other = replace(best, **{name: at})
                if look(other) >= look(best):
                    break
                best = other
    return best
