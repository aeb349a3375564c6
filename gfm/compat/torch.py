"""Unstable parts of torch: texts of exceptions, new functions, a setting of its exporter.

``tests/compat/test_torch.py`` fails if a release changes one of them. Functions import torch and
NumPy, so that the command line and its workers start without them.
"""

import re
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


def is_killed_worker(error: BaseException) -> bool:
    """Return whether a DataLoader worker was killed."""
    return str(error).startswith("DataLoader worker")


def lacks_shared_memory(error: BaseException) -> bool:
    """Return whether loader processes had too little shared memory, which containers limit."""
    text = str(error)
    return "</torch_" in text or (is_killed_worker(error) and "Bus error" in text)


def message_from_worker(error: BaseException) -> str | None:
    """Return the message of a GFMError raised in a DataLoader worker; ``None`` for other errors.

    torch puts a traceback before the message.
    """
    text = str(error)
    return text.rsplit("GFMError: ", 1)[-1] if "in DataLoader worker process" in text else None


def message_from_process(error: BaseException) -> str | None:
    """Return the message of a GFMError raised in a spawned process; ``None`` for other errors."""
    messages = re.findall(r"^gfm\.errors\.\w+: (.*)", str(error), re.MULTILINE)
    return messages[-1] if messages else None


def size_oblivious_export() -> AbstractContextManager[Any]:
    """Let graphs exported within the context accept features with sides of length 1.

    Otherwise torch specialises on longer sides, and the graph rejects small images.
    """
    from torch.fx.experimental import _config

    return _config.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]


def uncompiled() -> AbstractContextManager[Any]:
    """Let compiled networks run as if they were not, within the context.

    For inputs of many sizes, and hooks: each would be compiled anew.
    """
    if "torch._dynamo" not in sys.modules:  # nothing is compiled, and importing it takes long
        return nullcontext()
    import torch

    return torch.compiler.set_stance("force_eager")


def cpu_capabilities() -> Mapping[str, Any]:
    """Return the CPU's instruction sets by torch's names, such as ``amx_bf16``.

    Empty if this torch release cannot tell.
    """
    import torch

    find = getattr(torch.cpu, "get_capabilities", None)
    return find() if find else {}


def as_tensor(array: "np.ndarray") -> "Tensor":
    """Return a tensor that shares an array's memory, or copies what ``torch.from_numpy`` rejects.

    torch rejects foreign byte orders and negative strides (which NumPy calls contiguous along
    sides of length 1), and warns about read-only arrays.

    Raises:
        TypeError: torch has no such data type.
    """
    import numpy as np
    import torch

    array = np.require(array, array.dtype.newbyteorder("="), ["C", "W"])
    return torch.from_numpy(array.copy() if min(array.strides, default=0) < 0 else array)
