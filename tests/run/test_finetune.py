"""Fine-tuning on your own photos: what the weights set, what stays frozen, and the results."""

import csv
import shlex

import cv2
import numpy as np
import pytest
import torch
import yaml

from gfm.checkpoints import read_checkpoint
from gfm.checkpoints.checkpoint import Checkpoint
from gfm.checkpoints.formats import write_checkpoint
from gfm.compat.hydra import instantiate
from gfm.data.images import read_image, write_png
from gfm.errors import GFMError
from gfm.inference import format_inferer
from gfm.run.configuration import load_train_config
from gfm.run.evaluate import evaluate
from gfm.run.folders import save_config
from gfm.run.train import train
from gfm.system.run_folder import LAST_CHECKPOINT
from gfm.training.module import MattingModule
from tests.conftest import compose_config
from tests.golden.formula import formula_state_dict

NETWORK = {
    "_target_": "gfm.models.networks.gfm_timm",
    "encoder": "test_resnet",
    "rosta": "tt",
    "decoder_channels": [16] * 5,
    "normalization": "imagenet",
    "decoder_scale": 1,
}
INFERENCE = {"_target_": "gfm.inference.Hybrid", "glance_scale": 0.5, "focus_scale": 0.5}
QUICK = ["trainer.max_steps=4", "trainer.val_check_interval=2", "data.num_workers=0"]
QUICK += ["logger=csv", "trainer.accelerator=cpu", "trainer.precision=32-true"]


