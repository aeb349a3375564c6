"""The typed configuration: what it rejects, its messages, and what depends on the machine."""

import pytest
import torch
from omegaconf import OmegaConf

from gfm.config import TrainConfig
from gfm.run import configuration
from gfm.run.configuration import load_evaluate_configs, load_train_config
from gfm.run.option_errors import OptionsError
from gfm.run.train import train
from tests.conftest import compose_config


@pytest.fixture
def has_bfloat16(monkeypatch):
    monkeypatch.setattr("gfm.models.precision.cpu_capabilities", lambda: {"amx_bf16": True})


CPU = "trainer.accelerator=cpu"


def test_the_demo_uses_the_precision_of_the_machine(has_bfloat16, tmp_path, capsys):
    config = load_train_config(compose_config("train", [CPU, f"paths.run={tmp_path}"]))
    assert (config.trainer.precision, config.memory_format) == ("bf16-mixed", "contiguous")
    assert config.trainer.log_every_n_steps == 1
    said = capsys.readouterr().out
    assert said == "trainer.precision=auto: bf16-mixed, for AMX calculates in bfloat16\n"


def test_the_demo_trains_in_float32_without_bfloat16(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("gfm.models.precision.cpu_capabilities", dict)
    config = load_train_config(compose_config("train", [CPU, f"paths.run={tmp_path}"]))
    assert (config.trainer.precision, config.memory_format) == ("32-true", "contiguous")
    assert "32-true, for this CPU has no bfloat16 in hardware" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "precision"),
    [
        (["data=am2k"], "32-true"),  # as the paper
        (["data=demo", "trainer.precision=16-mixed"], "16-mixed"),
        (["data=am2k", "trainer.precision=auto"], "bf16-mixed"),
    ],
)
def test_explicit_options_are_kept(has_bfloat16, tmp_path, options, precision):
    config = load_train_config(compose_config("train", [CPU, f"paths.run={tmp_path}", *options]))
    assert config.trainer.precision == precision
    is_auto = "trainer.precision=auto" in options
    assert (config.memory_format == "channels_last") == is_auto


