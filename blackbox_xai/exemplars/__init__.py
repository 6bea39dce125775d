"""Rows that stand for others: prototypes, criticisms, nearest exemplars, data influence."""
