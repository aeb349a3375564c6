"""ImageNet weights of torchvision's encoders that cannot be loaded."""

import pytest
import torch
from torchvision.models import ResNet34_Weights

from gfm.errors import GFMError
from gfm.models.encoders import build_pretrained, resnet34


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>"], ids=["empty", "page"])
def test_a_damaged_file_of_weights_is_one_line(tmp_path, monkeypatch, content):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    name = ResNet34_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    (tmp_path / "checkpoints" / name).write_bytes(content)
    with pytest.raises(GFMError, match=r"weights of resnet34 .*pretrained=false") as error:
        resnet34(pretrained=True)
    assert "\n" not in str(error.value)


def test_an_error_without_a_text_is_named():
    def build(load: bool) -> str:
        if load:
            raise TimeoutError
        return "random"

    with pytest.warns(UserWarning, match=r"weights of x \(TimeoutError\)"):
        assert build_pretrained(build, "auto", "x", "or wait") == "random"
