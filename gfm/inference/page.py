"""Serves the page of ``gfm demo``, which shows the matte, cut-out and new background of a picture.

The page is served to this machine only. A Content-Security-Policy in each answer keeps the browser
from contacting any other host: fonts are the system's, and telemetry is off.
"""

import os
from typing import Any

from PIL import Image, ImageColor, ImageOps

from gfm.errors import GFMError
from gfm.inference import Predictor
from gfm.system.extras import import_optional

RULE = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'none'; form-action 'self'"
)
"""Content-Security-Policy that allows only this server, and the inline code of the page."""

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
    """Put a cut-out on a colour, or on a picture that is resized and cropped to its size.

    Args:
        cutout: RGBA with the colours of the foreground alone.
        colour: Colour as in CSS.
        background: Picture of any size, used instead of the colour.
    """
    if background is None:
        canvas = Image.new("RGB", cutout.size, _rgb(colour))
    else:
        canvas = ImageOps.fit(background.convert("RGB"), cutout.size)
    canvas.paste(cutout, mask=cutout.getchannel("A"))
    return canvas


def _rgb(colour: str) -> tuple[int, int, int]:
    """Parse ``#3f8f5f``, or ``rgba(63.2, 143, 95, 1)`` as colour pickers write it."""
    if colour.startswith("rgb"):
        numbers = [float(n) for n in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        red, green, blue = (round(n) for n in numbers)
        return red, green, blue
    return ImageColor.getrgb(colour)[:3]


class Page:
    """Reacts to the user; another background does not run the network again.

    Args:
        matte: Network that mattes the pictures.
        gradio: The imported package.
    """

    def __init__(self, matte: Predictor, gradio: Any) -> None:
        self.matte = matte
        self.gradio = gradio

    def cut_out(self, image: Image.Image | None) -> tuple[Any, Any, Any]:
        """Return the matte of a picture, and its cut-out twice: to show, and to keep."""
        if image is None:
            return None, None, None
        try:
            cutout = self.matte.cutout(image)
        except GFMError as error:
            raise self.gradio.Error(str(error)) from error
        return cutout.getchannel("A"), cutout, cutout

    def show(
        self,
        image: Image.Image | None,
        cutout: Image.Image | None,
        colour: str,
        background: Image.Image | None,
    ) -> tuple[Any, Any]:
        """Return the new picture, and the pair that the slider compares."""
        if image is None or cutout is None:
            return None, None
        result = compose(cutout, colour, background)
        return result, (image, result)


def make_page(matte: Predictor, title: str) -> Any:
    """Build the page as Gradio's ``Blocks``; see :func:`serve`.

    Args:
        matte: Network that mattes the pictures.
        title: Title that names the network.
    """
    gradio = import_gradio()
    page = Page(matte, gradio)
    # Uploaded files are deleted after an hour.
    with gradio.Blocks(title=title, analytics_enabled=False, delete_cache=(600, 3600)) as blocks:
        gradio.Markdown(f"### {title}")
        with gradio.Row():
            with gradio.Column(scale=2):
                image = gradio.Image(
                    type="pil", image_mode="RGB", label="Picture", sources=["upload", "clipboard"]
                )
                colour = gradio.ColorPicker(BACKGROUND, label="Background: a colour …")
                background = gradio.Image(
                    type="pil", label="… or a picture", sources=["upload"], height=160
                )
            with gradio.Column(scale=3):
                with gradio.Tab("Wipe"):
                    slider = gradio.ImageSlider(
                        type="pil",
                        label="Picture | result",
                        elem_id="wipe",
                        interactive=False,
                        format="png",
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
        cutout = gradio.State()
        matted = image.change(page.cut_out, image, [shown["Matte"], shown["Cut-out"], cutout])
        choices, results = [image, cutout, colour, background], [shown["Result"], slider]
        matted.then(page.show, choices, results)
        colour.change(page.show, choices, results)
        background.change(page.show, choices, results)
    return blocks


def serve(page: Any, port: int | None = None, opens: bool = False, waits: bool = True) -> str:
    """Serve a page to this machine only.

    Args:
        page: Page from :func:`make_page`.
        port: Port to listen on; by default the first free one from 7860.
        opens: Whether to open the page in a browser.
        waits: Whether to return only when the user stops the page; otherwise it is served until
            ``page.close()``.

    Returns:
        The address of the page.

    Raises:
        GFMError: The port is in use.
    """
    gradio = import_gradio()
    middleware = import_optional("starlette.middleware", "demo", "gfm demo")
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    try:
        _, address, _ = page.launch(
            server_name="127.0.0.1",
            server_port=port,
            inbrowser=opens,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            ssr_mode=False,
            footer_links=[],
            theme=gradio.themes.Base(**fonts),
            app_kwargs={"middleware": [middleware.Middleware(_Ruled)]},
        )
    except OSError as error:
        raise GFMError(f"cannot listen on port {port}: choose another with --port") from error
    print(f"{address} (stop it with Control-C)" if waits else address, flush=True)
    if waits:
        page.block_thread()
    return str(address)


class _Ruled:
    """ASGI middleware that adds :data:`RULE` to every answer."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def ruled(message: Any) -> None:
            if message["type"] == "http.response.start":
                header = (b"content-security-policy", RULE.encode())
                message = {**message, "headers": [*message["headers"], header]}
            await send(message)

        await self.app(scope, receive, ruled)
