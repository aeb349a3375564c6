"""Sets up Weights & Biases so that it neither prompts nor hangs."""

import netrc
import os
import socket
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import getproxies, proxy_bypass

from gfm.compat.lightning import drop_wandb_option
from gfm.compat.wandb import set_flush_interval
from gfm.compat.wandb_settings import check_wandb, stored_settings
from gfm.system.files import make_folder, write_text
from gfm.system.ranks import is_global_zero
from gfm.training.loggers.dashboard import Dashboard

_ID = ".wandb_id"  # in a run's folder


def wandb_mode(timeout: float = 3.0) -> str:
    """Return ``online`` if the user is logged in and connected, unless settings say otherwise.

    ``WANDB_MODE``, ``wandb offline`` and ``wandb disabled`` take precedence.
    Without a key, W&B would prompt for one; without a network, it would hang. In both cases the
    mode is ``offline``, and ``wandb sync`` can upload the run later.

    Args:
        timeout: Longest wait for the server in seconds.
    """
    if mode := os.environ.get("WANDB_MODE"):
        return mode
    settings = stored_settings()
    if settings.mode != "online":
        return settings.mode
    host = urlparse(settings.base_url).hostname or ""
    if not os.environ.get("WANDB_API_KEY") and not _is_in_netrc(host):
        return "offline"
    try:
        socket.create_connection(_address(settings.base_url), timeout).close()
    except OSError:
        return "offline"
    return "online"


def _address(server: str) -> tuple[str, int]:
    """Return the host and port that requests to a server go to, which may be those of a proxy."""
    url = urlparse(server)
    proxy = getproxies().get(url.scheme)
    if proxy and not proxy_bypass(url.hostname or ""):
        url = urlparse(proxy if "://" in proxy else f"http://{proxy}")
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def _is_in_netrc(host: str) -> bool:
    path = Path(os.environ.get("NETRC", Path.home() / ".netrc"))  # where `wandb login` stores keys
    try:
        return netrc.netrc(path).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def run_id(folder: Path) -> str:
    """Return the W&B id of a run, and store it in the folder of the run.

    A resumed run thus continues on the dashboard, even on a different machine or in a moved folder.
    ``WANDB_RUN_ID``, which W&B agents set, takes precedence.

    Raises:
        WriteError: The folder cannot be written.
    """
    file = folder / _ID
    name = os.environ.get("WANDB_RUN_ID")
    if not name and file.is_file():
        return file.read_text(encoding="utf-8").strip()
    name = name or uuid.uuid4().hex[:12]
    if is_global_zero():  # other processes never start a run of W&B
        make_folder(folder)
        write_text(file, name + "\n")
    return name


def wandb_logger(**options: Any) -> Dashboard:
    """Build a :class:`~gfm.training.loggers.dashboard.Dashboard` in the mode of :func:`wandb_mode`.

    Raises:
        GFMError: W&B refuses an option, or an environment variable.
    """
    os.environ.setdefault("WANDB_SILENT", "true")
    check_wandb(options)
    set_flush_interval()
    name = run_id(Path(options.get("save_dir", ".")))
    logger = Dashboard(mode=wandb_mode(), id=name, resume="allow", **options)
    # Lightning 2.6 always passes an option that W&B no longer has, which causes a warning.
    drop_wandb_option(logger, "anonymous")
    return logger
