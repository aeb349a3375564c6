"""Defines ``gfm demo``."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    checkpoint: Annotated[
        str,
        typer.Option(
            help="The .ckpt of a run, a released .pth, a .safetensors, a folder for the Hub, "
            "hf://user/name or released:r34_2b_tt."
        ),
    ],
    device: Annotated[
        str | None,
        typer.Option(help="Device such as cpu or cuda:1.", show_default="a GPU if there is one"),
    ] = None,
    inference: Annotated[
        str | None,
        typer.Option(
            help="How photos are matted: hybrid, resize, rim or native.",
            show_default="as in the run of the checkpoint",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port of this machine.", show_default="a free one from 7860"
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser", help="Show the page in a browser.")] = False,
    trust: Annotated[
        list[str] | None,
        typer.Option(help="Package whose classes the checkpoint may name, too; may be repeated."),
    ] = None,
) -> None:
    """Serve a page on this machine that mattes pictures and gives them other backgrounds."""
    from gfm.launch.entry import faults

    with faults():
        from gfm.launch.page import import_gradio, make_page, serve

        import_gradio()  # before a large file is read
        from gfm.checkpoints import load_model

        matte = load_model(checkpoint, device, inference=inference, trust=trust or [])
        serve(make_page(matte, f"gfm: {Path(checkpoint).name}"), port, browser)
