"""Networks are read from our files, released ones and safetensors."""

import pytest
import torch
from torch import nn

from gfm.checkpoints import (
    Checkpoint,
    check_same_problem,
    load_network,
    load_weights,
    read_checkpoint,
    without_pretrained,
    write_checkpoint,
)
from gfm.checkpoints.checkpoint import collect_facts
from gfm.checkpoints.released import convert_official
from gfm.compat.hydra import instantiate
from gfm.errors import GFMError
from gfm.inference import Native
from gfm.models.encoders import StagedEncoder
from tests.golden.formula import formula_state_dict, official_keys
from tests.models.test_gfm import official_model


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    path = tmp_path_factory.mktemp("released") / "gfm_r34_ft.pth"
    torch.save(formula_state_dict("r34_FT"), path)
    return path


def _same(model, other) -> bool:
    own = model.state_dict()
    return all(torch.equal(own[k], v) for k, v in other.state_dict().items())


def test_released_file(released):
    model, checkpoint = load_network(released)
    assert _same(model, official_model("r34_FT"))
    assert checkpoint.model["rosta"] == "ft"
    assert not model.training


def test_data_parallel_prefix(tmp_path):
    state = {f"module.{k}": v for k, v in formula_state_dict("r34_TT").items()}
    torch.save(state, tmp_path / "gfm_r34_tt.pth")
    assert _same(load_network(tmp_path / "gfm_r34_tt.pth")[0], official_model("r34_TT"))


def test_a_name_has_to_distinguish_ft_from_bt(released, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(released.read_bytes())
    with pytest.raises(GFMError, match="FT or BT: rename"):
        load_network(path)


def test_the_metadata_of_a_graph_name_its_inference(released):
    facts = collect_facts(read_checkpoint(released), Native())
    assert (facts["rosta"], facts["inference"]) == ("ft", "native()")


def test_safetensors(released, tmp_path):
    write_checkpoint(tmp_path / "model.safetensors", read_checkpoint(released))
    model, _ = load_network(tmp_path / "model.safetensors")
    assert _same(model, official_model("r34_FT"))
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
    (tmp_path / "other").touch()
    others = (tmp_path / "other").stat().st_mode
    assert (tmp_path / "model.safetensors").stat().st_mode == others  # its group may read it


def test_an_exported_graph_names_its_source(tmp_path):
    path = tmp_path / "graph.onnx"
    path.touch()
    with pytest.raises(GFMError, match=r"graph\.onnx was exported for other programs: use the che"):
        load_network(path)


@pytest.mark.parametrize(
    ("suffix", "opener"), [(".safetensors", "safetensors.safe_open"), (".ckpt", "torch.load")]
)
def test_a_file_that_the_system_refuses_is_not_called_damaged(
    tmp_path, monkeypatch, suffix, opener
):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / f"a{suffix}"
    path.touch()
    monkeypatch.setattr(opener, refuse)
    with pytest.raises(GFMError, match=rf"cannot read .*a\{suffix}: Permission denied$"):
        load_network(path)


@pytest.mark.parametrize(
    ("target", "module"),
    [
        ("gfm.models.encoders.torch.load", "gfm.models"),
        ("gfm.models.encoders.warnings.warn", "gfm.models"),
        ("gfm.models.nothing.GFM", "gfm.models"),
        ("gfm.models.encoders._torchvision", "gfm.models"),
        ("gfm.inference.torch.load", "gfm.inference"),
    ],
)
def test_a_checkpoint_cannot_reach_through_our_modules(tmp_path, target, module):
    encoder = {"_target_": "gfm.models.encoders.resnet34"}
    config = {"model": {"_target_": "gfm.models.gfm.GFM", "encoder": encoder}}
    if module == "gfm.inference":
        config["inference"] = {"_target_": target}
    else:
        encoder["_target_"] = target
    lightning = {"pytorch-lightning_version": "2", "state_dict": {}, "hyper_parameters": config}
    torch.save(lightning, tmp_path / "evil.ckpt")
    with pytest.raises(GFMError, match=f"{target}, which {module} does not define"):
        read_checkpoint(tmp_path / "evil.ckpt")


def _own_checkpoint(node: dict) -> Checkpoint:
    node = {**node, "rosta": "bt", "decoder_channels": [8] * 5}
    inferer = {"_target_": "gfm.inference.Resize", "scale": 0.25}
    torch.manual_seed(0)
    state = instantiate(without_pretrained(node)).state_dict()
    return Checkpoint(node, state, {"inference": inferer, "seed": 1})


_GFM = "gfm.models.gfm.GFM"
_NETWORKS = "gfm.models.networks"
_TORCHVISION = {"_target_": "gfm.models.encoders.resnet34", "pretrained": True}
_TIMM = {
    "_target_": "gfm.models.timm_encoder.timm_encoder",
    "name": "test_resnet",
    "pretrained": "auto",
}
NODES = {
    "r34": {"_target_": f"{_NETWORKS}.gfm_r34", "pretrained": True},
    "timm": {
        "_target_": f"{_NETWORKS}.gfm_timm",
        "encoder": "test_resnet",
        "pretrained": "auto",
    },
    "r34 of an older run": {"_target_": _GFM, "encoder": _TORCHVISION},
    "timm of an older run": {"_target_": _GFM, "encoder": _TIMM},
}


@pytest.mark.parametrize(
    ("kind", "suffix"),
    list(zip(NODES, [".ckpt", ".safetensors", ".safetensors", ".ckpt"], strict=True)),
)
def test_a_file_alone_rebuilds_its_network(tmp_path, monkeypatch, kind, suffix):
    """Nothing is downloaded, though the run started from ImageNet weights."""
    checkpoint = _own_checkpoint(NODES[kind])
    path = tmp_path / f"model{suffix}"
    write_checkpoint(path, checkpoint)

    def refuse(*args, **kwargs):
        raise AssertionError("downloads")

    monkeypatch.setattr("torchvision.models._api.WeightsEnum.get_state_dict", refuse)
    monkeypatch.setattr("timm.models._builder.load_pretrained", refuse)
    model, read = load_network(path)
    own = model.state_dict()
    assert all(torch.equal(own[k], v) for k, v in checkpoint.state.items())
    assert read.config["inference"] == checkpoint.config["inference"]
    assert read.model == without_pretrained(checkpoint.model) != checkpoint.model
    assert read.encoder_name == checkpoint.encoder_name


def encoder_with_waves(seed: int) -> StagedEncoder:
    """Return an encoder with random numbers that no file contains."""
    encoder = StagedEncoder([nn.Conv2d(3, 4, 2, stride=2)], [4], [2])
    waves = torch.empty(4).normal_(generator=torch.Generator().manual_seed(seed))
    encoder.register_buffer("waves", waves, persistent=False)
    return encoder


def test_random_numbers_that_no_file_contains_are_drawn(tmp_path):
    encoder = {"_target_": f"{__name__}.encoder_with_waves", "seed": 3}
    node = {"_target_": _GFM, "rosta": "tt", "encoder": encoder, "decoder_channels": [8]}
    model = instantiate(node)
    write_checkpoint(tmp_path / "model.ckpt", Checkpoint(node, model.state_dict()))
    loaded, _ = load_network(tmp_path / "model.ckpt", trust=["tests"])
    assert torch.equal(loaded.encoder.waves, model.encoder.waves)
    assert _same(loaded, model)


def test_weights_of_a_different_architecture(released):
    node = {"_target_": "gfm.models.gfm.GFM", "rosta": "tt"}
    model = instantiate({**node, "encoder": {"_target_": "gfm.models.encoders.resnet34"}})
    with pytest.raises(GFMError, match="a different architecture"):
        load_weights(model, read_checkpoint(released), released)


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ({"_target_": f"{_NETWORKS}.gfm_r34_2b"}, "r34_2b"),
        ({"_target_": f"{_NETWORKS}.gfm_timm", "encoder": "convnextv2_tiny"}, "convnextv2_tiny"),
        ({"_target_": _GFM, "encoder": _TORCHVISION}, "resnet34"),
        ({"_target_": _GFM, "encoder": _TIMM}, "test_resnet"),
        ({"_target_": _GFM, "encoder": {"_target_": "lab.parts.tiny", "width": 4}}, "tiny"),
        ({"_target_": "lab.parts.small_network"}, "small_network"),
        ({"_target_": "lab.parts.small_network", "encoder": None}, "small_network"),
    ],
)
def test_encoder_names(node, name):
    assert Checkpoint(node, {}).encoder_name == name


