"""How long a photo takes: RESIZE as the official code does it, HYBRID with both decoders in full.

Run: python -m tests.benchmarks inference [--height 540] [--width 810] [--backbone r34]
                                          [--decoder-scale 1]

RESIZE: the official code resizes by scikit-image, and its network is in torch's own memory format;
ours is in the one that evaluate.py takes on this device. Everything is float32.

HYBRID: both enlarge, fuse and return the same matte: the reference merely computes at each scale
the decoder that nobody reads, as the official code does. They run in turn, so a busy machine slows
both; the best of their times counts. Then float32 against bfloat16, and how far its matte is off.
"""

import argparse
import copy
import time
from collections.abc import Callable

import numpy as np
import torch
from skimage.transform import resize as skimage_resize
from torch import Tensor

from gfm.compat.hydra import instantiate
from gfm.inference import Hybrid, Resize
from gfm.inference.resizing import resize, scaled_size
from gfm.models.fusion import classify
from gfm.models.gfm import GFM
from gfm.models.performance import choose_inference_format
from tests.benchmarks.networks import model_node


def both_decoders(model: GFM, image: Tensor) -> Tensor:
    """Return alpha, glance and focus of HYBRID, with both decoders computed at both scales."""
    height, width = image.shape[-2:]
    inferer = Hybrid()
    small, large = (
        model(resize(image, scaled_size(height, width, scale, inferer.max_size)))
        for scale in (inferer.glance_scale, inferer.focus_scale)
    )
    (rosta,) = model.branches
    glance = resize(classify(small.branches[rosta.name].glance), (height, width))
    focus = resize(large.branches[rosta.name].focus, (height, width))
    return torch.cat([rosta.fuse(glance, focus), glance, focus])


def hybrid(model: GFM, image: Tensor) -> Tensor:
    """Alpha, glance and focus."""
    return torch.cat(Hybrid()(model, image)[:3])


def official_resize(model: GFM, photo: np.ndarray) -> Tensor:
    """Alpha, glance and focus of RESIZE, 3×1×H×W, from H×W×3 RGB, uint8."""
    height, width = photo.shape[:2]
    size = scaled_size(height, width, 0.5, 1600)
    small = torch.from_numpy(skimage_resize(photo, size).astype(np.float32))
    output = model(small.permute(2, 0, 1)[None].to(next(model.parameters()).device))
    (branch,) = output.branches.values()
    maps = [output.alpha, classify(branch.glance), branch.focus]
    enlarged = [skimage_resize(m[0, 0].cpu().numpy(), (height, width)) for m in maps]
    return torch.from_numpy(np.stack(enlarged))[:, None]


def print_resize(model: GFM, image: Tensor) -> None:
    photo = (image[0].permute(1, 2, 0) * 255).round().byte().cpu().numpy()
    fast = copy.deepcopy(model)
    choose_inference_format(fast, image.device.type, "32-true")

    def official() -> Tensor:
        return official_resize(model, photo)

    def ours() -> Tensor:
        picture = torch.from_numpy(photo).permute(2, 0, 1)[None].to(image.device)
        return torch.cat(Resize()(fast, picture / 255)[:3])

    difference = (ours().cpu() - official()).abs().mean()
    both, one = best_times([official, ours], rounds=5)
    print(f"RESIZE, the official way     {both:7.0f} ms")
    print(f"RESIZE, ours                 {one:7.0f} ms  {both / one:.2f}x, off by {difference:.1e}")


def best_times(functions: list[Callable[[], Tensor]], rounds: int) -> list[float]:
    """Return the shortest time of each function in ms, over rounds that run all in turn."""
    times = [float("inf")] * len(functions)
    for _ in range(rounds):
        for i, function in enumerate(functions):
            start = time.perf_counter()
            function().sum().item()  # waits for a GPU
            times[i] = min(times[i], 1000 * (time.perf_counter() - start))
    return times


def print_decoders(model: GFM, image: Tensor) -> None:
    def ours() -> Tensor:
        return hybrid(model, image)

    def reference() -> Tensor:
        return both_decoders(model, image)

    torch.testing.assert_close(ours(), reference(), rtol=0, atol=0)
    both, one = best_times([reference, ours], rounds=5)
    print(f"both decoders at both scales {both:7.0f} ms")
    print(f"one decoder per scale        {one:7.0f} ms  {both / one:.2f}x, the same matte")


def print_precisions(model: GFM, image: Tensor) -> None:
    def in_float32() -> Tensor:
        return hybrid(model, image)

    def in_bfloat16() -> Tensor:
        with torch.autocast(image.device.type, torch.bfloat16):
            return hybrid(model, image)

    difference = (in_bfloat16() - in_float32()).abs().mean()
    exact, half = best_times([in_float32, in_bfloat16], rounds=2)
    print(f"float32                      {exact:7.0f} ms")
    print(
        f"bfloat16                     {half:7.0f} ms  {exact / half:.2f}x, off by {difference:.1e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--height", type=int, default=540, help="of the photo in pixels")
    parser.add_argument("--width", type=int, default=810, help="of the photo in pixels")
    parser.add_argument("--backbone", default="r34", help="one of configs/backbone")
    parser.add_argument("--decoder-scale", type=float, default=1, help="as recipe.decoder_scale")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # several would wait for each other on a busy machine
    torch.manual_seed(0)
    node = model_node(arguments.backbone, decoder_scale=arguments.decoder_scale)
    model = instantiate(node).eval().to(arguments.device)
    image = torch.rand(1, 3, arguments.height, arguments.width, device=arguments.device)
    with torch.inference_mode():
        size = f"{arguments.height}x{arguments.width}"
        print(f"{arguments.backbone}, one {size} photo on {arguments.device}")
        print_resize(model, image)
        print_decoders(model, image)
        if not image.is_cuda:
            image = image[..., :192, :192]
            print("one 192x192 photo, since few CPUs calculate in bfloat16 and others emulate it")
        print_precisions(model, image)


if __name__ == "__main__":
    main()
