"""Synchronises the batch normalisation of processes that find this folder in PYTHONPATH."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.distributed.nn.functional import all_reduce


def forward_on_cpu(self, x):
    """Compute what torch.nn.SyncBatchNorm computes, which works only on GPUs."""
    self.num_batches_tracked += int(self.training)
    # Without momentum, all batches have the same weight.
    momentum = 1 / max(int(self.num_batches_tracked), 1) if self.momentum is None else self.momentum
    if not (self.training and dist.is_initialized()):
        return F.batch_norm(
            *(x, self.running_mean, self.running_var, self.weight, self.bias),
            training=self.training,
            momentum=momentum,
        )
    num = all_reduce(torch.tensor(float(x.numel() / x.shape[1])))
    mean = all_reduce(x.sum((0, 2, 3))) / num
    centred = x - mean[:, None, None]
    variance = all_reduce(centred.square().sum((0, 2, 3))) / num
    with torch.no_grad():
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * num / (num - 1), momentum)
    scale = self.weight * (variance + self.eps).rsqrt()
    return centred * scale[:, None, None] + self.bias[:, None, None]


torch.nn.BatchNorm2d.forward = forward_on_cpu
