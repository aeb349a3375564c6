"""Defines the download that a campaign kills, from a slow server on this machine."""

import hashlib
import re
import threading
import time
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.reliability.commands import GFM
from tests.reliability.outcomes import of_files
from tests.reliability.task import Task

_SIZE = 8_000_000
_CHUNK = 100_000
_PAUSE = 0.02  # seconds between chunks

_DOWNLOAD = """
import requests, sys
from gfm.prepare import downloads
server, folder = sys.argv[1:]
get = requests.Session.get
requests.Session.get = lambda self, url, **options: get(self, server, **options)
downloads._check_weights = lambda path, name: None
from gfm.cli import main
sys.argv[1:] = ["download", "weights", "r34_ft", "--accept", "-o", folder]
main()
"""
"""Downloads from this server instead of Google Drive; the files are not real weights."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        data = _content()
        start = int(wanted[1]) if wanted else 0
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{_SIZE - 1}/{_SIZE}")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Disposition", 'attachment; filename="a.bin"')
        self.send_header("Content-Length", str(_SIZE - start))
        self.end_headers()
        for place in range(start, _SIZE, _CHUNK):
            self.wfile.write(data[place : place + _CHUNK])
            time.sleep(_PAUSE)

    def handle(self) -> None:
        with suppress(OSError):  # the command was killed
            super().handle()

    def log_message(self, *_: object) -> None:
        pass


@cache
def _content() -> bytes:
    """Return bytes without repetition, so that a wrong offset is detected."""
    blocks = (hashlib.sha256(b"%d" % n).digest() for n in range(_SIZE // 32))
    return b"".join(blocks)


@cache
def _address() -> str:
    """Start the server, which ends with this process, and return its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def download() -> Task:
    """Return the task of ``gfm download weights``."""

    def command(folder: Path) -> list[str]:
        return [GFM[0], "-c", _DOWNLOAD, _address(), str(folder)]

    return Task("download", command, of_files, "*")
