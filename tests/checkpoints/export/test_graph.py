"""Exported files return what the network returns, for images of any number and size."""

import copy
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from filelock import FileLock
from torch import nn
from torch._dynamo.exc import UserError, UserErrorType

from gfm import __version__
from gfm.checkpoints.export import MattingGraph, programs, write_onnx, write_program
from gfm.checkpoints.export.programs import FACTS
from gfm.checkpoints.export.verification import SIZES
from gfm.checkpoints.overwriting import check_targets
from gfm.errors import GFMError
from gfm.inference import Hybrid, Native, Resize
from gfm.models.encoders import StagedEncoder
from gfm.models.gfm import GFM
from gfm.rosta import ROSTAS
from tests.golden.formula import official_keys
from tests.models.test_gfm import official_model

EXTRA_SIZES = ((1, 1, 1), (2, 5, 40), (1, 64, 96))


def small(rosta: str) -> GFM:
    """Build a network with few layers but every part of a large one."""
    torch.manual_seed(0)
    channels, strides = (4, 8), (4, 32)
    stages = [
        nn.Sequential(nn.Conv2d(i, o, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(k))
        for i, o, k in zip((3, 4), channels, (2, 4), strict=True)
    ]
    model = GFM(StagedEncoder(stages, channels, strides), rosta, normalization="imagenet").eval()
    for head in model.glance.heads:  # classes that differ by more than rounding
        nn.init.normal_(head[-2].weight, std=3)
    return model


def slow(*case) -> object:
    return pytest.param(*case, marks=pytest.mark.slow)


# Each takes 10 s or more. RIM has the branches of all others; Hybrid is what commands export, and
# verify, in tests/project/test_readme.py (ONNX) and tests/checkpoints/test_sources.py (.pt2).
ONNX = [
    ("rim", Native(), "float"),
    slow("bt", Resize(), "uint8"),
    slow("tt", Native(), "uint8"),
    slow("ft", Resize(), "float"),
    slow("bt", Hybrid(), "uint8"),
    slow("rim", Hybrid(), "uint8"),
]
PROGRAMS = [
    slow("ft", Native(), "float"),
    slow("rim", Native(), "float"),
    slow("bt", Hybrid(), "uint8"),
    slow("rim", Hybrid(), "uint8"),
]


@pytest.mark.parametrize(("rosta", "inferer", "pixels"), ONNX)
def test_onnx(tmp_path, rosta, inferer, pixels):
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    graph = MattingGraph(small(rosta), inferer, pixels)
    graph.model.use_channels_last()
    path = tmp_path / "new" / "graph.onnx"
    facts = {"rosta": rosta, "generator": f"gfm-matting {__version__}"}
    results = write_onnx(path, graph, facts)
    check_targets("none.ckpt", [path], overwrite=False)  # recognised as its own
    assert [result.size for result in results] == list(SIZES)
    assert max(result.difference for result in results) < 1e-3
    assert max(result.num_undecided / np.prod(result.size) for result in results) < 0.01

    session = runtime.InferenceSession(str(path))
    assert session.get_inputs()[0].shape == graph.input_shape
    assert session.get_outputs()[0].shape == ["batch", 1, "height", "width"]
    for size in EXTRA_SIZES:
        alpha = session.run(None, {"image": graph.example(*size).numpy()})[0]
        assert alpha.shape == (size[0], 1, *size[1:])
        assert alpha.min() >= 0
        assert alpha.max() <= 1
    found = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert found["rosta"] == rosta
    assert pixels.removesuffix("8") in found["pixels"]
    assert [p.name for p in path.parent.iterdir()] == ["graph.onnx"], "one file holds it all"


@pytest.mark.parametrize(("rosta", "inferer", "pixels"), PROGRAMS)
def test_pt2(tmp_path, rosta, inferer, pixels):
    graph = MattingGraph(small(rosta), inferer, pixels)
    path = tmp_path / "graph.pt2"
    results = write_program(path, graph, {"rosta": rosta})
    assert max(result.difference for result in results) < 1e-5
    texts = {FACTS: ""}
    module = torch.export.load(path, extra_files=texts).module()
    for size in EXTRA_SIZES:
        if rosta == "rim" and size[1] * size[2] == 1:
            continue  # torch assumes that convolutions get more than one pixel
        alpha = module(graph.example(*size))
        assert alpha.shape == (size[0], 1, *size[1:])
        assert not alpha.requires_grad
    assert json.loads(texts[FACTS])["rosta"] == rosta


@pytest.fixture
def replaced(monkeypatch):
    """Return a graph, and a copy that files hold instead of it."""
    graph = MattingGraph(small("tt"), Native())
    written = copy.deepcopy(graph)
    monkeypatch.setattr(programs, "trace", lambda _: None)
    monkeypatch.setattr(torch.export, "save", lambda _, file, **__: file.write(b"new"))
    monkeypatch.setattr(torch.export, "load", lambda _: SimpleNamespace(module=lambda: written))
    return graph, written


def test_a_file_that_differs_does_not_replace_another(tmp_path, replaced):
    graph, _ = replaced
    path = tmp_path / "a.pt2"
    assert [trial.size for trial in write_program(path, graph, {})] == list(SIZES)
    path.write_bytes(b"old")
    nn.init.constant_(graph.model.focus.heads[0][-2].bias, 1.0)
    with pytest.raises(GFMError, match=r"differs from the network by .* at 1×192×256: --no-check"):
        write_program(path, graph, {})
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    assert write_program(path, graph, {}, check=False) == []
    assert path.read_bytes() == b"new"


def test_a_filter_that_is_slightly_off_is_noticed(tmp_path, replaced, monkeypatch):
    """On smooth images alone, alphas would differ by 3e-5 only."""
    graph, written = replaced

    def blur(model, image):
        image = nn.functional.pad(image, (0, 0, 1, 1), mode="replicate")
        kernel = torch.tensor([0.02, 0.96, 0.02]).view(1, 1, 3, 1).repeat(3, 1, 1, 1)
        return Native()(model, nn.functional.conv2d(image, kernel, groups=3))

    monkeypatch.setattr(written, "inferer", blur)
    with pytest.raises(GFMError, match="differs from the network"):
        write_program(tmp_path / "a.pt2", graph, {})


def test_a_comparison_of_constant_mattes_says_little(tmp_path, replaced):
    for part in replaced:
        for head in (*part.model.glance.heads, *part.model.focus.heads):
            nn.init.zeros_(head[-2].weight)
    with pytest.warns(UserWarning, match=r"alpha varies by only 0 in .* compare the file with"):
        write_program(tmp_path / "a.pt2", replaced[0], {})


def test_a_network_that_torch_restricts_to_some_sizes_is_refused(monkeypatch):
    def restrict(*_, **__):
        raise UserError(UserErrorType.CONSTRAINT_VIOLATION, "Constraints violated (height)!")

    monkeypatch.setattr(torch.export, "export", restrict)
    with pytest.raises(GFMError, match=r"for images of every size, .*: use gfm export safetensors"):
        programs.trace(MattingGraph(small("tt"), Native()))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(official_keys()))
def test_every_official_architecture(tmp_path, tmp_path_factory, name):
    """Backbone × RoSTA with the paper's inference; each takes a minute, r101 13 GB of memory."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    inferer = Resize(1 / 3) if name.endswith("RIM") else Hybrid()
    # One at a time in all test processes, whose temporary folders have a folder in common.
    with FileLock(tmp_path_factory.getbasetemp().parent / "export.lock"):
        graph = MattingGraph(official_model(name), inferer)
        results = write_onnx(tmp_path / "a.onnx", graph, {})
    for result in results:
        print(name, result)
        assert result.num_undecided < 0.05 * np.prod(result.size)


def test_all_rostas_are_exported():
    assert {getattr(case, "values", case)[0] for case in ONNX} >= set(ROSTAS)
