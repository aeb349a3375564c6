"""Evaluation: scores the mattes of a network or of files, and writes and compares results."""
