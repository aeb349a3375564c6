"""The order of the photos of several datasets in an epoch."""

from collections import Counter
from pathlib import Path

import pytest

from gfm.data.layout import Photo
from gfm.data.photo_order import PhotoOrder
from gfm.errors import GFMError


def photos(dataset: str, number: int) -> list[Photo]:
    names = [f"{dataset}/{i}" for i in range(number)]
    return [Photo(n, Path(n), Path(f"{n}.png"), dataset=dataset) for n in names]


def shown(order: PhotoOrder, epoch: int) -> list[str]:
    return [order.photo(epoch, index).name for index in range(len(order))]


@pytest.mark.parametrize(
    ("also_share", "counts"), [(0.5, (8, 4, 4)), (0.2, (8, 1, 1)), ([0.5, 0.25], (8, 16, 8))]
)
def test_shares(also_share, counts):
    order = PhotoOrder([*photos("", 4), *photos("a", 3), *photos("b", 50)], 2, also_share)
    expected = dict(zip(("", "a", "b"), counts, strict=True))
    assert order.counts == expected
    found = Counter(name.partition("/")[0] for name in shown(order, 0))
    assert found == expected
    assert Counter(shown(order, 0))["/0"] == 2


def test_added_photos_are_all_shown_before_one_returns():
    order = PhotoOrder([*photos("", 3), *photos("a", 7)], 1, 0.5, seed=5)
    names = [n for epoch in range(7) for n in shown(order, epoch) if n.startswith("a/")]
    for start in range(0, 21, 7):
        assert len(set(names[start : start + 7])) == 7
    assert names[:7] != names[7:14]
    again = PhotoOrder([*photos("", 3), *photos("a", 7)], 1, 0.5, seed=5)
    assert shown(again, 4) == shown(order, 4)
    assert shown(PhotoOrder([*photos("", 3), *photos("a", 7)], 1, 0.5, seed=6), 4) != shown(
        order, 4
    )


def test_without_other_datasets_the_samples_are_the_same():
    order = PhotoOrder(photos("", 3), 2)
    assert shown(order, 9) == ["/0", "/0", "/1", "/1", "/2", "/2"]


@pytest.mark.parametrize("also_share", [[0.5], [0.5, 0.5], 0.0, 1.0, [0.2, 0.2, 0.2]])
def test_wrong_shares(also_share):
    with pytest.raises(GFMError, match=r"data\.also_share=.* for 2 datasets in data\.also: set"):
        PhotoOrder([*photos("", 1), *photos("a", 1), *photos("b", 1)], 1, also_share)
