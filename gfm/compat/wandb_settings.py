"""Reads and checks W&B's settings before a run; W&B itself checks them only during training.

``tests/compat/test_wandb_settings.py`` fails if a release changes the names.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import wandb
from pydantic import ValidationError
from wandb.errors import UsageError

from gfm.errors import GFMError

_SETTINGS: Final = {
    "project": ("project", "logger.wandb.project"),
    "entity": ("entity", "logger.wandb.entity"),
    "notes": ("run_notes", "logger.wandb.notes"),
    "name": ("run_name", "run.name"),
    "group": ("run_group", "run.group"),
    "job_type": ("run_job_type", "run.job_type"),
    "tags": ("run_tags", "run.tags"),
}
"""W&B's setting for each argument of ``wandb.init``, and the option of a run that sets it."""


_READING: Final = (
    "update_from_system_settings",
    *("update_from_system_config_file", "update_from_workspace_config_file"),  # in older releases
)
"""Methods of W&B's settings that read its files."""


def check_wandb(options: Mapping[str, Any]) -> None:
    """Check the arguments of ``wandb.init``, and the environment variables of W&B.

    Raises:
        GFMError: W&B rejects one, which the message names.
    """
    for name, value in sorted(os.environ.items()):
        if name.startswith("WANDB_"):
            _validate(name, wandb.Settings().update_from_env_vars, {name: value})
    for argument, (setting, option) in _SETTINGS.items():
        if options.get(argument) is not None:
            _validate(option, wandb.Settings().__setattr__, setting, options[argument])


def stored_settings() -> wandb.Settings:
    """Return W&B's settings from its files (see ``wandb offline``) and the environment."""
    settings = wandb.Settings()
    folder = os.environ.get("WANDB_CONFIG_DIR", "~/.config/wandb")
    settings.settings_system = str(Path(folder, "settings").expanduser())
    for name in _READING:
        getattr(settings, name, lambda: None)()
    settings.update_from_env_vars(dict(os.environ))
    return settings


def _validate(option: str, accept: Callable[..., None], *values: Any) -> None:
    try:
        accept(*values)
    except ValidationError as error:
        reasons = [e["msg"].removeprefix("Value error, ") for e in error.errors()]
        raise GFMError(f"W&B rejects {option}: {'; '.join(reasons)}") from None
    except (UsageError, ValueError) as error:
        raise GFMError(f"W&B rejects {option}: {error}") from None
