"""The benchmarks match the configurations and the documented networks; speed is not tested."""

import re

import pytest
import torch

from gfm.compat.hydra import instantiate
from tests.benchmarks import bench_training
from tests.benchmarks.networks import OFFICIAL, model_node, parameters
from tests.conftest import PROJECT, SMALL_NETWORK, compose_config

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
BATCHES = [*bench_training.overrides("r34", 32, 2)]


@pytest.mark.parametrize("variant", bench_training.VARIANTS)
def test_every_variant_of_training_composes(variant, tmp_path):
    own = [*variant.split(), f"paths.run={tmp_path}"]
    plain = compose_config("train", [*BATCHES, f"paths.run={tmp_path}"])
    assert compose_config("train", [*BATCHES, *own]) != plain


def test_plain_training_is_the_paper_s_network_in_float32_on_every_machine(tmp_path):
    config = compose_config("train", [*BATCHES, f"paths.run={tmp_path}"])
    assert config.trainer.precision == "32-true"
    assert config.recipe.decoder_scale == 1
    assert set(config.callbacks) == {"learning_rate", "pace"}


def test_training_measures_a_step():
    small = ["trainer.accelerator=cpu", *SMALL_NETWORK]
    measured = bench_training.measure([*BATCHES, *small], updates=1, seconds=1)
    assert measured["seconds"] > 0


@pytest.mark.parametrize("name", OFFICIAL)
def test_networks_are_those_of_the_table(name):
    page = (PROJECT / "docs/models.md").read_text(encoding="utf-8")
    encoder, whole = re.search(rf"^\| `{name}` \| [\d ]+ \| (\S+) \| (\S+) ", page, re.M).groups()
    with torch.device("meta"):
        model = instantiate(model_node(name))
    assert (f"{parameters(model.encoder):.1f}", f"{parameters(model):.1f}") == (encoder, whole)


def test_the_pages_name_benchmarks_and_options_that_exist():
    commands = [
        quoted or plain
        for page in PAGES
        for quoted, plain in re.findall(r'make bench ARGS=(?:"(.*?)"|(\w+))', page.read_text())
    ]
    assert len(commands) > 10
    for command in commands:
        source = PROJECT / f"tests/benchmarks/bench_{command.split()[0]}.py"
        for option in re.findall(r"--[\w-]+", command):
            assert f'add_argument("{option}"' in source.read_text(), command
