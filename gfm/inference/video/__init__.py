"""Decodes, mattes and encodes clips frame by frame, with PyAV (extra ``video``).

PyAV is imported only when a clip is opened, so that everything else works without it.
"""
