"""What torch may change: texts of exceptions, new functions, a setting of its exporter.

``tests/compat/test_torch.py`` names what breaks where a release changes one of them.
"""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def is_of_dead_worker(error: BaseException) -> bool:
    """Whether a loader's worker process was killed."""
    return str(error).startswith("DataLoader worker")


def fault_in_worker(error: BaseException) -> str | None:
    """The message of a GFMError that a loader's worker raised; torch appends its traceback."""
    text = str(error)
    return text.rsplit("GFMError: ", 1)[-1] if "in DataLoader worker process" in text else None


def fault_in_process(error: BaseException) -> str | None:
    """The message of a GFMError that a spawned process raised, if one did."""
    messages = re.findall(r"^gfm\.errors\.\w+: (.*)", str(error), re.MULTILINE)
    return messages[-1] if messages else None


def unbounded_sizes() -> AbstractContextManager[Any]:
    """While a graph is exported: sizes of 1 are no case of their own.

    Else the graph would hold from the smallest size on at which no side of a feature is 1.
    """
    from torch.fx.experimental import _config  # here, since the file tools start without torch

    return _config.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]


def cpu_capabilities() -> Mapping[str, Any]:
    """Instruction sets by torch's names (``amx_bf16``); none where this torch cannot tell."""
    import torch  # here, since the file tools start without it

    find = getattr(torch.cpu, "get_capabilities", None)  # older releases have none
    return find() if find else {}


def as_tensor(array: np.ndarray) -> "Tensor":
    """The memory of an array as a tensor, or a copy of it where torch cannot share it.

    It cannot if the array is read-only, of another machine's byte order, or has negative strides;
    NumPy calls one with such strides contiguous as well, where that side is one element long.

    Raises:
        TypeError: torch has no such type.
    """
    import torch  # here, since the file tools start without it

    array = np.require(array, array.dtype.newbyteorder("="), ["C", "W"])
    return torch.from_numpy(array.copy() if min(array.strides, default=0) < 0 else array)
