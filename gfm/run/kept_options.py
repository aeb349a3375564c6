"""Checks that the options kept in a run's folder are harmless before a resumed run uses them.

The folder may come from somebody else. Options that could execute code, write elsewhere or upload
files take effect only if the command line repeats them.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from gfm.compat.hydra import parse_override
from gfm.errors import GFMError
from gfm.run.overrides import program
from gfm.run.saved_options import OVERRIDES
from gfm.system.run_folder import is_inside

PACKAGES: Final = (
    *(f"gfm.data.{name}" for name in ("layout", "pairs", "tracks")),
    *(f"gfm.{name}" for name in ("inference", "losses", "metrics", "models")),
    *(f"gfm.training.{name}" for name in ("callbacks", "optimization", "preemption")),
    "pytorch_lightning.callbacks",
    "torch.optim",
)
"""Packages whose classes kept options may name; ``trust`` adds others."""

_HARMLESS = ("datetime",)  # its classes, such as timedelta for a strategy's timeout, have no paths

_READS = ("data.", "paths.", "init_from")
"""Options whose paths are only read. (Demo data are only added, in a folder named by a hash.)"""

_LOGGED = {
    *("group", "job_type", "log_model", "name", "prefix", "project", "save_dir", "tags", "version"),
    "weights",
}
"""Options of loggers that may be kept; the others choose what is uploaded, where and by whom."""

_PLACE = re.compile(r"(dir|folder|path|weights)$")
"""Names of options whose values are paths, even if they look like plain words."""

_UNCHECKED = {"_args_", "plugins"}
"""Positional arguments, and plugins, which write and delete checkpoints."""


def check_kept(
    run: Path, options: Iterable[str], trust: Sequence[str], arguments: Sequence[str]
) -> None:
    """Check that kept options are plain data, and neither write outside ``run`` nor upload files.

    Args:
        run: Folder of the run.
        options: Options of :func:`gfm.run.saved_options.saved_overrides` to use.
        trust: Packages that the user trusts.
        arguments: Arguments of the command line, for the message.

    Raises:
        GFMError: An option has an interpolation, names a class outside the trusted packages, or
            needs to be repeated on the command line.
    """
    # Imported here, because it imports torch.
    from gfm.checkpoints.trust import check_description

    file = run / OVERRIDES
    refused = []
    for text in options:
        option = parse_override(text)
        name, value = str(option.key_or_group), option.value()
        if "${" in text:
            raise GFMError(
                f"{file} holds {text}, whose interpolation is not resolved: set {name} on the "
                "command line"
            )
        check_description({name.split(".")[-1]: value}, (*PACKAGES, *_HARMLESS), trust, file)
        leaves = _leaves(tuple(name.split(".")), value)
        if option.package or any(_may_harm(keys, leaf, run) for keys, leaf in leaves):
            refused.append(text)
    if refused:
        command = shlex.join([*program("train"), *arguments, *refused])
        raise GFMError(
            f"{file} holds {', '.join(refused)}, which may write, delete or upload files "
            f"elsewhere: if you trust it, type {command}"
        )


def _may_harm(keys: tuple[str, ...], value: Any, run: Path) -> bool:
    """Return whether a value may do harm; ``keys`` are the keys that lead to it."""
    if not _UNCHECKED.isdisjoint(keys) or (keys[0] == "logger" and {*keys[2:]} - _LOGGED):
        return True
    is_path = isinstance(value, str) and not ".".join(keys).startswith(_READS)
    if not is_path or is_inside(Path(value), run):
        return False
    leads_out = value.startswith(("/", "~")) or ".." in Path(value).parts or "://" in value
    return leads_out or bool(_PLACE.search(keys[-1]))


def _leaves(keys: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the values inside mappings and lists, with the keys that lead to them."""
    if value and isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves((*keys, str(key)), inner)
    elif value and isinstance(value, list):
        for inner in value:
            yield from _leaves(keys, inner)
    else:
        yield keys, value
