"""Stage 8: the largest batches and photos, and what happens when memory runs out."""

import io
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout, suppress
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image

from gfm.compat.hydra import instantiate
from gfm.errors import GFMError
from gfm.inference import Hybrid, Inferer, Native, Predictor
from gfm.inference.input_files import find_inputs
from gfm.inference.outputs import Output, OutputMaker
from gfm.inference.predict_files import predict_files
from gfm.inference.result_files import ResultFiles
from gfm.losses import Criterion
from gfm.models.gfm import GFM
from tests.benchmarks.measure import peak_mebibytes, reset_peak
from tests.benchmarks.networks import OFFICIAL, model_node
from tests.conftest import SMALL_NODE
from tests.gpu.clock import synchronize
from tests.gpu.stage import Stage, release_memory

_CAP = 512  # samples
_REHEARSED_LIMIT = 4  # samples assumed to fit in a rehearsal
_PHOTOS = {12: (3000, 4000), 24: (4000, 6000), 50: (5792, 8688)}
OUTPUTS: list[Output] = ["alpha", "cutout"]


def run(stage: Stage) -> None:
    """Search for the largest batches, then matte large photos."""
    for megapixels, size in _PHOTOS.items():
        name = f"predict at {megapixels} megapixels"
        if stage.has_time(name, 5):
            with stage.part(name):
                _predict(stage, name, (96, 144) if stage.is_rehearsal else size)
    with stage.part("out of memory on one photo"):
        _run_out(stage)
    for backbone in OFFICIAL[:1] if stage.is_rehearsal else OFFICIAL:
        for recomputes in (False, True):
            name = f"{backbone}{', recomputation' * recomputes}: largest batch, {stage.half}-mixed"
            if stage.has_time(name, 15):
                with stage.part(name):
                    _search(stage, name, backbone, recomputes)


def make_network(stage: Stage, backbone: str = "r34", **options: object) -> GFM:
    """Return a network with random weights; in a rehearsal, it has only a few thousand."""
    node = {**SMALL_NODE, **options} if stage.is_rehearsal else model_node(backbone, **options)
    torch.manual_seed(0)
    with torch.device(stage.device):
        network: GFM = instantiate(node)
    return network


def _search(stage: Stage, name: str, backbone: str, recomputes: bool) -> None:
    """Record the largest trainable batch of 3×320×320: a power of two, or half-way between two."""
    model = make_network(stage, backbone, activation_checkpointing=recomputes, channels_last=True)
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5, fused=True)
    reasons: list[str] = []
    largest = largest_batch(lambda batch: _fits(stage, model, optimizer, batch, reasons), _CAP)
    note = "the largest one tried" if largest == _CAP else "; ".join(reasons)
    stage.at_least(name, largest, 1, "samples", note)


def largest_batch(fits: Callable[[int], bool], cap: int) -> int:
    """Return the largest batch up to ``cap`` that fits: a power of two, or half-way to the next."""
    batch = 0
    while max(1, 2 * batch) <= cap and fits(max(1, 2 * batch)):
        batch = max(1, 2 * batch)
    half_way = batch + batch // 2
    return half_way if batch and half_way < cap and fits(half_way) else batch


def _fits(
    stage: Stage, model: GFM, optimizer: torch.optim.Optimizer, batch: int, reasons: list[str]
) -> bool:
    """Return whether a batch trains; append other errors than out-of-memory to ``reasons``."""
    try:
        _step(stage, model, optimizer, batch)
    except RuntimeError as error:  # such as a kernel that indexes with 32 bits
        if not isinstance(error, torch.OutOfMemoryError):
            reasons.append(" ".join(f"{batch}: {error}".split())[:150])
    else:
        return True
    optimizer.zero_grad()  # outside the handler, where the error no longer holds tensors
    release_memory()
    return False


