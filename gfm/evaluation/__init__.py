"""Evaluation: a source of mattes → scoring → results.

A source mattes photos with a network or reads what another method made. Whatever it hands over is
written as PNG, scored, and noted in a journal, from which an interrupted evaluation goes
on and which brings the rows of all processes together.
"""

from gfm.evaluation.journal import Journal, Rows
from gfm.evaluation.network import NetworkSource
from gfm.evaluation.predictions import PredictionSource
from gfm.evaluation.results import log_results, write_results
from gfm.evaluation.scoring import MatteSource, Scorer

__all__ = [
    "Journal",
    "MatteSource",
    "NetworkSource",
    "PredictionSource",
    "Rows",
    "Scorer",
    "log_results",
    "write_results",
]
