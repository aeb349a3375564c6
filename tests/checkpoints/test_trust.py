"""Descriptions in files are plain data: nothing is resolved, and nothing untrusted is called."""

import json
import sys
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import pytest
import safetensors.torch
import torch
from omegaconf import OmegaConf

from gfm.checkpoints import (
    Checkpoint,
    load_network,
    read_checkpoint,
    read_weights,
    write_checkpoint,
)
from gfm.checkpoints.trust import check_description, check_parts
from gfm.compat.hydra import instantiate
from gfm.errors import GFMError
from gfm.training.module import MattingModule
from tests.checkpoints import foreign
from tests.conftest import SMALL_NODE

FOREIGN = {"_target_": "tests.checkpoints.foreign.run", "_args_": ["executed"]}
TEXT = "{_target_: tests.checkpoints.foreign.run, _args_: ['executed']}"
CALLS = {
    "create": "${oc.create:" + TEXT + "}",
    "create of decode": "${oc.create:${oc.decode:${oc.env:GFM_HIDDEN}}}",
    "create of quoted decode": '${oc.create:${oc.decode:"' + TEXT + '"}}',
    "select": "${oc.select:nothing,${oc.create:" + TEXT + "}}",
}
"""Strings that OmegaConf resolves to a node, which Hydra then calls."""
HIDDEN = {
    **CALLS,
    "env": "${oc.env:GFM_HIDDEN}",
    "decode": "${oc.decode:${oc.env:GFM_HIDDEN}}",
    "own resolver": "${watch:1}",
    "another node": "${..rosta}",
    "amid text": "resnet34${watch:2}",
    "escaped": r"\${watch:3}",
}
"""Everything that it resolves, or might resolve in a later version."""


def network() -> dict:
    """Describe a small network."""
    return {
        "_target_": "gfm.models.gfm.GFM",
        "encoder": {**SMALL_NODE["encoder"], "pretrained": False},
        "rosta": "tt",
        "decoder_channels": [8, 8, 8, 8, 8],
        "reduction": 1,
    }


def inferer() -> dict:
    return {"_target_": "gfm.inference.Hybrid", "glance_scale": 0.5, "focus_scale": 0.5}


@pytest.fixture(scope="module")
def state():
    return instantiate(network()).state_dict()


@pytest.fixture
def calls(monkeypatch):
    """Collect forbidden resolutions and calls."""
    seen = []
    OmegaConf.register_new_resolver("watch", seen.append)
    monkeypatch.setenv("GFM_HIDDEN", TEXT)
    monkeypatch.setattr(foreign, "CALLS", seen)
    yield seen
    OmegaConf.clear_resolver("watch")


def write_ckpt(path, model, inference, state):
    """Write a checkpoint as a run does."""
    content = {
        "pytorch-lightning_version": "2.6",
        "state_dict": {f"model.{k}": v for k, v in state.items()},
        "hyper_parameters": {"model": model, "inference": inference, "seed": 1},
    }
    torch.save(content, path)


def write_safetensors(path, model, inference, state):
    metadata = {"model": json.dumps(model), "inference": json.dumps(inference)}
    safetensors.torch.save_file({k: v.contiguous() for k, v in state.items()}, path, metadata)


def write_converted(path, model, inference, state):
    """Write a checkpoint as ``gfm convert`` does."""
    write_checkpoint(path, Checkpoint(model, state, {"inference": inference}))


FORMATS = {
    "run.ckpt": write_ckpt,
    "weights.safetensors": write_safetensors,
    "converted.ckpt": write_converted,
    "converted.safetensors": write_converted,
}


def fields(node, way=()):
    """Yield the paths to all values and keys of a description."""
    parts = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in parts:
        yield (*way, key), False
        if isinstance(node, dict):
            yield (*way, key), True
        if isinstance(value, dict | list):
            yield from fields(value, (*way, key))


def with_text(node, way, text, is_key):
    """Put a text in place of a value, or of its key."""
    inner = node
    for key in way[:-1]:
        inner = inner[key]
    if is_key:
        inner[text] = inner.pop(way[-1])
    else:
        inner[way[-1]] = text
    return node


@pytest.mark.parametrize(
    ("resolver", "name"),
    [
        *((resolver, "weights.safetensors") for resolver in HIDDEN),
        *(("create", name) for name in FORMATS if name != "weights.safetensors"),
    ],
)
def test_interpolations_are_refused_in_every_field_of_every_format(
    tmp_path, state, calls, name, resolver
):
    text = HIDDEN[resolver]
    path = tmp_path / name
    small = {k: v for k, v in state.items() if v.numel() < 9}  # would fail only after the check
    for part, original in (("model", network), ("inference", inferer)):
        for way, is_key in fields(original()):
            nodes = {"model": network(), "inference": inferer()}
            nodes[part] = with_text(original(), way, text, is_key)
            FORMATS[name](path, **nodes, state=small)
            with pytest.raises(GFMError, match=r"an interpolation.*never resolved") as error:
                load_network(path)
            assert "\n" not in str(error.value)
            assert text.split(":")[0][:4] in str(error.value)
    assert calls == []


@pytest.mark.parametrize("resolver", [*CALLS, "own resolver", "amid text"])
def test_hidden_calls_run_without_the_check(calls, resolver):
    """Otherwise the test above would prove nothing."""
    with suppress(GFMError):  # the result builds nothing useful
        instantiate({"_target_": "gfm.models.blocks.upsample", "factor": HIDDEN[resolver]})
    own = {"own resolver": 1, "amid text": 2}
    assert calls == [own.get(resolver, "executed")]


