"""The terms of the loss as functions (GFM, section 4.4).

All are computed in float32, even under autocast, from alphas and colours in [0, 1]. Shapes that do
not match raise a ValueError, because broadcasting would hide the mistake.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from gfm.system.ranks import rank_and_world

GlanceOn = Literal["logits", "probabilities"]
"""Input of the glance decoder's cross-entropy; see :func:`glance_loss`."""

_EPSILON = 1e-12
_PYRAMID_LEVELS = 5
_CHANNELS = {"image": 3, "foreground": 3, "background": 3}


def _check_shapes(**tensors: Tensor | None) -> None:
    """Raise ValueError unless all tensors match the first one in N, H and W."""
    given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    first, like = next(iter(given.items()))
    for name, tensor in given.items():
        channels = _CHANNELS.get(name, 1)
        if tensor.shape != (len(like), channels, *like.shape[-2:]) or not tensor.numel():
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)}: expected (N, {channels}, H, W), not "
                f"empty, with N, H and W of {first}, {tuple(like.shape)}"
            )


def glance_loss(logits: Tensor, classes: Tensor, on: GlanceOn = "logits") -> Tensor:
    """Compute the cross-entropy of the glance decoder, averaged over pixels.

    Args:
        logits: N×C×H×W.
        classes: N×1×H×W, int64.
        on: ``probabilities`` feeds sigmoids to the cross-entropy, as the official code does. The
            loss then cannot fall below log(1 + (C - 1) / e), which is 0.55 for three classes.

    Raises:
        TypeError: The classes are not int64.
        ValueError: Shapes differ.
    """
    _check_shapes(classes=classes)
    if classes.dtype != torch.int64:
        raise TypeError(f"classes is {classes.dtype}: pass class indices as int64")
    if (len(logits), *logits.shape[2:]) != (len(classes), *classes.shape[2:]):
        raise ValueError(
            f"logits has shape {tuple(logits.shape)}: expected (N, C, H, W), with N, H and W of "
            f"classes, {tuple(classes.shape)}"
        )
    scores = logits.float() if on == "logits" else logits.float().sigmoid()
    # On CUDA, F.cross_entropy has no deterministic kernel for maps.
    return -scores.log_softmax(dim=1).gather(1, classes).mean()


def alpha_loss(preds: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Compute the smoothed absolute difference, ``sum sqrt((w (p - t))² + 1e-12) / (sum w + 1)``.

    The ``+ 1`` keeps the loss of an empty region finite. Without a weight, the result is the mean
    over all pixels. In distributed training, ``sum w`` covers all processes, and each process
    divides by ``(sum w + 1) / world_size``. The average of their gradients then equals the gradient
    of a single process on all samples.

    All are N×1×H×W: ``preds`` and ``target`` in [0, 1], ``weight`` 1 where the loss counts, else 0.
    """
    _check_shapes(preds=preds, target=target, weight=weight)
    difference = preds.float() - target.float()
    if weight is None:
        return (difference.square() + _EPSILON).sqrt().mean()
    distance = ((difference * weight).square() + _EPSILON).sqrt()
    return distance.sum() / _region_size(weight)


def _region_size(weight: Tensor) -> Tensor:
    size = weight.sum()
    _, num_processes = rank_and_world()
    if num_processes > 1:
        dist.all_reduce(size)
    return (size + 1) / num_processes


def laplacian_loss(preds: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Compute the L1 distance between Laplacian pyramids.

    The distance is averaged over the pixels of each level, and summed over the five levels and the
    low-pass residual. All are N×1×H×W, ``preds`` and ``target`` in [0, 1]. ``weight`` multiplies
    both before the pyramids are built.
    """
    return laplacian_losses([(preds, target, weight)])[0]


def laplacian_losses(pairs: Sequence[tuple[Tensor, Tensor, Tensor | None]]) -> Tensor:
    """Compute :func:`laplacian_loss` of several pairs of one shape in a single pyramid.

    Returns:
        One loss for each pair. All pairs together launch as many kernels as one pair would, and on
        GPUs launching them takes longer than running them.
    """
    with torch.autocast(pairs[0][0].device.type, enabled=False):
        # The pyramid is linear, so one pyramid of the difference replaces two. Its rounding error
        # is relative to the difference, whereas TF32 would round two pyramids by more than they
        # differ.
        differences = torch.cat([_weighted_difference(*pair) for pair in pairs])
        levels = _laplacian_pyramid(differences)
        return torch.stack([x.abs().reshape(len(pairs), -1).mean(1) for x in levels]).sum(0)


def _weighted_difference(preds: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    _check_shapes(preds=preds, target=target, weight=weight)
    difference = preds.float() - target.float()
    return difference if weight is None else difference * weight


def _laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """Return the levels of N×1×H×W images, 1×N×H×W each."""
    # The images become channels of a depthwise convolution, which on CPUs is twelve times as fast,
    # forward and backward, as a convolution of single-channel images.
    image = images.transpose(0, 1)
    kernel = _gauss_kernel(image.device).expand(len(images), -1, -1, -1)
    levels = []
    for _ in range(_PYRAMID_LEVELS):
        if min(image.shape[-2:]) < 2:  # too small for another level
            break
        padded = F.pad(image, (2, 2, 2, 2), mode="replicate")
        blurred = F.conv2d(padded, kernel, groups=len(images))
        levels.append(image - blurred)
        image = F.avg_pool2d(blurred, 2)
    return [*levels, image]


def _gauss_kernel(device: torch.device) -> Tensor:
    # As in the official code, two one-dimensional Gaussians are added instead of multiplied;
    # released models were trained with this kernel.
    # Built on the device, because copying it there would synchronise with the GPU.
    x = torch.arange(5, dtype=torch.float32, device=device) - 2
    gauss = torch.exp(-x.square())
    kernel = gauss[:, None] + gauss[None, :]
    return (kernel / kernel.sum()).view(1, 1, 5, 5)


def composition_loss(
    image: Tensor, foreground: Tensor, background: Tensor, preds: Tensor
) -> Tensor:
    """Compute the error of the image recomposed with the predicted alpha.

    This is ``sqrt((p F + (1 - p) B - I)² + 1e-12)``, summed over colours and averaged over pixels.
    (As in the official code, the divisor is the number of pixels, not of values.) Images are
    N×3×H×W and ``preds`` N×1×H×W, all in [0, 1].
    """
    _check_shapes(preds=preds, image=image, foreground=foreground, background=background)
    preds = preds.float()
    composite = preds * foreground.float() + (1 - preds) * background.float()
    distance = ((composite - image.float()).square() + _EPSILON).sqrt()
    return distance.sum(dim=1).mean()
