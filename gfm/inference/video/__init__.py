"""Decodes, mattes and encodes clips frame by frame, with PyAV (extra ``video``).

``codecs`` and ``smoothing`` work without PyAV; import the other modules only for a clip.
"""
