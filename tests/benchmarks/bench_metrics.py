"""Time of the gfm metrics compared with the official formulation, on one core.

Run: python -m tests.benchmarks metrics

The official formulation is `tests.metrics.reference`, in float64 like the official evaluation, both
with and without the distance maps that the official code computes but never uses. Ours scores the
same 8-bit mattes as float32 tensors, including input checks. All run in turn, so that a busy
machine slows all of them; the best times count.

Finally, prints Conn of the golden pairs with the background counted as a component.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage.measure import label

from gfm.metrics import connectivity_error, gradient_error, matting_metrics
from tests.benchmarks.measure import best_seconds
from tests.metrics import reference
from tests.metrics.pairs import furry_pair

SIZE = (1080, 1620)
ROUNDS = 7


def print_rows(name: str, noise: float) -> None:
    preds, target, trimap = furry_pair(*SIZE, noise=noise)
    pair = preds, target
    tensors = [torch.from_numpy(alpha).float() for alpha in pair] + [torch.from_numpy(trimap)]
    rows: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        (
            "suite",
            lambda: reference.gfm(*pair, trimap, distance_maps=True),
            lambda: matting_metrics(*tensors),
        ),
        (
            "conn",
            lambda: reference.gfm_connectivity(*pair, distance_maps=True),
            lambda: connectivity_error(*tensors[:2]),
        ),
        (
            "conn, no distance maps",
            lambda: reference.gfm_connectivity(*pair),
            lambda: connectivity_error(*tensors[:2]),
        ),
        ("grad", lambda: reference.gfm_gradient(*pair), lambda: gradient_error(*tensors[:2])),
    ]
    for metric, official, ours in rows:
        times = best_seconds({"official": official, "ours": ours}, ROUNDS)
        slow, fast = (1000 * seconds for seconds in times.values())
        print(f"{name:<8}{metric:<24}{slow:>12.0f}{fast:>10.1f}{slow / fast:>8.0f}x")
    expected, values = reference.gfm(*pair, trimap), matting_metrics(*tensors)
    deviation = max(abs(values[key] / expected[key] - 1) for key in values)
    print(f"{name:<8}largest relative deviation of the ten values: {deviation:.0e}")


def conn_counting_background(preds: np.ndarray, target: np.ndarray) -> float:
    """Compute Conn like many reimplementations, where the background may be the largest region."""
    level = np.full(preds.shape, -1, np.float32)
    for previous, threshold in pairwise(np.arange(0, 1.1, 0.1)):
        labels = label((preds >= threshold) & (target >= threshold), connectivity=1)
        omega = labels == np.bincount(labels.ravel()).argmax()
        level[(level == -1) & ~omega] = previous
    level[level == -1] = 1
    distances = [alpha - level for alpha in (preds, target)]
    return float(np.abs(np.subtract(*(d * (d >= 0.15) for d in distances))).sum() / 1000)


def print_copies() -> None:
    with np.load(Path(__file__).parents[1] / "golden" / "metrics.npz") as arrays:
        for i in range(3):
            pair = arrays[f"pred_{i}"] / 255, arrays[f"alpha_{i}"] / 255
            conn, copy = float(connectivity_error(*pair)), conn_counting_background(*pair)
            change = f"{copy / conn - 1:+.0%}"
            print(f"golden {i}: conn {conn:.3f}, background counted {copy:.3f} ({change})")


def main() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    print(f"one {SIZE[0]}x{SIZE[1]} pair, one thread each, best of {ROUNDS} in turn")
    print(f"{'pair':<8}{'metric':<24}{'official ms':>12}{'ours ms':>10}{'ratio':>9}")
    print_rows("furry", noise=0.0)
    print_rows("noisy", noise=0.1)
    print_copies()


if __name__ == "__main__":
    main()
