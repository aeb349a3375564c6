"""Evaluation: a source of mattes → scoring → results."""
