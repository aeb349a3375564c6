"""The content of the evaluation report, and the inputs that it rejects."""

import base64
import math
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gfm.data.images import write_array
from gfm.errors import GFMError
from gfm.evaluation.report import ReportImage, write_report

HOSTILE = "\"><script>window.hacked=1</script><img src=x onerror=window.hacked=1>'&lt;${1}"
DASH = "\N{EN DASH}"


class Page(HTMLParser):
    """All start tags in order, and the text that follows each until the next tag."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        """Remember a tag."""
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        self.texts.append("")

    def handle_data(self, data):
        """Add text to the last tag."""
        if self.texts:
            self.texts[-1] += data.strip()

    def having(self, key: str) -> list[dict[str, str]]:
        """Attributes of the elements that have attribute ``key``, with their text as "text"."""
        found = zip(self.tags, self.texts, strict=True)
        return [{**attrs, "text": text} for (_, attrs), text in found if key in attrs]

    def cells(self, metric: str) -> list[dict[str, str]]:
        """The table cells of one metric, in the order of the rows."""
        return [cell for cell in self.having("data-metric") if cell["data-metric"] == metric]

    def pictures(self) -> list[np.ndarray]:
        """The embedded pictures, as decoded by OpenCV."""
        sources = [attrs["src"] for tag, attrs in self.tags if tag == "img" and "src" in attrs]
        assert all(source.startswith("data:image/webp;base64,") for source in sources)
        data = [base64.b64decode(source.partition(",")[2]) for source in sources]
        return [cv2.imdecode(np.frombuffer(d, np.uint8), cv2.IMREAD_UNCHANGED) for d in data]


def make_image(folder: Path, name: str, size=(48, 32), index=0, **metrics: float) -> ReportImage:
    """Write a photo, a soft disc as truth, and a prediction, 16-bit if ``index`` is odd."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    truth = np.clip(height / 3 - np.hypot(x - width / 2, y - height / 2), 0, 1)
    prediction = truth.copy()
    prediction[:4] += 0.6  # too opaque
    prediction[height // 2 - 3 : height // 2 + 3, width // 2 - 3 : width // 2 + 3] -= 0.5
    top = 65535 if index % 2 else 255
    pixels = np.round(prediction * top).astype(np.uint16 if index % 2 else np.uint8)
    photo = np.stack([x * 255 / width, y * 255 / height, x * 0 + 90], axis=-1)
    paths = [folder / f"{index}-{kind}.png" for kind in ("image", "prediction", "truth")]
    pictures = (photo.astype(np.uint8), pixels, np.round(truth * 255).astype(np.uint8))
    for path, picture in zip(paths, pictures, strict=True):
        assert cv2.imwrite(str(path), picture)
    return ReportImage(name, *paths, metrics)


def write(folder: Path, images=(), means=None, facts=None, title="Report", **options) -> str:
    path = folder / "r.html"
    write_report(path, title, facts or {}, means or {}, images, **options)
    return path.read_text(encoding="utf-8")


def test_pictures_are_embedded_exactly_and_errors_have_their_colour(tmp_path):
    images = [make_image(tmp_path, f"i{n}", index=n, sad=1.0 + n) for n in range(2)]
    pictures = Page(write(tmp_path, images)).pictures()
    assert len(pictures) == 8
    for n, image in enumerate(images):
        photo, prediction, truth, error = pictures[4 * n : 4 * n + 4]
        assert photo.shape == (32, 48, 3)
        assert np.array_equal(truth[..., 0], cv2.imread(str(image.truth), 0))
        assert np.allclose(prediction[:4, :, 0], 0.6 * 255, atol=2)
        blue, _, red, opacity = np.moveaxis(error.astype(int), -1, 0)
        assert (red > blue)[:4].all()
        assert (blue > red)[13:19, 21:27].all()
        assert (opacity[:4] > opacity[13:19, 21:27].max()).all()
        assert not opacity[5:12].any()


def test_packed_photos_and_truths_are_read(tmp_path):
    image = make_image(tmp_path, "i", sad=1.0)
    expected = write(tmp_path, [image])
    for name, mode in (("image", "RGB"), ("truth", "L")):
        path = getattr(image, name).with_suffix(".npy")
        write_array(path, np.asarray(Image.open(getattr(image, name)).convert(mode)))
        image = replace(image, **{name: path})
    assert write(tmp_path, [image]) == expected


def test_large_pictures_are_reduced_and_small_ones_kept(tmp_path):
    for size, expected in (((960, 640), (427, 640)), ((300, 200), (200, 300))):
        image = make_image(tmp_path, "large", size=size, sad=1.0)
        pictures = Page(write(tmp_path, [image])).pictures()
        assert {picture.shape[:2] for picture in pictures} == {expected}


def test_noisy_row_stays_within_its_budget(tmp_path):
    image = make_image(tmp_path, "noisy", size=(960, 720), sad=1.0)
    rng = np.random.default_rng(0)
    for path, deviation in ((image.image, 12), (image.prediction, 6), (image.truth, 6)):
        clean = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        noisy = np.clip(clean + rng.normal(0, deviation, clean.shape), 0, 255)
        cv2.imwrite(str(path), noisy.astype(np.uint8))
    encoded = re.findall(r"base64,[^\"]+", write(tmp_path, [image]))
    assert sum(map(len, encoded)) < 124_000


def test_page_is_self_contained(tmp_path):
    source = write(tmp_path, [make_image(tmp_path, "i", sad=1.0)])
    page = Page(source)
    assert not {"link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert all("src" not in attrs for tag, attrs in page.tags if tag == "script")
    without_pictures = re.sub(r"base64,[^\"]+", "", source)
    assert not re.search(r"https?:|@import|//\w+\.", without_pictures)
    assert "default-src 'none'; img-src data:" in source


def test_names_cannot_become_markup(tmp_path):
    image = make_image(tmp_path, HOSTILE, **{HOSTILE: 2.0})
    page = Page(write(tmp_path, [image], {HOSTILE: 1.0}, {HOSTILE: HOSTILE}, HOSTILE))
    assert [attrs["data-name"] for attrs in page.having("data-name")] == [HOSTILE]
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert sum(tag == "img" for tag, _ in page.tags) == 10  # five in the row, five in the lightbox
    assert not [key for _, attrs in page.tags for key in attrs if key.startswith("on")]


def test_means_have_units_and_names(tmp_path):
    means = {"sad": 10.886, "mse": 0.00291, "SAD_transition": math.nan, "iou": 0.93}
    units = {"sad": "thousands", "mse": "per pixel", "SAD_transition": "thousands"}
    page = Page(write(tmp_path, means=means, facts={"Backbone": "ResNet-34"}, units=units))
    shown = [text for text in page.texts if text]
    start = shown.index("Whole image")
    expected = ["Whole image", "SAD", "10.89", "thousands", "MSE", "0.00291", "per pixel"]
    assert shown[start : start + 7] == expected
    start = shown.index("Transition region")
    assert shown[start + 1 : start + 4] == ["SAD", DASH, "thousands"]
    assert shown[shown.index("Iou") + 1] == "0.9300"
    assert shown.count("thousands") == 2
    assert "ResNet-34" in shown


def test_missing_values_are_dashes_without_number_or_bin(tmp_path):
    values = [3.0, math.nan, math.inf, 5.0]
    images = [make_image(tmp_path, f"i{n}", index=n, sad=v) for n, v in enumerate(values)]
    images.append(make_image(tmp_path, "without", index=4))
    cells = Page(write(tmp_path, images)).cells("sad")
    assert [cell["text"] for cell in cells] == ["3.000", DASH, DASH, "5.000", DASH]
    assert [cell["data-number"] for cell in cells] == ["3.0", "", "", "5.0", ""]
    assert [cell["data-bin"] != "" for cell in cells] == [True, False, False, True, False]


def test_histogram_counts_every_image_and_sets_outliers_apart(tmp_path):
    values = [*np.linspace(1, 9, 17), 400.0]
    images = [make_image(tmp_path, f"i{n}", (8, 8), n, sad=float(v)) for n, v in enumerate(values)]
    page = Page(write(tmp_path, images))
    bars = page.having("data-bar")
    counts = [int(bar["data-text"].split()[0]) for bar in bars]
    bins = [int(cell["data-bin"]) for cell in page.cells("sad")]
    assert sum(counts) == len(values)
    assert counts == [bins.count(index) for index in range(len(bars))]
    assert (bins[-1], counts[-1], bars[-1].get("class")) == (len(bars) - 1, 1, "far")
    assert len(set(bins)) > 3, "one outlier must not press all others into one bar"
    for value, index in zip(values, bins, strict=True):
        low, high = map(float, bars[index]["data-text"].partition(" ")[2][2:].split(f" {DASH} "))
        assert low - 0.01 <= value <= high + 0.01


@pytest.mark.parametrize("count", [0, 1, 21])
def test_any_number_of_images(tmp_path, count):
    images = [make_image(tmp_path, f"i{n}", (8, 8), n, sad=2.0) for n in range(count)]
    source = write(tmp_path, images, {"sad": 2.0})
    assert len(Page(source).having("data-name")) == count
    assert ("No images" in source) == (count == 0)


def test_unfinished_report_never_replaces_a_finished_one(tmp_path, monkeypatch):
    write(tmp_path, title="old title")
    image = make_image(tmp_path, "i", sad=1.0)
    image.truth.unlink()
    with pytest.raises(GFMError, match=r"cannot read .*truth\.png"):
        write(tmp_path, [image], title="broken title")
    assert "old title" in (tmp_path / "r.html").read_text()
    assert not (tmp_path / "r.tmp").exists()

    def replace(source, target):
        assert "old title" in target.read_text()
        assert source.read_text().rstrip().endswith("</html>")
        source.rename(target)

    monkeypatch.setattr(os, "replace", replace)
    assert "new title" in write(tmp_path, title="new title")


def test_unusable_images_are_refused_by_name(tmp_path):
    image = make_image(tmp_path, "odd one", sad=1.0)
    with pytest.raises(ValueError, match="same name"):
        write(tmp_path, [image, image])
    cv2.imwrite(str(image.truth), np.zeros((5, 5), np.uint8))
    with pytest.raises(ValueError, match=r"odd one.*size"):
        write(tmp_path, [image])
    for content in (b"", b"no picture"):
        image.truth.write_bytes(content)
        with pytest.raises(GFMError, match=r"cannot read .*truth\.png"):
            write(tmp_path, [image])
