"""Imports torchvision's networks without torch's compiler, which takes a second to import.

``torchvision.ops`` imports one of the compiler's private functions, which only its detection
operators call.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo.utils"


class _Deferred(ModuleType):
    """Placeholder that imports the compiler on first use."""

    def is_compile_supported(self, device_type: Any) -> Any:
        return _import_compiler().is_compile_supported(device_type)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system asks for these
            raise AttributeError(name)
        return getattr(_import_compiler(), name)


def _import_compiler() -> Any:
    if isinstance(sys.modules.get(_COMPILER), _Deferred):
        del sys.modules[_COMPILER]
    return importlib.import_module(_COMPILER)


@contextmanager
def _defer_compiler() -> Iterator[None]:
    if _COMPILER in sys.modules:
        yield
        return
    deferred = sys.modules[_COMPILER] = _Deferred(_COMPILER)
    try:
        yield
    finally:
        if sys.modules.get(_COMPILER) is deferred:
            del sys.modules[_COMPILER]


with _defer_compiler():
    from torchvision import models as models
    from torchvision.models.resnet import BasicBlock as BasicBlock
    from torchvision.models.resnet import Bottleneck as Bottleneck
