"""Clips, decoded, matted and encoded frame by frame; PyAV (extra ``video``) decodes and encodes.

PyAV is imported where a clip is opened, so that all else works without it.
"""
