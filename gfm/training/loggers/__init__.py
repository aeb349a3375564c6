"""Loggers for Weights & Biases and ``metrics.csv``."""