@pytest.mark.parametrize("name", sorted(official_keys()))
def test_named_constructors_build_the_official_networks(name):
    """Their defaults are the paper's channels, and descriptions of released files name them."""
    backbone, _, rosta = name.rpartition("_")
    with torch.device("meta"):
        official = {key: torch.empty(shape) for key, shape, _ in official_keys()[name]}
        node, state = convert_official(official, f"gfm_{name.lower()}.pth")
        named = {"_target_": f"{_NETWORKS}.gfm_{backbone}", "rosta": rosta.lower()}
        nulls = {**named, "decoder_channels": None, "reduction": None}
        defaults, unset, described = (instantiate(n).state_dict() for n in (named, nulls, node))
    assert node["_target_"] == named["_target_"]
    expected = {k: v.shape for k, v in state.items()}
    assert {k: v.shape for k, v in defaults.items()} == expected
    assert {k: v.shape for k, v in unset.items()} == expected
    assert {k: v.shape for k, v in described.items()} == expected


def test_weights_of_ft_do_not_start_a_training_of_bt():
    ft, bt = ({"_target_": f"{_NETWORKS}.gfm_r34", "rosta": name} for name in ("ft", "bt"))
    with pytest.raises(GFMError, match=r"a.ckpt were trained with rosta=ft: set that"):
        check_same_problem(bt, Checkpoint(ft, {}), "a.ckpt")


def test_normalization_is_compared_across_the_nodes_of_older_and_newer_runs():
    older = {"_target_": _GFM, "encoder": _TORCHVISION, "normalization": "imagenet"}
    newer = {"_target_": f"{_NETWORKS}.gfm_r34"}
    for source, wanted in ((older, newer), (newer, older)):
        learnt = source.get("normalization", "none")
        with pytest.raises(GFMError, match=f"backbone.normalization={learnt}"):
            check_same_problem(wanted, Checkpoint(source, {}), "a.ckpt")
        check_same_problem(source, Checkpoint(source, {}), "a.ckpt")
    check_same_problem(newer, Checkpoint({**older, "_target_": "lab.Net"}, {}), "a.ckpt")
