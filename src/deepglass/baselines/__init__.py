"""Baselines: the test metrics of simple models on the same rows."""
