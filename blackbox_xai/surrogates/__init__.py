"""Small models that stand in for a black box, and how well they do."""

from blackbox_xai.surrogates.additive import SurrogateSum
from blackbox_xai.surrogates.fidelity import Curve, Fidelity, LeafFidelity
from blackbox_xai.surrogates.linear import SurrogateLinear
from blackbox_xai.surrogates.rules import Rules
from blackbox_xai.surrogates.stability import Stability
from blackbox_xai.surrogates.tree import SurrogateTree

__all__ = [
    "Curve",
    "Fidelity",
    "LeafFidelity",
    "Rules",
    "Stability",
    "SurrogateLinear",
    "SurrogateSum",
    "SurrogateTree",
]
