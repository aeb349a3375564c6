"""Matting losses: functions for the terms, and the criterion that adds them (GFM, section 4.4).

All terms are computed in float32, even under autocast, from alphas and colours in [0, 1].
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from gfm.models.fusion import BranchOutput, MattingOutput
from gfm.rosta import ROSTAS, Rosta, transition
from gfm.system.ranks import rank_and_world

GlanceOn = Literal["logits", "probabilities"]
"""What the cross-entropy of the glance decoder is computed on; see :func:`glance_loss`."""

_EPSILON = 1e-12
_PYRAMID_LEVELS = 5
_CHANNELS = {"image": 3, "foreground": 3, "background": 3}


def _check_shapes(**tensors: Tensor | None) -> None:
    """Raises a ValueError where broadcasting would hide that a loss was given other shapes."""
    given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    first, like = next(iter(given.items()))
    for name, tensor in given.items():
        channels = _CHANNELS.get(name, 1)
        if tensor.shape != (len(like), channels, *like.shape[-2:]) or not tensor.numel():
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)}: expected (N, {channels}, H, W), not "
                f"empty, and of the size of {first}, {tuple(like.shape)}"
            )


def glance_loss(logits: Tensor, classes: Tensor, on: GlanceOn = "logits") -> Tensor:
    """Compute the cross-entropy of the glance decoder, averaged over pixels.

    Args:
        logits: N×C×H×W.
        classes: N×1×H×W, int64.
        on: ``probabilities`` feeds sigmoids to the cross-entropy, as the official code does. The
            loss then cannot fall below log(1 + (C - 1) / e), which is 0.55 for three classes.
    """
    _check_shapes(classes=classes)
    if classes.dtype != torch.int64:
        raise TypeError(f"classes is {classes.dtype}: pass indices of classes, int64")
    if (len(logits), *logits.shape[2:]) != (len(classes), *classes.shape[2:]):
        raise ValueError(
            f"logits has shape {tuple(logits.shape)}: expected (N, C, H, W), of the size of "
            f"classes, {tuple(classes.shape)}"
        )
    scores = logits.float() if on == "logits" else logits.float().sigmoid()
    return F.cross_entropy(scores, classes[:, 0])


def alpha_loss(preds: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Compute the smoothed absolute difference, ``sum sqrt((w (p - t))² + 1e-12) / (sum w + 1)``.

    The ``+ 1`` keeps the loss of an empty region finite. Without a weight, the result is the mean
    over all pixels. With several processes, the region is that of all of them together: each
    process divides by ``(sum w + 1) / processes``. Since they average their gradients, these are
    then the gradients of a single process with all samples.

    Args:
        preds: N×1×H×W in [0, 1].
        target: N×1×H×W in [0, 1].
        weight: N×1×H×W, 1 where the loss counts and 0 elsewhere.
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


def _gauss_kernel(device: torch.device) -> Tensor:
    # As in the official code, two one-dimensional Gaussians are added instead of multiplied;
    # released models were trained with this kernel.
    # It is made on the device, because a copy would wait for all work queued there.
    x = torch.arange(5, dtype=torch.float32, device=device) - 2
    gauss = torch.exp(-x.square())
    kernel = gauss[:, None] + gauss[None, :]
    return (kernel / kernel.sum()).view(1, 1, 5, 5)


def _laplacian_pyramid(image: Tensor) -> list[Tensor]:
    kernel = _gauss_kernel(image.device)
    levels = []
    for _ in range(_PYRAMID_LEVELS):
        if min(image.shape[-2:]) < 2:  # too small for another level
            break
        blurred = F.conv2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), kernel)
        levels.append(image - blurred)
        image = F.avg_pool2d(blurred, 2)
    return [*levels, image]


def laplacian_loss(preds: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Compute the L1 distance between Laplacian pyramids.

    The distance is averaged over the pixels of each level, and summed over the five levels and the
    low-pass rest.

    Args:
        preds: N×1×H×W in [0, 1].
        target: N×1×H×W in [0, 1].
        weight: N×1×H×W; multiplies both before the pyramids are built.
    """
    _check_shapes(preds=preds, target=target, weight=weight)
    with torch.autocast(preds.device.type, enabled=False):
        preds, target = preds.float(), target.float()
        if weight is not None:
            preds, target = preds * weight, target * weight
        pairs = zip(_laplacian_pyramid(preds), _laplacian_pyramid(target), strict=True)
        return torch.stack([F.l1_loss(a, b) for a, b in pairs]).sum()