def make_photos(root, number, first=0):
    """Write photos of 128×160 pixels with a bright blob, and its matte."""
    rng = np.random.default_rng(first)
    for folder in ("photos", "mattes"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for index in range(first, first + number):
        alpha = np.zeros((128, 160), np.uint8)
        centre = tuple(int(rng.integers(40, 88)) for _ in range(2))
        cv2.circle(alpha, centre, int(rng.integers(20, 35)), 255, -1)
        alpha = cv2.blur(alpha, (7, 7))
        noise = rng.integers(0, 100, (128, 160, 3), np.uint8)
        write_png(root / f"photos/p{index}.png", np.maximum(noise, alpha[..., None]))
        write_png(root / f"mattes/p{index}.png", alpha)
    return root


def write_weights(path):
    """Write the checkpoint of a run on inputs of 32 pixels, with random weights."""
    torch.manual_seed(1)
    state = instantiate(NETWORK).state_dict()
    config = {"inference": INFERENCE, "data": {"input_size": 32}}
    write_checkpoint(path, Checkpoint(NETWORK, state, config))
    return path


def finetune(mine, weights, run, *options):
    choice = ["data=pairs", f"data.root={mine}", "recipe=finetune", f"init_from={weights}"]
    cfg = compose_config("train", [*choice, f"paths.run={run}", *QUICK, *options])
    return train(cfg)


def test_a_run_from_weights_to_a_verdict(mine, weights, tmp_path, capsys):
    run = tmp_path / "run"
    metrics, objects = finetune(mine, weights, run)
    text = " ".join(capsys.readouterr().out.split())

    saved = read_checkpoint(run / "checkpoints/best.ckpt")
    assert {**NETWORK, "encoder": "test_resnet"}.items() <= saved.model.items()
    assert saved.inferer == INFERENCE
    assert saved.config["data"]["input_size"] == 32
    assert "for 5 photos: data.batch_size=2 data.crop_sizes=[64, 85]" in text

    rows = list(csv.DictReader((run / "split.csv").open()))
    held_out = [row["name"] for row in rows if row["part"] == "held out"]
    assert len(held_out) == 2
    assert len(rows) == 5
    for table in ("before.csv", "per_image.csv"):
        assert [row["name"] for row in csv.DictReader((run / table).open())] == held_out
    assert {p.name for p in objects["datamodule"].training.photos}.isdisjoint(held_out)
    first = next(row for row in csv.DictReader((run / "metrics.csv").open()) if row["val/sad"])
    assert first["step"] == "0"

    assert "before and after, on 2 photos that were not trained on" in text
    assert "2 photos are too few to be sure" in text
    assert "these mattes are not usable" in text  # of random weights
    assert "matte other photos" not in text
    assert read_image(run / "result.png").shape[:2] == (26 + 2 * (220 + 26) + 8, 5 * 275 + 4 * 8)

    command = next(word for word in text.split("evaluate these weights with")[1:])
    words = shlex.split(command)
    assert any(word.startswith("data.split=") for word in words)
    # Options of a command line are repeated, but here there was none.
    options = [*(word for word in words if "=" in word), f"data.root={mine}"]
    again, _ = evaluate(
        compose_config("evaluate", [*options, f"paths.run={tmp_path / 'e'}", "data.num_workers=0"])
    )
    assert again["sad"] == pytest.approx(metrics["test/sad"], rel=1e-6)
    assert again["num_images"] == 2


def test_statistics_and_weights_of_norms_stay(mine, weights, tmp_path):
    finetune(mine, weights, tmp_path / "run", "optimizer.lr=1e-2", "test=false")
    before = read_checkpoint(weights).state
    after = read_checkpoint(tmp_path / "run/checkpoints/last.ckpt").state
    norms = [k.rsplit(".", 1)[0] for k in before if k.endswith("running_mean")]
    frozen = [k for k in before if k.rsplit(".", 1)[0] in norms]
    assert len(frozen) == 5 * len(norms)
    assert all(torch.equal(before[k], after[k]) for k in frozen)
    assert not all(torch.equal(before[k], after[k]) for k in before if k not in frozen)


def test_a_run_that_no_longer_improves_ends_and_stays_ended(mine, weights, tmp_path, capsys):
    frozen = ["optimizer.lr=0", "callbacks.early.patience=1", "trainer.max_steps=20", "test=false"]
    _, objects = finetune(mine, weights, tmp_path / "run", *frozen)
    assert objects["trainer"].global_step == 4
    said = "the last 1 validations did not improve val/sad, so training ends after 4 steps"
    assert said in " ".join(capsys.readouterr().out.split())
    last = tmp_path / "run/checkpoints/last.ckpt"
    _, objects = finetune(mine, weights, tmp_path / "run", *frozen, f"ckpt_path={last}")
    assert objects["trainer"].global_step == 4
    assert said in " ".join(capsys.readouterr().out.split())


def config_of(mine, weights, tmp_path, *options):
    choice = ["data=pairs", f"data.root={mine}", "recipe=finetune", f"init_from={weights}"]
    cfg = compose_config("train", [*choice, f"paths.run={tmp_path}", *options])
    return load_train_config(cfg)


def test_released_weights_bring_their_network(mine, tmp_path):
    path = tmp_path / "gfm_r34_rim.pth"
    torch.save(formula_state_dict("r34_RIM"), path)
    config = config_of(mine, path, tmp_path)
    assert (config.backbone.name, config.rosta) == ("r34", "rim")
    assert config.run.name == "r34_rim_ori"
    assert config.inference.to_dict()["scale"] == pytest.approx(1 / 3)
    assert config.data.input_size == 320
    assert config.data.crop_sizes == [128]  # no larger than the photos
    changed = config_of(mine, path, tmp_path, "inference=resize", "data.input_size=32")
    assert changed.inference.to_dict()["scale"] == 0.5
    assert changed.data.crop_sizes == [64, 85]


def test_windows_of_photos_as_large_as_those_of_the_paper(weights, tmp_path):
    for folder, channels in (("images", (3,)), ("alphas", ())):
        (tmp_path / folder).mkdir()
        for name in range(12):
            write_png(
                tmp_path / folder / f"{name}.png", np.zeros((1280, 1920, *channels), np.uint8)
            )
    path = tmp_path / "gfm_r34_tt.pth"
    torch.save(formula_state_dict("r34_TT"), path)
    config = config_of(tmp_path, path, tmp_path, "data.shorter_side=null")
    assert config.data.crop_sizes == [640, 960, 1280]
    assert (config.data.batch_size, config.data.interpolation) == (3, "linear")


def test_windows_show_photos_at_the_size_to_which_inference_shrinks_them(weights, mine, tmp_path):
    config = config_of(mine, weights, tmp_path, "data.input_size=8", "inference=hybrid")
    assert (config.data.crop_sizes, config.data.interpolation) == ([16, 24, 32], "linear")
    config = config_of(
        *(mine, weights, tmp_path, "data.input_size=8", "inference=hybrid"),
        "data.shorter_side=64",  # half the side of the photos
    )
    assert (config.data.crop_sizes, config.data.interpolation) == ([32, 48, 64], "area")
    module = MattingModule.from_config(config.to_dict() | {"model": config.network})
    assert format_inferer(module.inferer).startswith("hybrid(glance_scale=0.333")
    assert format_inferer(module.inferer).endswith("max_size=1600, shorter_side=64)")


def test_a_resumed_run_keeps_what_it_chose_from_its_photos(weights, tmp_path):
    mine, run = make_photos(tmp_path / "mine", 12), tmp_path / "run"
    write_weights(run / LAST_CHECKPOINT)
    chosen = config_of(mine, weights, run)
    save_config(chosen)
    make_photos(mine, 8, first=12)
    resumed = config_of(mine, weights, run, f"ckpt_path={run / LAST_CHECKPOINT}")
    assert (chosen.data.batch_size, config_of(mine, weights, run).data.batch_size) == (3, 5)
    assert resumed.data == chosen.data
    (run / "config.yaml").write_text("data: [")
    with pytest.raises(GFMError, match=r"config\.yaml is damaged: remove it"):
        config_of(mine, weights, run, f"ckpt_path={run / LAST_CHECKPOINT}")


def test_saved_paths_do_not_depend_on_the_current_folder(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("mine", "also"):
        make_photos(tmp_path / folder, 5)
    save_config(config_of("mine", weights, tmp_path, "data.also=[also]"))
    data = yaml.safe_load((tmp_path / "config.yaml").read_text())["data"]
    assert (data["root"], data["also"]) == (str(tmp_path / "mine"), [str(tmp_path / "also")])


def test_weights_are_needed(mine, tmp_path):
    with pytest.raises(GFMError, match=r"takes the network from weights: set init_from="):
        config_of(mine, "null", tmp_path)
    with pytest.raises(GFMError, match=r"no checkpoint .*nowhere\.pth"):
        config_of(mine, tmp_path / "nowhere.pth", tmp_path)


def test_classes_of_weights_are_not_trusted_blindly(mine, tmp_path):
    path = tmp_path / "foreign.ckpt"
    node = {"_target_": "torch.hub.load", "repo_or_dir": "x", "rosta": "tt"}
    write_checkpoint(path, Checkpoint(node, instantiate(NETWORK).state_dict(), {}))
    with pytest.raises(GFMError, match=r"torch\.hub\.load"):
        config_of(mine, path, tmp_path)
