"""What breaks where a release of Hydra moves its callbacks or words its faults otherwise."""

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gfm.compat.hydra import Callback
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
