"""Procedurally drawn stand-ins for AM-2k, BG-20k and COCO, to try everything without downloads.

The photos show furry animals whose alpha, foreground and background are known exactly. They lie in
the folders of the real datasets.
"""

from gfm.animals.source import DrawnAnimals

__all__ = ["DrawnAnimals"]
