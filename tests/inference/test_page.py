"""The page of ``gfm demo``: its composites, its errors and its guard."""

import tempfile
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from gfm.cli import app
from gfm.errors import GFMError
from gfm.inference import page
from gfm.inference.page import compose, serve


def test_compose():
    cutout = Image.new("RGBA", (4, 2), (200, 100, 0, 0))
    cutout.putpixel((0, 0), (200, 100, 0, 255))
    over = compose(cutout, "rgba(10.4, 20, 30, 1)")
    assert [over.getpixel((0, 0)), over.getpixel((1, 0))] == [(200, 100, 0), (10, 20, 30)]
    picture = Image.new("L", (50, 50), 7)
    assert compose(cutout, "#000000", picture).getpixel((3, 1)) == (7, 7, 7)


@pytest.mark.parametrize(("words", "limit"), [([], 1080), (["--max-size", "0"], None)])
def test_max_size_limits_the_network(monkeypatch, words, limit):
    seen = {}

    def load_model(path, device, **options):
        seen.update(options)
        raise GFMError("no network is needed")

    monkeypatch.setattr(page, "import_gradio", lambda: None)
    monkeypatch.setattr("gfm.checkpoints.load_model", load_model)
    result = CliRunner().invoke(app, ["demo", "--checkpoint", "x.ckpt", *words])
    assert (result.exit_code, seen.get("max_size", 0)) == (1, limit), result.output


class Faulty:
    """A predictor that fails on blue pictures, and finds no foreground in green ones."""

    device = torch.device("cpu")

    def cutout(self, image):
        if image.getpixel((0, 0))[2] > 200:
            raise RuntimeError("out of memory")
        cutout = image.convert("RGBA")
        if image.getpixel((0, 0))[1] > 200:
            cutout.putalpha(0)
        return cutout


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of a page, and the folder of its uploads, which is removed at the end.

    Meanwhile, the environment names an unusable proxy.
    """
    pytest.importorskip("gradio")
    tmp_path_factory.getbasetemp()  # created now, so that it is not in the folder of the page
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "MAX_UPLOAD", 50_000)
        opened = []
        patch.setattr("webbrowser.open", opened.append)
        patch.setenv("all_proxy", "socks5://127.0.0.1:9")
        with serve(Faulty(), "gfm: a test", open_browser=True) as address:
            folder = Path(tempfile.gettempdir())
            assert opened == [address]
            patch.delenv("all_proxy")  # because the tests also send requests to the server
            yield address.rstrip("/"), folder
    assert not folder.exists()
    assert tempfile.gettempdir() != str(folder)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:{port}"}, 200),
        ({"Host": "evil.example:{port}"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "["}, 400),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_other_web_pages_are_refused(served, headers, status):
    httpx = pytest.importorskip("httpx")
    port = served[0].rpartition(":")[2]
    headers = {name: value.format(port=port) for name, value in headers.items()}
    files = {"files": ("a.txt", b"text")}
    for method, path, options in (
        ("GET", "/config", {}),
        ("POST", "/gradio_api/upload", {"files": files}),
    ):
        answer = httpx.request(method, served[0] + path, headers=headers, **options)
        assert answer.status_code == status, answer.text
        assert ("content-security-policy" in answer.headers) == (status == 200)


def test_uploads_are_limited_and_private(served):
    httpx = pytest.importorskip("httpx")
    address, folder = served

    def upload(size):
        files = {"files": ("a.png", bytes(size))}
        return httpx.post(f"{address}/gradio_api/upload", files=files).status_code

    before = set(folder.rglob("*.png"))
    assert upload(60_000) == 413
    assert upload(2_000_000) == 413
    unknown_size = httpx.post(f"{address}/gradio_api/upload", content=iter([b"1", b"2"]))
    assert unknown_size.status_code == 411
    assert set(folder.rglob("*.png")) == before
    assert upload(40_000) == 200
    assert len(set(folder.rglob("*.png")) - before) == 1
    assert folder.stat().st_mode & 0o777 == 0o700


def test_errors_are_shown_by_name(served, tmp_path):
    gradio_client = pytest.importorskip("gradio_client")
    (tmp_path / "broken.jpg").write_text("no picture")
    Image.new("RGB", (8, 8), (0, 0, 255)).save(tmp_path / "blue.png")
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "red.png")
    client = gradio_client.Client(served[0], verbose=False)

    def cut_out(name):
        picture = gradio_client.handle_file(tmp_path / name)
        return client.predict(picture, api_name="/cut_out")

    for name, message in (
        ("broken.jpg", r"^cannot read broken\.jpg: "),
        ("blue.png", "^cpu has too little free memory for 8×8 pixels: lower --max-size"),
    ):
        with pytest.raises(gradio_client.exceptions.AppError, match=message):
            cut_out(name)
    assert len(cut_out("red.png")) == 2
    result, _ = client.predict("#000000", api_name="/show")
    assert Image.open(result["path"] if isinstance(result, dict) else result).size == (8, 8)


def test_a_background_outlives_its_file(served, tmp_path):
    gradio_client = pytest.importorskip("gradio_client")
    for name, colour in (("green.png", (0, 255, 0)), ("grey.png", (90, 90, 90))):
        Image.new("RGB", (8, 8), colour).save(tmp_path / name)
    client = gradio_client.Client(served[0], verbose=False)
    client.predict(gradio_client.handle_file(tmp_path / "green.png"), api_name="/cut_out")
    client.predict(gradio_client.handle_file(tmp_path / "grey.png"), api_name="/keep_background")
    for upload in served[1].rglob("*.png"):
        upload.unlink()
    result, _ = client.predict("#000000", api_name="/show")
    shown = Image.open(result["path"] if isinstance(result, dict) else result)
    assert shown.getpixel((0, 0)) == (90, 90, 90)


def test_pages_used_long_ago_lose_their_picture(served, tmp_path):
    gradio_client = pytest.importorskip("gradio_client")
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "red.png")
    client = gradio_client.Client(served[0], verbose=False)
    first = client.session_hash
    for _ in range(1 + page.MAX_PAGES):
        client.predict(gradio_client.handle_file(tmp_path / "red.png"), api_name="/cut_out")
        last = client.session_hash
        client.reset_session()
    for session, has_picture in ((last, True), (first, False)):
        client.session_hash = session
        result, _ = client.predict("#000000", api_name="/show")
        assert (result is not None) == has_picture


def test_only_uploaded_files_are_read(served, tmp_path):
    httpx = pytest.importorskip("httpx")
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "red.png")
    file = {"path": str(tmp_path / "red.png"), "meta": {"_type": "gradio.FileData"}}
    call = f"{served[0]}/gradio_api/call/cut_out"
    event = httpx.post(call, json={"data": [file]}).json()["event_id"]
    answer = httpx.get(f"{call}/{event}").text
    assert "event: error" in answer
    assert "null" not in answer


def test_a_port_in_use(served):
    port = int(served[0].rpartition(":")[2])
    with pytest.raises(GFMError, match="choose another with --port"), serve(Faulty(), "", port):
        pass
