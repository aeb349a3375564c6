"""Parts of torch that may change: texts of exceptions, new functions, a setting of its exporter.

``tests/compat/test_torch.py`` shows what breaks if a release changes one of them.
"""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def is_of_dead_worker(error: BaseException) -> bool:
    """Return whether an error says that a worker process of a loader was killed."""
    return str(error).startswith("DataLoader worker")


def fault_in_worker(error: BaseException) -> str | None:
    """Return the message of a GFMError that a loader's worker raised; else ``None``.

    torch puts a traceback before the message.
    """
    text = str(error)
    return text.rsplit("GFMError: ", 1)[-1] if "in DataLoader worker process" in text else None


def fault_in_process(error: BaseException) -> str | None:
    """Return the message of a GFMError that a spawned process raised; else ``None``."""
    messages = re.findall(r"^gfm\.errors\.\w+: (.*)", str(error), re.MULTILINE)
    return messages[-1] if messages else None


def unbounded_sizes() -> AbstractContextManager[Any]:
    """Return a context in which an exported graph treats sides of length 1 like all others.

    Otherwise the graph would accept only images that are large enough for every side of every
    feature to be longer than 1.
    """
    from torch.fx.experimental import _config  # here, because the file tools start without torch

    return _config.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]


def cpu_capabilities() -> Mapping[str, Any]:
    """Return the CPU's instruction sets by torch's names, such as ``amx_bf16``.

    The result is empty if this release of torch does not tell.
    """
    import torch  # here, because the file tools start without it

    find = getattr(torch.cpu, "get_capabilities", None)  # older releases have none
    return find() if find else {}


def as_tensor(array: np.ndarray) -> "Tensor":
    """Return a tensor that shares the memory of an array, or a copy if torch cannot share it.

    torch cannot share an array that is read-only, has the byte order of another machine, or has
    negative strides. NumPy calls an array with negative strides contiguous if these belong to sides
    of length 1.

    Raises:
        TypeError: The type of the array does not exist in torch.
    """
    import torch  # here, because the file tools start without it

    array = np.require(array, array.dtype.newbyteorder("="), ["C", "W"])
    return torch.from_numpy(array.copy() if min(array.strides, default=0) < 0 else array)
