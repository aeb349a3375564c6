"""What ``auto`` and unset intervals become on a machine, and that a run says so."""

import pytest
import torch

from gfm.models import hardware
from gfm.run import machine
from gfm.run.machine import decide
from gfm.run.train import train
from tests.conftest import compose_config


@pytest.fixture
def has_bfloat16(monkeypatch):
    monkeypatch.setattr(hardware, "cpu_capabilities", lambda: {"amx_bf16": True})


CPU = "trainer.accelerator=cpu"


def test_the_demo_takes_what_the_machine_has(has_bfloat16, tmp_path, capsys):
    cfg, channels_last = decide(compose_config("train", [CPU, f"paths.run={tmp_path}"]))
    assert (cfg.trainer.precision, channels_last) == ("bf16-mixed", False)
    assert cfg.trainer.log_every_n_steps == 1
    said = capsys.readouterr().out
    assert said == "trainer.precision=auto: bf16-mixed, for AMX calculates in bfloat16\n"


def test_a_machine_without_it_trains_the_demo_in_float32(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(hardware, "cpu_capabilities", dict)
    cfg, channels_last = decide(compose_config("train", [CPU, f"paths.run={tmp_path}"]))
    assert (cfg.trainer.precision, channels_last) == ("32-true", False)
    assert "32-true, for this CPU has no bfloat16 in hardware" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "precision"),
    [
        (["data=am2k"], "32-true"),  # as the paper
        (["data=demo", "trainer.precision=16-mixed"], "16-mixed"),
        (["data=am2k", "trainer.precision=auto"], "bf16-mixed"),
    ],
)
def test_what_is_chosen_stays(has_bfloat16, tmp_path, options, precision):
    cfg, channels_last = decide(compose_config("train", [CPU, f"paths.run={tmp_path}", *options]))
    assert cfg.trainer.precision == precision
    assert channels_last == ("trainer.precision=auto" in options)


@pytest.mark.parametrize(("name", "precision"), [("gpu", "bf16-mixed"), ("default", "32-true")])
def test_gpus_log_every_ten_steps(monkeypatch, tmp_path, name, precision):
    monkeypatch.setattr(machine, "device_type", lambda accelerator: "cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A100")
    options = ["data=am2k", f"trainer={name}", f"paths.run={tmp_path}"]
    cfg, _ = decide(compose_config("train", options))
    assert (cfg.trainer.log_every_n_steps, cfg.trainer.precision) == (10, precision)
    cfg, _ = decide(compose_config("train", [*options, "trainer.log_every_n_steps=1"]))
    assert cfg.trainer.log_every_n_steps == 1


def test_an_evaluation_knows_auto_too(has_bfloat16, tmp_path):
    options = [CPU, f"paths.run={tmp_path}", "paths.runs=."]
    assert decide(compose_config("evaluate", options))[0].trainer.precision == "32-true"
    cfg, _ = decide(compose_config("evaluate", [*options, "trainer.precision=auto"]))
    assert cfg.trainer.precision == "bf16-mixed"


def test_a_run_is_what_was_decided(has_bfloat16, tiny_training, tmp_path, monkeypatch):
    """Precision and memory format, in the run and in what it leaves."""
    monkeypatch.setattr(hardware, "_LARGE_INPUT", 32)
    options = ["trainer.precision=auto", "logger=none", "trainer.limit_val_batches=0", "test=false"]
    _, objects = train(compose_config("train", [*tiny_training, *options]))
    assert objects["trainer"].precision == "bf16-mixed"
    weight = objects["module"].model.focus.bridge[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert "precision: bf16-mixed" in (tmp_path / "run/config.yaml").read_text()
    assert objects["module"].hparams["trainer"]["precision"] == "bf16-mixed"