def _step(stage: Stage, model: GFM, optimizer: torch.optim.Optimizer, batch: int) -> None:
    if stage.is_rehearsal and batch > _REHEARSED_LIMIT:
        raise torch.OutOfMemoryError("rehearsed")
    size = 64 if stage.is_rehearsal else 320
    given = {"alpha": torch.rand(batch, 1, size, size, device=stage.device)}
    for name in ("image", "foreground", "background"):
        given[name] = torch.rand(batch, 3, size, size, device=stage.device)
    given["trimap_25"] = torch.full_like(given["alpha"], 128)
    dtype = torch.float16 if stage.half == "16" else torch.bfloat16
    with torch.autocast(stage.device, dtype):
        output = model(given["image"])
        loss = Criterion("tt")(output, given)["total"]
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    synchronize()


def make_maker(stage: Stage, inferer: Inferer, **options: Any) -> OutputMaker:
    """Return a maker of mattes and cut-outs; the options are those of the predictor."""
    return OutputMaker(Predictor(make_network(stage), inferer, stage.device, **options), OUTPUTS)


def _predict(stage: Stage, name: str, size: tuple[int, int]) -> None:
    """Record the seconds and memory that the matte and cut-out of a photo take."""
    maker = make_maker(stage, Hybrid())
    image = _photo(size)
    maker(image)
    synchronize()
    reset_peak()
    start = time.perf_counter()
    maker(image)
    synchronize()
    stage.measured(name, time.perf_counter() - start, "s")
    stage.measured(f"{name}: peak memory", peak_mebibytes(), "MiB")


def _photo(size: tuple[int, int]) -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    return np.array(Image.fromarray(small).resize(size[::-1], Image.Resampling.BILINEAR))


def _run_out(stage: Stage) -> None:
    """Let a large photo run out of memory: a smaller size must work, and the next photo, too."""
    photos, out = stage.folder / "memory/photos", stage.folder / "memory/out"
    photos.mkdir(parents=True, exist_ok=True)
    small, large = ((96, 144), (192, 288)) if stage.is_rehearsal else ((1080, 1620), (5792, 8688))
    for name, size in (("a_large", large), ("b_small", small)):
        Image.fromarray(_photo(size)).save(photos / f"{name}.jpg")
    # At full size, the large photo needs 29 times the memory of the small one.
    maker = make_maker(stage, Native(), max_size=None)
    sources = find_inputs([str(photos)], out).sources
    reset_peak()
    maker(_photo(small))
    synchronize()
    limited = _refuse(maker, small) if stage.is_rehearsal else _limit(1.5 * peak_mebibytes() + 2560)
    with limited, suppress(GFMError), redirect_stdout(io.StringIO()) as printed:
        predict_files(maker, sources, ResultFiles(out, OUTPUTS))  # says how many failed
    print(printed.getvalue())
    tried = re.findall(r"a_large.*; trying --max-size (\d+)", printed.getvalue())
    stage.at_least(
        "sizes tried after a photo ran out of memory", len(tried), 1, "", ", ".join(tried)
    )
    written = ", ".join(sorted(path.stem for path in out.glob("alpha/*")))
    stage.equal("photos matted, of which a_large runs out of memory", written, "a_large, b_small")


@contextmanager
def _limit(mebibytes: float) -> Iterator[None]:
    """Limit the GPU memory of this process."""
    total = torch.cuda.get_device_properties(0).total_memory / 2**20
    release_memory()
    torch.cuda.set_per_process_memory_fraction(min(1.0, mebibytes / total))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def _refuse(maker: OutputMaker, size: tuple[int, int]) -> AbstractContextManager[object]:
    """Replace the inferer with one that runs out of memory above a size."""
    inferer = maker.predictor.inferer

    def refusing(model: GFM, image: torch.Tensor) -> object:
        if image.shape[-1] > size[1]:
            raise torch.OutOfMemoryError("CUDA out of memory (rehearsed)")
        return inferer(model, image)

    return mock.patch.object(maker.predictor, "inferer", refusing)