def composition_loss(
    image: Tensor, foreground: Tensor, background: Tensor, preds: Tensor
) -> Tensor:
    """Compute how far the picture recomposed with the predicted alpha is from the picture.

    This is ``sqrt((p F + (1 - p) B - I)² + 1e-12)``, summed over colours and averaged over pixels.
    (The official code also divides by the number of pixels, not of values.)

    Args:
        image: N×3×H×W in [0, 1].
        foreground: N×3×H×W in [0, 1].
        background: N×3×H×W in [0, 1].
        preds: N×1×H×W in [0, 1].
    """
    _check_shapes(preds=preds, image=image, foreground=foreground, background=background)
    preds = preds.float()
    composite = preds * foreground.float() + (1 - preds) * background.float()
    distance = ((composite - image.float()).square() + _EPSILON).sqrt()
    return distance.sum(dim=1).mean()


@dataclass(frozen=True)
class WeightedTerm:
    """A loss term in addition to those of the paper.

    Attributes:
        term: Function of the network's output and the batch, as :class:`Criterion` gets them, that
            returns a scalar.
        weight: Weight in the total.
    """

    term: Callable[[MattingOutput, Mapping[str, Tensor]], Tensor]
    weight: float = 1.0


class Criterion(nn.Module):
    """Computes all loss terms by name, and their weighted ``total``.

    ``total = glance · CE + focus · (alpha + laplacian in the transition region)
    + fusion · (alpha + laplacian everywhere) + composition · composition``.
    With RIM, the terms of its three branches are added, and the integrated alpha has fusion and
    composition terms of its own. (In the official code all weights of RIM are 1, each branch also
    has a composition term, and the terms of the BT branch are computed on the output of the FT
    branch.)

    Args:
        rosta: ``tt``, ``ft``, ``bt`` or ``rim``.
        glance: Weight of the glance loss. All four weights are those of the official code, except
            for RIM.
        focus: Weight of the focus losses.
        fusion: Weight of the fusion losses.
        composition: Weight of the composition loss, which is computed only for batches whose
            foreground and background are known.
        glance_on: See :func:`glance_loss`.
        extra: Additional terms by name.
    """

    def __init__(
        self,
        rosta: str,
        glance: float = 0.25,
        focus: float = 0.25,
        fusion: float = 0.25,
        composition: float = 0.25,
        glance_on: GlanceOn = "logits",
        extra: Mapping[str, WeightedTerm] | None = None,
    ) -> None:
        super().__init__()
        self.branches = ROSTAS[rosta]
        self.weights = {
            "glance": glance,
            "focus": focus,
            "fusion": fusion,
            "composition": composition,
        }
        self.glance_on = glance_on
        self.extra = dict(extra or {})

    def forward(self, output: MattingOutput, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Compute the terms before weighting, and ``total``.

        Args:
            output: Output of the network.
            batch: ``image``, ``alpha`` and, if known, ``foreground`` and ``background``, all in
                [0, 1], and a ``trimap_K`` of 0, 128 and 255 for the kernel size K of each branch.

        Returns:
            Scalars by name.
        """
        keys = ["alpha", *(f"trimap_{rosta.kernel_size}" for rosta in self.branches)]
        if missing := [key for key in keys if key not in batch]:
            raise ValueError(f"the batch lacks {', '.join(missing)}: see gfm.data.dataset")
        terms = self._fusion_terms(output.alpha, batch["alpha"])
        if "foreground" in batch:
            terms["composition"] = composition_loss(
                batch["image"], batch["foreground"], batch["background"], output.alpha
            )
        for rosta in self.branches:
            branch_terms = self._branch_terms(rosta, output.branches[rosta.name], batch)
            suffix = f"_{rosta.name}" if len(self.branches) > 1 else ""
            terms |= {name + suffix: term for name, term in branch_terms.items()}
        weighted = [self.weights[name.split("_")[0]] * term for name, term in terms.items()]
        for name, own in self.extra.items():
            terms[name] = own.term(output, batch)
            weighted.append(own.weight * terms[name])
        return {"total": torch.stack(weighted).sum(), **terms}

    def _fusion_terms(self, preds: Tensor, alpha: Tensor) -> dict[str, Tensor]:
        return {
            "fusion_alpha": alpha_loss(preds, alpha),
            "fusion_laplacian": laplacian_loss(preds, alpha),
        }

    def _branch_terms(
        self, rosta: Rosta, branch: BranchOutput, batch: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        trimap = batch[f"trimap_{rosta.kernel_size}"]
        target = rosta.focus_target(batch["alpha"], trimap)
        weight = transition(trimap)
        terms = {
            "glance": glance_loss(branch.glance, rosta.glance_target(trimap), self.glance_on),
            "focus_alpha": alpha_loss(branch.focus, target, weight),
            "focus_laplacian": laplacian_loss(branch.focus, target, weight),
        }
        if len(self.branches) > 1:  # the official code also adds a composition term here
            terms |= self._fusion_terms(branch.alpha, batch["alpha"])
        return terms
