"""Unstable parts of torch: a test fails if a release changes texts or functions in use."""

import os
from multiprocessing import resource_sharer

import pytest
import torch
import torch.multiprocessing as mp
import torchvision
from torch import nn
from torch.export import Dim, export
from torch.multiprocessing.spawn import ProcessRaisedException
from torch.utils.data import DataLoader, Dataset

from gfm.compat.torch import (
    cpu_capabilities,
    is_killed_worker,
    lacks_memory,
    lacks_shared_memory,
    message_from_process,
    size_oblivious_export,
    skip_random_weights,
)
from gfm.errors import GFMError
from gfm.run.exit import describe_error


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
    assert is_killed_worker(caught.value)


def test_an_error_in_a_worker():
    with pytest.raises(GFMError) as caught:
        next(iter(DataLoader(Faulty(False), num_workers=1)))
    assert not is_killed_worker(caught.value)
    assert message_from_process(caught.value) == "cannot read x.jpg: damaged"


def test_an_error_in_a_spawned_process():
    with pytest.raises(ProcessRaisedException) as caught:
        mp.start_processes(_raise, start_method="fork")  # like spawn, but without new imports
    assert message_from_process(caught.value) == "in a process"
    for other in (ValueError("other"), GFMError("elsewhere")):
        assert message_from_process(other) is None


class Half(nn.Module):
    """Drops every second column, and resizes to the original width."""

    def forward(self, image):
        return nn.functional.interpolate(image[..., ::2], image.shape[-2:], mode="bilinear")


def test_a_graph_takes_images_whose_features_are_one_pixel_wide():
    image, shapes = torch.rand(1, 3, 8, 8), {"image": {3: Dim("width", min=1)}}
    with pytest.raises(Exception, match="Constraints violated"):
        export(Half(), (image,), dynamic_shapes=shapes)
    with size_oblivious_export():
        graph = export(Half(), (image,), dynamic_shapes=shapes).module()
    for width in (1, 2, 9):
        narrow = torch.rand(1, 3, 8, width)
        torch.testing.assert_close(graph(narrow), Half()(narrow))


def test_instruction_sets_of_the_cpu():
    found = cpu_capabilities()
    if torch.__version__ < (2, 14) and not found:
        pytest.skip("older torch reports no instruction sets, which counts as no bfloat16")
    assert isinstance(found.get("architecture"), str)
    if found["architecture"] == "x86_64":
        assert isinstance(found["amx_bf16"], bool)
        assert isinstance(found["avx512_bf16"], bool)


def test_too_little_shared_memory_is_recognized():
    with pytest.raises(RuntimeError) as caught:
        torch.UntypedStorage._new_shared(1 << 46)
    assert lacks_shared_memory(caught.value)
    killed = RuntimeError(
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible"
    )
    for error in (caught.value, killed):
        assert "data.num_workers=0" in describe_error(error)
        assert "--shm-size" in describe_error(error)
    assert not lacks_shared_memory(RuntimeError("DataLoader worker (pid 7) is killed by signal: K"))


@pytest.mark.parametrize("name", ["resnet34", "densenet121"])
def test_random_weights_are_skipped(name):
    state = torch.get_rng_state()
    with skip_random_weights():
        torchvision.models.get_model(name)
    assert torch.equal(torch.get_rng_state(), state)
    torchvision.models.get_model(name)
    assert not torch.equal(torch.get_rng_state(), state)


def test_a_worker_that_is_killed_while_it_hands_over_a_batch():
    """The batch is fetched through a socket of the worker, which is gone."""
    with open(os.devnull) as file:
        sender = resource_sharer.DupFd(file.fileno())
    resource_sharer.stop()
    with pytest.raises(OSError) as lost:  # noqa: PT011, the type differs
        sender.detach()
    assert is_killed_worker(lost.value)
    assert describe_error(lost.value).startswith("DataLoader worker lost. The usual cause is")
    assert not is_killed_worker(ConnectionResetError(104, "Connection reset by peer"))


def test_a_lack_of_memory_is_recognised():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 50, dtype=torch.uint8)
    assert lacks_memory(raised.value)
    assert lacks_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 MiB"))
    assert not lacks_memory(RuntimeError("sizes differ"))
