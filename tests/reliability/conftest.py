"""Provides valid input that every row of bad input may read, and none changes."""

from pathlib import Path

import pytest

from tests.reliability import sound


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    sound.everything(folder)
    return folder
