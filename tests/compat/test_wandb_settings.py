"""W&B's settings are checked before a run, and errors name the option or the variable."""

import pytest

from gfm.errors import GFMError
from gfm.training.loggers.wandb_logger import wandb_logger

OPTIONS = {
    "run.tags": {"tags": ["short", "t" * 90]},
    "run.tags: Tag at index 0 is empty": {"tags": [""]},
    "logger.wandb.project": {"project": "mine/gfm"},
    "logger.wandb.project: Invalid project name": {"project": "p" * 129},
    "run.name": {"name": 1},
}
VARIABLES = {
    "WANDB_MODE": "foo",
    "WANDB_BASE_URL": "abc",
    "WANDB_API_KEY": "s3cret ",
    "WANDB_INIT_TIMEOUT": "soon",
    "WANDB_TAGS": "t" * 90,
    "WANDB_RUN_ID": "a/b",
    "WANDB_RESUME": "perhaps",
}


@pytest.mark.parametrize("says", OPTIONS)
def test_a_refused_option_is_named(tmp_path, says):
    with pytest.raises(GFMError, match=f"W&B rejects {says}"):
        wandb_logger(save_dir=tmp_path, **OPTIONS[says])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", VARIABLES)
def test_a_refused_variable_is_named(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, VARIABLES[name])
    with pytest.raises(GFMError, match=f"W&B rejects {name}: ") as refused:
        wandb_logger(save_dir=tmp_path)
    assert "s3cret" not in str(refused.value)


def test_options_set_by_runs_are_accepted(tmp_path):
    run = {"name": "r34 tt", "group": "g" * 128, "job_type": "train", "tags": ["r34", "tt"]}
    wandb_logger(save_dir=tmp_path, project="gfm", notes="none", entity="me", **run)
