"""Arguments and options shared by several commands."""

from typing import Annotated

import typer

CHECKPOINT_HELP = (
    "The .ckpt of a run, a released .pth, a .safetensors, a folder for the Hub, hf://user/name or "
    "released:r34_2b_tt."
)

CheckpointArgument = Annotated[str, typer.Argument(metavar="CHECKPOINT", help=CHECKPOINT_HELP)]
CheckpointOption = Annotated[str, typer.Option(metavar="CHECKPOINT", help=CHECKPOINT_HELP)]
TrustOption = Annotated[
    list[str] | None,
    typer.Option(help="Additional package whose classes a checkpoint may use; may be repeated."),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(help="Device such as cpu or cuda:1.", show_default="a GPU if there is one"),
]
InferenceOption = Annotated[
    str | None,
    typer.Option(
        help="How photos are matted: hybrid, resize, rim or native.",
        show_default="as in the checkpoint's run, else as in the official code",
    ),
]
MaxSizeOption = Annotated[
    int,
    typer.Option(
        min=0,
        help="Largest shorter side in pixels at which photos are matted; mattes of larger photos "
        "are enlarged along edges. 0 sets no limit.",
    ),
]
ShardOption = Annotated[
    str, typer.Option(help="Process only part i of n (i/n), to divide the work among machines.")
]
OverwriteForeignOption = Annotated[
    bool, typer.Option("--overwrite", help="Also replace files that gfm did not write.")
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace existing results instead of skipping them.")
]
