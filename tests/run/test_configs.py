"""Values that depend on the device of a run."""

import pytest
import torch
from omegaconf import OmegaConf

import gfm.run.configs  # noqa: F401, registers the resolvers


def resolve(value, accelerator):
    node = {"x": value, "trainer": {"accelerator": accelerator}}
    return OmegaConf.create(node).x


@pytest.mark.parametrize(
    ("accelerator", "has_gpu", "expected"),
    [("auto", False, 64), ("auto", True, 320), ("cpu", True, 64), ("gpu", False, 320)],
)
def test_by_device(monkeypatch, accelerator, has_gpu, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert resolve("${by_device:64,320}", accelerator) == expected


@pytest.mark.parametrize(("hardware", "expected"), [("AMX", 3), (None, 1)])
def test_cpus_with_bfloat16_may_have_a_separate_value(monkeypatch, hardware, expected):
    monkeypatch.setattr("gfm.models.precision.bfloat16_hardware", lambda device: hardware)
    assert resolve("${by_device:1,2,3}", "cpu") == expected
    assert resolve("${by_device:1,2,3}", "gpu") == 2


def test_a_list_named_by_another_key():
    node = {"data": {"sizes": "${by_device:[3,4],[5]}"}, "track": {"sizes": "${data.sizes}"}}
    config = OmegaConf.create({**node, "trainer": {"accelerator": "cpu"}})
    OmegaConf.resolve(config)
    assert config.track.sizes == config.data.sizes == [3, 4]
