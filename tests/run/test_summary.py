"""Summaries on the terminal, and the printed evaluation command."""

from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from gfm.compat.hydra import compose_from
from gfm.config import TrainConfig
from gfm.metrics import metric_units
from gfm.run import evaluation_command, summary
from gfm.run.configs import CONFIGS
from gfm.run.saved_options import ConfigFolders
from gfm.run.summary import metrics_table
from gfm.training.final_test import FinalTest


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
    found = evaluation_command._protocol_and_precision(trainer, is_preset)
    assert found == [f"trainer.precision={name}" for name in needed]


def composed_run(tmp_path, *options: str) -> TrainConfig:
    """Return the configuration of a run, for which YAML files are also read from ``tmp_path``."""
    cfg = compose_from(CONFIGS, "train", [*options, f"paths.run={tmp_path}"], tmp_path)
    return TrainConfig.model_validate(OmegaConf.to_container(cfg, resolve=True))


def test_the_evaluation_of_an_experiment_has_its_data(tmp_path):
    config = composed_run(tmp_path, "experiment=evening")
    options = evaluation_command._data(config, {"data": "demo"}, ConfigFolders())
    assert options[0] == "data=demo"
    assert {"data.source.height=480", "data.source.num_validation=24"} <= set(options)
    assert "data.source.seed=0" not in options  # as usual


def test_the_evaluation_has_the_data_of_the_devices_of_the_run(tmp_path, monkeypatch):
    """Drawn animals are larger on a GPU, which the evaluation would choose."""
    config = composed_run(tmp_path, "trainer.accelerator=cpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    options = evaluation_command._data(config, {"data": "demo"}, ConfigFolders())
    assert "data.source.height=128" in options


def test_the_evaluation_of_a_custom_experiment_has_its_photos(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/mine.yaml").write_text(
        "# @package _global_\n"
        "defaults: [{override /data: pairs}, {override /recipe: pairs}]\n"
        "data: {name: cats, root: /mine, shorter_side: null, batch_size: 2, crop_sizes: 64,\n"
        "  also: [/other pets, '2024']}\n"
        "paths: {bg20k: /backgrounds, more: '1'}\n"
    )
    config = composed_run(tmp_path, "experiment=mine")
    folders = ConfigFolders(str(tmp_path), None)
    choices = {"data": "pairs", "trainer": "cpu"}
    assert evaluation_command._data(config, choices, folders) == [
        *("data=pairs", "trainer=cpu", "paths.bg20k=/backgrounds", "+paths.more='1'"),
        *("data.shorter_side=null", "data.root=/mine", "data.also=['/other pets','2024']"),
    ]


@pytest.mark.parametrize("is_usable", [True, False])
def test_other_photos_are_matted_only_with_usable_weights(tmp_path, monkeypatch, capsys, is_usable):
    monkeypatch.setattr(summary, "evaluation_command", lambda *_: "gfm evaluate")
    monkeypatch.setattr(summary, "show_before_and_after", lambda *_: is_usable)
    module = SimpleNamespace(metrics=SimpleNamespace(units={}))
    trainer = SimpleNamespace(is_global_zero=True, lightning_module=module)
    config = SimpleNamespace(folder=tmp_path, validate_first=True)
    tested = FinalTest({}, "best weights", "", tmp_path / "best.ckpt")
    summary.show_results(config, trainer, {}, tested, [])
    text = capsys.readouterr().out
    assert "gfm evaluate" in text
    assert ("gfm predict photo.jpg -o mattes --checkpoint" in text) == is_usable
