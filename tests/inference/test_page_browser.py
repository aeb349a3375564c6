"""The page of ``gfm demo`` in a real browser."""

import base64
import io
import json
import shutil
import time

import numpy as np
import pytest
import torch
from PIL import Image

from gfm.animals.sample import draw_sample
from gfm.inference.page import serve

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
DRIVER = shutil.which("chromedriver")


class Oracle:
    """A predictor that returns the exact cut-out of one picture."""

    device = torch.device("cpu")

    def __init__(self, sample) -> None:
        self.sample = sample
        self.num_calls = 0

    def cutout(self, image):
        self.num_calls += 1
        result = Image.fromarray(self.sample.foreground)
        result.putalpha(Image.fromarray(self.sample.alpha))
        assert result.size == image.size
        return result


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
