"""Procedurally drawn substitutes for AM-2k, BG-20k and COCO, to try everything without downloads.

The photos show furry animals with exact alpha, foreground and background, in the folder layout of
the real datasets.
"""

from gfm.animals.source import DrawnAnimals

__all__ = ["DrawnAnimals"]
