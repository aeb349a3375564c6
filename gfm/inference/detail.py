"""Large pictures: they are looked at smaller, and their mattes enlarged with the detail kept."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

_RADIUS = 4  # of the windows in which alpha is explained by colours, in pixels looked at
_NOISE = 1e-4  # variance of colours in [0, 1] that explains nothing
_STRIP_PIXELS = 4_000_000  # of the large picture at a time


def looked_at_size(height: int, width: int, max_size: int | None) -> tuple[int, int]:
    """(height, width) whose shorter side is at most ``max_size``, of nearly the same shape."""
    shorter = min(height, width)
    if max_size is None or shorter <= max_size:
        return height, width
    return max_size * height // shorter, max_size * width // shorter


def shrink(image: Tensor, max_size: int | None) -> Tensor:
    """What the network looks at: N×3×H×W float32 in [0, 1], its shorter side at most ``max_size``.

    Anti-aliased; the official test shrinks by linear interpolation alone, in which fur sparkles.

    Args:
        image: N×3×H×W, uint8 or float in [0, 1].
        max_size: in pixels; ``None`` keeps the size.
    """
    small = image.float() if image.is_floating_point() else image / 255
    size = looked_at_size(image.shape[-2], image.shape[-1], max_size)
    if size == tuple(image.shape[-2:]):
        return small
    return F.interpolate(small, size, mode="bilinear", antialias=True, align_corners=False)


def enlarge(alpha: Tensor, small: Tensor, image: Tensor) -> Tensor:
    """The matte of a shrunken picture at the size of the picture itself, N×1×H×W in [0, 1].

    What the picture shows in addition at its own size is carried over to the matte. In every small
    window alpha is fitted by a linear function of the colours, as a guided filter does (He et al.,
    TPAMI 2013); its slopes s say what a change of colour means for alpha, and
    alpha(large) = linear(alpha) + linear(s) · (image - linear(small)).
    Where alpha is constant the slopes are 0, and nothing changes. ``docs/predicting.md`` has the
    errors at full size.

    Args:
        alpha: N×1×h×w in [0, 1].
        small: N×3×h×w in [0, 1], what it is the matte of; see :func:`shrink`.
        image: N×3×H×W, uint8 or float in [0, 1].
    """
    height, width = image.shape[-2:]
    layers = torch.cat([alpha, _slopes(alpha, small), small], dim=1)
    result = alpha.new_empty(alpha.shape[0], 1, height, width)
    for rows in _strips(height, width):
        part = _enlarge_rows(layers, rows, height, width)
        linear, slopes, known = part[:, :1], part[:, 1:4], part[:, 4:]
        colours = image[..., rows, :]
        colours = colours if colours.is_floating_point() else colours / 255
        result[..., rows, :] = linear + (slopes * (colours - known)).sum(1, keepdim=True)
    return result.clamp_(0, 1)


def enlarge_linearly(values: Tensor, size: tuple[int, int]) -> Tensor:
    """N×C×h×w at another (height, width)."""
    return F.interpolate(values.float(), size, mode="bilinear", align_corners=False)


def _slopes(alpha: Tensor, image: Tensor) -> Tensor:
    """What a change of each colour means for alpha nearby: N×3×H×W.

    Least squares over windows: (Σ + noise)⁻¹ · cov(colours, alpha), Σ the covariance of colours.
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
    # The inverse of a symmetric 3×3 matrix, by its cofactors.
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


def _strips(height: int, width: int) -> Iterator[slice]:
    step = max(_STRIP_PIXELS // width, 1)
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


def _enlarge_rows(values: Tensor, rows: slice, height: int, width: int) -> Tensor:
    """Those rows of :func:`enlarge_linearly`."""
    length = values.shape[-2]
    wanted = torch.arange(rows.start, rows.stop, device=values.device, dtype=torch.float64)
    position = ((wanted + 0.5) * (length / height) - 0.5).clamp(0, length - 1)
    low = position.long()
    after = (position - low).to(values.dtype)[:, None]
    high = (low + 1).clamp(max=length - 1)
    between = values[..., low, :].lerp(values[..., high, :], after)
    return enlarge_linearly(between, (len(low), width))
