"""Scores of coalitions to attributions: pure functions of arrays."""
