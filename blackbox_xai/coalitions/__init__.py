"""Which coalitions to score, and with which weights: pure functions of numbers."""
