"""Reduces the flicker of a clip's mattes by a recursive filter that follows the motion."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_SHORTER_SIDE = 360  # of the small pictures in which motion is estimated, in pixels
_LEAST_SIDE = 32  # of the same, because OpenCV's optical flow crashes on some narrower pictures
_WINDOW = 5  # side of the neighbourhoods that are compared, in pixels of the small pictures
_MIN_TOLERANCE = 0.01  # of colours in [0, 1]
_MAX_TOLERANCE = 0.06  # reached after a cut, where everything differs


class Smoother:
    """A motion-compensated recursive filter, for the frames of one clip in order.

    The previous smoothed matte is warped by the optical flow (Kroeger et al., Fast Optical Flow
    using Dense Inverse Search, ECCV 2016), and
    result = alpha + weight · (warped - alpha), weight = strength · exp(-(difference / tolerance)²).
    The difference between the warped previous picture and the current one is averaged over a
    neighbourhood. So the weight is 0 beyond the border, and tiny where the flow is wrong and after
    a cut. The tolerance adapts to the noise. ``docs/predicting.md`` reports the gain and the cost.

    Args:
        strength: Weight of the past where the pictures agree, in [0, 1).
    """

    def __init__(self, strength: float = 0.7) -> None:
        self.strength = strength
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._last: tuple[Tensor, np.ndarray, Tensor] | None = None

    @torch.no_grad()
    def __call__(self, image: Tensor, alpha: Tensor) -> Tensor:
        """Return the smoothed matte, 1×1×H×W in [0, 1].

        Args:
            image: 1×3×H×W, uint8.
            alpha: 1×1×H×W in [0, 1], on the same device.
        """
        small = _shrink(image)
        grey = _pad((small[0].mean(0) * 255).round().byte().cpu().numpy())
        result = alpha
        if self._last is not None:
            last_small, last_grey, last_alpha = self._last
            flow = torch.from_numpy(self._flow.calc(grey, last_grey, None))  # type: ignore[call-overload]
            flow = flow[: small.shape[-2], : small.shape[-1]]
            flow = flow.permute(2, 0, 1)[None].to(alpha.device)
            weight = self.strength * _agreement(small, last_small, flow)
            weight = F.interpolate(weight, alpha.shape[-2:], mode="bilinear", align_corners=False)
            result = torch.lerp(alpha, _warp(last_alpha, flow), weight)
        self._last = small, grey, result
        return result


def _shrink(image: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    shrink = max(min(height, width) / _SHORTER_SIDE, 1)
    size = (round(height / shrink), round(width / shrink))
    if shrink == 1:
        return image / 255
    there = image.cpu() if image.is_mps else image  # Apple's GPUs average only whole cells
    return F.interpolate(there / 255, size, mode="area").to(image.device)


def _pad(grey: np.ndarray) -> np.ndarray:
    """Repeat the last row and column of a picture whose sides are too short for OpenCV."""
    bottom, right = (max(_LEAST_SIDE - side, 0) for side in grey.shape)
    return cv2.copyMakeBorder(grey, 0, bottom, 0, right, cv2.BORDER_REPLICATE)


def _warp(values: Tensor, flow: Tensor, repeats_border: bool = True) -> Tensor:
    """Sample 1×C×H×W values where a flow points; it is 1×2×h×w, in pixels at that resolution.

    Beyond the border, the nearest value is repeated if ``repeats_border``; otherwise values are 0.
    """
    height, width = values.shape[-2:]
    scale = torch.tensor([width / flow.shape[-1], height / flow.shape[-2]], device=flow.device)
    flow = F.interpolate(flow, (height, width), mode="bilinear", align_corners=False)
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device),
        torch.arange(width, device=flow.device),
        indexing="ij",
    )
    positions = torch.stack([x, y], dim=-1) + flow[0].permute(1, 2, 0) * scale
    size = torch.tensor([width, height], device=flow.device)
    if repeats_border:  # padding_mode="border" fails on Apple's GPUs before torch 2.13
        positions = torch.minimum(positions.clamp(min=0), size - 1)
    grid = ((2 * positions + 1) / size - 1)[None]
    return F.grid_sample(values, grid, padding_mode="zeros", align_corners=False)


def _agreement(small: Tensor, last: Tensor, flow: Tensor) -> Tensor:
    """Rate how well the pictures agree at both ends of the flow, 1×1×h×w in [0, 1]."""
    inside = _warp(torch.ones_like(last[:, :1]), flow, repeats_border=False)
    difference = (small - _warp(last, flow)).abs().mean(1, keepdim=True)
    difference = F.avg_pool2d(difference, _WINDOW, 1, _WINDOW // 2, count_include_pad=False)
    tolerance = (2 * difference.median()).clamp(_MIN_TOLERANCE, _MAX_TOLERANCE)
    return inside * torch.exp(-(difference / tolerance).square())
