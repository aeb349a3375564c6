"""``gfm download`` from a local server that responds like Google Drive."""

import io
import re
import socket
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from typer.testing import CliRunner

from gfm.checkpoints import load_network
from gfm.checkpoints.links import links, released_file
from gfm.cli import app
from gfm.errors import GFMError
from tests.golden.formula import official_keys

requests = pytest.importorskip("requests")
pytest.importorskip("gdown")

WEIGHTS = links()["weights"]


def first_byte(wanted: str) -> int:
    return int(re.match(r"bytes=(\d+)-", wanted)[1])


class Drive:
    """Files by their ids; ``cuts`` is the number of bytes after which connections break.

    A file that is a string is an address to which the server redirects.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes | str] = {}
        self.has_length = self.has_type = True
        self.cuts: list[int] = []
        self.ranges: list[str | None] = []


@pytest.fixture
def drive(monkeypatch, tmp_path):
    content = Drive()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.rpartition("=")[2]
            if name not in content.files:
                self.send_error(404)
                return
            data = content.files[name]
            if isinstance(data, str):
                self.send_response(302)
                self.send_header("Location", data)
                self.end_headers()
                return
            wanted = self.headers.get("Range")
            content.ranges.append(wanted)
            start = first_byte(wanted) if wanted else 0
            self.send_response(206 if wanted else 200)
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            if content.has_type:
                self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Disposition", 'attachment; filename="../../a.bin"')
            if content.has_length:
                self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            cut = content.cuts.pop(0) if content.cuts else None
            self.wfile.write(data[start : start + cut if cut else None])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # a client that hangs up
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    get = requests.Session.get

    def local(self, url, **options):
        url = url.replace("https://drive.google.com", f"http://127.0.0.1:{server.server_port}")
        return get(self, url, **options)

    monkeypatch.setattr(requests.Session, "get", local)
    monkeypatch.setenv("GFM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    yield content
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def r34_ft() -> bytes:
    """A released file in which all tensors but one have a single repeated value: 9 MB."""
    one = torch.zeros(())
    state = {key: one.expand(shape) for key, shape, _ in official_keys()["r34_FT"]}
    state["bridge_block.0.weight"] = torch.zeros(state["bridge_block.0.weight"].shape)
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def _download(*words: str, answer: str = ""):
    return CliRunner().invoke(app, ["download", *words], input=answer, env={"COLUMNS": "300"})


def _error(done) -> str:
    assert done.exit_code == 1, done.output
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr.strip()


def test_weights(drive, r34_ft):
    drive.files[WEIGHTS["gfm_r34_ft"]["google_drive_id"]] = r34_ft
    with pytest.raises(GFMError, match="gfm download weights r34_ft"):
        load_network("released:r34_ft")
    done = _download("weights", "r34_ft", answer="y\n")
    assert done.exit_code == 0, done.output
    shown, asked, after = done.output.partition("Have you read")
    assert asked
    assert links()["datasets"]["AM-2k"]["agreement"] in shown
    assert "checkpoint=released:r34_ft" in after
    path = released_file("r34_ft")
    assert path.read_bytes() == r34_ft
    assert list(path.parent.iterdir()) == [path]
    _, checkpoint = load_network("released:r34_ft")
    assert checkpoint.model["rosta"] == "ft"
    drive.files.clear()
    assert _download("weights", "r34_ft", "--accept").exit_code == 0, "nothing is fetched twice"


def test_no_agreement_no_download(drive):
    done = _download("weights", "r34_tt", answer="n\n")
    assert "nothing was downloaded" in done.stderr
    assert not drive.ranges


def test_an_interrupted_download_resumes(drive, r34_ft):
    drive.files[WEIGHTS["gfm_r34_ft"]["google_drive_id"]] = r34_ft
    drive.cuts = [len(r34_ft) // 2]
    first = _download("weights", "r34_ft", "--accept")
    if first.exit_code:  # gdown gave up; the next call resumes
        assert "resume where it stopped" in _error(first)
        assert _download("weights", "r34_ft", "--accept").exit_code == 0
    assert released_file("r34_ft").read_bytes() == r34_ft
    starts = [first_byte(r) for r in drive.ranges if r]
    assert max(starts) > len(r34_ft) // 4


def test_a_download_is_verified(drive, r34_ft):
    drive.files[WEIGHTS["gfm_r34_2b_tt"]["google_drive_id"]] = r34_ft
    drive.files[WEIGHTS["gfm_d121_tt"]["google_drive_id"]] = b"<html>too many users</html>"
    assert "the downloaded file is not r34_2b_tt" in _error(
        _download("weights", "r34_2b_tt", "--accept")
    )
    assert "the downloaded file is not d121_tt" in _error(
        _download("weights", "d121_tt", "--accept")
    )
    assert not released_file("r34_2b_tt").exists()
    assert not released_file("d121_tt").exists()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("file:///etc/passwd", "No connection adapters"),
        ("https://127.0.0.1:1/r34", "no connection"),
        ("/uc?id=page", "the downloaded file is not r34_ft"),
        (f"/uc?id={WEIGHTS['gfm_r34_ft']['google_drive_id']}", "Exceeded 30 redirects"),
    ],
)
def test_redirects_end_in_one_line(drive, monkeypatch, address, reason):
    monkeypatch.setattr("gfm.prepare.downloads._PATIENCE", {"use_cookies": False, "timeout": 3})
    drive.files = {WEIGHTS["gfm_r34_ft"]["google_drive_id"]: address, "page": b"root:x:0:0"}
    assert reason in _error(_download("weights", "r34_ft", "--accept"))
    assert not released_file("r34_ft").exists()


@pytest.mark.parametrize("has_length", [True, False])
def test_a_file_that_grows_ends(drive, monkeypatch, has_length):
    drive.files[WEIGHTS["gfm_r34_ft"]["google_drive_id"]] = bytes(3_000_000)
    drive.has_length = has_length
    monkeypatch.setattr("gfm.prepare.downloads._LARGEST_WEIGHTS", 1_000_000)
    line = _error(_download("weights", "r34_ft", "--accept"))
    assert "the host sends more than 1000000 bytes" in line
    assert not [path for path in released_file("r34_ft").parent.rglob("*") if path.is_file()]


def test_an_answer_without_a_type_ends_in_one_line(drive, r34_ft):
    drive.files[WEIGHTS["gfm_r34_ft"]["google_drive_id"]] = r34_ft
    drive.has_type = False
    line = _error(_download("weights", "r34_ft", "--accept"))
    assert "the host's response cannot be read ('content-type'); get https" in line


def test_no_name_of_the_host_counts(drive, r34_ft, tmp_path):
    """The server names ``../../a.bin``."""
    drive.files[WEIGHTS["gfm_r34_ft"]["google_drive_id"]] = r34_ft
    assert _download("weights", "r34_ft", "--accept").exit_code == 0
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [released_file("r34_ft")]


def test_data(drive, tmp_path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.png", b"a picture")
    name = links()["datasets"]["am2k_fg_denoise"]["google_drive_id"]
    drive.files[name] = archive.getvalue()
    done = _download("am2k_fg_denoise", "--accept")
    assert done.exit_code == 0, done.output
    assert "AM-2k_Dataset_Release_Agreement" in done.output
    assert "data/AM-2k/train/fg_denoise" in done.output
    path = tmp_path / "data/downloads/am2k_fg_denoise.zip"
    assert path.read_bytes() == archive.getvalue()
    drive.files[name] = b"<html>"
    fresh = _error(_download("am2k_fg_denoise", "--accept", "-o", "other"))
    assert "am2k_fg_denoise.zip is not an archive; try again later" in fresh
    path.write_bytes(archive.getvalue()[:30])  # as after an interrupted download in a browser
    kept = _error(_download("am2k_fg_denoise", "--accept"))
    assert kept.endswith(f"; remove {path.relative_to(tmp_path)}, which existed before")


def test_without_network(drive, monkeypatch):
    with socket.socket() as closed:  # nothing listens there
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    get = requests.Session.get
    monkeypatch.setattr(
        requests.Session, "get", lambda self, _, **o: get(self, f"http://127.0.0.1:{port}", **o)
    )
    monkeypatch.setattr("gfm.prepare.downloads._PATIENCE", {"use_cookies": False, "timeout": 3})
    line = _error(_download("weights", "r34_tt", "--accept"))
    assert "no connection" in line
    assert f"https://drive.google.com/uc?id={WEIGHTS['gfm_r34_tt']['google_drive_id']}" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["weights", "r50_tt"], "choose one of d121_tt, r34_tt"),
        (["coco"], "https://cocodataset.org/"),
        (["imagenet"], "no dataset is published as"),
        (["am2k", "bg20k"], "gfm download lists all"),
    ],
)
def test_unknown_names(words, message):
    assert message in _error(_download(*words))


def test_the_list():
    lines = _download().output.splitlines()
    assert "gfm download weights r34_2b_tt" in lines
    assert "gfm download bg20k_denoise" in lines
