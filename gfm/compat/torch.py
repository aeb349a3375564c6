"""Unstable parts of torch: new and private functions, and a setting of its exporter.

``tests/compat/test_torch.py`` fails if a release changes one of them.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.data import get_worker_info

from gfm.errors import GFMError

_DRAWING = {"normal_", "uniform_", "kaiming_normal_", "kaiming_uniform_", "trunc_normal_"}
"""Functions of ``torch.nn.init``, and methods of tensors, that draw random weights."""


def empty_for_collate(num_bytes: int) -> Tensor:
    """Return uninitialised bytes for a batch, in shared memory if this is a DataLoader worker.

    A batch in other memory would be copied on its way to the parent process. ``default_collate``
    does the same.
    """
    if get_worker_info() is None:
        return torch.empty(num_bytes, dtype=torch.uint8)
    storage = torch.UntypedStorage._new_shared(num_bytes)  # type: ignore[no-untyped-call]
    return torch.empty(0, dtype=torch.uint8).set_(storage)


@contextmanager
def size_oblivious_export() -> Iterator[None]:
    """Let graphs exported within the context accept features with sides of one pixel.

    Otherwise torch specialises on longer sides, and the graph rejects small images.

    Raises:
        GFMError: The graph would accept images of some sizes only.
    """
    from torch._dynamo.exc import UserError  # imported here, because it takes a second
    from torch.fx.experimental import _config

    try:
        with _config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
            yield
    except UserError as error:
        raise GFMError(
            "torch cannot export this network for images of every size, like some networks of "
            "timm: use gfm export safetensors"
        ) from error


def skip_random_weights() -> AbstractContextManager[Any]:
    """Skip random initialisation of networks built within the context.

    It takes longer than reading a checkpoint. On the ``meta`` device, it would make torch import
    its compiler, which takes a second.
    """

    class Skip(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = kwargs or {}
            if getattr(func, "__name__", "") in _DRAWING:
                return args[0] if args else kwargs["tensor"]
            return func(*args, **kwargs)

    return Skip()


def uncompiled() -> AbstractContextManager[Any]:
    """Run compiled networks eagerly within the context.

    Inputs of many sizes, and hooks, would each trigger a recompilation.
    """
    if "torch._dynamo" not in sys.modules:  # nothing is compiled, and importing it takes long
        return nullcontext()
    return torch.compiler.set_stance("force_eager")


def cpu_capabilities() -> Mapping[str, Any]:
    """Return the CPU's instruction sets by torch's names, such as ``amx_bf16``.

    Empty if this torch release cannot tell.
    """
    find = getattr(torch.cpu, "get_capabilities", None)
    return find() if find else {}


def as_tensor(array: np.ndarray) -> Tensor:
    """Return a tensor that shares an array's memory, or copies what ``torch.from_numpy`` rejects.

    torch rejects foreign byte orders and negative strides, and warns about read-only arrays. NumPy
    counts an array with a negative stride as contiguous if that axis has length 1.

    Raises:
        TypeError: torch has no such data type.
    """
    array = np.require(array, array.dtype.newbyteorder("="), ["C", "W"])
    return torch.from_numpy(array.copy() if min(array.strides, default=0) < 0 else array)
