"""Photos and weights of a user, for the tests of fine-tuning."""

import pytest

from tests.run.test_finetune import make_photos, write_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "small.ckpt")


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("mine"), 5)
