"""``gfm convert``: any checkpoint to .ckpt and .safetensors."""

import pytest
import torch
from typer.testing import CliRunner

from gfm.checkpoints import load_network
from gfm.cli import app
from tests.golden.formula import formula_state_dict
from tests.models.test_gfm import official_model


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    path = tmp_path_factory.mktemp("released") / "gfm_r34_bt.pth"
    torch.save(formula_state_dict("r34_BT"), path)
    return path


def _convert(*paths):
    return CliRunner().invoke(app, ["convert", *map(str, paths)], env={"COLUMNS": "300"})


def test_conversions_keep_the_network(released, tmp_path):
    """Released → ours → safetensors: the official network each time."""
    expected = official_model("r34_BT").state_dict()
    source = released
    for name in ("new/a.ckpt", "b.safetensors"):
        target = tmp_path / name
        done = _convert(source, target)
        assert done.exit_code == 0, done.output
        assert "r34, RoSTA BT" in done.output
        model, _ = load_network(target)
        own = model.state_dict()
        assert own.keys() == expected.keys()
        assert all(torch.equal(own[k], v) for k, v in expected.items())
        source = target
    assert {p.name for p in tmp_path.iterdir()} == {"new", "b.safetensors"}
    content = torch.load(tmp_path / "new/a.ckpt", weights_only=True)  # plain containers
    assert content.keys() == {"pytorch-lightning_version", "state_dict", "hyper_parameters"}
