"""Decoding speed of formats for foregrounds and mattes: python -m tests.benchmarks formats.

Draws two animals of 1080×1620 pixels. Prints the CPU time per megapixel, the bytes per pixel, and
the mean and largest error of each format, on a scale of 0 to 255.
"""

import cv2
from rich.table import Table

from gfm.animals.sample import draw_sample
from gfm.system.console import console
from tests.benchmarks.measure import best_seconds

_LEVEL = [cv2.IMWRITE_PNG_COMPRESSION, 1]
_STRATEGY = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT]
_UP = [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
_FULL_CHROMA = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]

FORMATS: dict[str, tuple[str, list[int]]] = {
    "PNG, OpenCV's default": (".png", []),
    "PNG, filter up, level 1 (mattes)": (".png", [*_LEVEL, *_STRATEGY, *_UP]),
    "PNG, not compressed": (".png", [cv2.IMWRITE_PNG_COMPRESSION, 0]),
    "TIFF, LZW": (".tiff", [cv2.IMWRITE_TIFF_COMPRESSION, 5]),
    "WebP, lossless": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),
    "JPEG, quality 98 (foregrounds)": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 98, *_FULL_CHROMA]),
    "JPEG, quality 95": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95, *_FULL_CHROMA]),
}


def main() -> None:
    cv2.setNumThreads(0)
    samples = [draw_sample(7, number, 1080, 1620) for number in range(2)]
    table = Table(
        "picture", "format", "decode, ms/MP", "encode, ms/MP", "bytes/pixel", "error", "largest"
    )
    for name, flag in (("foreground", cv2.IMREAD_COLOR), ("alpha", cv2.IMREAD_GRAYSCALE)):
        pictures = [getattr(sample, name) for sample in samples]
        megapixels = sum(picture.shape[0] * picture.shape[1] for picture in pictures) / 1e6
        for label, (suffix, options) in FORMATS.items():

            def encode(suffix=suffix, options=options, pictures=pictures):
                return [cv2.imencode(suffix, picture, options)[1] for picture in pictures]

            files = encode()

            def decode(files=files, flag=flag):
                return [cv2.imdecode(file, flag) for file in files]

            errors = list(map(cv2.absdiff, pictures, decode()))
            error = sum(float(gap.mean()) for gap in errors) / len(errors)
            largest = max(int(gap.max()) for gap in errors)
            times = best_seconds({"decode": decode, "encode": encode}, rounds=3)
            cells = [1000 * times[key] / megapixels for key in ("decode", "encode")]
            cells += [sum(map(len, encode())) / megapixels / 1e6, error]
            table.add_row(name, label, *(f"{cell:.2f}" for cell in cells), str(largest))
    console().print(table)


if __name__ == "__main__":
    main()
