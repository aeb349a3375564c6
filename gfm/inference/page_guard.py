"""Protects the page of ``gfm demo`` from other web pages in the same browser.

Another page could send requests to this machine with a foreign ``Origin``, or with a foreign
``Host`` that resolves to this machine (DNS rebinding). Such requests are refused, and the size of
requests is limited. A Content-Security-Policy keeps the browser from contacting any other host.
"""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

CONTENT_SECURITY_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'none'; form-action 'self'"
)
"""Policy that allows only this server, and the inline code of the page."""

_HOSTS = ("127.0.0.1", "localhost")
_FORM_BYTES = 1_000_000  # limit of an upload request, excluding the file


class Guard:
    """ASGI middleware.

    Args:
        app: Application to protect.
        max_upload: Size in bytes of the largest file that can be uploaded.
    """

    def __init__(self, app: Any, max_upload: int) -> None:
        self.app = app
        self.max_bytes = max_upload + _FORM_BYTES

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        status = self._refuse({name: value.decode("latin-1") for name, value in scope["headers"]})
        if status is None:
            await self.app(scope, receive, _with_policy(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # policy violation
        else:
            headers = [(b"content-type", b"text/plain")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": status.phrase.encode()})

    def _refuse(self, headers: dict[bytes, str]) -> HTTPStatus | None:
        """Return why a request is refused; ``None`` if it is accepted."""
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        try:
            if urlsplit(f"//{host}").hostname not in _HOSTS:
                return HTTPStatus.MISDIRECTED_REQUEST
            if origin is not None and urlsplit(origin).netloc != host:
                return HTTPStatus.FORBIDDEN
            if b"transfer-encoding" in headers:
                return HTTPStatus.LENGTH_REQUIRED
            if int(headers.get(b"content-length", 0)) > self.max_bytes:
                return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        except ValueError:
            return HTTPStatus.BAD_REQUEST
        return None


def _with_policy(send: Any) -> Any:
    """Return a ``send`` that adds :data:`CONTENT_SECURITY_POLICY` to the response."""

    async def send_with_policy(message: Any) -> None:
        if message["type"] == "http.response.start":
            header = (b"content-security-policy", CONTENT_SECURITY_POLICY.encode())
            message = {**message, "headers": [*message["headers"], header]}
        await send(message)

    return send_with_policy
