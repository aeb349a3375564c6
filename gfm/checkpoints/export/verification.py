"""Compares the results and the speed of an exported file with those of the network."""

import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from gfm.checkpoints.export.graph import MattingGraph
from gfm.errors import GFMError
from gfm.system.extras import import_optional

SIZES = ((1, 192, 256), (2, 301, 203), (1, 97, 401))
"""Number, height and width of the test images; graphs are traced with a different size."""

TOLERANCE = 1e-3

_CONSTANT = 0.1  # range of alphas below which agreement proves little

_MARGIN = 1e-4  # difference of logits within which rounding may decide the class


class Verification(NamedTuple):
    """The largest difference of alphas, and the times, for images of one size (N, H, W).

    Pixels are left out, and counted as undecided, if two classes are almost equally likely, so that
    rounding decides between them.
    """

    size: tuple[int, int, int]
    difference: float
    num_undecided: int
    torch_seconds: float
    file_seconds: float


def verify_onnx(path: Path, graph: MattingGraph) -> Iterator[Verification]:
    """Compare an ``.onnx`` file in ONNX Runtime with the network, on as many threads.

    Alphas that differ by more than 1e-3 raise GFMError; nearly constant ones cause a warning.
    """
    runtime = import_optional("onnxruntime", "export", "verifying ONNX")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(image: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"image": image.numpy()})[0])

    return _verify(graph, run)


def verify_program(path: Path, graph: MattingGraph) -> Iterator[Verification]:
    """Compare a ``.pt2`` file with the network, as :func:`verify_onnx`."""
    with path.open("rb") as file:  # torch rejects paths that do not end in .pt2
        return _verify(graph, torch.export.load(file).module())


def _verify(graph: MattingGraph, run: Callable[[Tensor], Tensor]) -> Iterator[Verification]:
    spread = 0.0
    for size in SIZES:
        image = graph.example(*size)
        with torch.inference_mode():
            expected, torch_seconds = _measure(graph, image)
            actual, file_seconds = _measure(run, image)
            undecided = _find_undecided(graph, image, expected)
        difference = (actual - expected).abs().where(~undecided, 0).max().item()
        if not difference <= TOLERANCE:
            raise GFMError(
                f"the exported file differs from the network by {difference:.2g} at "
                f"{'×'.join(map(str, size))}: --no-check writes it anyway"
            )
        spread = max(spread, (expected.max() - expected.min()).item())
        yield Verification(size, difference, int(undecided.sum()), torch_seconds, file_seconds)
    if spread < _CONSTANT:
        warnings.warn(
            f"alpha varies by only {spread:.1g} in the test images, which proves "
            "little: compare the file with gfm predict on photos",
            stacklevel=2,
        )


def _measure(run: Callable[[Tensor], Tensor], image: Tensor) -> tuple[Tensor, float]:
    """Return the result, and the time of the fastest of two further runs."""
    result, seconds = run(image), []
    for _ in range(2):
        start = time.perf_counter()
        run(image)
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def _find_undecided(graph: MattingGraph, image: Tensor, alpha: Tensor) -> Tensor:
    """Mark the pixels whose alpha changes if the logit of a class grows by a rounding error."""
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
