"""Which photos are validated during training: evenly spread ones, or held-out ones."""

from pathlib import Path

import numpy as np
import pytest

from gfm.data.datamodule import MattingDataModule
from gfm.data.dataset import SampleOptions
from gfm.data.even_spacing import spread_indices
from gfm.data.layout import Photo
from gfm.data.split import hold_out, write_split
from gfm.data.tracks import CompositeTrack
from gfm.errors import GFMError

SMALL = {
    "samples": SampleOptions(crop_sizes=64, input_size=32),
    "batch_size": 2,
    "num_workers": 0,
}


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


def test_photos_held_out_are_validated_and_never_trained_on(demo_roots):
    whole = datamodule(demo_roots)
    module = datamodule(demo_roots, num_holdout=2, num_validation_photos=1)
    names = {photo.name for photo in whole.training.photos}
    held_out = {photo.name for photo in module.held_out}
    assert len(held_out) == 2
    assert held_out < names
    seen = {name for batch in module.train_dataloader() for name in batch["name"]}
    assert seen == names - held_out
    assert len(module.training) == 2 * 5
    assert {batch["name"][0] for batch in module.val_dataloader()} == held_out
    batch = next(iter(module.val_dataloader()))
    assert set(batch["trimap"].unique().tolist()) == {0, 128, 255}
    tested = {batch["name"][0] for batch in module.test_dataloader()}
    assert tested == {photo.name for photo in whole.photos}


def photos(*names: str) -> list[Photo]:
    return [Photo(name, Path(f"{name}.jpg"), Path(f"{name}.png")) for name in names]


@pytest.mark.parametrize(
    ("num_photos", "num_holdout", "expected"),
    [(8, 0.2, 2), (3, 0.2, 2), (50, 0.2, 10), (51, 0.2, 11), (50, 3, 3), (1, 0.2, 1), (5, 1.0, 5)],
)
def test_numbers_and_shares(num_photos, num_holdout, expected):
    held_out, others = hold_out(photos(*map(str, range(num_photos))), num_holdout)
    assert len(held_out) == expected
    assert len(others) == num_photos - expected


def test_photos_that_are_added_leave_the_choice_as_it_is():
    names = [f"photo_{i}" for i in range(40)]
    before, _ = hold_out(photos(*names), 0.25)
    after, _ = hold_out(photos(*reversed(names), *(f"new_{i}" for i in range(4))), 0.25)
    kept = {p.name for p in before} & {p.name for p in after}
    assert len(before) == 10
    assert len(after) == 11
    assert len(kept) >= 8
    assert hold_out(photos(*names), 0.25)[0] == before


def test_an_earlier_split_is_read_again(tmp_path):
    names = ["a", "ä,b", "c", "d"]
    held_out, trained = hold_out(photos(*names), 2)
    write_split(tmp_path / "split.csv", held_out, trained)
    again, others = hold_out(photos(*names, "new"), 0.5, tmp_path / "split.csv")
    assert again == held_out
    assert {p.name for p in others} == {p.name for p in trained} | {"new"}
    text = (tmp_path / "split.csv").read_text("utf-8")
    (tmp_path / "excel.csv").write_text(text, "utf-8-sig")
    assert hold_out(photos(*names), 0.5, tmp_path / "excel.csv")[0] == held_out
    with pytest.warns(UserWarning, match=rf"hold.* not exist \(1\), such as {held_out[1].name};"):
        assert hold_out(held_out[:1] + trained, 0.5, tmp_path / "split.csv") == (
            held_out[:1],
            trained,
        )
    with pytest.raises(GFMError, match=r"split\.csv names none of the 1 photos"):
        hold_out(photos("z"), 2, tmp_path / "split.csv")
    with pytest.raises(GFMError, match=r"cannot read .*nowhere\.csv: No such file"):
        hold_out(photos("z"), 2, tmp_path / "nowhere.csv")
    (tmp_path / "other.csv").write_text("x,y\n1,2\n")
    with pytest.raises(GFMError, match=r"other\.csv is not a run's split\.csv"):
        hold_out(photos("z"), 2, tmp_path / "other.csv")


def test_nothing_is_held_out_unless_asked_for(demo_roots):
    module = datamodule(demo_roots)
    assert module.held_out == []
    assert len(module.training.photos) == 4


@pytest.mark.parametrize(
    ("num", "words"),
    [(-1, "num_holdout=-1: .* of the"), (4, "4 of"), (5, "num_holdout=5: .* of the")],
)
def test_too_many_held_out(demo_roots, num, words):
    with pytest.raises(GFMError, match=rf"{words} 4 training photos"):
        datamodule(demo_roots, num_holdout=num)


def test_zero_validation_photos_is_an_error(demo_roots):
    with pytest.raises(GFMError, match=r"num_validation_photos=0.*limit_val_batches=0"):
        datamodule(demo_roots, num_validation_photos=0)
