"""Speed of making mattes and cut-outs of a folder of photos, against the official order of work.

Run: python -m tests.benchmarks predict [--photos 4] [--height 1080] [--width 1620] [--backbone r34]
                                        [--decoder-scale 1]

The reference is the loop of the official test on user photos with HYBRID: one photo after another
is decoded, resized by scikit-image, run through both decoders at both scales, enlarged by
scikit-image, fused, multiplied by its matte and written. Ours is the loop of ``gfm predict``, which
also estimates the colours of the foreground, with the same network, photos and inference. They run
in turn, and the best time of each counts. Then ours runs as often in bfloat16, if the device has it
in hardware.
"""

import argparse
import copy
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from skimage.transform import resize as skimage_resize

from gfm.animals.sample import draw_sample
from gfm.compat.hydra import instantiate
from gfm.inference import Hybrid, Predictor
from gfm.inference.input_files import Source, find_inputs
from gfm.inference.outputs import Output, OutputMaker
from gfm.inference.predict_files import predict_files
from gfm.inference.resizing import scaled_size
from gfm.inference.result_files import ResultFiles
from gfm.models.gfm import GFM
from gfm.models.precision import bfloat16_hardware
from tests.benchmarks.measure import DEVICE
from tests.benchmarks.networks import model_node

OUTPUTS: list[Output] = ["alpha", "cutout"]


def draw_photos(folder: Path, num_photos: int, height: int, width: int) -> None:
    for index in range(num_photos):
        sample = draw_sample(0, index, height, width)
        Image.fromarray(sample.image).save(folder / f"{index}.jpg", quality=95)


def official_scale(model: GFM, image: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return glance in 0..255 and focus in [0, 1] at full size, both computed at one scale."""
    height, width = image.shape[:2]
    small = skimage_resize(image, scaled_size(height, width, scale, 1600)).astype(np.float32)
    output = model(torch.from_numpy(small)[None].permute(0, 3, 1, 2).to(DEVICE)).branches["tt"]
    classes = output.glance.cpu().numpy().argmax(axis=1)[0]
    glance = np.array([0, 128, 255], np.uint8)[classes]
    focus = output.focus.cpu().numpy()[0, 0]
    return skimage_resize(glance, (height, width)) * 255, skimage_resize(focus, (height, width))


def official_loop(model: GFM, sources: list[Source], out: Path) -> None:
    for source in sources:
        image = np.array(Image.open(source.path))[:, :, :3]
        glance, _ = official_scale(model, image, 1 / 3)
        _, focus = official_scale(model, image, 1 / 2)
        unknown = np.ones(glance.shape)
        unknown[glance == 255] = 0
        unknown[glance == 0] = 0
        alpha = glance * (1 - unknown) / 255 + focus * unknown
        colours = [image[:, :, i] * alpha for i in (2, 1, 0)]
        opacity = (alpha * 255).astype(np.uint8)
        cutout = cv2.merge([*(c.astype(np.uint8) for c in colours), opacity])
        for name, picture in (("cutout", cutout), ("alpha", opacity)):
            (out / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(out / name / f"{source.name}.png"), picture)


class Stopwatch:
    """Adds up the time spent in the network's two passes.

    Args:
        model: Network whose passes are timed from now on.
    """

    def __init__(self, model: GFM) -> None:
        self.seconds = 0.0
        for name in ("run_glance", "run_focus"):
            setattr(model, name, self._timed(getattr(model, name)))

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            start = now()
            result = function(*arguments)
            self.seconds += now() - start
            return result

        return timed


def now() -> float:
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def difference(ours: Path, theirs: Path) -> float:
    """Return the mean difference between two folders of mattes, on a scale of 0 to 255."""
    pairs = [(cv2.imread(str(p), 0), cv2.imread(str(theirs / p.name), 0)) for p in ours.iterdir()]
    return float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in pairs]))


def compare(folder: Path, model: GFM, num_rounds: int) -> None:
    sources = find_inputs([str(folder / "photos")], folder).sources
    official = copy.deepcopy(model)  # ours changes the memory format
    maker = OutputMaker(Predictor(model, Hybrid(), DEVICE), OUTPUTS)
    watch = Stopwatch(model)

    def ours(maker: OutputMaker, out: Path) -> tuple[float, float]:
        """Return the seconds, and the fraction spent in the network."""
        start, watch.seconds = now(), 0.0
        predict_files(maker, sources, ResultFiles(out, OUTPUTS, overwrite=True))
        seconds = now() - start
        return seconds, watch.seconds / seconds

    slow, fast = float("inf"), (float("inf"), 0.0)
    for _ in range(num_rounds):
        start = now()
        with torch.no_grad():
            official_loop(official, sources, folder / "official")
        slow = min(slow, now() - start)
        fast = min(fast, ours(maker, folder / "ours"))
    print(f"official order of work  {slow / len(sources):6.2f} s per photo")

    def show(name: str, best: tuple[float, float], alphas: Path, reference: Path) -> None:
        seconds, share = best
        print(
            f"{name:22}  {seconds / len(sources):6.2f} s per photo  "
            f"{slow / seconds:.2f}x, {share:.0%} of it in the network, "
            f"mattes differ by {difference(alphas, reference):.2f} of 255 on average"
        )

    show("gfm predict", fast, folder / "ours/alpha", folder / "official/alpha")
    if bfloat16_hardware(DEVICE):
        maker = OutputMaker(Predictor(model, Hybrid(), DEVICE, "bf16"), OUTPUTS)
        fast = min(ours(maker, folder / "bf16") for _ in range(num_rounds))
        show("the same in bfloat16", fast, folder / "bf16/alpha", folder / "ours/alpha")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=4)
    parser.add_argument("--height", type=int, default=1080, help="of the photos in pixels")
    parser.add_argument("--width", type=int, default=1620, help="of the photos in pixels")
    parser.add_argument("--backbone", default="r34", help="one of configs/backbone")
    parser.add_argument("--decoder-scale", type=float, default=1, help="as recipe.decoder_scale")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    node = model_node(arguments.backbone, decoder_scale=arguments.decoder_scale)
    model: GFM = instantiate(node).eval().to(DEVICE)
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "photos").mkdir()
        size = arguments.height, arguments.width
        draw_photos(Path(place) / "photos", arguments.photos, *size)
        print(
            f"{arguments.photos} photos of {size[0]}x{size[1]}, {arguments.backbone}, on {DEVICE}"
        )
        compare(Path(place), model, arguments.rounds)


if __name__ == "__main__":
    main()
