"""Private APIs and messages of Hydra: a test fails if a release changes them."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gfm.compat.hydra import (
    NOISE,
    Callback,
    compose_from,
    grid_jobs,
    missing_choice,
    parse_arguments,
    parse_override,
    reason,
    swept_options,
)
from gfm.run.configs import CONFIGS
from gfm.run.exit import describe_error
from tests.conftest import compose_config


def test_callbacks_have_the_hooks_that_are_used():
    used = {"on_run_start", "on_multirun_start", "on_job_end", "on_multirun_end"}
    assert used <= set(dir(Callback))


def test_a_configuration_is_composed_inside_an_app():
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        running = GlobalHydra.instance().hydra
        assert compose_config("evaluate", ["data=folder"]).data.name == "folder"
        assert GlobalHydra.instance().hydra is running


def test_errors_are_one_line():
    with pytest.raises(OmegaConfBaseException) as caught:
        OmegaConf.create({"a": "${b.c}"}).a  # noqa: B018
    assert describe_error(caught.value) == "Interpolation key 'b.c' not found"
    with pytest.raises(Exception, match="nowhere") as caught:
        instantiate({"_target_": "nowhere.X"})
    assert "full_key" not in describe_error(caught.value)


def test_a_missing_choice_is_named():
    with pytest.raises(MissingConfigException) as caught:
        compose_from(CONFIGS, "train", ["recipe=unknown"])
    assert missing_choice(caught.value) == ("recipe", "unknown")
    assert missing_choice(ValueError("other")) is None


@pytest.mark.parametrize("folder", ["./mine", "../my/photos", "/data/mine"])
def test_a_folder_is_not_the_name_of_a_dataset(folder):
    with pytest.raises(MissingConfigException) as caught:
        compose_from(CONFIGS, "evaluate", [f"data={folder}"])
    assert missing_choice(caught.value) == ("data", folder)
    assert f"data={folder} is a folder: write 'data=[{folder}]'" in describe_error(caught.value)


@pytest.mark.parametrize("text", ["rosta", "a=[b"])
def test_the_reason_for_rejecting_an_override_is_one_line(text):
    with pytest.raises(HydraException) as caught:
        parse_override(text)
    assert "\n" not in reason(caught.value)
    assert "https" not in reason(caught.value)


def test_the_users_own_files_are_found(tmp_path):
    (tmp_path / "rosta").mkdir()
    (tmp_path / "rosta/own.yaml").write_text("# @package _global_\nrosta: own")
    assert compose_from(CONFIGS, "train", ["rosta=own"], tmp_path).rosta == "own"
    with pytest.raises(MissingConfigException):
        compose_from(CONFIGS, "train", ["rosta=own"])


@dataclass
class Inner:
    """A node of a structured configuration, like ``hydra.run``."""

    a: str = "${b}"


@dataclass
class Typed:
    """A structured configuration, like Hydra's own."""

    inner: Inner = field(default_factory=Inner)


ERRORS: dict[str, Callable[[], Any]] = {
    "full_key": lambda: OmegaConf.create({"a": "${b}"}).a,
    "reference_type": lambda: OmegaConf.structured(Typed).inner.a,
    "object_type": lambda: OmegaConf.create({"a": "${b}"}).a,
    "Config search path": lambda: compose_config("train", ["data=nowhere"]),
    "provider=": lambda: compose_config("train", ["data=nowhere"]),
}
"""Errors by a prefix of a line of their text."""


@pytest.mark.parametrize("noise", NOISE)
def test_noise_in_messages_is_on_separate_lines(noise):
    with pytest.raises(Exception, match=noise) as caught:
        ERRORS[noise]()
    assert any(line.strip().startswith(noise) for line in str(caught.value).splitlines())
    assert noise not in describe_error(caught.value)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("data.batchsize=8", "data.batchsize: no such option; see --help"),
        (
            "trainer.max_step=8",
            "trainer.max_step: no such option; see --help, or add an argument of the class with "
            "+trainer.max_step=...",
        ),
    ],
)
def test_a_mistyped_option(override, says):
    with pytest.raises(HydraException) as caught:
        compose_config("train", ["paths.run=.", override])
    assert describe_error(caught.value) == says


def test_an_unknown_recipe_is_not_a_fault_of_the_data(monkeypatch):
    with pytest.raises(HydraException) as caught:
        compose_config("train", ["paths.run=.", "recipe=am2-k"])
    assert "data=am2-k has no recipe" in describe_error(caught.value)
    monkeypatch.setattr(sys, "argv", ["train.py", "recipe=am2-k"])
    assert "Could not find 'recipe/am2-k' Available options" in describe_error(caught.value)


def test_a_command_line_is_parsed_as_in_hydra():
    arguments = ["a=1,2", "-m", "+b=3", "--cfg", "job", "~c", "d='e f'"]
    flags, overrides = parse_arguments(arguments)
    assert overrides == ["a=1,2", "+b=3", "~c", "d='e f'"]
    assert (flags.multirun, flags.cfg) == (True, "job")
    assert parse_arguments(["--unknown", "a=1"])[1] == ["a=1"]
    assert not parse_arguments([])[0].multirun


def test_overrides_of_a_sweep_are_recognised():
    several = ["a.b=1,2", "+c=range(1,4)", "d=choice(1,2)", "++e=interval(0,1)", "f=glob(*)"]
    single = ["g=1", "h=[1,2]", "i='1,2'", "j={k:1}", "~l", "m="]
    assert swept_options([*several, *single]) == ["a.b", "c", "d", "e", "f"]


def test_the_jobs_of_a_grid():
    jobs = grid_jobs(["a=1,2", "+b=x", "c='y z',w"])
    assert jobs == [[a, "+b=x", c] for a in ("a=1", "a=2") for c in ("c='y z'", "c=w")]
