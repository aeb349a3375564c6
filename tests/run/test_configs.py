"""Values that depend on where a run takes place."""

import pytest
import torch
from omegaconf import OmegaConf

from gfm.run.configs import by_device


@pytest.mark.parametrize(
    ("accelerator", "has_gpu", "expected"),
    [("auto", False, 64), ("auto", True, 320), ("cpu", True, 64), ("gpu", False, 320)],
)
def test_by_device(monkeypatch, accelerator, has_gpu, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert by_device(accelerator, 64, 320) == expected
    node = {"trainer": {"accelerator": accelerator}, "x": "${by_device:${trainer.accelerator},1,2}"}
    assert OmegaConf.create(node).x == (1 if expected == 64 else 2)


@pytest.mark.parametrize(("hardware", "expected"), [("AMX", 3), (None, 1)])
def test_cpus_with_bfloat16_may_have_a_separate_value(monkeypatch, hardware, expected):
    monkeypatch.setattr("gfm.models.precision.bfloat16_hardware", lambda device: hardware)
    assert by_device("cpu", 1, 2, 3) == expected
    assert by_device("gpu", 1, 2, 3) == 2


def test_a_list_named_by_another_key():
    node = {"data": {"sizes": "${by_device:cpu,[3,4],[5]}"}, "track": {"sizes": "${data.sizes}"}}
    config = OmegaConf.create(node)
    OmegaConf.resolve(config)
    assert config.track.sizes == config.data.sizes == [3, 4]
