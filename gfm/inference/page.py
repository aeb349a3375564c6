"""Serves the page of ``gfm demo``, which shows a picture's matte, cut-out and new background.

Only this machine can open the page; see :mod:`gfm.inference.page_guard`. The page uses system fonts
and no telemetry.
"""

import os
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageColor, ImageOps

from gfm.data.images import read_image
from gfm.errors import GFMError, one_line
from gfm.inference.page_guard import Guard
from gfm.inference.predictor import Predictor, explain_lack_of_memory
from gfm.system.extras import import_optional

MAX_UPLOAD = 200_000_000
"""Size in bytes of the largest picture that can be uploaded."""

MAX_PAGES = 4
"""Number of open pages that keep their picture; beyond it, the least recently used lose theirs."""

_LAUNCH = {
    "server_name": "127.0.0.1",
    "share": False,
    "quiet": True,
    "prevent_thread_lock": True,
    "ssr_mode": False,
    "show_error": True,
    "footer_links": [],
    # Limited because each page keeps a picture and its cut-out, for up to an hour after closing.
    "state_session_capacity": MAX_PAGES,
}

BACKGROUND = "#3f8f5f"
"""Default colour behind the cut-out."""


def import_gradio() -> Any:
    """Import Gradio with its telemetry switched off.

    Raises:
        GFMError: Gradio is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read during the import
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    return import_optional("gradio", "demo", "gfm demo")


def compose(
    cutout: Image.Image, colour: str = BACKGROUND, background: Image.Image | None = None
) -> Image.Image:
    """Put an RGBA cut-out on a CSS colour, or on a picture that is fitted to its size."""
    if background is None:
        canvas = Image.new("RGB", cutout.size, _parse_colour(colour))
    else:
        canvas = ImageOps.fit(background.convert("RGB"), cutout.size)
    canvas.paste(cutout, mask=cutout.getchannel("A"))
    return canvas


def _parse_colour(colour: str) -> tuple[int, int, int]:
    """Parse ``#3f8f5f``, or ``rgba(63.2, 143, 95, 1)``, which Gradio writes and Pillow rejects."""
    if colour.startswith("rgb"):
        numbers = [float(n) for n in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        red, green, blue = (round(n) for n in numbers)
        return red, green, blue
    return ImageColor.getrgb(colour)[:3]


class _EventHandlers:
    """Handlers that update the page; a new background does not run the network again."""

    def __init__(self, predictor: Predictor, gradio: Any) -> None:
        self.predictor = predictor
        self.gradio = gradio

    def cut_out(self, path: str | None) -> tuple[Any, Any, Any]:
        """Return the matte of an uploaded picture, its cut-out, and both again to store."""
        if path is None:
            return None, None, None
        with self._show_errors(path):
            picture = _read(path)
            with explain_lack_of_memory(self.predictor.device, picture.height, picture.width):
                cutout = self.predictor.cutout(picture)
        return cutout.getchannel("A"), cutout, (picture, cutout)

    def keep_background(self, path: str | None) -> Image.Image | None:
        """Return an uploaded background to keep, because its file is deleted after an hour."""
        if path is None:
            return None
        with self._show_errors(path):
            return _read(path)

    def show(
        self,
        kept: tuple[Image.Image, Image.Image] | None,
        colour: str,
        background: Image.Image | None,
    ) -> tuple[Any, Any]:
        """Return the composite, and the pair of pictures that the slider compares."""
        if kept is None:
            return None, None
        picture, cutout = kept
        with self._show_errors():
            result = compose(cutout, colour, background)
        return result, (picture, result)

    @contextmanager
    def _show_errors(self, path: str = "") -> Iterator[None]:
        """Show an error on the page, with the file name instead of the temporary path."""
        try:
            yield
        except Exception as error:
            text = one_line(error).replace(path, Path(path).name) if path else one_line(error)
            is_expected = isinstance(error, GFMError)
            raise self.gradio.Error(text, print_exception=not is_expected) from error


def _read(path: str) -> Image.Image:
    return Image.fromarray(read_image(Path(path)))


def _make_page(predictor: Predictor, title: str) -> Any:
    """Build the page as Gradio ``Blocks``."""
    gradio = import_gradio()
    handlers = _EventHandlers(predictor, gradio)
    # Uploaded files are deleted after an hour.
    with gradio.Blocks(title=title, analytics_enabled=False, delete_cache=(600, 3600)) as blocks:
        gradio.Markdown(f"### {title}")
        with gradio.Row():
            with gradio.Column(scale=2):
                image, colour, background = _add_inputs(gradio)
            with gradio.Column(scale=3):
                slider, shown = _add_results(gradio)
        kept, scene = gradio.State(), gradio.State()
        mattes, results = [shown["Matte"], shown["Cut-out"], kept], [shown["Result"], slider]
        choices = [kept, colour, scene]
        cleared = image.change(lambda: [None] * 5, None, [*mattes, *results])
        matted = cleared.then(handlers.cut_out, image, mattes)
        matted.success(handlers.show, choices, results)
        chosen = background.change(handlers.keep_background, background, scene)
        for choice in (colour.change, chosen.success):
            choice(handlers.show, choices, results)
    return blocks


def _add_inputs(gradio: Any) -> tuple[Any, Any, Any]:
    """Add a picture, a colour and a background; pictures are passed on as file paths."""
    sources = ["upload", "clipboard"]
    image = gradio.Image(type="filepath", label="Picture", sources=sources)
    colour = gradio.ColorPicker(BACKGROUND, label="Background: a colour …")
    background = gradio.Image(
        type="filepath", label="… or a picture", sources=["upload"], height=160
    )
    for picture in (image, background):  # Gradio would read it without its colour profile
        picture.preprocess = lambda payload: payload and payload.path
    return image, colour, background


def _add_results(gradio: Any) -> tuple[Any, dict[str, Any]]:
    """Add a tab that compares picture and result, and one for each result."""
    with gradio.Tab("Wipe"):
        slider = gradio.ImageSlider(
            type="pil", label="Picture | result", elem_id="wipe", interactive=False, format="png"
        )
    shown = {}
    for name, mode in (("Matte", "L"), ("Cut-out", "RGBA"), ("Result", "RGB")):
        with gradio.Tab(name):
            shown[name] = gradio.Image(
                type="pil",
                label=name,
                image_mode=mode,
                format="png",
                interactive=False,
                elem_id=name.lower(),
                buttons=["download", "fullscreen"],
            )
    return slider, shown


@contextmanager
def serve(
    predictor: Predictor, title: str, port: int | None = None, open_browser: bool = False
) -> Iterator[str]:
    """Serve the page to this machine only, and provide its address.

    The default port is the first free one from 7860. Uploads and results are kept in a folder that
    only this user can read, and that is removed at the end.

    Raises:
        GFMError: The port is in use.
    """
    gradio = import_gradio()
    middleware = import_optional("starlette.middleware", "demo", "gfm demo")
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    with _private_folder():
        page = _make_page(predictor, title)
        try:
            with _set_variable("no_proxy", "*"):  # Gradio sends a request to its own server
                _, address, _ = page.launch(
                    **_LAUNCH,
                    server_port=port,
                    max_file_size=MAX_UPLOAD,
                    theme=gradio.themes.Base(**fonts),
                    app_kwargs={"middleware": [middleware.Middleware(Guard, MAX_UPLOAD)]},
                )
        except OSError as error:
            raise GFMError(f"cannot listen on port {port}: choose another with --port") from error
        try:
            if open_browser:
                webbrowser.open(address)
            yield str(address)
        finally:
            page.close(verbose=False)


@contextmanager
def _private_folder() -> Iterator[None]:
    """Make Gradio, and uploads in progress, use a folder that only this user can read."""
    before = tempfile.tempdir
    with (
        tempfile.TemporaryDirectory(prefix="gfm-demo-") as folder,
        _set_variable("GRADIO_TEMP_DIR", folder),
    ):
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before


@contextmanager
def _set_variable(name: str, value: str) -> Iterator[None]:
    """Set an environment variable within the context."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
