"""Defines ``gfm predict``; imports are lazy, to keep --help fast."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from gfm.cli.options import (
    CheckpointOption,
    DeviceOption,
    InferenceOption,
    MaxSizeOption,
    OverwriteOption,
    ShardOption,
    TrustOption,
)
from gfm.run.exit import report_errors
from gfm.system.processes import exit_on_sigterm

# Repeats the choices of gfm.inference, because --help should not wait for torch.
Precision = Literal["32", "bf16", "16"]
ForegroundMethod = Literal["blur", "ml"]
AlphaVideo = Literal["ffv1", "h264"]
CutoutVideo = Literal["prores", "vp9", "png"]

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="Photos, clips, folders (with their sub-folders), 'patterns/**/*.jpg', or - for a "
        "photo from standard input.",
    ),
]
Out = Annotated[
    Path,
    typer.Option("-o", "--out", help="Folder for the results: alpha/, cutout/ …"),
]
Outputs = Annotated[
    str,
    typer.Option(
        help="What to write, separated by commas: alpha (the matte), cutout (RGBA), composite, "
        "glance and focus (the results of the two decoders)."
    ),
]
BackgroundChoice = Annotated[
    str | None,
    typer.Option(
        help="Also write composites on this background: a picture, or a colour like '#00aa77'."
    ),
]
Bits = Annotated[int, typer.Option(help="Bits per pixel of the mattes: 8 or 16.")]
Branch = Annotated[
    str | None,
    typer.Option(
        help="With a RIM network, write the matte of the branch tt, ft or bt instead of their "
        "combination."
    ),
]
ForegroundChoice = Annotated[
    ForegroundMethod,
    typer.Option(
        help="How the colours of cut-outs are estimated: blur (blur fusion), or ml (multi-level; "
        "starts more slowly and needs pymatting)."
    ),
]
PrecisionChoice = Annotated[
    Precision,
    typer.Option(help="Precision of the network: 32; or bf16 or 16, faster on some devices."),
]
AlphaVideoChoice = Annotated[
    AlphaVideo,
    typer.Option(
        help="Format of the mattes of clips: ffv1 (.mkv, lossless) or h264 (.mp4, plays anywhere)."
    ),
]
CutoutVideoChoice = Annotated[
    CutoutVideo,
    typer.Option(
        help="Format of the cut-outs of clips: prores (4444, .mov, for editors), vp9 (.webm, for "
        "browsers), or png (a folder of frames)."
    ),
]
Smooth = Annotated[
    bool,
    typer.Option(
        "--smooth", help="Average the mattes of clips along the motion, which reduces flicker."
    ),
]


@report_errors("the same command")
@exit_on_sigterm()
def predict(
    inputs: Inputs,
    checkpoint: CheckpointOption,
    out: Out,
    output: Outputs = "alpha,cutout",
    background: BackgroundChoice = None,
    bits: Bits = 8,
    overwrite: OverwriteOption = False,
    shard: ShardOption = "1/1",
    inference: InferenceOption = None,
    branch: Branch = None,
    max_size: MaxSizeOption = 1080,
    foreground: ForegroundChoice = "blur",
    device: DeviceOption = None,
    precision: PrecisionChoice = "32",
    alpha_video: AlphaVideoChoice = "ffv1",
    cutout_video: CutoutVideoChoice = "prores",
    smooth: Smooth = False,
    trust: TrustOption = None,
) -> None:
    """Matte photos and clips: alpha, cut-outs with the foreground's own colours, composites.

    Results keep the size and name of their photo; those of clips also keep timestamps and audio.
    Existing results are skipped, so repeat a stopped command to resume it. If a file fails, the
    others are still processed, and the exit status is 1.
    """
    from gfm.checkpoints import load_model, read_checkpoint
    from gfm.checkpoints.sources import find_checkpoint
    from gfm.inference.input_files import find_inputs
    from gfm.inference.outputs import Background, OutputMaker, parse_outputs
    from gfm.inference.predict_files import predict_files
    from gfm.inference.result_files import ResultFiles, select_sources
    from gfm.inference.video.codecs import ClipOptions
    from gfm.system.memory import keep_freed_memory
    from gfm.system.shards import Shard

    part = Shard.parse(shard)
    outputs = parse_outputs(output, bits, background)
    clips = ClipOptions(alpha_video, cutout_video, smooth)
    results = ResultFiles(out, outputs, clips, overwrite)
    behind = Background(background) if background is not None else None
    found = find_inputs(inputs, out)
    weights = find_checkpoint(checkpoint)
    others = [Path(background)] if background is not None else []
    todo, failures = select_sources(found, results, weights, others, part)
    if not todo:
        read_checkpoint(weights, trust or ())  # so that an invalid checkpoint is reported, too
        return
    if any(source.is_clip for source in todo):
        clips.check(bits)
    keep_freed_memory()
    options = (precision, inference, trust or (), branch, max_size or None, foreground)
    predictor = load_model(weights, device, *options)
    predict_files(OutputMaker(predictor, outputs, bits, behind), todo, results, failures)
