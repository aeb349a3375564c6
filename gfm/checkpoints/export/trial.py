"""Whether an exported file returns what the network returns, and how fast."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from gfm.checkpoints.export.graph import MattingGraph
from gfm.errors import GFMError
from gfm.system.extras import need

SIZES = ((1, 192, 256), (2, 301, 203), (1, 97, 401))
"""Images, height and width; none is the one that graphs are made with."""

TOLERANCE = 1e-3

_MARGIN = 1e-4  # between the logits of two classes, which rounding may turn over


class Trial(NamedTuple):
    """What came of images of one size.

    Attributes:
        size: images, height and width.
        difference: the largest between the alphas.
        num_undecided: pixels left out, since two of their classes are as good as equally likely,
            and rounding decides.
        torch_seconds: of the network.
        file_seconds: of the file.
    """

    size: tuple[int, int, int]
    difference: float
    num_undecided: int
    torch_seconds: float
    file_seconds: float


def try_onnx(path: Path, graph: MattingGraph) -> Iterator[Trial]:
    """Runs an ``.onnx`` file by ONNX Runtime beside the network, with as many threads.

    Raises:
        GFMError: alphas differ by more than 1e-3; ONNX Runtime is not installed.
    """
    runtime = need("onnxruntime", "export", "trying ONNX")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(image: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"image": image.numpy()})[0])

    return _trials(path, graph, run)


def try_program(path: Path, graph: MattingGraph) -> Iterator[Trial]:
    """Runs a ``.pt2`` file beside the network.

    Raises:
        GFMError: alphas differ by more than 1e-3.
    """
    return _trials(path, graph, torch.export.load(path).module())


def _trials(path: Path, graph: MattingGraph, run: Callable[[Tensor], Tensor]) -> Iterator[Trial]:
    for size in SIZES:
        image = graph.example(*size)
        with torch.inference_mode():
            expected, torch_seconds = _timed(graph, image)
            actual, file_seconds = _timed(run, image)
            undecided = _undecided(graph, image, expected)
        difference = (actual - expected).abs().where(~undecided, 0).max().item()
        if not difference <= TOLERANCE:
            raise GFMError(f"{path} differs from the network by {difference:.2g} at {size}")
        yield Trial(size, difference, int(undecided.sum()), torch_seconds, file_seconds)


def _timed(run: Callable[[Tensor], Tensor], image: Tensor) -> tuple[Tensor, float]:
    """The result, and the time of the faster of two runs after a first."""
    result, seconds = run(image), []
    for _ in range(2):
        start = time.perf_counter()
        run(image)
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def _undecided(graph: MattingGraph, image: Tensor, alpha: Tensor) -> Tensor:
    """Pixels whose alpha changes when a class becomes likelier by what rounding may add."""
    undecided = torch.zeros_like(alpha, dtype=torch.bool)
    for favoured in range(max(branch.num_classes for branch in graph.model.branches)):

        def favour(_: object, __: object, glances: list[Tensor], c: int = favoured) -> list[Tensor]:
            classes = [torch.arange(logits.shape[1])[:, None, None] for logits in glances]
            return [x + _MARGIN * (i == c) for x, i in zip(glances, classes, strict=True)]

        handle = graph.model.glance.register_forward_hook(favour)
        try:
            undecided |= (graph(image) - alpha).abs() > TOLERANCE / 2
        finally:
            handle.remove()
    return undecided
