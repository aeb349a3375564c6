"""Blocks of the decoders in half precision."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from gfm.compat.hydra import instantiate
from gfm.models.blocks import interpolate
from gfm.models.gfm import GFM
from tests.conftest import SMALL_NODE


class Enlargements(TorchDispatchMode):
    """Collects the dtypes of the gradients of enlarged features."""

    def __init__(self) -> None:
        super().__init__()
        self.types: set[torch.dtype] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ == "upsample_bilinear2d_backward":
            self.types.add(args[0].dtype)
        return func(*args, **kwargs or {})


def test_gradients_of_enlarged_features_are_summed_in_float32():
    """CUDA would sum in bfloat16, and lose many of the terms."""
    model: GFM = instantiate(SMALL_NODE)
    with Enlargements() as seen:
        with torch.autocast("cpu", torch.bfloat16):
            output = model(torch.rand(2, 3, 64, 64))
        (output.alpha.sum() + output.branches["tt"].glance.float().square().sum()).backward()
    assert seen.types == {torch.float32}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_enlarging_matches_torch(dtype):
    feature = torch.rand(1, 4, 5, 5, dtype=dtype, requires_grad=True)
    ours = interpolate(feature, scale_factor=8, align_corners=False)
    theirs = F.interpolate(feature, scale_factor=8, mode="bilinear", align_corners=False)
    assert ours.dtype == dtype
    assert torch.equal(ours, theirs)
