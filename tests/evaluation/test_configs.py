"""Every choice of the groups of evaluate.yaml composes and builds."""

import pytest

from gfm.build import build, plain
from tests.conftest import PROJECT, compose_config

CHOICES = [
    (group, path.stem)
    for group in ("data", "inference", "trainer", "logger")
    for path in sorted((PROJECT / "configs" / group).glob("*.yaml"))
]


@pytest.mark.parametrize(("group", "name"), CHOICES, ids=lambda value: value)
def test_every_choice(group, name, tmp_path):
    if name == "tensorboard":
        pytest.importorskip("tensorboard", reason="wants the extra 'tensorboard'")
    config = plain(compose_config("evaluate", [f"{group}={name}", f"paths.run={tmp_path}"]))
    assert build(config["datamodule"]).source
    build(config["inference"])
    for node in (config["logger"] or {}).values():
        build(node)
    if name in ("default", "cpu", "ddp_cpu"):  # the others need a GPU
        assert not build(config["trainer"]).loggers
