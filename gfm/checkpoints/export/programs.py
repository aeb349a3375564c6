"""Writes a network as ``.onnx`` or ``.pt2``, atomically, after comparing its results."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from gfm.checkpoints.export.graph import MattingGraph, trace
from gfm.checkpoints.export.verification import Verification, verify_onnx, verify_program
from gfm.checkpoints.file_io import write_file
from gfm.errors import GFMError
from gfm.system.extras import import_optional

OPSET = 18
"""Oldest opset that the exporter writes; runtimes from 2023 on can read it."""

FACTS = "facts.json"
"""File of metadata in a ``.pt2``."""

_LARGEST = 2**31 - 2**24  # bytes; an ONNX file of 2 GiB or more cannot be read


def write_onnx(
    path: Path, graph: MattingGraph, facts: Mapping[str, str], check: bool = True
) -> list[Verification]:
    """Write an ``.onnx`` with input ``image`` and output ``alpha``, for any batch and image size.

    The graph has to be on the CPU; ``facts`` become metadata.

    Returns:
        The comparison of the file with the network; empty without ``check``.

    Raises:
        GFMError: A package is missing, the network is too large for one file, or the file would
            fail :func:`verify_onnx`; a file that was at ``path`` is untouched.
    """
    import_optional("onnx", "export", "ONNX")
    import_optional("onnxscript", "export", "ONNX")
    if check:
        import_optional("onnxruntime", "export", "verifying ONNX")
    _check_size(graph)
    with _quiet():
        program = torch.onnx.export(
            trace(graph),
            (),
            dynamo=True,
            input_names=["image"],
            output_names=["alpha"],
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    _name_dimensions(program, graph)
    program.model.metadata_props.update({**facts, "pixels": graph.input_description})

    def save(temporary: Path) -> list[Verification]:
        program.save(str(temporary), external_data=False)
        return list(verify_onnx(temporary, graph)) if check else []

    return write_file(path, save)


def _check_size(graph: MattingGraph) -> None:
    num_bytes = sum(p.numel() * p.element_size() for p in graph.parameters())
    if num_bytes > _LARGEST:
        raise GFMError(
            f"the weights take {num_bytes / 1e9:.1f} GB, but an ONNX file is limited to 2 GB: "
            "write a .pt2 with gfm export torch"
        )


def write_program(
    path: Path, graph: MattingGraph, facts: Mapping[str, str], check: bool = True
) -> list[Verification]:
    """Write a ``.pt2``, which ``torch.export.load(path).module()`` runs without this package.

    See :func:`write_onnx`.
    """
    with _quiet():
        program = trace(graph)
    text = json.dumps({**facts, "pixels": graph.input_description}, indent=1)

    def save(temporary: Path) -> list[Verification]:
        with temporary.open("wb") as file:  # torch rejects paths that do not end in .pt2
            torch.export.save(program, file, extra_files={FACTS: text})
        return list(verify_program(temporary, graph)) if check else []

    return write_file(path, save)


def _name_dimensions(program: torch.onnx.ONNXProgram, graph: MattingGraph) -> None:
    """Name the dimensions of input and output, which are otherwise symbolic sums."""
    ir = import_optional("onnx_ir", "export", "ONNX")
    program.model.graph.inputs[0].shape = ir.Shape(graph.input_shape)
    program.model.graph.outputs[0].shape = ir.Shape(["batch", 1, "height", "width"])


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the exporter's messages about its versions and about steps that succeeded."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