def test_a_sound_file_of_every_format_is_read(tmp_path, state, calls):
    for name, write in FORMATS.items():
        write(tmp_path / name, network(), inferer(), state)
        model, checkpoint = load_network(tmp_path / name)
        assert checkpoint.inferer == inferer()
        assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert calls == []


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("part", ["model", "inference"])
def test_a_foreign_callable_is_not_called_however_deep(tmp_path, state, calls, name, part):
    words = r"uses tests\.checkpoints.*trust=\[tests\]"
    for more in (FOREIGN, {"a": [{"b": FOREIGN}]}, [[FOREIGN]]):
        nodes = {"model": network(), "inference": inferer()}
        nodes[part] = {**nodes[part], "more": more}
        FORMATS[name](tmp_path / name, **nodes, state=state)
        with pytest.raises(GFMError, match=words):
            load_network(tmp_path / name)
    assert calls == []


@pytest.mark.parametrize(
    "target",
    [
        "gfm.inference.inferers.torch.load",
        "gfm.inference.resizing.resize",
        "gfm.inference.resize",
        "gfm.checkpoints.write_checkpoint",
        "gfm.compat.hydra.build",
        "gfm.models.gfm.GFM",
        "hydra.utils.instantiate",
        "hydra.utils.get_method",
    ],
)
def test_inference_uses_only_inferers(tmp_path, target):
    """Other names of the package are refused: they could read and write files."""
    with pytest.raises(GFMError, match=f"uses {target}, which gfm.inference"):
        check_description({"_target_": target}, ["gfm.inference"], (), tmp_path)
    for name in ("Hybrid", "Resize", "Native", "inferers.Hybrid"):
        check_description({"_target_": f"gfm.inference.{name}"}, ["gfm.inference"], (), tmp_path)


def test_a_module_that_is_not_trusted_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "evil_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(GFMError, match=r"trust=\[evil_module\]"):
        check_description({"_target_": "evil_module.run"}, ["gfm.models"], (), tmp_path)
    assert "evil_module" not in sys.modules


@pytest.mark.parametrize("value", [{"text"}, b"${watch:1}", torch.zeros(1), 1j])
def test_other_values_are_refused(tmp_path, value):
    node = {**network(), "reduction": value}
    with pytest.raises(GFMError, match=f"with a {type(value).__name__}: only text, numbers"):
        check_description(node, ["gfm.models"], (), tmp_path)


def test_other_kinds_of_dictionaries_are_checked(tmp_path, state, calls):
    path = tmp_path / "run.ckpt"
    hidden = OrderedDict(network(), reduction=HIDDEN["create"])
    write_ckpt(path, hidden, inferer(), state)
    with pytest.raises(GFMError, match="contains an interpolation"):
        load_network(path)
    named = OrderedDict(network(), encoder=OrderedDict(FOREIGN))
    write_ckpt(path, named, inferer(), state)
    with pytest.raises(GFMError, match=r"uses tests\.checkpoints"):
        load_network(path)
    assert calls == []


def test_the_rest_of_a_file_is_copied_but_never_resolved(tmp_path, state, calls):
    """A configuration contains arbitrary text, which conversion preserves."""
    path, out = tmp_path / "run.ckpt", tmp_path / "out.ckpt"
    config = {"inference": inferer(), "run": {"name": HIDDEN["create"]}, "logger": [FOREIGN]}
    write_checkpoint(path, Checkpoint(network(), state, config))
    write_checkpoint(out, read_checkpoint(path))
    load_network(out)
    assert read_weights(out).config["run"] == {"name": HIDDEN["create"]}
    assert calls == []


def training_config() -> dict:
    """Return the configuration of a run as its checkpoint contains it."""
    return {
        "model": network(),
        "inference": inferer(),
        "loss": {"_target_": "gfm.losses.Criterion"},
        "metrics": {"_target_": "gfm.metrics.MattingMetrics", "extra": {}},
        "optimizer": {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 1e-5},
        "scheduler": None,
    }


@pytest.mark.parametrize("part", ["model", "inference", "loss", "metrics", "optimizer"])
def test_all_parts_of_a_training_are_checked(tmp_path, state, calls, part):
    path = tmp_path / "last.ckpt"
    for value, words in ((FOREIGN, "uses tests"), (HIDDEN["create"], "interpolation")):
        config = training_config()
        config[part]["more"] = value
        checkpoint = Checkpoint(config.pop("model"), state, config)
        write_checkpoint(path, checkpoint)
        with pytest.raises(GFMError, match=words):
            MattingModule.load_from_checkpoint(path)
    assert calls == []


@pytest.mark.parametrize("encoder", [{}, {"encoder": None}, {"encoder": "resnet34"}])
def test_the_general_network_needs_a_node_for_its_encoder(encoder):
    node = {"_target_": "gfm.models.gfm.GFM", "rosta": "tt", **encoder}
    with pytest.raises(GFMError, match=r"a\.ckpt does not describe a network \(encoder is missing"):
        check_parts(node, None, Path("a.ckpt"))


@pytest.mark.parametrize("encoder", [{}, {"encoder": "convnextv2_tiny"}])
def test_named_networks_need_none(encoder):
    check_parts({"_target_": "gfm.models.networks.gfm_r34", "rosta": "tt", **encoder}, None, Path())
    with pytest.raises(GFMError, match="rosta is missing"):
        check_parts({"_target_": "gfm.models.networks.gfm_r34", **encoder}, None, Path())
