"""Metrics on devices: a GPU gives the figures of a CPU, and one without float64 comes close."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gfm.metrics import (
    METRIC_NAMES,
    MattingMetrics,
    connectivity,
    gradient,
    inputs,
    matting,
    matting_metrics,
)
from tests.metrics.pairs import furry_pair


class RefuseFloat64(TorchDispatchMode):
    """Raises where Apple GPUs would, which have no float64."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        outputs = func(*args, **kwargs or {})
        for output in tree_leaves(outputs):
            assert not isinstance(output, torch.Tensor) or output.dtype != torch.float64, func
        return outputs


@pytest.mark.parametrize("protocol", METRIC_NAMES)
def test_devices_without_float64(monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    images = [torch.from_numpy(array) for array in furry_pair(60, 80)]
    images[:2] = [alpha.float() for alpha in images[:2]]
    expected = matting_metrics(*images, protocol)
    metrics = MattingMetrics(protocol)
    for module in (connectivity, gradient, inputs, matting):
        monkeypatch.setattr(module, "wide_dtype", lambda device: torch.float32)
    for module in (gradient, inputs):
        monkeypatch.setattr(module, "is_on_host", lambda images: False)
    metrics.to("cpu")
    metrics.reset()
    with RefuseFloat64():
        for _ in range(2):
            metrics.update(*images)
        found = {name: float(value) for name, value in metrics.compute().items()}
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("protocol", METRIC_NAMES)
def test_the_default_device_of_torch_does_not_matter(protocol: str) -> None:
    """As after ``torch.set_default_device("cuda")``; "meta" stands for a GPU."""
    images = furry_pair(60, 80)
    with torch.device("meta"):
        found = matting_metrics(*images, protocol)
    assert found == matting_metrics(*images, protocol)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
@pytest.mark.parametrize("protocol", METRIC_NAMES)
def test_gpu_and_cpu_agree(protocol: str) -> None:
    arrays = furry_pair(120, 160, noise=0.1)
    cpu = [torch.from_numpy(array) for array in arrays]
    cpu[:2] = [alpha.float() for alpha in cpu[:2]]
    gpu = [tensor.cuda() for tensor in cpu]
    assert matting_metrics(*gpu, protocol) == pytest.approx(
        matting_metrics(*cpu, protocol), rel=1e-5
    )
