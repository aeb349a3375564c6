"""Tables in the terminal are as people should read them."""

from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from gfm.compat.hydra import compose_from
from gfm.config import TrainConfig
from gfm.metrics import metric_units
from gfm.run import evaluation_command
from gfm.run.configs import CONFIGS
from gfm.run.configuration import load_config
from gfm.run.saved_options import ConfigFolders
from gfm.run.summary import metrics_table
from tests.conftest import compose_config


@pytest.mark.parametrize(("protocol", "unit"), [("gfm", "tens"), ("dim", "thousands")])
def test_metrics_are_shown_with_the_units_of_their_protocol(protocol, unit):
    values = {"val/grad": 12.3456789, "sad": 1.0, "num_images": 2}
    table = metrics_table("scores", values, metric_units(protocol))
    names, numbers, units = (list(column.cells) for column in table.columns)
    assert names == list(values)
    assert numbers == ["12.346", "1", "2"]
    assert units == [unit, "thousands", ""]


@pytest.mark.parametrize(("is_preset", "needed"), [(False, []), (True, ["32-true"])])
def test_the_precision_is_named_where_a_preset_sets_another(is_preset, needed):
    module = SimpleNamespace(metrics=SimpleNamespace(protocol="gfm"))
    trainer = SimpleNamespace(lightning_module=module, precision="32-true")
    found = evaluation_command._how(trainer, is_preset)
    assert found == [f"trainer.precision={name}" for name in needed]


def test_the_evaluation_of_an_experiment_has_its_data(tmp_path):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra/overrides.yaml").write_text("- experiment=evening\n")
    config = load_config(
        TrainConfig, compose_config("train", ["experiment=evening", f"paths.run={tmp_path}"])
    )
    options = evaluation_command._data(config)
    assert options[0] == "data=demo"
    assert {"data.source.height=480", "data.source.num_validation=24"} <= set(options)
    assert "data.source.seed=0" not in options  # as usual


def test_the_evaluation_of_ones_own_experiment_has_its_photos(tmp_path, monkeypatch):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/mine.yaml").write_text(
        "# @package _global_\n"
        "defaults: [{override /data: pairs}, {override /recipe: pairs}]\n"
        "data: {root: /mine, shorter_side: 2160, batch_size: 2, crop_sizes: 64}\n"
        "paths: {bg20k: /backgrounds}\n"
    )
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra/overrides.yaml").write_text("- experiment=mine\n")
    folders = ConfigFolders(str(tmp_path), None)
    monkeypatch.setattr(evaluation_command, "config_folders", lambda: folders)
    cfg = compose_from(CONFIGS, "train", ["experiment=mine", f"paths.run={tmp_path}"], tmp_path)
    config = TrainConfig.model_validate(OmegaConf.to_container(cfg, resolve=True))
    assert evaluation_command._data(config) == [
        *("data=pairs", "paths.bg20k=/backgrounds"),
        *("data.shorter_side=2160", "data.root=/mine"),
    ]
