"""Defines ``gfm predict``."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gfm.cli.options import CheckpointOption, DeviceOption, InferenceOption, TrustOption

if TYPE_CHECKING:
    from gfm.inference.input_files import Source
    from gfm.inference.outputs import Output
    from gfm.inference.video.codecs import ClipOptions


class PrecisionName(str, Enum):
    """Precisions of convolutions."""

    single = "32"
    bfloat16 = "bf16"
    half = "16"


class ForegroundName(str, Enum):
    """Methods that estimate the colours of cut-outs."""

    blur = "blur"
    ml = "ml"


class AlphaVideo(str, Enum):
    """Formats of the mattes of clips."""

    ffv1 = "ffv1"
    h264 = "h264"


class CutoutVideo(str, Enum):
    """Formats of the cut-outs of clips."""

    prores = "prores"
    vp9 = "vp9"
    png = "png"


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT…",
        help="Photos, clips, folders (with their sub-folders), 'patterns/**/*.jpg', or - for a "
        "photo from standard input.",
    ),
]
Out = Annotated[
    Path,
    typer.Option("-o", "--out", help="Folder for the results, which gets alpha/, cutout/ …"),
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
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Make results again that exist already.")
]
Branch = Annotated[
    str | None,
    typer.Option(
        help="With a RIM network, write the matte of the branch tt, ft or bt instead of their "
        "combination."
    ),
]
MaxSize = Annotated[
    int,
    typer.Option(
        min=0,
        help="Largest shorter side in pixels at which photos are matted; mattes of larger photos "
        "are enlarged along edges. 0 sets no limit.",
    ),
]
ForegroundChoice = Annotated[
    ForegroundName,
    typer.Option(
        help="How the colours of cut-outs are estimated: blur (blur fusion), or ml (multi-level; "
        "starts more slowly and needs pymatting)."
    ),
]
PrecisionChoice = Annotated[
    PrecisionName,
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


def predict(
    inputs: Inputs,
    checkpoint: CheckpointOption,
    out: Out,
    output: Outputs = "alpha,cutout",
    background: BackgroundChoice = None,
    bits: Bits = 8,
    overwrite: Overwrite = False,
    inference: InferenceOption = None,
    branch: Branch = None,
    max_size: MaxSize = 1080,
    foreground: ForegroundChoice = ForegroundName.blur,
    device: DeviceOption = None,
    precision: PrecisionChoice = PrecisionName.single,
    alpha_video: AlphaVideoChoice = AlphaVideo.ffv1,
    cutout_video: CutoutVideoChoice = CutoutVideo.prores,
    smooth: Smooth = False,
    trust: TrustOption = None,
) -> None:
    """Matte photos and clips: alpha, cut-outs with the foreground's own colours, composites.

    Results have the size and the name of their photo; results of clips also have the frame rate and
    the sound. Existing results are not made again, so a stopped command can be repeated to go on.
    If a file fails, the others are still made, and the exit status is 1.
    """
    from gfm.run.exit import report_errors

    with report_errors(resume="the same command"):
        # Imported here, because --help should not wait for torch.
        from gfm.inference.outputs import Background, Results, parse_outputs
        from gfm.inference.predict_files import predict_files
        from gfm.inference.video.codecs import ClipOptions

        outputs = parse_outputs(output, bits, background)
        clips = ClipOptions(alpha_video.value, cutout_video.value, smooth)
        behind = Background(background) if background is not None else None
        todo = _find_todo(inputs, out, overwrite, outputs, bits, clips)
        if not todo:
            return
        from gfm.checkpoints import load_model

        predictor = load_model(
            checkpoint,
            device,
            precision.value,
            inference,
            trust or (),
            branch,
            max_size or None,
            foreground.value,
        )
        predict_files(Results(predictor, outputs, bits, behind), todo, out, outputs, clips)


def _find_todo(
    inputs: list[str],
    out: Path,
    overwrite: bool,
    outputs: "list[Output]",
    bits: int,
    clips: "ClipOptions",
) -> "list[Source]":
    """Return the photos and clips to matte, after checking that clips can be read and written."""
    from gfm.inference.input_files import find_sources
    from gfm.inference.predict_files import unmade
    from gfm.system.extras import need

    sources = find_sources(inputs, out)
    todo = sources if overwrite else unmade(sources, out, outputs, clips)
    if len(todo) < len(sources):
        typer.echo(f"{len(sources) - len(todo):,} of {len(sources):,} exist already")
    if any(source.is_clip for source in todo):
        need("av", "video", "video")
        clips.check(bits)
    return todo
