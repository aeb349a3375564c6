"""Checkpoints are found in hub folders, on the Hub, and among released weights."""

import json
import sys
import threading
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from typer.testing import CliRunner

from gfm import __version__, load_model
from gfm.checkpoints import (
    Checkpoint,
    choose_inferer,
    load_network,
    read_checkpoint,
    write_checkpoint,
)
from gfm.checkpoints.export import read_run_metrics
from gfm.checkpoints.export.hub import count_parameters
from gfm.checkpoints.links import released_file
from gfm.checkpoints.overwriting import check_targets
from gfm.checkpoints.sources import find_checkpoint
from gfm.cli import app
from gfm.compat.hydra import instantiate
from gfm.errors import GFMError
from gfm.training.module import MattingModule
from tests.conftest import SMALL_NODE

MODEL = SMALL_NODE


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the best checkpoint of a run, beside the log of its final test."""
    torch.manual_seed(0)
    model = instantiate(MODEL)
    folder = tmp_path_factory.mktemp("run")
    config = {
        "data": {"name": "demo", "scales": {"glance": 0.5}},
        "track": {"name": "comp_rssn"},
        "trainer": {"max_epochs": 7},
        "test": "best",
    }
    path = folder / "checkpoints" / "best.ckpt"
    write_checkpoint(path, Checkpoint(MODEL, model.state_dict(), config))
    table = "step,val/sad,test/sad,test/psnr\n1,5,,\n2,4,,\n2,,3.25,inf\n"
    (folder / "metrics.csv").write_text(table)
    return path


def _export(*words):
    return CliRunner().invoke(app, ["export", *map(str, words)], env={"COLUMNS": "300"})


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    target = tmp_path_factory.mktemp("hub") / "my-model"
    done = _export("hub", run, target, "--license", "CC-BY-4.0")
    assert done.exit_code == 0, done.output
    return target


@pytest.mark.parametrize(
    ("name", "tested", "rows", "metrics"),
    [
        ("best", "best", "2,4,\n2,,3.25\n", {"sad": 3.25}),
        ("last", "last", "2,4,\n2,,3.25\n", {"sad": 3.25}),
        ("best", "last", "2,4,\n2,,3.25\n", {}),
        ("best", "best", "2,,3.25\n3,4,\n", {}),  # training continued
    ],
)
def test_metrics_on_a_card_are_those_of_its_weights(
    tmp_path, monkeypatch, name, tested, rows, metrics
):
    (tmp_path / "metrics.csv").write_text(f"step,val/sad,test/sad\n{rows}")
    (tmp_path / "checkpoints").mkdir()
    monkeypatch.chdir(tmp_path / "checkpoints")
    for path in (tmp_path / f"checkpoints/{name}.ckpt", Path(f"{name}.ckpt")):
        assert read_run_metrics(path, Checkpoint(MODEL, {}, {"test": tested})) == metrics


def test_a_named_inference_is_that_of_the_run_in_every_format(run, tmp_path):
    own = {"_target_": "gfm.inference.Hybrid", "glance_scale": 0.4, "focus_scale": 0.9}
    weights = read_checkpoint(run)
    for inference, name, scales in (
        (own, "hybrid", {"glance_scale": 0.4, "focus_scale": 0.9}),
        ({"_target_": "gfm.inference.Native"}, "hybrid", {"glance_scale": 0.5}),  # of the data
    ):
        config = {**weights.config, "inference": inference}
        for suffix in (".ckpt", ".safetensors"):
            path = tmp_path / f"x{suffix}"
            write_checkpoint(path, replace(weights, config=config))
            found = vars(choose_inferer(read_checkpoint(path), name))
            assert {k: found[k] for k in scales} == scales
    module = MattingModule.from_weights(path)
    assert module.hparams["data"] == {"scales": {"glance": 0.5}}


def test_a_hub_folder(run, folder):
    assert {p.name for p in folder.iterdir()} == {"model.safetensors", "config.json", "README.md"}
    config = json.loads((folder / "config.json").read_text())
    assert config["model"] == MODEL
    assert config["metrics"] == {"sad": 3.25}
    assert config["training"] == {"data": "demo", "track": "comp_rssn", "epochs": 7}
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: gfm-matting\nlicense: cc-by-4.0\n")
    for text in (
        "| encoder | test_resnet |",
        "| RoSTA | TT |",
        "| sad | 3.25 |",
        "| data | demo |",
    ):
        assert text in card
    expected = load_network(run)[0].state_dict()
    own = load_network(folder)[0].state_dict()
    assert all(torch.equal(own[k], v) for k, v in expected.items())


def test_a_card_counts_parameters_without_the_statistics_of_norms(run):
    model, checkpoint = load_network(run)
    assert count_parameters(checkpoint.state) == sum(p.numel() for p in model.parameters())


def test_a_card_names_the_limit_that_ends_the_training(run, tmp_path):
    """That of the recipe for fine-tuning is a number of steps."""
    weights = read_checkpoint(run)
    config = {**weights.config, "trainer": {"max_epochs": -1, "max_steps": 300}}
    write_checkpoint(tmp_path / "a.ckpt", replace(weights, config=config))
    assert _export("hub", tmp_path / "a.ckpt", tmp_path / "hub").exit_code == 0
    training = json.loads((tmp_path / "hub/config.json").read_text())["training"]
    assert training == {"data": "demo", "track": "comp_rssn", "steps": 300}


def test_unknown_facts_are_marked_on_the_card(run, tmp_path):
    bare = tmp_path / "bare.safetensors"
    assert _export("safetensors", run, bare).exit_code == 0
    assert _export("hub", bare, tmp_path / "bare").exit_code == 0
    card = (tmp_path / "bare" / "README.md").read_text()
    assert "license: other" in card
    assert "Of the weights: not stated" in card
    assert "Unknown. `python evaluate.py" in card
    assert "The checkpoint does not name them" in card


def test_metrics_of_an_evaluation(run, tmp_path):
    (tmp_path / "metrics.json").write_text('{"sad": 1.5, "num_images": 200}')
    _export("hub", run, tmp_path / "a", "--metrics", tmp_path / "metrics.json")
    assert "| sad | 1.5 |" in (tmp_path / "a" / "README.md").read_text()
    done = _export("hub", run, tmp_path / "b", "--metrics", run)
    assert done.exit_code == 1
    assert "is not a metrics.json" in done.stderr


def test_facts_in_safetensors(run, tmp_path):
    target = tmp_path / "a.safetensors"
    assert _export("safetensors", run, target, "--license", "mit").exit_code == 0
    with safe_open(target, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["rosta"] == "tt"
    assert metadata["architecture"].endswith("test_resnet")
    assert metadata["weights_licence"] == "mit"
    assert metadata["generator"] == f"gfm-matting {__version__}"


@pytest.mark.parametrize("given", ["hf://me/it", "hf:/me/it", "hf://me/it@main"])
def test_from_the_hub(folder, tmp_path, monkeypatch, given):
    hub = pytest.importorskip("huggingface_hub")
    weights = (folder / "model.safetensors").read_bytes()
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            is_there = self.path == "/me/it/resolve/main/model.safetensors"
            self.send_response(200 if is_there else 404)
            if is_there:
                self.send_header("ETag", '"0123"')
                self.send_header("X-Repo-Commit", "0" * 40)
                self.send_header("Content-Length", str(len(weights)))
            else:
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
            self.end_headers()
            if is_there and self.command == "GET":
                self.wfile.write(weights)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    local = {"endpoint": f"http://127.0.0.1:{server.server_port}", "cache_dir": tmp_path}
    monkeypatch.setattr(hub, "hf_hub_download", partial(hub.hf_hub_download, **local))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    try:
        found = find_checkpoint(given)
        assert found.read_bytes() == weights
        assert load_model(given, device="cpu").model.rim is None
        with pytest.raises(GFMError, match=r"cannot download model\.safetensors of hf://me/other"):
            find_checkpoint("hf://me/other")
    finally:
        server.shutdown()
        server.server_close()


def test_missing_sources(tmp_path, monkeypatch):
    monkeypatch.setenv("GFM_CACHE", str(tmp_path))
    with pytest.raises(GFMError, match=r"not downloaded yet: run gfm download weights r34_2b_tt"):
        find_checkpoint("released:r34_2b_tt")
    with pytest.raises(GFMError, match="choose one of d121_tt"):
        find_checkpoint("released:r50_tt")
    with pytest.raises(GFMError, match=r"has no model\.safetensors"):
        find_checkpoint(tmp_path)
    best = tmp_path / "checkpoints/best.ckpt"
    best.parent.mkdir()
    best.touch()
    with pytest.raises(GFMError, match=f"is the folder of a run: choose {best}"):
        find_checkpoint(tmp_path)
    assert (
        released_file("gfm_r34_tt")
        == released_file("r34_tt")
        == tmp_path.joinpath("weights", "gfm_r34_tt.pth")
    )


def test_a_missing_extra_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    done = _export("onnx", run, tmp_path / "a.onnx")
    assert done.exit_code == 1
    assert "pip install 'gfm-matting[export]'" in done.stderr


@pytest.mark.parametrize(
    ("kind", "suffix"), [("torch", ".pt2"), pytest.param("onnx", ".onnx", marks=pytest.mark.slow)]
)
def test_export_by_command(kind, suffix, run, tmp_path):
    """The file is written, verified at three sizes, and reported."""
    target = tmp_path / f"a{suffix}"
    done = _export(kind, run, target, "--pixels", "float")
    assert done.exit_code == 0, done.output
    check_targets("none.ckpt", [target], overwrite=False)  # recognised as its own
    lines = done.output.strip().splitlines()
    assert "test_resnet, RoSTA TT, " in lines[0]
    assert len(lines) == 4
    assert all("PyTorch" in line for line in lines[1:])
