"""Which layers count as batch normalisation."""

from timm.layers import BatchNormAct2d
from torch import nn

from gfm.models.norms import batch_norms


def test_those_of_torch_and_of_timm_are_found_and_no_others():
    norms = [nn.BatchNorm1d(2), nn.BatchNorm2d(2), nn.BatchNorm3d(2), nn.SyncBatchNorm(2)]
    norms.append(BatchNormAct2d(2))
    others = [nn.InstanceNorm2d(2, affine=True, track_running_stats=True), nn.GroupNorm(1, 2)]
    assert batch_norms(nn.Sequential(*others, nn.Sequential(*norms), nn.ReLU())) == norms
