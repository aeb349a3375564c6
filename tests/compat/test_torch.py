"""What breaks where a release of torch changes the texts and functions that we rely on."""

import os

import pytest
import torch
import torch.multiprocessing as mp
from torch import nn
from torch.export import Dim, export
from torch.multiprocessing.spawn import ProcessRaisedException
from torch.utils.data import DataLoader, Dataset

from gfm.compat.torch import (
    cpu_capabilities,
    fault_in_process,
    fault_in_worker,
    is_of_dead_worker,
    unbounded_sizes,
)
from gfm.errors import GFMError


class Faulty(Dataset):
    """Raises, or ends its process."""

    def __init__(self, dies: bool) -> None:
        self.dies = dies

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        if self.dies:
            os._exit(1)
        raise GFMError("cannot read x.jpg: damaged")


def _raise(_: int) -> None:
    raise GFMError("in a process")


def test_a_killed_worker():
    with pytest.raises(RuntimeError) as caught:
        next(iter(DataLoader(Faulty(True), num_workers=1)))
    assert is_of_dead_worker(caught.value)


def test_a_fault_in_a_worker():
    with pytest.raises(GFMError) as caught:
        next(iter(DataLoader(Faulty(False), num_workers=1)))
    assert not is_of_dead_worker(caught.value)
    assert fault_in_worker(caught.value).strip() == "cannot read x.jpg: damaged"
    assert fault_in_worker(GFMError("elsewhere")) is None


def test_a_fault_in_a_spawned_process():
    with pytest.raises(ProcessRaisedException) as caught:
        mp.spawn(_raise)
    assert fault_in_process(caught.value) == "in a process"
    assert fault_in_process(ValueError("other")) is None


class Half(nn.Module):
    """Leaves out every second column, and enlarges what is left to the same width."""

    def forward(self, image):
        return nn.functional.interpolate(image[..., ::2], image.shape[-2:], mode="bilinear")


def test_a_graph_takes_images_whose_features_are_one_pixel_wide():
    image, shapes = torch.rand(1, 3, 8, 8), {"image": {3: Dim("width", min=1)}}
    with pytest.raises(Exception, match="Constraints violated"):
        export(Half(), (image,), dynamic_shapes=shapes)
    with unbounded_sizes():
        graph = export(Half(), (image,), dynamic_shapes=shapes).module()
    for width in (1, 2, 9):
        narrow = torch.rand(1, 3, 8, width)
        torch.testing.assert_close(graph(narrow), Half()(narrow))


def test_what_torch_knows_of_the_cpu():
    found = cpu_capabilities()
    if torch.__version__ < (2, 14) and not found:
        pytest.skip("torch told less of the CPU before; then it counts as one without bfloat16")
    assert isinstance(found.get("architecture"), str)
    if found["architecture"] == "x86_64":
        assert isinstance(found["amx_bf16"], bool)
        assert isinstance(found["avx512_bf16"], bool)
