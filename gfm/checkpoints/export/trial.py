"""Compares an exported file with the network: their results and their speed."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from gfm.checkpoints.export.graph import MattingGraph
from gfm.errors import GFMError
from gfm.system.extras import import_optional

SIZES = ((1, 192, 256), (2, 301, 203), (1, 97, 401))
"""Number of images, height and width of each trial; a graph is traced with none of these."""

TOLERANCE = 1e-3

_MARGIN = 1e-4  # difference of two logits within which rounding may decide the class


class Trial(NamedTuple):
    """The result of a trial with images of one size.

    Attributes:
        size: Number of images, height and width.
        difference: Largest difference between the alphas.
        num_undecided: Number of pixels that are left out because two classes are almost equally
            likely, so that rounding decides between them.
        torch_seconds: Time of the network.
        file_seconds: Time of the file.
    """

    size: tuple[int, int, int]
    difference: float
    num_undecided: int
    torch_seconds: float
    file_seconds: float


def try_onnx(path: Path, graph: MattingGraph) -> Iterator[Trial]:
    """Compare an ``.onnx`` file in ONNX Runtime with the network, with equally many threads.

    Raises:
        GFMError: Alphas differ by more than 1e-3, or ONNX Runtime is not installed.
    """
    runtime = import_optional("onnxruntime", "export", "trying ONNX")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(image: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"image": image.numpy()})[0])

    return _trials(path, graph, run)


def try_program(path: Path, graph: MattingGraph) -> Iterator[Trial]:
    """Compare a ``.pt2`` file with the network.

    Raises:
        GFMError: Alphas differ by more than 1e-3.
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
    """Return the result, and the time of the faster of two further runs."""
    result, seconds = run(image), []
    for _ in range(2):
        start = time.perf_counter()
        run(image)
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def _undecided(graph: MattingGraph, image: Tensor, alpha: Tensor) -> Tensor:
    """Find the pixels whose alpha changes if the logit of a class grows by a rounding error."""
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
