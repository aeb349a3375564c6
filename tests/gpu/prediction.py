"""Stage 9: photos per second of gfm predict and evaluate.py, and frames of a clip."""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

from gfm.animals import DrawnAnimals
from gfm.animals.sample import draw_sample
from gfm.inference import Hybrid
from gfm.inference.input_files import find_inputs
from gfm.inference.outputs import Output, OutputMaker
from gfm.inference.predict_files import predict_files
from gfm.inference.predictor import Precision
from gfm.inference.result_files import ResultFiles
from gfm.inference.video.clips import predict_clip
from gfm.inference.video.codecs import ClipOptions
from gfm.run.evaluate import evaluate
from tests.conftest import DEMO, compose_config
from tests.golden.formula import formula_state_dict
from tests.gpu.clock import busy_seconds, synchronize
from tests.gpu.memory import OUTPUTS, make_maker
from tests.gpu.stage import Stage
from tests.inference.video.clips import draw_frames, write_clip


def run(stage: Stage) -> None:
    """Measure photos, an evaluation and a clip, in float32 and half precision."""
    photos = stage.folder / "photos"
    number = 2 if stage.is_rehearsal else 24
    with stage.part("drawing"):
        _draw(stage, photos, number)
    precisions: tuple[Precision, ...] = ("32", stage.half)
    for precision in precisions:
        with stage.part(f"predict, {precision}"):
            maker = make_maker(stage, Hybrid(), precision=precision)
            sources = find_inputs([str(photos)], stage.folder / "predicted").sources
            out = stage.folder / "predicted" / precision
            results = ResultFiles(out, OUTPUTS, overwrite=True)
            predict_files(maker, sources[:1], results)  # warm-up
            _record(stage, f"predict, {precision}", number, "photos/s",
                    lambda m=maker, s=sources, r=results: predict_files(m, s, r))  # fmt: skip
    for precision in precisions:
        if stage.has_time(f"video, {precision}", 5):
            with stage.part(f"video, {precision}"):
                _video(stage, precision)
    for precision in ("32-true", f"{stage.half}-mixed"):
        if stage.has_time(f"evaluate, {precision}", 20):
            with stage.part(f"evaluate, {precision}"):
                _evaluate(stage, precision)


def _draw(stage: Stage, folder: Path, number: int) -> None:
    """Draw four photos, and save them repeatedly until there are ``number``."""
    folder.mkdir(parents=True, exist_ok=True)
    height, width = (96, 144) if stage.is_rehearsal else (1080, 1620)
    drawn = [Image.fromarray(draw_sample(0, i, height, width).image) for i in range(min(number, 4))]
    for index in range(number):
        drawn[index % len(drawn)].save(folder / f"{index}.jpg", quality=95)


def _record(stage: Stage, name: str, number: int, unit: str, work: Callable[[], object]) -> None:
    """Record how many items ``work`` does per second, and the share in which kernels run."""
    synchronize()
    start = time.perf_counter()
    work()
    synchronize()
    seconds = time.perf_counter() - start
    stage.measured(name, number / seconds, unit)
    if not stage.is_rehearsal and (busy := busy_seconds(work)) is not None:
        stage.measured(f"{name}: busy share", 100 * busy / seconds, "%")


def _video(stage: Stage, precision: Precision) -> None:
    height, width = (96, 144) if stage.is_rehearsal else (1080, 1920)
    count = 8 if stage.is_rehearsal else 48
    frames = draw_frames(8, height, width)
    clip = write_clip(
        stage.folder / "clip.mp4",
        [frames[i % 8] for i in range(count)],
        [40 * i for i in range(count)],
    )
    targets: dict[Output, Path] = {"alpha": stage.folder / "clip_alpha.mkv"}
    predictor = make_maker(stage, Hybrid(), precision=precision).predictor
    maker = OutputMaker(predictor, ["alpha"])
    name = f"video of {height}×{width}, {precision}"
    maker(frames[0])  # warm-up
    options = ClipOptions()
    _record(stage, name, count, "frames/s", lambda: predict_clip(maker, clip, targets, options))


def _evaluate(stage: Stage, precision: str) -> None:
    """Score a released architecture on drawn photos."""
    checkpoint = stage.folder / "gfm_r34_tt.pth"
    if not checkpoint.exists():
        torch.save(formula_state_dict("r34_TT"), checkpoint)
    size = {"height": 640, "width": 960, "num_validation": 16, "num_train": 1}
    counts = {**DEMO, **({} if stage.is_rehearsal else size)}
    demo = stage.folder / "evaluated"
    DrawnAnimals(demo, **counts).find()
    options = [f"data.source.{key}={value}" for key, value in counts.items()]
    options += [f"paths.demo={demo}", f"checkpoint={checkpoint}", f"trainer.precision={precision}"]
    options += [f"trainer.accelerator={stage.accelerator}"]

    def score(name: str, *more: str) -> dict[str, float]:
        folder = stage.folder / f"{name}_{precision}"
        return evaluate(compose_config("evaluate", [*options, f"paths.run={folder}", *more]))[0]

    name, start = f"evaluate, {precision}", time.perf_counter()
    number = score("evaluation")["num_images"]
    seconds = time.perf_counter() - start
    stage.equal(f"{name}: photos", number, counts["num_validation"])
    stage.measured(name, number / seconds, "photos/s", "with its start")
    if stage.is_rehearsal:
        return
    # Loader processes are not forked while the profiler runs.
    busy = busy_seconds(lambda: score("profiled", "data.num_workers=0"))
    if busy is not None:
        stage.measured(f"{name}: busy share", 100 * busy / seconds, "%")
