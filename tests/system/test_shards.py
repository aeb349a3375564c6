"""Shards divide a list into parts."""

import pytest

from gfm.errors import GFMError
from gfm.system.shards import Shard


@pytest.mark.parametrize("count", [1, 3, 8, 11])
def test_shards_partition_a_list(count):
    items = list(range(10))
    parts = [Shard.parse(f"{index}/{count}").of(items) for index in range(1, count + 1)]
    assert sorted(item for part in parts for item in part) == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_wrong_shard(text):
    with pytest.raises(GFMError, match="--shard"):
        Shard.parse(text)
