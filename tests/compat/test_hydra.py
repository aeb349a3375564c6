"""What breaks where a release of Hydra moves its callbacks or words its faults otherwise."""

import pytest
from hydra.errors import MissingConfigException, OverrideParseException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gfm.compat.hydra import Callback, compose_from, missing_choice, parse_override, reason
from gfm.launch.configs import CONFIGS
from gfm.launch.entry import one_line


def test_callbacks_have_the_hooks_that_a_sweep_uses():
    assert {"on_job_end", "on_multirun_end"} <= set(dir(Callback))


def test_faults_are_one_line():
    with pytest.raises(OmegaConfBaseException) as caught:
        OmegaConf.create({"a": "${b.c}"}).a  # noqa: B018
    assert one_line(caught.value) == "Interpolation key 'b.c' not found"
    with pytest.raises(Exception, match="nowhere") as caught:
        instantiate({"_target_": "nowhere.X"})
    assert "full_key" not in one_line(caught.value)


def test_a_choice_that_is_missing_is_named():
    with pytest.raises(MissingConfigException) as caught:
        compose_from(CONFIGS, "train", ["recipe=unknown"])
    assert missing_choice(caught.value) == ("recipe", "unknown")
    assert missing_choice(ValueError("other")) is None


def test_why_an_override_is_refused_is_one_line():
    with pytest.raises(OverrideParseException) as caught:
        parse_override("a=[b")
    assert "\n" not in reason(caught.value)
    assert "https" not in reason(caught.value)


def test_files_of_ones_own_are_found(tmp_path):
    (tmp_path / "rosta").mkdir()
    (tmp_path / "rosta/own.yaml").write_text("name: own")
    assert compose_from(CONFIGS, "train", ["rosta=own"], tmp_path).rosta.name == "own"
    with pytest.raises(MissingConfigException):
        compose_from(CONFIGS, "train", ["rosta=own"])
