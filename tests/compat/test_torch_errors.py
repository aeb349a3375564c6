"""torch's exceptions: a test fails if a release changes their texts."""

import os
from multiprocessing import resource_sharer

import pytest
import torch
import torch.multiprocessing as mp
from torch.multiprocessing.spawn import ProcessRaisedException
from torch.utils.data import DataLoader, Dataset

from gfm.compat.torch_errors import (
    is_killed_worker,
    lacks_memory,
    lacks_shared_memory,
    message_from_process,
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
