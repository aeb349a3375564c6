"""Exports a trained network to other programs: ONNX, torch.export, a folder for the Hub."""

from gfm.checkpoints.export.graph import MattingGraph, Pixels, parse_pixels
from gfm.checkpoints.export.hub import read_metrics, read_run_metrics, write_hub_folder
from gfm.checkpoints.export.programs import write_onnx, write_program
from gfm.checkpoints.export.verification import Verification, verify_onnx, verify_program

__all__ = [
    "MattingGraph",
    "Pixels",
    "Verification",
    "parse_pixels",
    "read_metrics",
    "read_run_metrics",
    "verify_onnx",
    "verify_program",
    "write_hub_folder",
    "write_onnx",
    "write_program",
]
