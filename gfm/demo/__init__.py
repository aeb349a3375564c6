"""Procedurally drawn stand-ins for AM-2k, BG-20k and COCO, to try everything without downloads.

Furry animals with exact alpha, foreground and background, in the folders of the real data sets.
"""

from gfm.demo.cache import DemoWriteError, ensure_demo
from gfm.demo.sample import DemoSample, draw_background, draw_sample
from gfm.demo.sheet import contact_sheet
from gfm.demo.source import DemoSource
from gfm.demo.writer import DemoSize

__all__ = [
    "DemoSample",
    "DemoSize",
    "DemoSource",
    "DemoWriteError",
    "contact_sheet",
    "draw_background",
    "draw_sample",
    "ensure_demo",
]
