"""Every shipped YAML file composes and builds; every combination builds and trains for a step."""

from itertools import product
from pathlib import Path

import pytest
import torch

from gfm.checkpoints import without_pretrained
from gfm.compat.hydra import instantiate
from gfm.config import TrainConfig
from gfm.data.layout import Folders
from gfm.run.build import build_datamodule
from gfm.run.configuration import load_train_config
from tests.conftest import PROJECT, SMALL_NETWORK, compose_config
from tests.run.test_finetune import make_photos, write_weights

GROUPS = {
    folder.name: sorted(p.stem for p in folder.glob("*.yaml"))
    for folder in (PROJECT / "configs").iterdir()
    if folder.is_dir() and folder.name not in ("hydra", "experiment", "local", "table")
}
BACKBONES = [name for name in GROUPS["backbone"] if name != "weights"]  # read from a file
EXPERIMENTS = sorted(
    str(p.relative_to(PROJECT / "configs/experiment").with_suffix(""))
    for p in (PROJECT / "configs/experiment").rglob("*.yaml")
)

EVALUATED = ("folder", "aim500", "p3m500_p", "p3m500_np", "ppm100")
"""Choices of data without training photos."""

CHOICES = [
    (group, name)
    for group, names in GROUPS.items()
    for name in names
    if group != "data" or name not in EVALUATED
]
NODES = ("track", "loss", "inference", "metrics", "callbacks", "logger")


def _load(*overrides: str) -> TrainConfig:
    return load_train_config(compose_config("train", list(overrides)))


def _build_all(config: TrainConfig) -> None:
    """Build every node but the network and the trainer, which need a device."""
    options = config.to_dict()
    for name in NODES:
        node = options[name]
        if name in ("callbacks", "logger"):
            for part in (node or {}).values():
                instantiate(part)
        else:
            instantiate(node)
    instantiate(options["data"]["source"])
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    optimizer = instantiate(options["optimizer"])(parameters)
    if options["scheduler"]:
        instantiate(options["scheduler"])(optimizer, total_steps=10)


def _network(config: TrainConfig) -> torch.nn.Module:
    """Return the architecture, without spending time on random weights."""
    with torch.device("meta"):
        return instantiate(without_pretrained(config.network))


@pytest.mark.parametrize(("group", "name"), CHOICES, ids=lambda value: value)
def test_every_choice(group, name, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    if group == "data" and name != "demo":  # has no demo to shrink
        tiny = [option for option in tiny if option.startswith("paths.run")]
    needed = []
    if (group, name) == ("data", "pairs"):
        needed = [f"data.root={make_photos(tmp_path / 'mine', 3)}", "track=ori"]
    if (group, name) in (("backbone", "weights"), ("recipe", "finetune")):
        needed = [f"init_from={write_weights(tmp_path / 'small.ckpt')}"]
    config = _load(*tiny, f"{group}={name}", *needed)
    _build_all(config)
    _network(config)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment(name, tmp_path):
    config = _load(f"experiment={name}", f"paths.run={tmp_path}")
    _build_all(config)
    assert _network(config)
    first, second = (PROJECT / f"configs/experiment/{name}.yaml").read_text().splitlines()[:2]
    assert first == "# @package _global_"
    assert f"python train.py experiment={name}" in second


@pytest.mark.parametrize(
    ("backbone", "rosta"),
    [*((backbone, "rim") for backbone in BACKBONES), *(("r34_2b", r) for r in ("tt", "ft", "bt"))],
)
def test_every_network(backbone, rosta, tiny):
    config = _load(*tiny, f"backbone={backbone}", f"rosta={rosta}")
    assert len(_network(config).branches) == (3 if rosta == "rim" else 1)


@pytest.mark.parametrize(("rosta", "track"), list(product(GROUPS["rosta"], GROUPS["track"])))
def test_every_rosta_and_track_takes_a_step(rosta, track, tiny_training):
    """This trains the smallest network; `make test ARGS="-m slow"` trains all four."""
    _step([*tiny_training, f"rosta={rosta}", f"track={track}"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "rosta", "track"),
    list(product(BACKBONES, GROUPS["rosta"], GROUPS["track"])),
)
def test_every_combination_takes_a_step(backbone, rosta, track, tiny_training):
    choice = [f"backbone={backbone}", f"rosta={rosta}", f"track={track}"]
    _step([*(option for option in tiny_training if option not in SMALL_NETWORK), *choice])


def _step(overrides: list[str]) -> None:
    config = _load(*overrides)
    batch = next(iter(build_datamodule(config).train_dataloader()))
    batch = {k: v.float() / (1 if "trimap" in k else 255) for k, v in batch.items() if k != "name"}
    model = instantiate(config.network)
    before = next(model.focus.parameters()).detach().clone()
    optimizer = instantiate(config.optimizer.to_dict())(model.parameters())
    terms = instantiate(config.loss.to_dict())(model(batch["image"]), batch)
    terms["total"].backward()
    optimizer.step()
    assert all(term.isfinite() for term in terms.values())
    assert ("composition" in terms) == (config.track.to_dict()["foreground"] == "closed_form")
    assert not torch.equal(before, next(model.focus.parameters()))


def test_paper_hyper_parameters_come_with_am2k(tmp_path):
    config = _load("data=am2k", "track=ori", f"paths.run={tmp_path}")
    assert config.optimizer.target == "torch.optim.Adam"
    assert config.optimizer.lr == 1e-5
    assert config.trainer.max_epochs == 500
    data = config.data
    assert (data.batch_size, data.input_size) == (32, 320)
    assert data.crop_sizes == [640, 960, 1280]
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    optimizer = instantiate(config.optimizer.to_dict())(parameters)
    schedule = instantiate(config.scheduler.to_dict())(optimizer, total_steps=10)
    rates = []
    for _ in range(10):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates == [1e-5] * 10


def test_names_of_folders_are_options(tmp_path):
    """AM-2k's are the defaults of the class; those of a different dataset need no ``+``."""
    am2k = ["data=am2k", f"paths.run={tmp_path}"]
    source = instantiate(compose_config("train", am2k)["data"]["source"])
    assert source.folders == Folders()
    renamed = [*am2k, "data.source.folders.train_image=photos"]
    assert (
        instantiate(compose_config("train", renamed)["data"]["source"]).folders.train_image
        == "photos"
    )
    p3m10k = instantiate(compose_config("train", ["data=p3m10k"])["data"]["source"]).folders
    assert p3m10k.train_image == "train/blurred_image"
    assert (p3m10k.option, p3m10k.train_alpha) == ("paths.p3m10k", "train/mask")


@pytest.mark.parametrize("name", GROUPS["debug"])
def test_the_command_line_overrides_debugging(name, tiny):
    cfg = compose_config("train", [*tiny, f"debug={name}", "data.num_workers=3"])
    assert cfg.data.num_workers == 3


def test_no_yaml_is_left_out():
    shipped = {p.parent.name for p in Path(PROJECT / "configs").glob("*/*.yaml")}
    assert shipped <= set(GROUPS) | {"hydra", "experiment", "local", "table"}
