"""Serves the page of ``gfm demo``, which shows a picture's matte, cut-out and new background.

Only this machine can open the page. A Content-Security-Policy keeps the browser from contacting any
other host; fonts are the system's, and telemetry is off.
"""

import os
from typing import Any

from PIL import Image, ImageColor, ImageOps

from gfm.errors import GFMError
from gfm.inference.predictor import Predictor
from gfm.system.extras import import_optional

CONTENT_SECURITY_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'none'; form-action 'self'"
)
"""Allows only this server, and the inline code of the page."""

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
    """Update the page; a new background does not run the network again."""

    def __init__(self, predictor: Predictor, gradio: Any) -> None:
        self.predictor = predictor
        self.gradio = gradio

    def cut_out(self, image: Image.Image | None) -> tuple[Any, Any, Any]:
        """Return the matte of a picture, and its cut-out twice: to show, and to keep."""
        if image is None:
            return None, None, None
        try:
            cutout = self.predictor.cutout(image)
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
        """Return the composite, and the pair of pictures that the slider compares."""
        if image is None or cutout is None:
            return None, None
        result = compose(cutout, colour, background)
        return result, (image, result)


def make_page(predictor: Predictor, title: str) -> Any:
    """Build the page as Gradio ``Blocks``; see :func:`serve`."""
    gradio = import_gradio()
    handlers = _EventHandlers(predictor, gradio)
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
                slider, shown = _add_results(gradio)
        cutout = gradio.State()
        matted = image.change(handlers.cut_out, image, [shown["Matte"], shown["Cut-out"], cutout])
        choices, results = [image, cutout, colour, background], [shown["Result"], slider]
        matted.then(handlers.show, choices, results)
        colour.change(handlers.show, choices, results)
        background.change(handlers.show, choices, results)
    return blocks


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


def serve(
    page: Any, port: int | None = None, open_browser: bool = False, block: bool = True
) -> str:
    """Serve a page from :func:`make_page` to this machine only, and return its address.

    Args:
        page: The page.
        port: Port to listen on; by default the first free one from 7860.
        open_browser: Whether to open the page in a browser.
        block: Whether to return only when the user stops the server; otherwise it runs until
            ``page.close()``.

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
            inbrowser=open_browser,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            ssr_mode=False,
            footer_links=[],
            theme=gradio.themes.Base(**fonts),
            app_kwargs={"middleware": [middleware.Middleware(_PolicyMiddleware)]},
        )
    except OSError as error:
        raise GFMError(f"cannot listen on port {port}: choose another with --port") from error
    print(f"{address} (stop it with Control-C)" if block else address, flush=True)
    if block:
        page.block_thread()
    return str(address)


class _PolicyMiddleware:
    """ASGI middleware that adds :data:`CONTENT_SECURITY_POLICY` to every response."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                header = (b"content-security-policy", CONTENT_SECURITY_POLICY.encode())
                message = {**message, "headers": [*message["headers"], header]}
            await send(message)

        await self.app(scope, receive, send_with_policy)
