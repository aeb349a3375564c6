"""Shrinks large pictures for the network, and enlarges their mattes with the picture's detail."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gfm.inference.strips import cut_strips

_RADIUS = 4  # of the windows in which alpha is fitted to colours, in pixels of the small picture
_NOISE = 1e-4  # variance of the noise of colours in [0, 1]


def limit_size(height: int, width: int, max_size: int | None) -> tuple[int, int]:
    """Scale (height, width) so that the shorter side is at most ``max_size`` pixels."""
    shorter = min(height, width)
    if max_size is None or shorter <= max_size:
        return height, width
    return max_size * height // shorter, max_size * width // shorter


def shrink(image: Tensor, max_size: int | None) -> Tensor:
    """Shrink N×3×H×W pictures (uint8, or float in [0, 1]) to :func:`limit_size`, in float32.

    Unlike the official test, this uses anti-aliasing, without which fur looks noisy.
    """
    small = image.float() if image.is_floating_point() else image / 255
    size = limit_size(image.shape[-2], image.shape[-1], max_size)
    if size == tuple(image.shape[-2:]):
        return small
    return F.interpolate(small, size, mode="bilinear", antialias=True, align_corners=False)


def enlarge(alpha: Tensor, small: Tensor, image: Tensor) -> Tensor:
    """Enlarge the matte of a shrunken picture to full size, with the detail of the picture.

    As in a guided filter (He et al., TPAMI 2013), alpha is fitted by a linear function of the
    colours in every small window. With its slopes s,
    alpha(large) = linear(alpha) + linear(s) · (image - linear(small)),
    where linear(…) is linear interpolation. Where alpha is constant the slopes are 0, so nothing is
    added. ``docs/predicting.md`` has the errors at full size. (OpenCV's guided filter is only in
    its contrib package, and needs a guide of the same size as the matte.)

    Args:
        alpha: Matte of the shrunken picture, N×1×h×w in [0, 1].
        small: Shrunken picture from :func:`shrink`, N×3×h×w in [0, 1].
        image: Picture of full size, N×3×H×W, uint8 or float in [0, 1].

    Returns:
        N×1×H×W in [0, 1].
    """
    height, width = image.shape[-2:]
    layers = torch.cat([alpha, _slopes(alpha, small), small], dim=1)
    result = alpha.new_empty(alpha.shape[0], 1, height, width)
    for rows in cut_strips(0, height, width):
        part = _enlarge_rows(layers, rows, height, width)
        linear, slopes, blurred = part[:, :1], part[:, 1:4], part[:, 4:]
        colours = image[..., rows, :]
        colours = colours if colours.is_floating_point() else colours / 255
        result[..., rows, :] = linear + (slopes * (colours - blurred)).sum(1, keepdim=True)
    return result.clamp_(0, 1)


def enlarge_linearly(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge N×C×h×w to (height, width) by linear interpolation."""
    return F.interpolate(values.float(), size, mode="bilinear", align_corners=False)


def _slopes(alpha: Tensor, image: Tensor) -> Tensor:
    """Fit alpha by a linear function of the colours in each window; return the slopes, N×3×H×W.

    The least-squares solution is (Σ + noise)⁻¹ · cov(colours, alpha), with the covariance Σ of the
    colours.
    """
    means = _window_mean(torch.cat([image, alpha], dim=1))
    mean, mean_alpha = means[:, :3], means[:, 3:]
    pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    squares = torch.cat([image[:, i, None] * image[:, j, None] for i, j in pairs], dim=1)
    products = _window_mean(torch.cat([squares, image * alpha], dim=1))
    covariance = products[:, 6:] - mean * mean_alpha
    rr, rg, rb, gg, gb, bb = (
        products[:, k] - mean[:, i] * mean[:, j] + (_NOISE if i == j else 0)
        for k, (i, j) in enumerate(pairs)
    )
    # Inverts the symmetric 3×3 matrix by cofactors; torch.linalg is slower for tiny matrices.
    c_rr, c_rg, c_rb = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    c_gg, c_gb, c_bb = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    determinant = rr * c_rr + rg * c_rg + rb * c_rb
    r, g, b = covariance.unbind(1)
    slopes = [
        c_rr * r + c_rg * g + c_rb * b,
        c_rg * r + c_gg * g + c_gb * b,
        c_rb * r + c_gb * g + c_bb * b,
    ]
    return _window_mean(torch.stack(slopes, dim=1) / determinant[:, None])


def _window_mean(values: Tensor) -> Tensor:
    side = 2 * _RADIUS + 1
    values = F.avg_pool2d(values, (side, 1), 1, (_RADIUS, 0), count_include_pad=False)
    return F.avg_pool2d(values, (1, side), 1, (0, _RADIUS), count_include_pad=False)


def _enlarge_rows(values: Tensor, rows: slice, height: int, width: int) -> Tensor:
    """Compute the given rows of :func:`enlarge_linearly`."""
    length = values.shape[-2]
    # On the CPU, because Apple GPUs do not support float64.
    indices = torch.arange(rows.start, rows.stop, dtype=torch.float64, device="cpu")
    position = ((indices + 0.5) * (length / height) - 0.5).clamp(0, length - 1)
    low = position.long()
    after = (position - low).to(values.device, values.dtype)[:, None]
    low = low.to(values.device)
    high = (low + 1).clamp(max=length - 1)
    between = values[..., low, :].lerp(values[..., high, :], after)
    return enlarge_linearly(between, (len(low), width))
