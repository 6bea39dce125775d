"""Rows that stand for others: prototypes, criticisms, nearest exemplars, data influence."""

from __future__ import annotations

from blackbox_xai.exemplars.influence import GroupInfluence, group_influence
from blackbox_xai.exemplars.nearest import NearestExemplars, Neighbours
from blackbox_xai.exemplars.prototypes import Prototypes, prototypes
from blackbox_xai.exemplars.selection import k_medoids, mmd_critic, protodash
from blackbox_xai.exemplars.valuation import knn_shapley, label_issues

__all__ = [
    "GroupInfluence",
    "NearestExemplars",
    "Neighbours",
    "Prototypes",
    "group_influence",
    "k_medoids",
    "knn_shapley",
    "label_issues",
    "mmd_critic",
    "protodash",
    "prototypes",
]
