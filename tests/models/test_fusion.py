"""Collaborative matting never synchronises with the device, and keeps its precision."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gfm.models.fusion import RIM, fuse
from gfm.models.gfm import GFM
from gfm.models.timm_encoder import timm_encoder
from gfm.rosta import ROSTAS

# Operations that copy a value to the host, or whose output size depends on values.
SYNCING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique")


class Recorder(TorchDispatchMode):
    """Records the names of the operations that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("rosta", ROSTAS)
def test_no_operation_synchronises(rosta):
    model = GFM(timm_encoder("test_resnet"), rosta).train()
    with Recorder() as recorder:
        model(torch.rand(2, 3, 33, 47)).alpha.mean().backward()
    assert "convolution" in recorder.names
    assert recorder.names.isdisjoint(SYNCING)


def test_the_recorder_sees_synchronising_operations():
    with Recorder() as recorder:
        bool(torch.ones(1) > 0)
    assert not recorder.names.isdisjoint(SYNCING)


@pytest.mark.parametrize("rosta", ROSTAS["rim"], ids=lambda rosta: rosta.name)
def test_a_batch_fuses_like_its_images(rosta):
    generator = torch.Generator().manual_seed(0)
    glance = torch.randn(3, rosta.num_classes, 8, 9, generator=generator)
    focus = torch.randn(3, 1, 8, 9, generator=generator)
    alone = [fuse(rosta, glance[i : i + 1], focus[i : i + 1]).alpha for i in range(3)]
    torch.testing.assert_close(fuse(rosta, glance, focus).alpha, torch.cat(alone))


@pytest.mark.parametrize("rosta", ROSTAS["rim"], ids=lambda rosta: rosta.name)
def test_overflow_of_glance_is_not_background(rosta):
    glance = torch.zeros(1, rosta.num_classes, 1, 2)
    glance[..., 1] = torch.nan  # of float16
    alpha = fuse(rosta, glance, torch.zeros(1, 1, 1, 2)).alpha
    assert alpha.isnan().tolist() == [[[[False, True]]]]


def test_rim_is_not_rounded_to_half_precision():
    rim, alphas = RIM(), list(torch.rand(3, 2, 1, 8, 9))
    with torch.autocast("cpu", torch.bfloat16):
        actual = rim(alphas)
    torch.testing.assert_close(actual, rim(alphas), rtol=0, atol=0)


def test_rim_takes_the_precision_of_its_weights():
    """With ``trainer.precision=64-true``, the weights are float64 but branch alphas are float32."""
    assert RIM().double()(list(torch.rand(3, 2, 1, 8, 9))).dtype == torch.float64
