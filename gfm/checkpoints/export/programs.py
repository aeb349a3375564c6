"""Files that hold a network for other programs; complete or not there at all."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from gfm.checkpoints.export.graph import MattingGraph, trace
from gfm.errors import GFMError, WriteError
from gfm.system.extras import need
from gfm.system.files import place_aside

OPSET = 18
"""Of ONNX: the oldest that the exporter writes; runtimes of 2023 and later read it."""

FACTS = "facts.json"
"""Name of the file within a ``.pt2`` that holds what it says of itself."""

_LARGEST = 2**31 - 2**24  # bytes; an ONNX file of 2 GiB or more cannot be read


def write_onnx(path: Path, graph: MattingGraph, facts: Mapping[str, str]) -> None:
    """Writes ``.onnx``: input ``image``, output ``alpha``; any number of images of any size.

    Args:
        path: of the file.
        graph: on the CPU.
        facts: become the file's metadata.

    Raises:
        GFMError: the network is too large for one file, a package is missing, or the file cannot
            be written.
    """
    need("onnx", "export", "ONNX")
    need("onnxscript", "export", "ONNX")
    num_bytes = sum(p.numel() * p.element_size() for p in graph.parameters())
    if num_bytes > _LARGEST:
        raise GFMError(
            f"the weights take {num_bytes / 1e9:.1f} GB, and an ONNX file holds 2: write a .pt2"
        )
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
    _name_sides(program, graph)
    program.model.metadata_props.update({**facts, "pixels": graph.meaning})
    _write(path, lambda aside: program.save(str(aside), external_data=False))


def write_program(path: Path, graph: MattingGraph, facts: Mapping[str, str]) -> None:
    """Writes ``.pt2``, which ``torch.export.load(path).module()`` runs without this package.

    Raises:
        GFMError: the file cannot be written.
    """
    with _quiet():
        program = trace(graph)
    text = json.dumps({**facts, "pixels": graph.meaning}, indent=1)
    _write(path, lambda aside: _save_program(program, aside, text))


def _write(path: Path, save: Callable[[Path], object]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        with place_aside(path) as aside:
            save(aside)
    except RuntimeError as error:  # torch reports a full disk as RuntimeError
        raise WriteError(f"cannot write {path}: {str(error).splitlines()[0]}") from error


def _save_program(program: torch.export.ExportedProgram, path: Path, facts: str) -> None:
    with path.open("wb") as file:  # as a file, since torch expects a name that ends in .pt2
        torch.export.save(program, file, extra_files={FACTS: facts})


def _name_sides(program: torch.onnx.ONNXProgram, graph: MattingGraph) -> None:
    """Calls the sides of input and output by their names instead of symbols and sums of them."""
    ir = need("onnx_ir", "export", "ONNX")
    program.model.graph.inputs[0].shape = ir.Shape(graph.sides)
    program.model.graph.outputs[0].shape = ir.Shape(["batch", 1, "height", "width"])


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's thoughts about its own versions and about steps that went well."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
