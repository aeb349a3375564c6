"""A trained network for other programs: ONNX, torch.export, safetensors, a folder for the Hub."""

from gfm.checkpoints.export.facts import facts_of
from gfm.checkpoints.export.graph import MattingGraph, Pixels
from gfm.checkpoints.export.hub import write_hub_folder
from gfm.checkpoints.export.programs import write_onnx, write_program, write_safetensors
from gfm.checkpoints.export.trial import Trial, try_onnx, try_program

__all__ = [
    "MattingGraph",
    "Pixels",
    "Trial",
    "facts_of",
    "try_onnx",
    "try_program",
    "write_hub_folder",
    "write_onnx",
    "write_program",
    "write_safetensors",
]
