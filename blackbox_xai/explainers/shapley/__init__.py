"""Shapley values: the engine, and the classic estimators under their field's names."""
