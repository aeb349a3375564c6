"""Classifies torch's exceptions without importing torch, which takes seconds.

``tests/compat/test_torch_errors.py`` fails if a release changes the texts of these exceptions.
"""

import re
import traceback

_NO_MEMORY = ("out of memory", "DefaultCPUAllocator", "STATUS_ALLOC_FAILED", "OutOfMemoryError")
"""Texts of out-of-memory errors: of CUDA and Metal; the CPU; cuDNN and cuBLAS; OpenCV."""


def is_killed_worker(error: BaseException) -> bool:
    """Return whether a DataLoader worker was killed, perhaps while it handed over a batch."""
    return str(error).startswith("DataLoader worker") or _is_lost_batch(error)


def _is_lost_batch(error: BaseException) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    senders = (frame.f_globals.get("__name__") for frame, _ in frames)
    is_lost = isinstance(error, OSError | EOFError)
    return is_lost and "multiprocessing.resource_sharer" in senders


def lacks_shared_memory(error: BaseException) -> bool:
    """Return whether loader processes ran out of shared memory, which containers limit."""
    text = str(error)
    return "</torch_" in text or (is_killed_worker(error) and "Bus error" in text)


def lacks_memory(error: BaseException) -> bool:
    """Return whether a GPU or the CPU ran out of memory, in any library."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in _NO_MEMORY)


def message_from_process(error: BaseException) -> str | None:
    """Return the message of a GFMError raised in a loader worker or another spawned process.

    torch puts a traceback before the message. Other errors give ``None``.
    """
    messages = re.findall(r"^gfm\.errors\.\w+: (.*)", str(error), re.MULTILINE)
    return messages[-1] if messages else None
