"""The page of ``gfm demo``: its composites, and the whole page in a real browser."""

import base64
import io
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gfm.animals.sample import draw_sample
from gfm.errors import GFMError
from gfm.inference import page
from gfm.inference.page import compose, serve

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
DRIVER = shutil.which("chromedriver")


class Oracle:
    """A predictor that returns the exact cut-out of one picture."""

    def __init__(self, sample) -> None:
        self.sample = sample
        self.num_calls = 0

    def cutout(self, image):
        self.num_calls += 1
        result = Image.fromarray(self.sample.foreground)
        result.putalpha(Image.fromarray(self.sample.alpha))
        assert result.size == image.size
        return result


def test_compose():
    cutout = Image.new("RGBA", (4, 2), (200, 100, 0, 0))
    cutout.putpixel((0, 0), (200, 100, 0, 255))
    over = compose(cutout, "rgba(10.4, 20, 30, 1)")
    assert [over.getpixel((0, 0)), over.getpixel((1, 0))] == [(200, 100, 0), (10, 20, 30)]
    picture = Image.new("L", (50, 50), 7)
    assert compose(cutout, "#000000", picture).getpixel((3, 1)) == (7, 7, 7)


class Faulty:
    """A predictor that fails for blue pictures."""

    def cutout(self, image):
        if image.getpixel((0, 0))[2] > 200:
            raise RuntimeError("out of memory")
        return image.convert("RGBA")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of a page, and the folder of its uploads, which is removed at the end."""
    pytest.importorskip("gradio")
    tmp_path_factory.getbasetemp()  # now, not in the folder of the page
    limit, page.MAX_UPLOAD = page.MAX_UPLOAD, 50_000
    try:
        with serve(Faulty(), "gfm: a test") as address:
            folder = Path(tempfile.gettempdir())
            yield address.rstrip("/"), folder
    finally:
        page.MAX_UPLOAD = limit
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
        ("blue.png", "^RuntimeError: out of memory"),
    ):
        with pytest.raises(gradio_client.exceptions.AppError, match=message):
            cut_out(name)
    assert len(cut_out("red.png")) == 2
    result, _ = client.predict("#000000", None, api_name="/show")
    assert Image.open(result["path"] if isinstance(result, dict) else result).size == (8, 8)


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


@pytest.fixture
def browser(tmp_path):
    if not (BROWSER and DRIVER):
        pytest.skip("needs Chromium or Chrome and its chromedriver on the PATH")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    quiet = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
    quiet += " --disable-background-networking --disable-component-update --window-size=1200,900"
    for option in [*quiet.split(), f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(option)
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(tmp_path / "downloads")}
    )
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    service = webdriver.ChromeService(DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_page_load_timeout(120)
    yield driver
    driver.quit()


def _wait(find, seconds=90.0):
    """Wait until ``find`` returns something, and return it."""
    from selenium.common.exceptions import WebDriverException

    end = time.monotonic() + seconds
    while True:
        try:
            if found := find():
                return found
        except WebDriverException:  # not there yet
            pass
        assert time.monotonic() < end, "the page does not show the result"
        time.sleep(0.2)


def _hosts(driver) -> set[str]:
    """Return the hosts to which the browser sent requests."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    addresses = [
        m["params"]["request"]["url"]
        for m in messages
        if m["method"] == "Network.requestWillBeSent"
    ]
    return {a.split("/")[2] for a in addresses if a.startswith(("http", "ws"))}


def _picture(driver, css: str, size: tuple[int, int]) -> Image.Image | None:
    """Return the picture that an element shows, or None until it has the given size."""
    source = driver.execute_async_script(
        """const [css, done] = arguments;
        const image = document.querySelector(css);
        if (!image || !image.src) { done(null); return; }
        fetch(image.src).then((r) => r.blob()).then((blob) => {
          const reader = new FileReader();
          reader.onload = () => done(reader.result);
          reader.readAsDataURL(blob);
        });""",
        css,
    )
    if not source:
        return None
    image = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
    return image if image.size == size else None


def test_in_a_browser(browser, tmp_path):
    pytest.importorskip("gradio")
    from selenium.webdriver.common.by import By

    sample = draw_sample(0, 3, 240, 360)
    Image.fromarray(sample.image).save(tmp_path / "animal.png")
    Image.new("RGB", (90, 200), (10, 20, 200)).save(tmp_path / "blue.png")
    oracle = Oracle(sample)
    with serve(oracle, "gfm: a test") as address:
        browser.get(address)
        inputs = _wait(lambda: browser.find_elements(By.CSS_SELECTOR, "input[type=file]"))
        inputs[0].send_keys(str(tmp_path / "animal.png"))
        pairs = _wait(lambda: browser.find_elements(By.CSS_SELECTOR, "#wipe img"))
        assert len(pairs) == 2

        def shown(tab: str) -> Image.Image:
            for button in browser.find_elements(By.CSS_SELECTOR, "button[role=tab]"):
                if button.text == tab:
                    button.click()
            return _wait(lambda: _picture(browser, f"#{tab.lower()} img", (360, 240)))

        np.testing.assert_array_equal(np.asarray(shown("Matte").convert("L")), sample.alpha)
        cutout = shown("Cut-out")
        np.testing.assert_array_equal(np.asarray(cutout), np.asarray(oracle.cutout(cutout)))
        result = np.asarray(shown("Result").convert("RGB")).astype(int)
        outside = sample.alpha == 0
        assert np.abs(result[outside] - (0x3F, 0x8F, 0x5F)).max() <= 1

        calls = oracle.num_calls
        inputs = browser.find_elements(By.CSS_SELECTOR, "input[type=file]")
        inputs[-1].send_keys(str(tmp_path / "blue.png"))

        def blue() -> bool:
            image = _picture(browser, "#result img", (360, 240))
            pixels = np.asarray(image.convert("RGB")).astype(int)
            return bool(np.abs(pixels[outside] - (10, 20, 200)).max() <= 1)

        _wait(blue)
        assert oracle.num_calls == calls, "a new background ran the network again"
        browser.find_element(By.CSS_SELECTOR, "#result button[aria-label*=ownload]").click()
        saved = _wait(lambda: list((tmp_path / "downloads").glob("*.png")))
        assert Image.open(saved[0]).size == (360, 240)
        assert _hosts(browser) == {address.split("/")[2]}, "the browser contacted other hosts"
        blocked = browser.execute_async_script(
            """const done = arguments[0];
            document.addEventListener("securitypolicyviolation", (e) => done(e.blockedURI));
            const image = new Image();
            image.onload = image.onerror = () => setTimeout(() => done("nothing"), 1000);
            image.src = "http://127.0.0.1:9/a.png";"""
        )
        assert blocked == "http://127.0.0.1:9/a.png", "the policy allows other hosts"

        (tmp_path / "broken.png").write_text("no picture")
        inputs = browser.find_elements(By.CSS_SELECTOR, "input[type=file]")
        inputs[0].send_keys(str(tmp_path / "broken.png"))
        _wait(lambda: "cannot read broken.png" in browser.find_element(By.TAG_NAME, "body").text)
