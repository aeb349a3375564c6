"""Errors in the colours of cut-outs and in the detail of large mattes, on drawn animals.

Run: python -m tests.benchmarks cutouts [--photos 6] [--height 1080] [--width 1620]
                                        [--large-height 2160] [--large-width 3240]

Colours: error of the estimated foreground where 0 < alpha < 1, weighted by alpha, on a scale of 0
to 255; and the CPU time. Detail: SAD of the whole picture (in thousands) and MSE near the
transition (times 1000) of mattes that are known only at 1080 pixels and enlarged. "exact": the
truth shrunk to that size. "soft": the truth at half that size, at which HYBRID's focus decoder
works.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gfm.animals.sample import DemoSample, draw_sample
from gfm.inference.detail import enlarge, enlarge_linearly, limit_size, shrink
from gfm.inference.foreground import estimate_foreground


def tensor(array: np.ndarray) -> Tensor:
    """Return a picture as a tensor, 1×C×H×W."""
    return torch.from_numpy(array if array.ndim == 3 else array[..., None]).permute(2, 0, 1)[None]


def colour_error(sample: DemoSample, colours: Tensor) -> float:
    """Return the error on a scale of 0 to 255 where 0 < alpha < 1, weighted by alpha."""
    alpha = tensor(sample.alpha) / 255
    weight = alpha * (alpha < 1)
    off = (colours * 255 - tensor(sample.foreground)).abs().mean(1, keepdim=True)
    return float((off * weight).sum() / weight.sum())


ESTIMATES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "the photo itself": lambda image, alpha: image / 255,
    "blur": estimate_foreground,
    "ml": lambda image, alpha: estimate_foreground(image, alpha, "ml"),
}


def print_colours(num_photos: int, height: int, width: int) -> None:
    errors: dict[str, list[float]] = {name: [] for name in ESTIMATES}
    seconds = dict.fromkeys(ESTIMATES, float("inf"))
    for index in range(num_photos):
        sample = draw_sample(3, index, height, width)
        for name, estimate in ESTIMATES.items():
            start = time.process_time()
            colours = estimate(tensor(sample.image), tensor(sample.alpha) / 255)
            seconds[name] = min(seconds[name], time.process_time() - start)
            errors[name].append(colour_error(sample, colours))
    print(f"colours of {num_photos} cut-outs, {height}x{width}")
    for name, values in errors.items():
        print(f"  {name:18s}{np.mean(values):6.2f} of 255  {seconds[name]:5.2f} s")


def detail_errors(sample: DemoSample, max_size: int = 1080) -> dict[str, list[tuple[float, float]]]:
    """Return SAD and MSE of linear and of our enlargement, for an exact and a soft matte."""
    image, alpha = tensor(sample.image), tensor(sample.alpha) / 255
    height, width = sample.alpha.shape
    small = shrink(image, max_size)
    size = limit_size(height, width, max_size)
    half = F.interpolate(alpha, (size[0] // 2, size[1] // 2), mode="area")
    known = {
        "exact": F.interpolate(alpha, size, mode="area"),
        "soft": enlarge_linearly(half, size),
    }
    reach = 2 * (height // size[0] * 4) + 1
    transition = F.max_pool2d(((alpha > 0) & (alpha < 1)).float(), reach, 1, reach // 2) > 0
    found = {}
    for name, matte in known.items():
        enlarged = enlarge_linearly(matte, (height, width)), enlarge(matte, small, image)
        off = [(x - alpha).abs() for x in enlarged]
        found[name] = [
            (float(x.sum()) / 1e3, float(x[transition].square().mean()) * 1e3) for x in off
        ]
    return found


def print_detail(num_photos: int, height: int, width: int) -> None:
    print(f"detail of {num_photos} mattes of {height}x{width} known at 1080 pixels")
    found = [detail_errors(draw_sample(7, index, height, width)) for index in range(num_photos)]
    for name in found[0]:
        plain, ours = np.mean([one[name] for one in found], axis=0)
        print(
            f"  {name:6s} linear: SAD {plain[0]:6.1f}, MSE {plain[1]:5.2f};  along edges: "
            f"SAD {ours[0]:6.1f}, MSE {ours[1]:5.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=6)
    parser.add_argument("--height", type=int, default=1080, help="of the cut-outs")
    parser.add_argument("--width", type=int, default=1620, help="of the cut-outs")
    parser.add_argument("--num-large", type=int, default=2)
    parser.add_argument("--large-height", type=int, default=2160)
    parser.add_argument("--large-width", type=int, default=3240)
    arguments = parser.parse_args()
    print_colours(arguments.photos, arguments.height, arguments.width)
    print_detail(arguments.num_large, arguments.large_height, arguments.large_width)


if __name__ == "__main__":
    main()
