"""Gain and cost of temporal smoothing, and the memory that clips of two lengths take.

Run: python -m tests.benchmarks video [--checkpoint best.ckpt] [--frames 48] [--height 360]

Clips of moving drawn animals, with exact mattes and sensor noise, are matted by the network of the
checkpoint. Without a checkpoint, errors are added to the exact mattes in soft regions,
independently in every frame. Prints dtSSD times 100 and SAD in thousands of pixels: of the mattes,
of the smoothed mattes, and of the smoothed exact mattes, whose error comes from smoothing alone.
Then ``gfm predict`` mattes a clip and one four times as long, and the memory peaks are compared.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gfm import load_model
from gfm.inference.video.clips import predict_clip
from gfm.inference.video.codecs import ClipOptions
from gfm.inference.video.smoothing import Smoother
from tests.benchmarks.measure import peak_mebibytes, reset_peak
from tests.inference.video.clips import write_clip
from tests.inference.video.moving import draw_moving, flicker, sad

Guess = Callable[[np.ndarray, np.ndarray], np.ndarray]


def wrong_where_soft() -> Guess:
    rng = np.random.default_rng(0)

    def guess(frame: np.ndarray, truth: np.ndarray) -> np.ndarray:
        off = rng.standard_normal(truth.shape, np.float32)
        return (truth + 1.2 * truth * (1 - truth) * off).clip(0, 1)

    return guess


def of_network(checkpoint: str) -> Guess:
    matte = load_model(checkpoint)
    return lambda frame, truth: matte(frame)


def width_of(height: int) -> int:
    """Return the width of a frame; it is even, as H.264 requires."""
    return height * 3 // 4 * 2


def tensor(frame: np.ndarray) -> Tensor:
    return torch.from_numpy(frame).permute(2, 0, 1)[None]


def smoothed(frames: list[np.ndarray], alphas: list[np.ndarray]) -> list[np.ndarray]:
    smooth = Smoother()
    pairs = zip(frames, alphas, strict=True)
    return [smooth(tensor(f), torch.from_numpy(a)[None, None])[0, 0].numpy() for f, a in pairs]


def print_flicker(guess: Guess, num_clips: int, num_frames: int, height: int) -> None:
    errors: dict[str, list[tuple[float, float]]] = {}
    seconds = 0.0
    for index in range(num_clips):
        clip = draw_moving(num_frames, height, width_of(height), index)
        alphas = [guess(f, a) for f, a in zip(clip.frames, clip.alphas, strict=True)]
        start = time.process_time()
        results = {"as they are": alphas, "smoothed": smoothed(clip.frames, alphas)}
        seconds += time.process_time() - start
        results["the truth smoothed"] = smoothed(clip.frames, clip.alphas)
        for name, result in results.items():
            errors.setdefault(name, []).append(
                (flicker(result, clip.alphas), sad(result, clip.alphas))
            )
    print(f"{num_clips} clips of {num_frames} frames of {height}x{width_of(height)}")
    for name, values in errors.items():
        mean = np.mean(values, axis=0)
        print(f"  {name:20s} dtSSD x 100 {mean[0]:6.2f}   SAD {mean[1]:6.2f}")
    print(f"  smoothing takes {seconds / num_clips / num_frames:.3f} s of one core a frame")


def print_memory(num_frames: int, height: int) -> None:
    """Print the memory peaks without the network, whose memory does not depend on the length."""

    def make(image: np.ndarray, smoother: Smoother | None) -> dict[str, np.ndarray]:
        alpha = torch.from_numpy(image[..., 0].copy())[None, None] / 255
        matte = (255 * smoother(tensor(image), alpha)[0, 0]).byte().numpy()
        return {"alpha": matte, "cutout": np.dstack([image, matte]), "composite": image}

    frames = draw_moving(8, height, width_of(height)).frames
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        # The first run is a warm-up, for what is loaded and allocated only once.
        for count in (num_frames, num_frames, 4 * num_frames):
            times = [40 * i for i in range(count)]
            long = [frames[i % len(frames)] for i in range(count)]
            clip = write_clip(Path(folder, "clip.mp4"), long, times, audio="aac")
            options = ClipOptions(is_smooth=True)
            targets = {
                o: Path(folder, f"{o}{options.format_of(o).suffix}")
                for o in ("alpha", "cutout", "composite")
            }
            reset_peak("cpu")
            predict_clip(make, clip, targets, options)
            peaks.append(peak_mebibytes("cpu"))
    for count, peak in zip((num_frames, 4 * num_frames), peaks[1:], strict=True):
        print(f"  {count:4d} frames of {height}x{width_of(height)}: {peak:6.0f} MiB peak")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", help="of the network that mattes the clips")
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--height", type=int, default=360)
    arguments = parser.parse_args()
    guess = of_network(arguments.checkpoint) if arguments.checkpoint else wrong_where_soft()
    print_flicker(guess, arguments.clips, arguments.frames, arguments.height)
    print_memory(arguments.frames, arguments.height)


if __name__ == "__main__":
    main()
