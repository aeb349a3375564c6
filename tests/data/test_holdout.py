"""Which photos a training validates: spread evenly, or set aside from those it trains on."""

import numpy as np
import pytest

from gfm.data.datamodule import MattingDataModule
from gfm.data.dataset import spread_indices
from gfm.data.tracks import CompositeTrack
from gfm.errors import GFMError

SMALL = {"batch_size": 2, "crop_sizes": [64], "input_size": 32, "num_workers": 0}


@pytest.mark.parametrize("num_items", [1, 5, 8, 200])
def test_photos_are_spread_evenly_whatever_their_number(num_items):
    for num_chosen in range(1, num_items + 1):
        chosen = spread_indices(num_items, num_chosen)
        assert len(chosen) == num_chosen
        gaps = np.diff([*chosen, num_items + chosen[0]])  # round the end to the first again
        assert set(gaps) <= {num_items // num_chosen, -(-num_items // num_chosen)}
    assert spread_indices(num_items, num_items + 3) == list(range(num_items))


def test_five_of_eight():
    assert spread_indices(8, 5) == [0, 1, 3, 4, 6]
    assert spread_indices(200, 50) == list(range(0, 200, 4))


def datamodule(roots, **options) -> MattingDataModule:
    module = MattingDataModule(roots, CompositeTrack(), **SMALL, **options)
    module.setup("fit")
    return module


def test_photos_set_aside_are_validated_and_never_trained_on(demo_roots):
    whole = datamodule(demo_roots)
    module = datamodule(demo_roots, num_holdout=2, num_validation_photos=1)
    names = [photo.name for photo in whole.training.photos]
    held_out = {photo.name for photo in module.held_out}
    assert held_out == {names[0], names[2]}
    seen = {name for batch in module.train_dataloader() for name in batch["name"]}
    assert seen == set(names) - held_out
    assert len(module.training) == 2 * 5
    assert {batch["name"][0] for batch in module.val_dataloader()} == held_out
    batch = next(iter(module.val_dataloader()))
    assert set(batch["trimap"].unique().tolist()) == {0, 128, 255}
    tested = {batch["name"][0] for batch in module.test_dataloader()}
    assert tested == {photo.name for photo in whole.photos}


def test_nothing_is_set_aside_unless_asked_for(demo_roots):
    module = datamodule(demo_roots)
    assert module.held_out == []
    assert len(module.training.photos) == 4


@pytest.mark.parametrize("num", [-1, 4, 5])
def test_too_many_set_aside(demo_roots, num):
    with pytest.raises(GFMError, match=rf"data.num_holdout={num} of 4 .*0 … 3"):
        datamodule(demo_roots, num_holdout=num)


def test_no_validation_photo_is_no_number_of_them(demo_roots):
    with pytest.raises(GFMError, match=r"num_validation_photos=0.*limit_val_batches=0"):
        datamodule(demo_roots, num_validation_photos=0)