@pytest.mark.parametrize(("name", "precision"), [("gpu", "bf16-mixed"), ("default", "32-true")])
def test_gpus_log_every_ten_steps(monkeypatch, tmp_path, name, precision):
    monkeypatch.setattr(configuration, "device_type", lambda accelerator: "cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A100")
    options = ["data=am2k", f"trainer={name}", f"paths.run={tmp_path}"]
    config = load_train_config(compose_config("train", options))
    assert (config.trainer.log_every_n_steps, config.trainer.precision) == (10, precision)
    config = load_train_config(compose_config("train", [*options, "trainer.log_every_n_steps=1"]))
    assert config.trainer.log_every_n_steps == 1


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed", "32-true"])
def test_half_precision_chooses_the_memory_format_without_auto_too(
    monkeypatch, tmp_path, precision
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    options = ["trainer=gpu", f"trainer.precision={precision}", f"paths.run={tmp_path}"]
    config = load_train_config(compose_config("train", options))
    assert (config.memory_format == "channels_last") == (precision != "32-true")


def test_an_evaluation_resolves_auto(has_bfloat16, tmp_path):
    options = [CPU, f"paths.run={tmp_path}", "paths.runs=.", "checkpoint=best.ckpt"]
    config = load_evaluate_configs(compose_config("evaluate", options))[0]
    assert config.trainer.precision == "32-true"
    options.append("trainer.precision=auto")
    config = load_evaluate_configs(compose_config("evaluate", options))[0]
    assert config.trainer.precision == "bf16-mixed"


def test_the_objects_of_a_run_match_its_configuration(
    has_bfloat16, tiny_training, tmp_path, monkeypatch
):
    """Precision and memory format, in the run and in its files."""
    monkeypatch.setattr("gfm.models.precision._LARGE_INPUT", 32)
    options = ["trainer.precision=auto", "logger=none", "trainer.limit_val_batches=0", "test=false"]
    _, objects = train(compose_config("train", [*tiny_training, *options]))
    assert objects["trainer"].precision == "bf16-mixed"
    weight = objects["module"].model.focus.bridge[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert "precision: bf16-mixed" in (tmp_path / "run/config.yaml").read_text()
    assert objects["module"].hparams["trainer"]["precision"] == "bf16-mixed"


def refused(*options: str) -> list[str]:
    with pytest.raises(OptionsError) as caught:
        load_train_config(compose_config("train", list(options)))
    return caught.value.lines


def test_all_wrong_options_are_named_at_once(tiny):
    wrong = [
        "data.batch_size=0",
        "loss.focus=-1",
        "+data.typo=1",
        "test=worst",
        "data.crop_sizes=[]",
    ]
    assert refused(*tiny, *wrong) == [
        "data.batch_size=0: choose a whole number of at least 1, or null",
        "data.crop_sizes=[]: choose a whole number of at least 1, or a list with items, each a "
        "whole number of at least 1, or null",
        "data.typo: no such option; see --help",
        "loss.focus=-1: choose a number of at least 0",
        "test=worst: choose best or last or false, or null",
    ]


def test_an_option_is_named_as_it_was_set(tiny):
    """Not as those that interpolate it: optimizer.lr, track.blur_sizes, inference.glance_scale."""
    wrong = ["recipe.learning_rate=fast", "data.blur_sizes=[0]", "data.scales.glance=0"]
    names = [line.split("=")[0] for line in refused(*tiny, *wrong)]
    assert names == ["data.scales.glance", "data.blur_sizes", "recipe.learning_rate"]
    assert refused(*tiny, "optimizer.lr=${oc.env:HOME}")[0].startswith("optimizer.lr=/")


def test_a_group_without_a_choice_lists_its_choices(tiny):
    """The recipe leaves the inference to ``backbone=weights``."""
    line = "inference=null: choose branch or hybrid or native or resize or rim"
    assert refused(*tiny, "recipe=finetune", "backbone=r34") == [line]


def test_options_that_contradict_each_other(tiny):
    (line,) = refused(*tiny, "objective=val/iou")
    assert line.startswith("objective=val/iou is not logged: choose one of val/sad, ")
    (line,) = refused(*tiny, "objective=train/los")
    assert line.startswith("objective=train/los is not logged: ")
    assert "val/sad" in line
    assert "train/loss" in line
    with pytest.raises(OptionsError) as caught:
        load_evaluate_configs(compose_config("evaluate", [tiny[0], "paths.run=x"]))
    (line,) = caught.value.lines
    assert line == "set either checkpoint=<weights> or predictions=<folder of mattes>"


@pytest.mark.parametrize(
    "options",
    [
        ["objective=train/loss"],
        ["objective=train/loss_glance"],
        ["objective=test/sad", "callbacks=none"],
        ["objective=train/mine", "+callbacks.mine={_target_: mine.Callback}"],
    ],
)
def test_an_objective_need_not_be_validated(tiny, options):
    assert load_train_config(compose_config("train", [*tiny, *options]))


def test_options_of_user_classes_are_passed_through(tiny):
    own = ["+loss.temperature=2", "+callbacks.mine={_target_: mine.Callback, levels: [1, 2]}"]
    config = load_train_config(compose_config("train", [*tiny, *own]))
    assert config.to_dict()["loss"]["temperature"] == 2
    assert config.to_dict()["callbacks"]["mine"] == {"_target_": "mine.Callback", "levels": [1, 2]}


def test_the_configuration_is_frozen_and_round_trips(tiny):
    config = load_train_config(compose_config("train", tiny))
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1
    assert TrainConfig.model_validate(config.to_dict()) == config


def test_the_file_and_the_checkpoint_of_a_run_hold_the_same(tiny_training, tmp_path):
    options = ["trainer.overfit_batches=1", "trainer.limit_val_batches=0", "logger=none"]
    _, objects = train(compose_config("train", [*tiny_training, *options, "test=false"]))
    written = OmegaConf.to_container(OmegaConf.load(tmp_path / "run/config.yaml"))
    stored = dict(objects["module"].hparams)
    assert stored.keys() - written.keys() == {"model", "provenance"}
    assert {name: stored[name] for name in written} == written
    assert written["data"]["repeats_first_epoch"]
