"""Weights & Biases without prompts and without hanging."""

import netrc
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import wandb

from gfm.compat.lightning import drop_wandb_option
from gfm.compat.wandb import write_promptly
from gfm.system.files import make_folder, write_text
from gfm.system.ranks import is_first
from gfm.training.loggers.dashboard import Dashboard

_ID = ".wandb_id"  # in a run's folder


def wandb_mode(timeout: float = 3.0) -> str:
    """``WANDB_MODE`` where set, else ``online`` for a user who is logged in and reaches the server.

    Without a key W&B would stop and ask; with a key but without a network it would hang. Both
    cases run ``offline``; ``wandb sync`` uploads such a run later.

    Args:
        timeout: for reaching the server, in seconds.
    """
    if mode := os.environ.get("WANDB_MODE"):
        return mode
    url = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai"))
    host = url.hostname or ""
    if not os.environ.get("WANDB_API_KEY") and not _is_in_netrc(host):
        return "offline"
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
        socket.create_connection((host, port), timeout).close()
    except OSError:
        return "offline"
    return "online"


def _is_in_netrc(host: str) -> bool:
    path = Path(os.environ.get("NETRC", Path.home() / ".netrc"))  # where `wandb login` stores keys
    try:
        return netrc.netrc(path).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def run_id(folder: Path) -> str:
    """What W&B knows a run by: kept in its folder, so that it goes on in the dashboard too.

    Wherever that is: another machine, or the folder moved. ``WANDB_RUN_ID``, which W&B's agents
    set, comes first.

    Raises:
        WriteError: the folder cannot be written.
    """
    file = folder / _ID
    name = os.environ.get("WANDB_RUN_ID")
    if not name and file.is_file():
        return file.read_text(encoding="utf-8").strip()
    name = name or uuid.uuid4().hex[:12]
    if is_first():  # the others never begin a run of W&B
        make_folder(folder)
        write_text(file, name + "\n")
    return name


def wandb_logger(**options: Any) -> Dashboard:
    """The W&B logger in the mode that works here.

    Args:
        options: of :class:`gfm.training.loggers.dashboard.Dashboard`.
    """
    write_promptly()
    os.environ.setdefault("WANDB_SILENT", "true")
    name = run_id(Path(options.get("save_dir", ".")))
    logger = Dashboard(mode=wandb_mode(), id=name, resume="allow", **options)
    # Lightning 2.6 always hands on an option that W&B has given up, and so earns a warning.
    drop_wandb_option(logger, "anonymous")
    return logger


@contextmanager
def closed_at_end() -> Iterator[None]:
    """Ends W&B's run with what happens inside, as finished or failed.

    Else the next run of a sweep would go on in it.
    """
    try:
        yield
    except BaseException:
        _finish(exit_code=1)
        raise
    _finish(exit_code=0)


def _finish(exit_code: int) -> None:
    if wandb.run is not None:
        wandb.finish(exit_code)
