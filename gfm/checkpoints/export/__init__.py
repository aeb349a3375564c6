"""Exports a trained network for other programs: ONNX, torch.export, a folder for the Hub."""

from gfm.checkpoints.export.graph import MattingGraph, Pixels, as_pixels
from gfm.checkpoints.export.hub import metrics_of_run, read_metrics, write_hub_folder
from gfm.checkpoints.export.programs import write_onnx, write_program
from gfm.checkpoints.export.trial import Trial, try_onnx, try_program

__all__ = [
    "MattingGraph",
    "Pixels",
    "Trial",
    "as_pixels",
    "metrics_of_run",
    "read_metrics",
    "try_onnx",
    "try_program",
    "write_hub_folder",
    "write_onnx",
    "write_program",
]
