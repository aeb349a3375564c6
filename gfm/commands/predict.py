"""``gfm predict``."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Precision(str, Enum):
    """Of convolutions."""

    single = "32"
    bfloat16 = "bf16"
    half = "16"


class Foreground(str, Enum):
    """How colours of cut-outs are estimated."""

    blur = "blur"
    ml = "ml"


class AlphaVideo(str, Enum):
    """Formats of mattes of clips."""

    ffv1 = "ffv1"
    h264 = "h264"


class CutoutVideo(str, Enum):
    """Formats of cut-outs of clips."""

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
CheckpointPath = Annotated[
    str, typer.Option(help="A run's .ckpt, a released .pth or a .safetensors.", metavar="FILE")
]
Out = Annotated[
    Path,
    typer.Option("-o", "--out", help="Folder for the results: alpha/, cutout/ and so on in it."),
]
Outputs = Annotated[
    str,
    typer.Option(
        help="Of alpha (the matte), cutout (RGBA), composite, glance and focus (what the two "
        "decoders say); several with commas."
    ),
]
BackgroundChoice = Annotated[
    str | None,
    typer.Option(help="Also write composites on this: a picture, or a colour like '#00aa77'."),
]
Bits = Annotated[int, typer.Option(help="Of mattes: 8 or 16.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Make again what is there.")]
Inference = Annotated[
    str | None,
    typer.Option(
        help="How a photo is looked at: hybrid, resize, rim or native.",
        show_default="that of the checkpoint's run, else the official one",
    ),
]
Branch = Annotated[
    str | None,
    typer.Option(help="Of a RIM network: the matte of tt, ft or bt instead of their integration."),
]
MaxSize = Annotated[
    int,
    typer.Option(
        min=0,
        help="Photos with a larger shorter side are looked at as at this one, in pixels, and their "
        "mattes enlarged along edges; 0: never.",
    ),
]
ForegroundChoice = Annotated[
    Foreground,
    typer.Option(
        help="Colours of cut-outs: blur fusion, or ml (slower to start; needs pymatting)."
    ),
]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1.", show_default="a GPU if there is one")
]
PrecisionChoice = Annotated[Precision, typer.Option(help="32, or bf16 or 16 where it is faster.")]
AlphaVideoChoice = Annotated[
    AlphaVideo,
    typer.Option(help="Of a clip's mattes: ffv1 (.mkv, lossless) or h264 (.mp4, plays anywhere)."),
]
CutoutVideoChoice = Annotated[
    CutoutVideo,
    typer.Option(
        help="Of a clip's cut-outs: prores (4444, .mov, for editors), vp9 (.webm, for browsers), "
        "or png (a folder of frames)."
    ),
]
Smooth = Annotated[
    bool,
    typer.Option("--smooth", help="Of a clip: average mattes along the motion; less flicker."),
]
Trust = Annotated[
    list[str] | None,
    typer.Option(help="A package of your own whose classes the checkpoint names; may be repeated."),
]


def predict(
    inputs: Inputs,
    checkpoint: CheckpointPath,
    out: Out,
    output: Outputs = "alpha,cutout",
    background: BackgroundChoice = None,
    bits: Bits = 8,
    overwrite: Overwrite = False,
    inference: Inference = None,
    branch: Branch = None,
    max_size: MaxSize = 1080,
    foreground: ForegroundChoice = Foreground.blur,
    device: Device = None,
    precision: PrecisionChoice = Precision.single,
    alpha_video: AlphaVideoChoice = AlphaVideo.ffv1,
    cutout_video: CutoutVideoChoice = CutoutVideo.prores,
    smooth: Smooth = False,
    trust: Trust = None,
) -> None:
    """Matte photos and clips: alpha, cut-outs with the foreground's own colours, composites.

    Results have the photos' size and names; those of clips their frame rate and sound as well. What
    is there is not made again, so that a stopped command goes on. Exit status 1 if a file failed;
    the others are made.
    """
    from gfm.launch.entry import faults

    with faults(go_on="the same command"):
        # Here, since torch takes seconds, which --help should not.
        from gfm.inference.files import predict_files, unmade
        from gfm.inference.inputs import find_sources
        from gfm.inference.results import Background, Results, parse_outputs
        from gfm.inference.video.formats import ClipOptions
        from gfm.system.extras import need

        outputs = parse_outputs(output, bits, background)
        clips = ClipOptions(alpha_video.value, cutout_video.value, smooth)
        behind = Background(background) if background is not None else None
        sources = find_sources(inputs, out)
        todo = sources if overwrite else unmade(sources, out, outputs, clips)
        if len(todo) < len(sources):
            typer.echo(f"{len(sources) - len(todo):,} of {len(sources):,} are there")
        if not todo:
            return
        if any(source.is_clip for source in todo):
            need("av", "video", "video")
            clips.check(bits)
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
        results = Results(predictor, outputs, bits, behind)
        predict_files(results, todo, out, outputs, clips)
