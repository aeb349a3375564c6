"""Time per photo with RESIZE and HYBRID, compared with the order of work of the official code.

Run: python -m tests.benchmarks inference [--height 1080] [--width 1620] [--backbone r34]
                                          [--decoder-scale 1]

The official code resizes with scikit-image, runs both decoders at each scale, and keeps the network
in float32 and torch's default memory format. Ours computes only what is needed, as evaluate.py
does: in float32 and, if the device has it in hardware, in bfloat16. All run in turn, so that a busy
machine slows all of them; the best times count. Also prints the difference from the official alpha
and, on a CPU, the operators that take most of the time.
"""

import argparse
import contextlib
import copy
from collections.abc import Callable

import numpy as np
import torch
from skimage.transform import resize as skimage_resize
from torch import Tensor
from torch.profiler import profile

from gfm.compat.hydra import instantiate
from gfm.inference import Hybrid, Inferer, Resize
from gfm.inference.resizing import scaled_size
from gfm.models.fusion import classify
from gfm.models.gfm import GFM
from gfm.models.precision import allow_tf32, bfloat16_hardware, choose_inference_format
from gfm.rosta import TT
from gfm.system.memory import keep_freed_memory
from tests.benchmarks.measure import (
    DEVICE,
    best_seconds,
    format_profile,
    return_freed_memory,
)
from tests.benchmarks.networks import model_node


def official_maps(model: GFM, photo: np.ndarray, scale: float) -> list[np.ndarray]:
    """Return alpha, glance and focus at one scale, each H×W, from H×W×3 RGB, uint8."""
    return_freed_memory()  # as in the official code
    torch.backends.cudnn.allow_tf32 = True  # torch's default, which our float32 inference changes
    height, width = photo.shape[:2]
    size = scaled_size(height, width, scale, 1600)
    small = torch.from_numpy(skimage_resize(photo, size).astype(np.float32))
    output = model(small.permute(2, 0, 1)[None].to(next(model.parameters()).device))
    branch = output.branches["tt"]
    maps = [output.alpha, classify(branch.glance), branch.focus]
    return [skimage_resize(m[0, 0].cpu().numpy(), (height, width)) for m in maps]


def official_resize(model: GFM, photo: np.ndarray) -> Tensor:
    """Return alpha, H×W."""
    return torch.from_numpy(official_maps(model, photo, 1 / 2)[0])


def official_hybrid(model: GFM, photo: np.ndarray) -> Tensor:
    """Return alpha, H×W."""
    glance = official_maps(model, photo, 1 / 3)[1]
    focus = official_maps(model, photo, 1 / 2)[2]
    return TT.fuse(torch.from_numpy(glance), torch.from_numpy(focus))


def ours(model: GFM, photo: np.ndarray, inferer: Inferer, is_half: bool) -> Tensor:
    """Return alpha, H×W."""
    keep_freed_memory()  # as evaluate.py and gfm predict do
    allow_tf32(is_half)  # as choose_inference_format does, which has run for all variants before
    device = next(model.parameters()).device
    picture = torch.from_numpy(photo).permute(2, 0, 1)[None].to(device)
    context = torch.autocast(device.type, torch.bfloat16) if is_half else contextlib.nullcontext()
    with context:
        return inferer(model, picture / 255).alpha[0, 0].cpu()


def print_inference(
    name: str,
    model: GFM,
    photo: np.ndarray,
    official: Callable[[GFM, np.ndarray], Tensor],
    inferer: Inferer,
) -> None:
    """Print the times of one kind of inference."""
    device = next(model.parameters()).device.type
    functions: dict[str, Callable[[], Tensor]] = {"official": lambda: official(model, photo)}
    for precision in ("32-true", "bf16-mixed")[: 2 if bfloat16_hardware(device) else 1]:
        fast = copy.deepcopy(model)
        choose_inference_format(fast, device, precision)
        is_half = precision != "32-true"
        functions[f"ours, {precision}"] = lambda m=fast, h=is_half: ours(m, photo, inferer, h)
    alphas = [function() for function in functions.values()]
    times = best_seconds(functions, rounds=4, repeats=2)
    for alpha, (label, seconds) in zip(alphas, times.items(), strict=True):
        off = (alpha - alphas[0]).abs().mean()
        speed = times["official"] / seconds
        ratio = "" if label == "official" else f"{speed:.2f}x, off by {off:.1e}"
        print(f"{name}, {label:18}{1000 * seconds:7.0f} ms  {ratio}")
    if device == "cpu":
        for label, function in functions.items():
            with profile() as profiler:
                function()
            print(f"{name}, {label}: {format_profile(profiler)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--height", type=int, default=1080, help="of the photo in pixels")
    parser.add_argument("--width", type=int, default=1620, help="of the photo in pixels")
    parser.add_argument("--backbone", default="r34", help="one of configs/backbone")
    parser.add_argument("--decoder-scale", type=float, default=1, help="as recipe.decoder_scale")
    parser.add_argument("--device", default=DEVICE)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # several threads would wait for each other on a busy machine
    torch.manual_seed(0)
    node = model_node(arguments.backbone, decoder_scale=arguments.decoder_scale)
    model = instantiate(node).eval().to(arguments.device)
    size = arguments.height, arguments.width
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    print(f"{arguments.backbone}, one {size[0]}x{size[1]} photo on {arguments.device}")
    with torch.inference_mode():
        print_inference("RESIZE", model, photo, official_resize, Resize())
        print_inference("HYBRID", model, photo, official_hybrid, Hybrid())


if __name__ == "__main__":
    main()
