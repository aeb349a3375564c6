"""Defines ``gfm demo``; imports are lazy, to keep --help fast."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from gfm.cli.options import (
    CheckpointOption,
    DeviceOption,
    InferenceOption,
    MaxSizeOption,
    TrustOption,
)
from gfm.run.exit import report_errors
from gfm.system.console import console
from gfm.system.processes import exit_on_sigterm

Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Local port.", show_default="a free one from 7860"),
]
Browser = Annotated[bool, typer.Option("--browser", help="Open the page in a browser.")]


@report_errors()
@exit_on_sigterm()
def demo(
    checkpoint: CheckpointOption,
    device: DeviceOption = None,
    inference: InferenceOption = None,
    max_size: MaxSizeOption = 1080,
    port: Port = None,
    browser: Browser = False,
    trust: TrustOption = None,
) -> None:
    """Serve a local web page that mattes pictures and replaces their backgrounds."""
    from gfm.inference.page import import_gradio, serve

    import_gradio()  # before a large file is read
    from gfm.checkpoints import load_model

    limit = max_size or None
    matte = load_model(checkpoint, device, inference=inference, trust=trust or (), max_size=limit)
    with (
        serve(matte, f"gfm: {Path(checkpoint).name}", port, browser) as address,
        suppress(KeyboardInterrupt),
    ):
        console().print(f"{address} (stop it with Control-C)")
        threading.Event().wait()
