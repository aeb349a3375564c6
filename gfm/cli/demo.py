"""Defines ``gfm demo``."""

from pathlib import Path
from typing import Annotated

import typer

from gfm.cli.options import CheckpointOption, DeviceOption, InferenceOption, TrustOption


def demo(
    checkpoint: CheckpointOption,
    device: DeviceOption = None,
    inference: InferenceOption = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port of this machine.", show_default="a free one from 7860"
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser", help="Show the page in a browser.")] = False,
    trust: TrustOption = None,
) -> None:
    """Serve a page on this machine that mattes pictures and gives them other backgrounds."""
    from gfm.run.exit import report_errors

    with report_errors():
        from gfm.inference.page import import_gradio, make_page, serve

        import_gradio()  # before a large file is read
        from gfm.checkpoints import load_model

        matte = load_model(checkpoint, device, inference=inference, trust=trust or [])
        serve(make_page(matte, f"gfm: {Path(checkpoint).name}"), port, browser)
