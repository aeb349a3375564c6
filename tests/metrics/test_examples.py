"""The examples in the docstrings of the metrics run."""

import doctest

import pytest

from gfm.metrics import functional, matting, suite


@pytest.mark.parametrize("module", [functional, matting, suite])
def test_examples(module) -> None:
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed
