"""Every choice of evaluate.yaml's config groups composes and instantiates."""

import pytest

from gfm.compat.hydra import instantiate, to_plain
from tests.conftest import PROJECT, compose_config

CHOICES = [
    (group, path.stem)
    for group in ("data", "inference", "trainer", "logger")
    for path in sorted((PROJECT / "configs" / group).glob("*.yaml"))
]


@pytest.mark.parametrize(("group", "name"), CHOICES, ids=lambda value: value)
def test_every_choice(group, name, tmp_path):
    if name == "tensorboard":
        pytest.importorskip("tensorboard", reason="needs the extra 'tensorboard'")
    config = to_plain(compose_config("evaluate", [f"{group}={name}", f"paths.run={tmp_path}"]))
    assert instantiate(config["data"]["source"])
    instantiate(config["inference"])
    for node in (config["logger"] or {}).values():
        instantiate(node)
    if name in ("default", "cpu", "ddp_cpu"):  # the others need a GPU
        assert not instantiate(config["trainer"]).loggers
