"""The files and commands that CONTRIBUTING.md shows work as printed."""

import importlib
import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from gfm.run.evaluate import evaluate
from gfm.run.train import train
from tests.conftest import PROJECT, SMALL_NETWORK, SMALL_TRAINING, compose_config

TEXT = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PACKAGES = ("gfm.models", "gfm.data", "gfm.metrics")


class Section:
    """A section of the page: its files, written below a folder, and its commands.

    Args:
        title: Title without the number signs.
        folder: Folder that stands for the repository.
    """

    def __init__(self, title: str, folder: Path) -> None:
        text = TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]
        self.folder = folder
        self.files = re.findall(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```", text, re.M | re.S)
        for name, content in self.files:
            assert not (PROJECT / name).exists()
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8")
        lines = re.findall(r"^python (train|evaluate)\.py (.*)$", text, re.M)
        self.commands = {script: shlex.split(options) for script, options in lines}

    def overrides(self, script: str, **places: Path) -> list[str]:
        """Return the overrides of a command on the page, with its paths replaced."""
        given = [option for option in self.commands[script] if option.split("=")[0] not in places]
        assert len(given) + len(places) == len(self.commands[script])
        searchpath = f"hydra.searchpath=[file://{self.folder / 'configs'}]"
        return [searchpath, *given, *(f"{name}={path}" for name, path in places.items())]


@pytest.fixture
def section(tmp_path, monkeypatch):
    """Return a function that maps a title to its section, whose modules become importable."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        folder = tmp_path / "repository" / name.replace(".", "/")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    yield lambda title: Section(title, tmp_path / "repository")
    for name, module in list(sys.modules.items()):
        if str(tmp_path) in str(getattr(module, "__file__", "")):
            del sys.modules[name]


def test_every_block_with_a_file_is_in_a_section_that_is_tested():
    named = re.findall(r"^```(?:python|yaml)\n# (\S+)\n", TEXT, re.M)
    assert len(named) == 8
    assert len(named) == len(re.findall(r"^```(?:python|yaml)$", TEXT, re.M))


def test_backbone(section, tiny, tmp_path):
    section = section("Adding a backbone")
    short = [option for option in SMALL_TRAINING if option not in SMALL_NETWORK]
    _, objects = train(compose_config("train", [*section.overrides("train"), *tiny, *short]))
    assert objects["trainer"].global_step == 2
    assert objects["module"].model.encoder.strides == (2, 4, 8)
    checkpoint = tmp_path / "run/checkpoints/best.ckpt"
    given = section.overrides("evaluate", checkpoint=checkpoint)
    options = [*given, *tiny, "trainer.accelerator=cpu", f"paths.run={tmp_path / 'evaluation'}"]
    summary, _ = evaluate(compose_config("evaluate", options))
    assert summary["num_images"] == 2


def test_track(section, tiny):
    section = section("Adding a track")
    cfg = compose_config("train", [*section.overrides("train"), *tiny])
    assert cfg["trainer"]["max_epochs"] == cfg["recipe"]["max_epochs"]["comp"]
    assert cfg["trainer"]["check_val_every_n_epoch"] == 1
    cfg = compose_config("train", [*section.overrides("train"), *tiny, *SMALL_TRAINING])
    metrics, objects = train(cfg)
    assert objects["trainer"].global_step == 2
    assert "train/loss_composition" in metrics
    sample = objects["datamodule"].training[0, 0]
    colours = sample["background"].flatten(1)
    assert (colours == colours[:, :1]).all()


def test_dataset(section, demo_roots, tmp_path):
    section = section("Adding a dataset")
    root = tmp_path / "mine"
    names = {"train/original": "photos/train", "train/mask": "mattes/train"}
    names |= {"validation/original": "photos/test", "validation/mask": "mattes/test"}
    for name, own in names.items():
        shutil.copytree(demo_roots.photos / name, root / own)
    place = {"data.source.photos": root}
    run = [f"paths.run={tmp_path / 'run'}", "data.num_workers=0"]
    short = [*run, *SMALL_TRAINING, "backbone.pretrained=false", "recipe.pretrained=false"]
    _, objects = train(compose_config("train", [*section.overrides("train", **place), *short]))
    assert objects["trainer"].global_step == 2
    assert {p.image.parent for p in objects["datamodule"].training.photos} == {
        root / "photos/train"
    }
    checkpoint = tmp_path / "run/checkpoints/best.ckpt"
    given = section.overrides("evaluate", checkpoint=checkpoint, **place)
    run[0] = f"paths.run={tmp_path / 'evaluation'}"
    summary, _ = evaluate(compose_config("evaluate", [*given, *run, "trainer.accelerator=cpu"]))
    assert summary["num_images"] == 2


def test_metric(section, tiny, tmp_path):
    section = section("Adding a metric")
    cfg = compose_config("train", [*section.overrides("train"), *tiny, *SMALL_TRAINING])
    metrics, _ = train(cfg)
    assert 0 <= metrics["val/iou"] <= 1
    checkpoint = tmp_path / "run/checkpoints/best.ckpt"
    given = section.overrides("evaluate", checkpoint=checkpoint)
    options = [*given, *tiny, "trainer.accelerator=cpu", f"paths.run={tmp_path / 'evaluation'}"]
    summary, objects = evaluate(compose_config("evaluate", options))
    assert summary["iou"] == pytest.approx(metrics["val/iou"], abs=0.01)
    folder = objects["folder"]
    assert json.loads((folder / "metrics.json").read_text())["iou"] == summary["iou"]
    assert (folder / "per_image.csv").read_text().splitlines()[0].endswith(",sad_background,iou")
    assert "Iou" in (folder / "report.html").read_text()
